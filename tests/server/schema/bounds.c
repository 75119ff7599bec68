/* tests/server/schema/bounds.c: nothing that is sent costs more than was allowed. */
#include "core/base/buf.h"
#include "server/schema/pattern.h"
#include "tests/server/schema/try.h"

/* {"c":{"c":…1…}} */
static void nest(struct buf *out, int depth, const char *open, const char *close)
{
	for (int i = 0; i < depth; i++)
		buf_add(out, str_of(open));
	buf_add_char(out, '1');
	for (int i = 0; i < depth; i++)
		buf_add(out, str_of(close));
}

static void alternatives_that_double_at_each_level_end_undecided(void)
{
	struct trial trial;
	struct buf out;

	buf_init(&out, 1 << 20);
	nest(&out, 150, "{\"c\":", "}");
	trial_init(&trial);
	trial_schema(&trial,
		     "{\"oneOf\":[{\"properties\":{\"c\":{\"$ref\":\"#\"}},\"required\":[\"x\"]},"
		     "{\"properties\":{\"c\":{\"$ref\":\"#\"}},\"required\":[\"y\"]}]}");
	is_int(trial_ask_within(&trial, buf_str(&out), SCHEMA_STEPS_LOOP), SCHEMA_INVALID);
	trial_fini(&trial);
	trial_init(&trial);
	trial_schema(&trial, "{\"oneOf\":[{\"properties\":{\"c\":{\"$ref\":\"#\"}}},"
			     "{\"properties\":{\"c\":{\"$ref\":\"#\"}}}]}");
	is_int(trial_ask_within(&trial, buf_str(&out), SCHEMA_STEPS_LOOP), SCHEMA_UNDECIDED);
	is_int(trial_ask_within(&trial, buf_str(&out), 200000), SCHEMA_UNDECIDED);
	trial_fini(&trial);
	buf_fini(&out);
}

/* The same value, the same schema: what is paid is the same, and one step fewer is too few. */
static void the_price_is_exact_and_does_not_change(void)
{
	struct trial trial;
	const char *value = "{\"a\":[1,2,3],\"b\":\"text\"}";
	uint64_t least = 1;

	trial_init(&trial);
	trial_schema(&trial, "{\"properties\":{\"a\":{\"items\":{\"type\":\"integer\"}},\"b\":"
			     "{\"minLength\":1}}}");
	while (trial_ask_within(&trial, str_of(value), least) == SCHEMA_UNDECIDED)
		least++;
	is_true(least > 10 && least < 100);
	is_int(trial_ask_within(&trial, str_of(value), least), SCHEMA_VALID);
	is_int(trial_ask_within(&trial, str_of(value), least - 1), SCHEMA_UNDECIDED);
	trial_fini(&trial);
}

static void the_deepest_value_is_checked(void)
{
	struct trial trial;
	struct buf out;

	buf_init(&out, 1 << 20);
	nest(&out, JSON_DEPTH_MAX, "[", "]");
	trial_init(&trial);
	trial_schema(&trial, "{\"anyOf\":[{\"type\":\"integer\"},{\"items\":{\"$ref\":\"#\"},"
			     "\"minItems\":1}]}");
	is_int(trial_ask_within(&trial, buf_str(&out), SCHEMA_STEPS_LOOP), SCHEMA_VALID);
	trial_fini(&trial);
	buf_fini(&out);
}

/* Forty schemas at each of 200 levels are more than the stack is made for. */
static void what_is_too_deep_is_refused_with_a_fault(void)
{
	struct trial trial;
	struct buf out, schema;

	buf_init(&out, 1 << 20);
	buf_init(&schema, 1 << 20);
	nest(&out, JSON_DEPTH_MAX, "[", "]");
	for (int i = 0; i < 40; i++)
		buf_add(&schema, STR("{\"allOf\":["));
	buf_add(&schema, STR("{\"items\":{\"$ref\":\"#\"}}"));
	for (int i = 0; i < 40; i++)
		buf_add(&schema, STR("]}"));
	buf_add_char(&schema, '\0');
	trial_init(&trial);
	is_true(trial_schema(&trial, schema.data) != NULL);
	is_int(trial_ask_within(&trial, buf_str(&out), SCHEMA_STEPS_LOOP), SCHEMA_IMPOSSIBLE);
	is_int(trial.report.n_faults, 1);
	is_str(trial.report.faults[0].sentence, STR("nests too deep to be checked"));
	trial_fini(&trial);
	buf_fini(&out);
	buf_fini(&schema);
}

