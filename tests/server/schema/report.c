/* tests/server/schema/report.c: what is told of a value that does not fit. */
#include "tests/server/schema/try.h"

static void reports(const char *schema, const char *value, const char *want, int line)
{
	struct trial trial;

	trial_init(&trial);
	tap_ok(trial_schema(&trial, schema) != NULL, __FILE__, line, "%s: %s", schema,
	       trial_error(&trial));
	if (trial.schema)
		tap_is_str(str_of(trial_faults(&trial, value)), str_of(want), __FILE__, line,
			   schema);
	trial_fini(&trial);
}

#define tells(schema, value, want) reports(schema, value, want, __LINE__)

static void every_fault_is_listed_with_its_pointer(void)
{
	tells("{\"type\":\"object\",\"required\":[\"sku\",\"id\"],\"additionalProperties\":false,"
	      "\"properties\":{\"sku\":{\"type\":\"string\",\"pattern\":\"^[A-Z]+$\"},"
	      "\"qty\":{\"type\":\"integer\",\"minimum\":1},\"tags\":{\"items\":{\"maxLength\":2}}}"
	      "}",
	      "{\"qty\":0,\"tags\":[\"ab\",\"abc\",\"abcd\"],\"a/b~c\":1,\"sku\":\"x\"}",
	      " required \"id\" is missing\n"
	      "/qty minimum must be at least 1\n"
	      "/tags/1 maxLength must have at most 2 characters\n"
	      "/tags/2 maxLength must have at most 2 characters\n"
	      "/a~1b~0c additionalProperties is not allowed here\n"
	      "/sku pattern must match ^[A-Z]+$");
	tells("{\"type\":[\"string\",\"null\"]}", "1", " type is not null or a string");
	tells("{\"const\":{\"a\":1}}", "1", " const is not {\"a\":1}");
	tells("{\"enum\":[\"a\",1,null]}", "2", " enum is not one of \"a\", 1, null");
	tells("{\"minimum\":2,\"exclusiveMinimum\":3,\"multipleOf\":0.5}", "1.1",
	      " minimum must be at least 2\n exclusiveMinimum must be more than 3\n multipleOf "
	      "must "
	      "be a multiple of 0.5");
	tells("{\"maximum\":2,\"exclusiveMaximum\":3}", "4",
	      " maximum must be at most 2\n exclusiveMaximum must be less than 3");
	tells("{\"minLength\":1,\"format\":\"date\"}", "\"\"",
	      " minLength must have at least 1 character\n format is not a date; write it like "
	      "2024-02-29");
	tells("{\"minItems\":2,\"uniqueItems\":true,\"contains\":{\"const\":1}}", "[2]",
	      " minItems must have at least 2 items\n contains holds no item of the kind that it "
	      "must");
	tells("{\"maxItems\":1,\"uniqueItems\":true}", "[2,3,2]",
	      " maxItems must have at most 1 item\n uniqueItems holds the same item twice, at 0 "
	      "and "
	      "2");
	tells("{\"contains\":{\"const\":1},\"minContains\":2}", "[1]",
	      " minContains holds 1 items of the kind of which it must have at least 2");
	tells("{\"contains\":{\"const\":1},\"maxContains\":1}", "[1,1]",
	      " maxContains holds 2 items of the kind of which it may have at most 1");
	tells("{\"minProperties\":2,\"propertyNames\":{\"maxLength\":1}}", "{\"ab\":1}",
	      " minProperties must have at least 2 members\n/ab propertyNames has a name that is "
	      "not "
	      "allowed here");
	tells("{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}",
	      " dependentRequired \"b\" is missing, which must be there with \"a\"");
	tells("{\"not\":{\"const\":1}}", "1", " not is what it must not be");
	tells("{\"oneOf\":[{\"minimum\":1},true,{\"minimum\":2}]}", "1",
	      " oneOf fits more than one of the alternatives: 1 and 2");
	tells("{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]}}", "{\"a\":1}",
	      " required \"b\" is missing");
	tells("{\"properties\":{\"a\":false},\"items\":false}", "{\"a\":1}",
	      "/a properties is not allowed here");
	tells("false", "1", " false is not allowed here");
	tells("{\"properties\":{\"a\":{\"type\":\"integer\"}},\"unevaluatedProperties\":false}",
	      "{\"a\":\"x\",\"b\":1}",
	      "/a type is not a whole number\n/b unevaluatedProperties is not allowed here");
}

