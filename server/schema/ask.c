/* server/schema/ask.c
 *
 * Recurses by the schema and the value: at most ASK_DEPTH_MAX levels, which are some 300 KiB of
 * stack. Every step is paid for before it is made. A fault is listed where it is found, and the
 * search goes on; where only the answer counts (not, anyOf, …) nothing is listed, and it ends at
 * the first. */
#include "server/schema/ask.h"
#include "server/expr/number.h"
#include "server/schema/duplicates.h"
#include "server/schema/pointer.h"
#include <errno.h>

enum { BYTES_PER_STEP = 64 };

bool ask_stop(struct ask *ask, enum schema_verdict verdict)
{
	if (ask->stopped == SCHEMA_VALID)
		ask->stopped = verdict;
	return false;
}

bool ask_spend(struct ask *ask, uint64_t steps)
{
	if (unlikely(ask->steps < steps))
		return ask_stop(ask, SCHEMA_UNDECIDED);
	ask->steps -= steps;
	return true;
}

bool ask_spend_bytes(struct ask *ask, size_t size)
{
	return ask_spend(ask, 1 + size / BYTES_PER_STEP);
}

/* ------------------------------------------------------------ faults */

static void spot_write(const struct spot *spot, struct buf *out)
{
	const struct spot *way[ASK_DEPTH_MAX];
	size_t depth = 0;

	for (; spot->up && depth < ARRAY_LEN(way); spot = spot->up)
		way[depth++] = spot;
	while (depth-- > 0) {
		if (way[depth]->key.ptr)
			pointer_add_key(out, way[depth]->key);
		else
			pointer_add_index(out, way[depth]->index);
	}
}

static void fault_list(struct ask *ask, const struct spot *spot, const char *keyword,
		       struct str sentence)
{
	struct schema_report *report = ask->report;
	struct buf out;

	buf_init_arena(&out, ask->arena);
	spot_write(spot, &out);
	if (out.error || !sentence.ptr) {
		ask_stop(ask, SCHEMA_NO_MEMORY);
		return;
	}
	ask->report_size += out.len + sentence.len + 64;
	if (report->n_faults && ask->report_size > SCHEMA_REPORT_MAX) {
		report->more = true;
		return;
	}
	report->faults[report->n_faults++] =
		(struct schema_fault){ buf_str(&out), str_of(keyword), sentence };
}

static struct str fault_format(struct arena *arena, const char *format, va_list args)
{
	char text[512];
	int len = vsnprintf(text, sizeof(text), format, args);

	return arena_str(arena,
			 (struct str){ text, len < 0 ? 0 : MIN((size_t)len, sizeof(text) - 1) });
}

bool ask_fault(struct ask *ask, const struct spot *spot, const char *keyword, const char *format,
	       ...)
{
	va_list args;

	if (ask->silent || ask->stopped != SCHEMA_VALID)
		return false;
	if (ask->report->n_faults == SCHEMA_FAULTS_MAX || ask->report->more) {
		ask->report->more = true;
		return false;
	}
	va_start(args, format);
	fault_list(ask, spot, keyword, fault_format(ask->arena, format, args));
	va_end(args);
	return false;
}

bool ask_impossible(struct ask *ask, const struct spot *spot, const char *keyword,
		    const char *sentence)
{
	if (ask->stopped != SCHEMA_VALID)
		return false;
	ask->report->n_faults = 0;
	ask->report_size = 0;
	fault_list(ask, spot, keyword, str_of(sentence));
	return ask_stop(ask, SCHEMA_IMPOSSIBLE);
}

/* ------------------------------------------------------------ any value */

unsigned ask_types_of(const struct value *value)
{
	char text[NUMBER_TEXT_MAX];

	switch ((enum value_kind)value->kind) {
	case VALUE_NULL:
		return TYPE_NULL;
	case VALUE_BOOL:
		return TYPE_BOOLEAN;
	case VALUE_INT:
		return TYPE_NUMBER | TYPE_INTEGER;
	case VALUE_REAL:
		return TYPE_NUMBER |
		       (decimal_is_integer(decimal_of(number_write(*value, text))) ? TYPE_INTEGER
										   : 0);
	case VALUE_NUMBER:
		return TYPE_NUMBER |
		       (decimal_is_integer(decimal_of(value_str(*value))) ? TYPE_INTEGER : 0);
	case VALUE_TEXT:
		return TYPE_STRING;
	case VALUE_LIST:
		return TYPE_ARRAY;
	case VALUE_OBJECT:
		return TYPE_OBJECT;
	case VALUE_JSON:
		break;
	}
	check_that(false, "kind=%d: not opened", value->kind);
	return 0;
}

