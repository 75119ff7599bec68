/* server/schema/keywords.h: what reads the value of each keyword (see the table in keywords.c).
 *
 * Each puts what it read into its schema; false, and an error in the diag, when it is wrong. */
#pragma once
#include "server/schema/compile.h"

typedef bool keyword_fn(const struct keyword *keyword);

keyword_fn keyword_object; /* whether it is one */

/* keywords_meta.c */
keyword_fn keyword_anchor, keyword_id, keyword_reference, keyword_definitions;
/* keywords_value.c */
keyword_fn keyword_type, keyword_const, keyword_enum, keyword_minimum, keyword_maximum,
	keyword_exclusive_minimum, keyword_exclusive_maximum, keyword_multiple_of,
	keyword_min_length, keyword_max_length, keyword_pattern, keyword_format;
/* keywords_array.c */
keyword_fn keyword_items, keyword_prefix_items, keyword_contains, keyword_min_contains,
	keyword_max_contains, keyword_min_items, keyword_max_items, keyword_unique_items,
	keyword_unevaluated_items;
/* keywords_object.c */
keyword_fn keyword_properties, keyword_pattern_properties, keyword_additional_properties,
	keyword_property_names, keyword_required, keyword_min_properties, keyword_max_properties,
	keyword_dependent_required, keyword_dependent_schemas, keyword_unevaluated_properties;
/* keywords_logic.c */
keyword_fn keyword_all_of, keyword_any_of, keyword_one_of, keyword_not, keyword_if, keyword_then,
	keyword_else;
