/* server/schema/keywords_array.c: keywords about arrays. */
#include "server/schema/keywords.h"

bool keyword_items(const struct keyword *keyword)
{
	if (keyword->value->kind == VALUE_LIST)
		return keyword_error(keyword, "a list of \"items\" is of an older draft; write "
					      "prefixItems");
	return (schema_arrays(keyword)->items = keyword_schema(keyword, keyword->value)) != NULL;
}

bool keyword_prefix_items(const struct keyword *keyword)
{
	return keyword_list(keyword, &schema_arrays(keyword)->prefix);
}

bool keyword_contains(const struct keyword *keyword)
{
	return (schema_arrays(keyword)->contains = keyword_schema(keyword, keyword->value)) != NULL;
}

bool keyword_min_contains(const struct keyword *keyword)
{
	return keyword_count(keyword, &schema_arrays(keyword)->min_contains);
}

bool keyword_max_contains(const struct keyword *keyword)
{
	return keyword_count(keyword, &schema_arrays(keyword)->max_contains);
}

bool keyword_min_items(const struct keyword *keyword)
{
	return keyword_count(keyword, &schema_arrays(keyword)->min_items);
}

bool keyword_max_items(const struct keyword *keyword)
{
	return keyword_count(keyword, &schema_arrays(keyword)->max_items);
}

bool keyword_unique_items(const struct keyword *keyword)
{
	return keyword_bool(keyword, &schema_arrays(keyword)->unique);
}

bool keyword_unevaluated_items(const struct keyword *keyword)
{
	keyword->schema->unevaluated = true;
	return (schema_arrays(keyword)->unevaluated = keyword_schema(keyword, keyword->value)) !=
	       NULL;
}
