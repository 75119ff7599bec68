/* server/schema/keywords.c: the table of keywords, and reading a schema by it. */
#include "server/schema/keywords.h"
#include <stdlib.h>

/* Nothing to check: for people, or read elsewhere. */
static bool keyword_ignore(const struct keyword *keyword)
{
	(void)keyword;
	return true;
}

static bool keyword_note(const struct keyword *keyword)
{
	struct str text;

	return keyword_text(keyword, &text);
}

static bool keyword_flag(const struct keyword *keyword)
{
	bool flag;

	return keyword_bool(keyword, &flag);
}

/* A description of what is in a text (§8), which is not asserted. */
static bool keyword_content(const struct keyword *keyword)
{
	keyword_warning(keyword, "\"%.*s\" is only a note to the reader; leat does not check it",
			STR_ARG(keyword->key));
	return true;
}

static bool keyword_refuse(const struct keyword *keyword)
{
	return keyword_error(keyword, "\"%.*s\" is not supported; use $ref and $anchor",
			     STR_ARG(keyword->key));
}

static bool keyword_refuse_items(const struct keyword *keyword)
{
	return keyword_error(
		keyword, "\"additionalItems\" is of an older draft; write prefixItems and items");
}

static bool keyword_refuse_dependencies(const struct keyword *keyword)
{
	return keyword_error(keyword, "\"dependencies\" is of an older draft; write "
				      "dependentRequired or dependentSchemas");
}

static bool keyword_dialect(const struct keyword *keyword)
{
	struct str text;

	if (!keyword_text(keyword, &text))
		return false;
	if (str_ends_with(text, STR("#")))
		text = str_first(text, text.len - 1);
	if (!str_eq(text, STR("https://json-schema.org/draft/2020-12/schema")))
		keyword_warning(keyword, "it is read as draft 2020-12; write "
					 "https://json-schema.org/draft/2020-12/schema");
	return true;
}

/* To add one: a row here, in the order of the alphabet, and a function in keywords_*.c. */
static const struct keyword_row {
	const char *name;
	bool (*read)(const struct keyword *keyword);
} rows[] = {
	{ "$anchor", keyword_anchor },
	{ "$comment", keyword_note },
	{ "$defs", keyword_definitions },
	{ "$dynamicAnchor", keyword_refuse },
	{ "$dynamicRef", keyword_refuse },
	{ "$id", keyword_id },
	{ "$recursiveAnchor", keyword_refuse },
	{ "$recursiveRef", keyword_refuse },
	{ "$ref", keyword_reference },
	{ "$schema", keyword_dialect },
	{ "$vocabulary", keyword_refuse },
	{ "additionalItems", keyword_refuse_items },
	{ "additionalProperties", keyword_additional_properties },
	{ "allOf", keyword_all_of },
	{ "anyOf", keyword_any_of },
	{ "const", keyword_const },
	{ "contains", keyword_contains },
	{ "contentEncoding", keyword_content },
	{ "contentMediaType", keyword_content },
	{ "contentSchema", keyword_content },
	{ "default", keyword_ignore },
	{ "definitions", keyword_definitions },
	{ "dependencies", keyword_refuse_dependencies },
	{ "dependentRequired", keyword_dependent_required },
	{ "dependentSchemas", keyword_dependent_schemas },
	{ "deprecated", keyword_flag },
	{ "description", keyword_note },
	{ "else", keyword_else },
	{ "enum", keyword_enum },
	{ "examples", keyword_ignore },
	{ "exclusiveMaximum", keyword_exclusive_maximum },
	{ "exclusiveMinimum", keyword_exclusive_minimum },
	{ "format", keyword_format },
	{ "if", keyword_if },
	{ "items", keyword_items },
	{ "maxContains", keyword_max_contains },
	{ "maxItems", keyword_max_items },
	{ "maxLength", keyword_max_length },
	{ "maxProperties", keyword_max_properties },
	{ "maximum", keyword_maximum },
	{ "minContains", keyword_min_contains },
	{ "minItems", keyword_min_items },
	{ "minLength", keyword_min_length },
	{ "minProperties", keyword_min_properties },
	{ "minimum", keyword_minimum },
	{ "multipleOf", keyword_multiple_of },
	{ "not", keyword_not },
	{ "oneOf", keyword_one_of },
	{ "pattern", keyword_pattern },
	{ "patternProperties", keyword_pattern_properties },
	{ "prefixItems", keyword_prefix_items },
	{ "properties", keyword_properties },
	{ "propertyNames", keyword_property_names },
	{ "readOnly", keyword_flag },
	{ "required", keyword_required },
	{ "then", keyword_then },
	{ "title", keyword_note },
	{ "type", keyword_type },
	{ "unevaluatedItems", keyword_unevaluated_items },
	{ "unevaluatedProperties", keyword_unevaluated_properties },
	{ "uniqueItems", keyword_unique_items },
	{ "writeOnly", keyword_flag },
};

/* ------------------------------------------------------------ messages */

/* The keyword's place: of its key, or, when the key was written with escapes, of the schema. */
static struct place keyword_place(const struct keyword *keyword)
{
	return schema_place(keyword->schema->document, keyword->key, keyword->schema->key);
}

bool keyword_error(const struct keyword *keyword, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(keyword->loader->diag, DIAG_ERROR, keyword_place(keyword), format, args);
	va_end(args);
	keyword->schema->document->broken = true;
	return false;
}

void keyword_warning(const struct keyword *keyword, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(keyword->loader->diag, DIAG_WARNING, keyword_place(keyword), format, args);
	va_end(args);
}

/* ------------------------------------------------------------ values of keywords */