static void a_pattern_that_goes_back_without_end_is_refused(void)
{
	struct trial trial;
	struct buf out;

	buf_init(&out, 1 << 20);
	buf_add(&out, STR("[\"\",\""));
	for (int i = 0; i < 2500; i++)
		buf_add(&out, STR("a"));
	buf_add(&out, STR("\"]"));
	trial_init(&trial);
	trial_schema(&trial, "{\"items\":{\"pattern\":\"^(a|a)*$\"}}");
	is_int(trial_ask(&trial, "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"]"),
	       SCHEMA_IMPOSSIBLE);
	is_str(trial.report.faults[0].pointer, STR("/0"));
	is_str(trial.report.faults[0].keyword, STR("pattern"));
	is_str(trial.report.faults[0].sentence,
	       STR("takes too long to be compared with its pattern"));
	is_int(trial_ask_within(&trial, buf_str(&out), SCHEMA_STEPS_LOOP), SCHEMA_UNDECIDED);
	is_int(trial_ask_within(&trial, buf_str(&out), SCHEMA_STEPS_MAX), SCHEMA_VALID);
	trial_fini(&trial);
	trial_init(&trial);
	trial_schema(&trial, "{\"patternProperties\":{\"^(a|a)*$\":{}}}");
	is_int(trial_ask(&trial, "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\":1}"),
	       SCHEMA_IMPOSSIBLE);
	trial_fini(&trial);
	buf_fini(&out);
}

/* From each of n places to the end: n × n, which is paid for. */
static void a_search_through_a_long_text_is_paid_for(void)
{
	struct trial trial;
	struct buf out;

	buf_init(&out, 1 << 20);
	buf_add_char(&out, '"');
	for (int i = 0; i < 100000; i++)
		buf_add_char(&out, 'a');
	buf_add_char(&out, '"');
	trial_init(&trial);
	trial_schema(&trial, "{\"pattern\":\"a*c\"}");
	is_int(trial_ask_within(&trial, buf_str(&out), SCHEMA_STEPS_MAX), SCHEMA_UNDECIDED);
	trial_fini(&trial);
	trial_init(&trial);
	trial_schema(&trial, "{\"pattern\":\"^[a-z]+$\"}");
	is_int(trial_ask_within(&trial, buf_str(&out), SCHEMA_STEPS_LOOP), SCHEMA_VALID);
	trial_fini(&trial);
	buf_fini(&out);
}

/* 20,000 items that are told apart by their ends: pairs would be 200 million. */
static void unique_items_are_not_compared_in_pairs(void)
{
	struct trial trial;
	struct buf out;

	buf_init(&out, 4 << 20);
	buf_add(&out, STR("[{\"a\":[0]}"));
	for (int i = 1; i < 20000; i++)
		buf_printf(&out, ",{\"a\":[%d]}", i);
	buf_add_char(&out, ']');
	trial_init(&trial);
	trial_schema(&trial, "{\"uniqueItems\":true}");
	is_int(trial_ask_within(&trial, buf_str(&out), 1000000), SCHEMA_VALID);
	out.len--;
	buf_add(&out, STR(",{\"a\":[7.0]}]"));
	is_int(trial_ask_within(&trial, buf_str(&out), 1000000), SCHEMA_INVALID);
	is_str(trial.report.faults[0].sentence, STR("holds the same item twice, at 7 and 20000"));
	trial_fini(&trial);
	buf_fini(&out);
}

static void long_numbers_are_paid_for_by_their_length(void)
{
	struct trial trial;
	struct buf out;

	buf_init(&out, 4 << 20);
	for (int i = 0; i < 1000000; i++)
		buf_add_char(&out, '7');
	trial_init(&trial);
	trial_schema(&trial, "{\"type\":\"integer\",\"multipleOf\":7}");
	is_int(trial_ask_within(&trial, buf_str(&out), SCHEMA_STEPS_LOOP), SCHEMA_UNDECIDED);
	is_int(trial_ask_within(&trial, buf_str(&out), SCHEMA_STEPS_MAX), SCHEMA_VALID);
	trial_fini(&trial);
	buf_fini(&out);
}

static void memory_has_the_ceiling_of_the_arena(void)
{
	struct trial trial;
	struct value value;
	struct arena small;

	trial_init(&trial);
	trial_schema(&trial, "{\"items\":{\"type\":\"string\"}}");
	is_int(json_read(STR("[1,2,3]"), &trial.run, &value, NULL), 0);
	arena_init(&small, 0);
	is_int(schema_ask(trial.schema, value, 1000, &small, &trial.report), SCHEMA_NO_MEMORY);
	arena_fini(&small);
	trial_fini(&trial);
}

int main(void)
{
	TEST(alternatives_that_double_at_each_level_end_undecided);
	TEST(the_price_is_exact_and_does_not_change);
	TEST(the_deepest_value_is_checked);
	TEST(what_is_too_deep_is_refused_with_a_fault);
	TEST(a_pattern_that_goes_back_without_end_is_refused);
	TEST(a_search_through_a_long_text_is_paid_for);
	TEST(unique_items_are_not_compared_in_pairs);
	TEST(long_numbers_are_paid_for_by_their_length);
	TEST(memory_has_the_ceiling_of_the_arena);
	return tap_done();
}
