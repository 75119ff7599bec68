/* tests/server/schema/load.c: files, references, and what is refused at load. */
#include "tests/server/schema/try.h"
#include <sys/stat.h>

static void load_refuses(const char *text, const char *want, int line)
{
	struct trial trial;

	trial_init(&trial);
	tap_ok(trial_schema(&trial, text) == NULL, __FILE__, line, "%s is refused", text);
	tap_is_str(str_of(trial_error(&trial)), str_of(want), __FILE__, line, text);
	trial_fini(&trial);
}

#define refuses(text, want) load_refuses(text, want, __LINE__)

static void what_is_not_understood_is_an_error(void)
{
	refuses("{\n  \"typ\": \"object\"}",
		"2:4: unknown keyword \"typ\"; did you mean \"type\"?");
	refuses("{\"nullable\":true}",
		"1:3: unknown keyword \"nullable\"; remove it, or let its name "
		"begin with x- when it is a note");
	refuses("{\"$dynamicRef\":\"#a\"}",
		"1:3: \"$dynamicRef\" is not supported; use $ref and $anchor");
	refuses("{\"additionalItems\":false}",
		"1:3: \"additionalItems\" is of an older draft; write "
		"prefixItems and items");
	refuses("{\"dependencies\":{}}", "1:3: \"dependencies\" is of an older draft; write "
					 "dependentRequired or dependentSchemas");
	refuses("{\"items\":[{}]}",
		"1:3: a list of \"items\" is of an older draft; write prefixItems");
	refuses("{\"exclusiveMinimum\":true}",
		"1:3: a boolean \"exclusiveMinimum\" is of an older draft; write the number here, "
		"without \"minimum\"");
	refuses("{\"exclusiveMaximum\":true}",
		"1:3: a boolean \"exclusiveMaximum\" is of an older draft; write the number here, "
		"without \"maximum\"");
	refuses("{\"required\":true}", "1:3: a boolean \"required\" is of an older draft; list the "
				       "names beside \"properties\"");
	refuses("{\"format\":\"e-mail\"}",
		"1:3: unknown format \"e-mail\"; did you mean \"email\"?");
	refuses("{\"format\":\"int32\"}",
		"1:3: the format \"int32\" is not supported; remove it, or "
		"say by pattern what it is");
	refuses("{\"properties\":{\"$id\":{\"$id\":\"x\"}}}",
		"1:24: a $id inside a schema is not supported; use $anchor, or a file of its own");
}

static void values_of_keywords_are_checked(void)
{
	refuses("{\"type\":\"int\"}", "1:3: not a type; write null, boolean, number, integer, "
				      "string, array or object");
	refuses("{\"type\":\"strng\"}", "1:3: unknown type \"strng\"; did you mean \"string\"?");
	refuses("{\"type\":[]}", "1:3: no type is listed; list at least one");
	refuses("{\"type\":[\"null\",\"null\"]}", "1:3: a type is listed twice; remove one");
	refuses("{\"type\":{}}", "1:3: not a type; write null, boolean, number, integer, string, "
				 "array or object");
	refuses("{\"enum\":[]}", "1:3: \"enum\" lists no value; write a list of at least one");
	refuses("{\"minLength\":-1}",
		"1:3: \"minLength\" counts something; write 0, or a whole number above it");
	refuses("{\"minLength\":1.5}",
		"1:3: \"minLength\" counts something; write 0, or a whole number above it");
	refuses("{\"minimum\":\"1\"}", "1:3: \"minimum\" is a text; write a number");
	refuses("{\"multipleOf\":0}",
		"1:3: \"multipleOf\" is not a number above 0 with at most 18 digits");
	refuses("{\"multipleOf\":-1}",
		"1:3: \"multipleOf\" is not a number above 0 with at most 18 digits");
	refuses("{\"multipleOf\":1234567890123456789}",
		"1:3: \"multipleOf\" is not a number above 0 with at most 18 digits");
	refuses("{\"uniqueItems\":1}", "1:3: \"uniqueItems\" is a number; write true or false");
	refuses("{\"required\":\"a\"}",
		"1:3: \"required\" holds something else than names; write a list of texts");
	refuses("{\"allOf\":[]}", "1:3: \"allOf\" is empty; list at least one schema");
	refuses("{\"allOf\":{}}", "1:3: \"allOf\" is an object; write a list of schemas");
	refuses("{\"not\":1}",
		"1:3: \"not\" holds a number where a schema stands; write an object, "
		"true or false");
	refuses("{\"properties\":{\"a\":[]}}", "1:3: \"properties\" holds a list where a schema "
					       "stands; write an object, true or false");
	refuses("{\"pattern\":\"a++\"}", "1:3: not a regular expression: nothing to repeat");
	refuses("{\"pattern\":\"(?<=a+)b\"}",
		"1:3: not a regular expression: lookbehind assertion is not fixed length");
	refuses("{\"patternProperties\":{\"[\":{}}}",
		"1:3: not a regular expression: a class without its ]");
	refuses("{\"title\":1}", "1:3: \"title\" is a number; write a text");
}