const char *schema_kind_phrase(const struct value *value)
{
	switch ((enum value_kind)value->kind) {
	case VALUE_NULL:
		return "null";
	case VALUE_BOOL:
		return "a boolean";
	case VALUE_INT:
	case VALUE_REAL:
	case VALUE_NUMBER:
		return "a number";
	case VALUE_TEXT:
		return "a text";
	case VALUE_LIST:
		return "a list";
	case VALUE_OBJECT:
	case VALUE_JSON:
		return "an object";
	}
	unreachable();
}

static bool keyword_is_a(const struct keyword *keyword, enum value_kind kind, const char *what)
{
	if (keyword->value->kind == kind)
		return true;
	return keyword_error(keyword, "\"%.*s\" is %s; write %s", STR_ARG(keyword->key),
			     schema_kind_phrase(keyword->value), what);
}

bool keyword_text(const struct keyword *keyword, struct str *ret)
{
	if (!keyword_is_a(keyword, VALUE_TEXT, "a text"))
		return false;
	*ret = value_str(*keyword->value);
	return true;
}

bool keyword_bool(const struct keyword *keyword, bool *ret)
{
	if (!keyword_is_a(keyword, VALUE_BOOL, "true or false"))
		return false;
	*ret = keyword->value->boolean;
	return true;
}

bool keyword_number(const struct keyword *keyword, struct value *ret)
{
	if (!keyword_is_a(keyword, VALUE_NUMBER, "a number"))
		return false;
	*ret = *keyword->value;
	return true;
}

bool keyword_object(const struct keyword *keyword)
{
	return keyword_is_a(keyword, VALUE_OBJECT, "an object");
}

/* 2 and 2.0 and 20e-1 are the same; past 18 digits it is as good as without end. */
bool keyword_count(const struct keyword *keyword, uint64_t *ret)
{
	struct decimal decimal;
	uint64_t count = 0;
	int digit;

	if (!keyword_is_a(keyword, VALUE_NUMBER, "a number"))
		return false;
	decimal = decimal_of(value_str(*keyword->value));
	if (decimal.at < decimal.end && (decimal.minus || !decimal_is_integer(decimal)))
		return keyword_error(keyword,
				     "\"%.*s\" counts something; write 0, or a whole "
				     "number above it",
				     STR_ARG(keyword->key));
	if (decimal.at == decimal.end)
		decimal.exponent = 0;
	if (decimal.exponent > 18) {
		*ret = UINT64_MAX;
		return true;
	}
	for (; decimal.exponent > 0; decimal.exponent--) {
		digit = decimal_digit(&decimal);
		count = count * 10 + (uint64_t)(digit > 0 ? digit : 0);
	}
	*ret = count;
	return true;
}

struct schema *keyword_schema(const struct keyword *keyword, const struct value *value)
{
	if (value->kind != VALUE_OBJECT && value->kind != VALUE_BOOL) {
		keyword_error(keyword,
			      "\"%.*s\" holds %s where a schema stands; write an object, true or "
			      "false",
			      STR_ARG(keyword->key), schema_kind_phrase(value));
		return NULL;
	}
	return schema_at(keyword->loader, keyword->schema->document, value, keyword->key);
}

bool keyword_list(const struct keyword *keyword, struct schema_list *ret)
{
	const struct value *list = keyword->value;
	struct schema_list schemas = { 0 };

	if (!keyword_is_a(keyword, VALUE_LIST, "a list of schemas"))
		return false;
	if (list->len == 0)
		return keyword_error(keyword, "\"%.*s\" is empty; list at least one schema",
				     STR_ARG(keyword->key));
	schemas.schemas =
		arena_alloc_array(keyword->loader->arena, list->len, sizeof(*schemas.schemas));
	for (; schemas.n_schemas < list->len; schemas.n_schemas++) {
		struct schema *schema = keyword_schema(keyword, &list->items[schemas.n_schemas]);

		if (!schema)
			return false;
		schemas.schemas[schemas.n_schemas] = schema;
	}
	*ret = schemas;
	return true;
}

bool keyword_texts(const struct keyword *keyword, const struct value *list)
{
	bool ok = list->kind == VALUE_LIST;

	for (uint32_t i = 0; ok && i < list->len; i++)
		ok = list->items[i].kind == VALUE_TEXT;
	return ok || keyword_error(keyword,
				   "\"%.*s\" holds something else than names; write a "
				   "list of texts",
				   STR_ARG(keyword->key));
}

/* ------------------------------------------------------------ reading */

static int row_compare(const void *name, const void *row)
{
	return str_cmp(*(const struct str *)name, str_of(((const struct keyword_row *)row)->name));
}

static void keyword_unknown(const struct keyword *keyword)
{
	const char *names[ARRAY_LEN(rows) + 1], *nearest;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		names[i] = rows[i].name;
	names[ARRAY_LEN(rows)] = NULL;
	nearest = diag_nearest(keyword->key, names);
	if (nearest)
		keyword_error(keyword, "unknown keyword \"%.*s\"; did you mean \"%s\"?",
			      STR_ARG(keyword->key), nearest);
	else
		keyword_error(keyword,
			      "unknown keyword \"%.*s\"; remove it, or let its name begin "
			      "with x- when it is a note",
			      STR_ARG(keyword->key));
}

void schema_read_keywords(struct schema_loader *loader, struct schema *schema)
{
	for (uint32_t i = 0; i < schema->source->len; i++) {
		const struct member *member = &schema->source->members[i];
		const struct keyword keyword = { loader, schema, value_str(member->key),
						 &member->value };
		const struct keyword_row *row =
			bsearch(&keyword.key, rows, ARRAY_LEN(rows), sizeof(rows[0]), row_compare);

		if (row)
			row->read(&keyword);
		else if (!str_starts_with(keyword.key, STR("x-")))
			keyword_unknown(&keyword);
	}
}
