/* server/schema/node.h: a schema as it is compiled.
 *
 * One struct schema for each place of a file where a schema stands; what its keywords say is in
 * groups by the type that they are about, and a group that has no keyword is NULL. */
#pragma once
#include "server/expr/decimal.h"
#include "server/schema/format.h"
#include "server/schema/pattern.h"
#include "server/schema/schema.h"

/* Bits of `types`. */
enum {
	TYPE_NULL = 1,
	TYPE_BOOLEAN = 2,
	TYPE_NUMBER = 4,
	TYPE_INTEGER = 8, /* a number whose fraction is 0 */
	TYPE_STRING = 16,
	TYPE_ARRAY = 32,
	TYPE_OBJECT = 64,
};

struct schema_list {
	size_t n_schemas;
	struct schema **schemas;
};

/* Of numbers; a bound that is not there is null. */
struct schema_numbers {
	struct value minimum, maximum, above,
		below;     /* the last two: exclusiveMinimum and Maximum */
	uint64_t multiple; /* × 10^multiple_exponent; 0: none */
	int64_t multiple_exponent;
	struct str multiple_text;
};

struct schema_strings {
	uint64_t min_len, max_len; /* in code points */
	const struct pattern *pattern;
	const struct format *format;
};

struct schema_arrays {
	uint64_t min_items, max_items;
	struct schema_list prefix;
	struct schema *items, *contains, *unevaluated; /* NULL: none */
	uint64_t min_contains, max_contains;
	bool unique;
};

/* A name that some keyword of an object mentions. */
struct schema_name {
	struct str name;
	struct schema *property;  /* NULL: none */
	struct schema *dependent; /* of dependentSchemas; NULL: none */
	bool required;
	const struct value *needs_source; /* of dependentRequired: the list as it was written */
	size_t n_needs;
	uint32_t *needs; /* indices into the names */
};

struct schema_pattern {
	const struct pattern *pattern;
	struct schema *schema;
};

struct schema_objects {
	uint64_t min_members, max_members;
	size_t n_names, names_room;
	struct schema_name *names; /* by length, then bytes; while they are read, as they came */
	size_t n_required;
	size_t n_patterns;
	struct schema_pattern *patterns;
	struct schema *additional, *property_names, *unevaluated; /* NULL: none */
	bool dependents;                                          /* some name has any */
};

/* What applies to the same value as the schema itself. */
struct schema_logic {
	struct schema *reference;
	struct schema_list all, any, one;
	struct schema *no, *when, *then, *otherwise;
};

/* enum and const: a value must equal one of them. */
struct schema_values {
	size_t n_texts; /* sorted as str_cmp() says */
	struct str *texts;
	size_t n_others;
	struct value *others;
	size_t weight;    /* values in the largest of the others */
	struct str shown; /* "one of …", for people */
};

struct schema {
	const struct value *source; /* where it was written; its key in schema_loader.nodes */
	struct schema_document *document;
	struct str key; /* that it stands under in the file, to show where it is; or none */
	bool never;     /* the schema `false` */
	unsigned types; /* 0: all */
	const struct schema_values *constant, *choices; /* const, enum */
	struct schema_numbers *numbers;
	struct schema_strings *strings;
	struct schema_arrays *arrays;
	struct schema_objects *objects;
	struct schema_logic *logic;
	bool unevaluated; /* it has unevaluatedItems or unevaluatedProperties */
	/* while loading */
	uint8_t colour;  /* of the search for loops */
	unsigned height; /* of what applies to the same value below it */
	struct schema *next, *older;
};