static void the_alternative_that_is_meant_tells_its_faults(void)
{
	tells("{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/o\"}],\"$defs\":{\"o\":"
	      "{\"type\":\"object\",\"required\":[\"a\"]}}}",
	      "{}", " required \"a\" is missing");
	tells("{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"minimum\":1}}]}",
	      "[0,1,0]", "/0 minimum must be at least 1\n/2 minimum must be at least 1");
	tells("{\"anyOf\":[{\"minimum\":2},{\"multipleOf\":2}]}", "1",
	      " anyOf fits none of the 2 alternatives");
	tells("{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\"}]}", "1",
	      " anyOf fits none of the 2 alternatives");
}

static void a_failed_alternative_leaves_no_noise(void)
{
	tells("{\"anyOf\":[{\"properties\":{\"a\":{\"const\":1}}},{\"properties\":{\"a\":"
	      "{\"const\":2}}}],\"unevaluatedProperties\":false}",
	      "{\"a\":3}", " anyOf fits none of the 2 alternatives");
}

static void the_list_of_faults_is_bounded(void)
{
	struct trial trial;
	char text[1024] = "[", *at = text + 1;

	for (int i = 0; i < 150; i++)
		at = stpcpy(at, i ? ",1" : "1");
	strcpy(at, "]");
	trial_init(&trial);
	trial_schema(&trial, "{\"items\":{\"type\":\"string\"}}");
	is_int(trial_ask(&trial, text), SCHEMA_INVALID);
	is_int(trial.report.n_faults, SCHEMA_FAULTS_MAX);
	is_true(trial.report.more);
	is_str(trial.report.faults[99].pointer, STR("/99"));
	trial_fini(&trial);
}

static void the_bytes_of_a_report_are_bounded(void)
{
	struct trial trial;
	struct buf out;
	size_t size = 0;

	buf_init(&out, 1 << 20);
	for (int depth = 0; depth < 100; depth++) {
		buf_add(&out, STR("{\""));
		for (int i = 0; i < 300; i++)
			buf_add(&out, STR("\xc3\xa9"));
		buf_add(&out, STR("\":"));
	}
	buf_add(&out, STR("[1,1,1,1,1,1,1,1]"));
	for (int depth = 0; depth < 100; depth++)
		buf_add(&out, STR("}"));
	trial_init(&trial);
	trial_schema(&trial, "{\"additionalProperties\":{\"$ref\":\"#\"},\"items\":false}");
	is_int(trial_ask_within(&trial, buf_str(&out), SCHEMA_STEPS_MAX), SCHEMA_INVALID);
	is_true(trial.report.more && trial.report.n_faults < 8 && trial.report.n_faults > 1);
	for (size_t i = 0; i < trial.report.n_faults; i++) {
		is_true(str_is_utf8(trial.report.faults[i].pointer));
		size += trial.report.faults[i].pointer.len;
	}
	is_true(size <= SCHEMA_REPORT_MAX);
	is_true(str_starts_with(str_skip(trial.report.faults[0].pointer, 129), STR("…/\xc3\xa9")));
	trial_fini(&trial);
	buf_fini(&out);
}

static void a_key_that_is_there_twice_is_a_fault(void)
{
	struct trial trial;
	struct buf out;

	tells("{}", "{\"a\":[{\"b\":1,\"c\":{},\"b\":1}]}",
	      "/a/0/b duplicate is there twice in its object");
	tells("{\"maxProperties\":1}", "{\"a\":1,\"a\":1}",
	      "/a duplicate is there twice in its object");
	buf_init(&out, 1 << 20);
	buf_add(&out, STR("[{\"k0\":0"));
	for (int i = 1; i < 1000; i++)
		buf_printf(&out, ",\"k%d\":0", i);
	buf_add(&out, STR("},{\"k0\":0"));
	for (int i = 1; i < 1000; i++)
		buf_printf(&out, ",\"k%d\":0", i % 999);
	buf_add(&out, STR("}]"));
	trial_init(&trial);
	trial_schema(&trial, "{}");
	is_int(trial_ask_within(&trial, buf_str(&out), SCHEMA_STEPS_MAX), SCHEMA_INVALID);
	is_str(trial.report.faults[0].pointer, STR("/1/k0"));
	trial_fini(&trial);
	buf_fini(&out);
}

int main(void)
{
	TEST(every_fault_is_listed_with_its_pointer);
	TEST(the_alternative_that_is_meant_tells_its_faults);
	TEST(a_failed_alternative_leaves_no_noise);
	TEST(the_list_of_faults_is_bounded);
	TEST(the_bytes_of_a_report_are_bounded);
	TEST(a_key_that_is_there_twice_is_a_fault);
	return tap_done();
}