/* "is not a string", "is neither null nor a string", … */
static bool ask_type_fault(struct ask *ask, unsigned types, const struct spot *spot)
{
	static const char *const names[] = { "null",     "a boolean", "a number", "a whole number",
					     "a string", "an array",  "an object" };
	char text[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!(types >> i & 1))
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? " or " : "",
					names[i]);
	}
	return ask_fault(ask, spot, "type", "is not %s", text);
}

static bool values_have_text(const struct schema_values *values, struct str text)
{
	size_t from = 0, to = values->n_texts;

	while (from < to) {
		size_t at = (from + to) / 2;
		int order = str_cmp(text, values->texts[at]);

		if (order == 0)
			return true;
		if (order < 0)
			to = at;
		else
			from = at + 1;
	}
	return false;
}

bool ask_equal(struct ask *ask, const struct value *a, const struct value *b, bool *ret_equal)
{
	int r = value_equal(*a, *b, &ask->scratch, ret_equal);

	if (ask->scratch.used)
		arena_reset(&ask->scratch);
	return r == 0 || ask_stop(ask, SCHEMA_NO_MEMORY);
}

/* What is no larger than the constant is as quickly compared; a number is read to its end. */
static bool ask_is(struct ask *ask, const struct value *value, const struct value *constant,
		   size_t weight, bool *ret_equal)
{
	bool nested = value->kind == VALUE_LIST || value->kind == VALUE_OBJECT;

	*ret_equal = false;
	if (!ask_spend_bytes(ask, value->kind == VALUE_NUMBER ? value->len : 0))
		return false;
	if (nested && (value->kind != constant->kind || value->len != constant->len))
		return true;
	if (nested && !ask_spend(ask, 4 * (uint64_t)weight))
		return false;
	return ask_equal(ask, value, constant, ret_equal);
}

static bool ask_values(struct ask *ask, const struct schema_values *values, const struct spot *spot,
		       const char *keyword)
{
	const struct value *value = spot->value;
	bool equal = false;

	if (value->kind == VALUE_TEXT) {
		if (!ask_spend_bytes(ask, value->len))
			return false;
		equal = values_have_text(values, value_str(*value));
	}
	for (size_t i = 0; value->kind != VALUE_TEXT && !equal && i < values->n_others; i++)
		if (!ask_is(ask, value, &values->others[i], values->weight, &equal))
			return false;
	return equal || ask_fault(ask, spot, keyword, "%.*s", STR_ARG(values->shown));
}

static bool ask_any(struct ask *ask, const struct schema *schema, const struct spot *spot)
{
	bool ok = true;

	if (schema->types) {
		bool number = spot->value->kind == VALUE_NUMBER;

		if (number && !ask_spend_bytes(ask, spot->value->len))
			return false;
		ok = (schema->types & ask_types_of(spot->value)) ||
		     ask_type_fault(ask, schema->types, spot);
	}
	if (ok && schema->constant)
		ok = ask_values(ask, schema->constant, spot, "const");
	if (ok && schema->choices)
		ok = ask_values(ask, schema->choices, spot, "enum");
	return ok;
}

/* ------------------------------------------------------------ a schema */

static bool ask_by_type(struct ask *ask, const struct schema *schema, const struct spot *spot,
			struct bits *seen)
{
	switch ((enum value_kind)spot->value->kind) {
	case VALUE_INT:
	case VALUE_REAL:
	case VALUE_NUMBER:
		return !schema->numbers || ask_numbers(ask, schema->numbers, spot);
	case VALUE_TEXT:
		return !schema->strings || ask_strings(ask, schema->strings, spot);
	case VALUE_LIST:
		return !schema->arrays || ask_arrays(ask, schema->arrays, spot, seen);
	case VALUE_OBJECT:
		return !schema->objects || ask_objects(ask, schema->objects, spot, seen);
	case VALUE_NULL:
	case VALUE_BOOL:
	case VALUE_JSON:
		break;
	}
	return true;
}

