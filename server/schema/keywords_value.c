/* server/schema/keywords_value.c: keywords about any value, about numbers and about strings. */
#include "server/expr/value_walk.h"
#include "server/schema/keywords.h"
#include <stdlib.h>

enum { SHOWN_MAX = 200 }; /* bytes of what a sentence tells of a keyword's value */

/* ------------------------------------------------------------ type */

static unsigned type_find(struct str name)
{
	static const struct {
		const char *name;
		unsigned type;
	} types[] = {
		{ "null", TYPE_NULL },       { "boolean", TYPE_BOOLEAN }, { "number", TYPE_NUMBER },
		{ "integer", TYPE_INTEGER }, { "string", TYPE_STRING },   { "array", TYPE_ARRAY },
		{ "object", TYPE_OBJECT },
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq(name, str_of(types[i].name)))
			return types[i].type;
	return 0;
}

static bool type_add(const struct keyword *keyword, const struct value *name)
{
	static const char *const names[] = { "null",   "boolean", "number", "integer",
					     "string", "array",   "object", NULL };
	unsigned type = name->kind == VALUE_TEXT ? type_find(value_str(*name)) : 0;
	const char *nearest = name->kind == VALUE_TEXT ? diag_nearest(value_str(*name), names)
						       : NULL;

	if (!type && nearest)
		return keyword_error(keyword, "unknown type \"%.*s\"; did you mean \"%s\"?",
				     STR_ARG(value_str(*name)), nearest);
	if (!type)
		return keyword_error(keyword, "not a type; write null, boolean, number, integer, "
					      "string, array or object");
	if (keyword->schema->types & type)
		return keyword_error(keyword, "a type is listed twice; remove one");
	keyword->schema->types |= type;
	return true;
}

bool keyword_type(const struct keyword *keyword)
{
	const struct value *value = keyword->value;
	bool ok = true;

	if (value->kind != VALUE_LIST)
		return type_add(keyword, value);
	if (value->len == 0)
		return keyword_error(keyword, "no type is listed; list at least one");
	for (uint32_t i = 0; i < value->len; i++)
		ok &= type_add(keyword, &value->items[i]);
	return ok;
}

/* ------------------------------------------------------------ const and enum */