static void a_file_must_be_a_schema_in_json(void)
{
	refuses("{\n\"type\":\"object\",}", "2:17: not JSON: a key in double quotes was expected");
	refuses("[]", "1:1: not a schema; write an object");
	refuses("{\"a\":{\"type\":1,\"type\":2}}",
		"1:1: a key is there twice, at /a/type; remove one");
	refuses("{\"$schema\":1}", "1:3: \"$schema\" is a number; write a text");
}

static void other_dialects_are_read_as_this_one_with_a_warning(void)
{
	struct trial trial;

	trial_init(&trial);
	is_true(trial_schema(&trial, "{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}") !=
		NULL);
	is_int(trial.diag.n_warnings, 1);
	trial_write(&trial, "t.json",
		    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema#\"}");
	is_true(trial_load(&trial, "t.json") != NULL);
	is_int(trial.diag.n_warnings, 1);
	trial_write(&trial, "u.json", "{\"contentEncoding\":\"base64\",\"then\":{}}");
	is_true(trial_load(&trial, "u.json") != NULL);
	is_int(trial.diag.n_warnings, 3);
	is_int(trial.diag.n_errors, 0);
	trial_fini(&trial);
}

/* ------------------------------------------------------------ references */

static const char tree[] =
	"{\"$id\":\"https://example.com/tree\",\"type\":\"object\",\"required\":[\"v\"],"
	"\"properties\":{\"v\":{\"$ref\":\"#/$defs/"
	"a~1b%25\"},\"nodes\":{\"items\":{\"$ref\":\"#\"}},"
	"\"same\":{\"$ref\":\"https://example.com/tree#item\"}},"
	"\"$defs\":{\"a/b%\":{\"$anchor\":\"item\",\"type\":\"integer\"}}}";

static void references_in_a_file_are_followed(void)
{
	struct trial trial;

	trial_init(&trial);
	is_true(trial_schema(&trial, tree) != NULL);
	is_text(trial_error(&trial), "no error");
	is_int(trial_ask(&trial, "{\"v\":1,\"nodes\":[{\"v\":2,\"nodes\":[{\"v\":3}]}]}"),
	       SCHEMA_VALID);
	is_text(trial_faults(&trial, "{\"v\":1,\"nodes\":[{\"v\":2,\"nodes\":[{\"v\":\"x\"}]}],"
				     "\"same\":null}"),
		"/nodes/0/nodes/0/v type is not a whole number\n/same type is not a whole number");
	trial_fini(&trial);
}

static void references_to_files_are_relative_to_who_refers(void)
{
	struct trial trial;
	char path[128];

	trial_init(&trial);
	snprintf(path, sizeof(path), "%s/sub", trial.dir);
	check(mkdir(path, 0700) == 0);
	trial_write(&trial, "sub/item.json", "{\"$ref\":\"../base.json#/$defs/n\"}");
	trial_write(&trial, "base.json",
		    "{\"$defs\":{\"n\":{\"type\":\"number\"},\"t\":"
		    "{\"$anchor\":\"t\",\"$ref\":\"s.json\"}}}");
	is_true(trial_schema(&trial, "{\"properties\":{\"a\":{\"$ref\":\"sub/item.json\"},\"b\":"
				     "{\"$ref\":\"./base.json#t\"},\"c\":{\"$ref\":\"sub/../base"
				     ".json#/$defs/n\"}}}") != NULL);
	is_text(trial_error(&trial), "no error");
	is_text(trial_faults(&trial, "{\"a\":\"x\",\"b\":{\"b\":{\"c\":false}},\"c\":1}"),
		"/a type is not a number\n/b/b/c type is not a number");
	trial_fini(&trial);
}

static void keywords_beside_a_reference_count_too(void)
{
	struct trial trial;

	trial_init(&trial);
	is_true(trial_schema(&trial, "{\"$ref\":\"#/definitions/n\",\"minimum\":2,"
				     "\"definitions\":{\"n\":{\"maximum\":3}}}") != NULL);
	is_int(trial_ask(&trial, "2"), SCHEMA_VALID);
	is_int(trial_ask(&trial, "1"), SCHEMA_INVALID);
	is_int(trial_ask(&trial, "4"), SCHEMA_INVALID);
	trial_fini(&trial);
}

static void load_refuses_within(const char *text, const char *want, int line)
{
	struct trial trial;
	char *dir;

	trial_init(&trial);
	trial_write(&trial, "bad.json", "{\"type\":\"x\"}");
	tap_ok(trial_schema(&trial, text) == NULL, __FILE__, line, "%s is refused", text);
	trial_error(&trial);
	dir = strstr(trial.shown, trial.dir);
	if (dir)
		memmove(dir, dir + strlen(trial.dir) + 1, strlen(dir + strlen(trial.dir) + 1) + 1);
	tap_is_str(str_of(trial.shown), str_of(want), __FILE__, line, text);
	trial_fini(&trial);
}

#define refuses_in(text, want) load_refuses_within(text, want, __LINE__)

static void references_must_lead_to_a_schema(void)
{
	refuses_in("{\"$ref\":\"#/$defs/x\"}", "1:3: there is nothing at \"/$defs/x\" in s.json");
	refuses_in("{\"$defs\":{\"x\":{}},\"$ref\":\"#/$defs/x/\"}",
		   "1:20: there is nothing at \"/$defs/x/\" in s.json");
	refuses_in("{\"$ref\":\"#/allOf/01\",\"allOf\":[{},{}]}",
		   "1:3: there is nothing at \"/allOf/01\" in s.json");
	refuses_in("{\"$ref\":\"#/title\",\"title\":\"x\"}",
		   "1:3: at \"/title\" in s.json is a text and no schema");
	refuses_in("{\"$ref\":\"#here\"}", "1:3: there is no anchor \"here\" in s.json");
	refuses_in("{\"$ref\":\"https://example.com/x.json\"}",
		   "1:3: \"https://example.com/x.json\" is no file here, and leat fetches nothing; "
		   "write the name of a file");
	refuses_in("{\"$ref\":\"none.json\"}",
		   "1:3: cannot read the schema \"none.json\": No such file or directory; check "
		   "the name, or create it");
	refuses_in("{\"$ref\":\"a b\"}",
		   "1:3: not a URI reference; write #/$defs/NAME, or FILE, or FILE#/$defs/NAME");
	refuses_in(
		"{\"properties\":{\"a\":{\"$ref\":\"bad.json\"}}}",
		"1:3: not a type; write null, boolean, number, integer, string, array or object");
	refuses_in("{\"$anchor\":\"1\"}", "1:3: not the name of an anchor; write letters, digits, "
					  "\"_\", \"-\" and \".\", a letter first");
	refuses_in("{\"$anchor\":\"a\",\"not\":{\"$anchor\":\"a\"}}",
		   "1:24: the anchor \"a\" is there twice; rename one");
}

static void loops_that_do_not_look_into_the_value_are_errors(void)
{
	static const char loop[] =
		"this schema applies itself to the same value again, without end; "
		"refer to it from within properties or items";
	static const char *const texts[] = {
		"{\"$ref\":\"#\"}",
		"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":"
		"{\"$ref\":\"#/$defs/a\"}}}",
		"{\"allOf\":[{\"anyOf\":[{\"not\":{\"$ref\":\"#\"}}]}]}",
		"{\"if\":{},\"then\":{\"$ref\":\"#\"}}",
		"{\"dependentSchemas\":{\"a\":{\"$ref\":\"#\"}}}",
		"{\"oneOf\":[{\"$ref\":\"#\"}]}",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct trial trial;

		trial_init(&trial);
		is_null(trial_schema(&trial, texts[i]));
		is_true(trial.diag.n_errors == 1 && strstr(trial_error(&trial), loop));
		trial_fini(&trial);
	}
}

static void what_nests_too_deep_at_one_value_is_an_error(void)
{
	struct trial trial;
	char text[4096] = "", *at = text;

	trial_init(&trial);
	for (int i = 0; i < 63; i++)
		at = stpcpy(at, "{\"not\":");
	at = stpcpy(at, "{}");
	for (int i = 0; i < 63; i++)
		at = stpcpy(at, "}");
	is_null(trial_schema(&trial, text));
	trial_fini(&trial);
	trial_init(&trial);
	text[strlen(text) - 1] = '\0';
	is_true(trial_schema(&trial, text + 7) != NULL);
	trial_fini(&trial);
}

static void a_file_is_read_once_and_told_wrong_each_time(void)
{
	struct trial trial;
	const struct schema *schema;

	trial_init(&trial);
	schema = trial_schema(&trial, "{\"type\":\"null\"}");
	is_true(schema && schema == trial_load(&trial, "./s.json"));
	is_int(trial.loader.n_documents, 1);
	trial_write(&trial, "bad.json", "{\"type\":\"x\"}");
	is_null(trial_load(&trial, "bad.json"));
	is_null(trial_load(&trial, "bad.json"));
	is_int(trial.diag.n_errors, 1);
	is_null(trial_load(&trial, "none.json"));
	is_null(trial_load(&trial, "."));
	is_int(trial.diag.n_errors, 3);
	trial_fini(&trial);
}

static void all_errors_come_in_one_run(void)
{
	struct trial trial;

	trial_init(&trial);
	is_null(trial_schema(&trial, "{\"typ\":1,\"properties\":{\"a\":{\"minimum\":\"x\"}},"
				     "\"$ref\":\"#nowhere\"}"));
	is_int(trial.diag.n_errors, 3);
	trial_fini(&trial);
}

int main(void)
{
	TEST(what_is_not_understood_is_an_error);
	TEST(values_of_keywords_are_checked);
	TEST(a_file_must_be_a_schema_in_json);
	TEST(other_dialects_are_read_as_this_one_with_a_warning);
	TEST(references_in_a_file_are_followed);
	TEST(references_to_files_are_relative_to_who_refers);
	TEST(keywords_beside_a_reference_count_too);
	TEST(references_must_lead_to_a_schema);
	TEST(loops_that_do_not_look_into_the_value_are_errors);
	TEST(what_nests_too_deep_at_one_value_is_an_error);
	TEST(a_file_is_read_once_and_told_wrong_each_time);
	TEST(all_errors_come_in_one_run);
	return tap_done();
}