/* What is not evaluated is known only when all that applies here has been asked, and has fitted. */
static bool ask_keywords(struct ask *ask, const struct schema *schema, const struct spot *spot,
			 struct bits *seen)
{
	bool ok = ask_any(ask, schema, spot), here = true;

	if (ask_goes_on(ask, ok))
		ok &= ask_by_type(ask, schema, spot, seen);
	if (schema->logic && ask_goes_on(ask, ok))
		here &= ask_logic(ask, schema, spot, seen);
	if (schema->objects && schema->objects->dependents && spot->value->kind == VALUE_OBJECT &&
	    ask_goes_on(ask, ok && here))
		here &= ask_dependents(ask, schema->objects, spot, seen);
	ok &= here;
	if (schema->unevaluated && here && ask_goes_on(ask, ok))
		ok &= ask_unevaluated(ask, schema, spot, seen);
	return ok && ask->stopped == SCHEMA_VALID;
}

static bool ask_with_bits(struct ask *ask, const struct schema *schema, const struct spot *spot)
{
	struct bits seen;
	bool ok;

	if (!ask_spend(ask, 1 + spot->value->len / 64))
		return false;
	if (!bits_init(&seen, spot->value->len))
		return ask_stop(ask, SCHEMA_NO_MEMORY);
	ok = ask_keywords(ask, schema, spot, &seen);
	bits_fini(&seen);
	return ok;
}

bool ask_schema(struct ask *ask, const struct schema *schema, const struct spot *spot,
		const char *keyword, struct bits *seen)
{
	bool nested = spot->value->kind == VALUE_LIST || spot->value->kind == VALUE_OBJECT;
	bool ok;

	if (!ask_spend(ask, 1))
		return false;
	if (schema->never)
		return ask_fault(ask, spot, keyword, "is not allowed here");
	if (ask->depth == ASK_DEPTH_MAX)
		return ask_impossible(ask, spot, keyword, "nests too deep to be checked");
	ask->depth++;
	if (schema->unevaluated && !seen && nested)
		ok = ask_with_bits(ask, schema, spot);
	else
		ok = ask_keywords(ask, schema, spot, seen);
	ask->depth--;
	return ok;
}

bool ask_silently(struct ask *ask, const struct schema *schema, const struct spot *spot,
		  const char *keyword, struct bits *seen)
{
	bool ok;

	ask->silent++;
	ok = ask_schema(ask, schema, spot, keyword, seen);
	ask->silent--;
	return ok;
}

/* ------------------------------------------------------------ the whole */

static void ask_duplicates(struct ask *ask, const struct value *value)
{
	struct schema_report *report = ask->report;
	struct buf out;
	int r;

	buf_init_arena(&out, ask->arena);
	r = duplicates_find(value, &ask->steps, &out);
	if (r == 1 && !out.error) {
		report->faults[report->n_faults++] =
			(struct schema_fault){ buf_str(&out), STR("duplicate"),
					       STR("is there twice in its object") };
		ask_stop(ask, SCHEMA_INVALID);
	} else if (r == -ETIME) {
		ask_stop(ask, SCHEMA_UNDECIDED);
	} else if (r != 0) {
		ask_stop(ask, SCHEMA_NO_MEMORY);
	}
}

enum schema_verdict schema_ask(const struct schema *schema, struct value value, uint64_t steps,
			       struct arena *arena, struct schema_report *ret_report)
{
	struct ask ask = { .steps = steps, .arena = arena, .report = ret_report };
	const struct spot root = { .value = &value };
	bool ok = false;

	arena_init(&ask.scratch, arena->max);
	ask.scratch.budget = arena->budget;
	ret_report->n_faults = 0;
	ret_report->more = false;
	ask_duplicates(&ask, &value);
	if (ask.stopped == SCHEMA_VALID)
		ok = ask_schema(&ask, schema, &root, "false", NULL);
	pattern_memory_fini(&ask.patterns);
	arena_fini(&ask.scratch);
	if (ask.stopped != SCHEMA_VALID)
		return ask.stopped;
	return ok ? SCHEMA_VALID : SCHEMA_INVALID;
}