static int text_order(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static struct str values_show(struct arena *arena, const struct value *values, size_t n_values)
{
	struct buf out;
	size_t i;

	buf_init_arena(&out, arena);
	buf_add(&out, n_values > 1 ? STR("is not one of ") : STR("is not "));
	for (i = 0; i < n_values; i++) {
		size_t before = out.len;

		if (i > 0)
			buf_add(&out, STR(", "));
		value_write_json(values[i], &out);
		if (out.len > SHOWN_MAX) {
			out.len = before;
			break;
		}
	}
	if (i == 0)
		buf_add(&out,
			n_values > 1 ? STR("the allowed values") : STR("the only allowed value"));
	else if (i < n_values)
		buf_printf(&out, " and %zu more", n_values - i);
	return buf_str(&out);
}

static size_t value_weight(const struct value *root)
{
	struct value_frame frames[VALUE_DEPTH_MAX];
	const struct value *value = root;
	size_t depth = 0, weight = 0;

	for (;;) {
		weight++;
		if (value_n_children(value))
			frames[depth++] = value_frame(value);
		while (depth && frames[depth - 1].at == frames[depth - 1].end)
			depth--;
		if (!depth)
			return weight;
		value = frames[depth - 1].at++;
	}
}

static const struct schema_values *values_make(const struct keyword *keyword,
					       const struct value *values, size_t n_values)
{
	struct arena *arena = keyword->loader->arena;
	struct schema_values *made = arena_zalloc(arena, sizeof(*made));

	made->texts = arena_alloc_array(arena, n_values, sizeof(*made->texts));
	made->others = arena_alloc_array(arena, n_values, sizeof(*made->others));
	for (size_t i = 0; i < n_values; i++) {
		if (values[i].kind == VALUE_TEXT) {
			made->texts[made->n_texts++] = value_str(values[i]);
			continue;
		}
		made->others[made->n_others++] = values[i];
		made->weight = MAX(made->weight, value_weight(&values[i]));
	}
	if (made->n_texts)
		qsort(made->texts, made->n_texts, sizeof(*made->texts), text_order);
	made->shown = values_show(arena, values, n_values);
	return made;
}

bool keyword_const(const struct keyword *keyword)
{
	keyword->schema->constant = values_make(keyword, keyword->value, 1);
	return true;
}

bool keyword_enum(const struct keyword *keyword)
{
	const struct value *list = keyword->value;

	if (list->kind != VALUE_LIST || list->len == 0)
		return keyword_error(keyword,
				     "\"enum\" lists no value; write a list of at least one");
	keyword->schema->choices = values_make(keyword, list->items, list->len);
	return true;
}

/* ------------------------------------------------------------ numbers */

bool keyword_minimum(const struct keyword *keyword)
{
	return keyword_number(keyword, &schema_numbers(keyword)->minimum);
}

bool keyword_maximum(const struct keyword *keyword)
{
	return keyword_number(keyword, &schema_numbers(keyword)->maximum);
}

bool keyword_exclusive_minimum(const struct keyword *keyword)
{
	if (keyword->value->kind == VALUE_BOOL)
		return keyword_error(keyword,
				     "a boolean \"exclusiveMinimum\" is of an older draft; "
				     "write the number here, without \"minimum\"");
	return keyword_number(keyword, &schema_numbers(keyword)->above);
}

bool keyword_exclusive_maximum(const struct keyword *keyword)
{
	if (keyword->value->kind == VALUE_BOOL)
		return keyword_error(keyword,
				     "a boolean \"exclusiveMaximum\" is of an older draft; "
				     "write the number here, without \"maximum\"");
	return keyword_number(keyword, &schema_numbers(keyword)->below);
}

bool keyword_multiple_of(const struct keyword *keyword)
{
	struct schema_numbers *numbers = schema_numbers(keyword);
	struct decimal decimal;
	struct value value;
	int digit;

	if (!keyword_number(keyword, &value))
		return false;
	decimal = decimal_of(value_str(value));
	if (decimal.minus || decimal.at == decimal.end || decimal_n_digits(decimal) > 18)
		return keyword_error(keyword, "\"multipleOf\" is not a number above 0 with at most "
					      "18 digits");
	numbers->multiple_text = value_str(value);
	numbers->multiple_exponent = decimal.exponent - (int64_t)decimal_n_digits(decimal);
	numbers->multiple = 0;
	while ((digit = decimal_digit(&decimal)) >= 0)
		numbers->multiple = numbers->multiple * 10 + (uint64_t)digit;
	return true;
}

/* ------------------------------------------------------------ strings */

bool keyword_min_length(const struct keyword *keyword)
{
	return keyword_count(keyword, &schema_strings(keyword)->min_len);
}

bool keyword_max_length(const struct keyword *keyword)
{
	return keyword_count(keyword, &schema_strings(keyword)->max_len);
}

bool keyword_pattern(const struct keyword *keyword)
{
	struct str text, problem;

	if (!keyword_text(keyword, &text))
		return false;
	schema_strings(keyword)->pattern = pattern_compile(keyword->loader->arena, text, &problem);
	return schema_strings(keyword)->pattern ||
	       keyword_error(keyword, "not a regular expression: %.*s", STR_ARG(problem));
}

bool keyword_format(const struct keyword *keyword)
{
	struct schema_strings *strings = schema_strings(keyword);
	struct str name;
	const char *nearest;

	if (!keyword_text(keyword, &name))
		return false;
	strings->format = format_find(name);
	if (strings->format)
		return true;
	nearest = diag_nearest(name, format_names);
	if (nearest)
		return keyword_error(keyword, "unknown format \"%.*s\"; did you mean \"%s\"?",
				     STR_ARG(name), nearest);
	return keyword_error(keyword,
			     "the format \"%.*s\" is not supported; remove it, or say by "
			     "pattern what it is",
			     STR_ARG(name));
}
