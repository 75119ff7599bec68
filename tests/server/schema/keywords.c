/* tests/server/schema/keywords.c: for each keyword, what is valid by it and what is not. */
#include "tests/server/schema/try.h"

struct row {
	const char *schema;
	const char *valid[14], *invalid[14]; /* NULL at the end */
};

static const struct row any_value[] = {
	{ "true", { "1", "null", "{\"a\":[]}" }, { NULL } },
	{ "false", { NULL }, { "1", "null", "{}", "[]", "\"\"" } },
	{ "{}", { "1", "null", "{\"a\":[]}" }, { NULL } },
	{ "{\"type\":\"integer\"}",
	  { "1", "1.0", "-0", "10e2", "1.5e1", "123456789012345678901234567890", "1e400" },
	  { "1.1", "\"1\"", "{}", "[]", "true", "null", "1e-1", "15e-1" } },
	{ "{\"type\":\"number\"}",
	  { "1", "1.0", "1.1", "-1e99" },
	  { "\"1\"", "{}", "true", "null" } },
	{ "{\"type\":\"string\"}", { "\"\"", "\"1\"" }, { "1", "null", "[\"a\"]" } },
	{ "{\"type\":\"object\"}", { "{}", "{\"a\":1}" }, { "[]", "1", "null" } },
	{ "{\"type\":\"array\"}", { "[]", "[1]" }, { "{}", "1", "null" } },
	{ "{\"type\":\"boolean\"}", { "true", "false" }, { "0", "1", "\"true\"", "null" } },
	{ "{\"type\":\"null\"}", { "null" }, { "0", "false", "\"\"", "{}" } },
	{ "{\"type\":[\"integer\",\"string\"]}", { "1", "\"a\"" }, { "1.1", "null", "{}" } },
	{ "{\"type\":[\"string\"]}", { "\"a\"" }, { "1" } },
	{ "{\"type\":[\"number\",\"integer\"]}", { "1.5", "1" }, { "\"a\"" } },
	{ "{\"enum\":[1,2,3]}", { "1", "1.0", "3" }, { "4", "\"1\"", "null", "[1]" } },
	{ "{\"enum\":[6,\"foo\",[],true,{\"foo\":12}]}",
	  { "[]", "{\"foo\":12}", "{\"foo\":12.0}", "6", "\"foo\"", "true" },
	  { "null", "{\"foo\":false}", "{\"foo\":12,\"boo\":42}", "[1]", "1", "{}" } },
	{ "{\"enum\":[\"b\",\"a\",\"foo\\nbar\"]}",
	  { "\"a\"", "\"b\"", "\"foo\\nbar\"" },
	  { "\"\"", "\"c\"", "\"ab\"", "\"foo\\rbar\"" } },
	{ "{\"enum\":[false]}", { "false" }, { "0", "0.0", "null" } },
	{ "{\"enum\":[[false]]}", { "[false]" }, { "[0]", "[0.0]", "[]" } },
	{ "{\"enum\":[0]}", { "0", "0.0", "-0", "0e9" }, { "false", "1" } },
	{ "{\"enum\":[\"hello\\u0000there\"]}", { "\"hello\\u0000there\"" }, { "\"hellothere\"" } },
	{ "{\"const\":2}", { "2", "2.0", "20e-1" }, { "5", "\"2\"" } },
	{ "{\"const\":{\"foo\":\"bar\",\"baz\":\"bax\"}}",
	  { "{\"foo\":\"bar\",\"baz\":\"bax\"}", "{\"baz\":\"bax\",\"foo\":\"bar\"}" },
	  { "{\"foo\":\"bar\"}", "[1,2]", "{}" } },
	{ "{\"const\":[{\"foo\":\"bar\"}]}", { "[{\"foo\":\"bar\"}]" }, { "[2]", "[1,2,3]" } },
	{ "{\"const\":null}", { "null" }, { "0", "false" } },
	{ "{\"const\":{\"a\":false}}", { "{\"a\":false}" }, { "{\"a\":0}", "{\"a\":null}" } },
	{ "{\"const\":9007199254740993}", { "9007199254740993" }, { "9007199254740992" } },
	{ "{\"const\":-2.0}", { "-2", "-2.0" }, { "2", "-2.00001" } },
	{ "{\"$comment\":\"c\",\"title\":\"t\",\"description\":\"d\",\"default\":3,\"examples\":[1]"
	  ","
	  "\"deprecated\":true,\"readOnly\":true,\"writeOnly\":false,\"x-mine\":{}}",
	  { "1", "\"a\"" },
	  { NULL } },
};

static const struct row numbers[] = {
	{ "{\"minimum\":1.1}", { "2.6", "1.1", "\"x\"", "null" }, { "0.6", "-5" } },
	{ "{\"minimum\":-2}", { "-1", "0", "-2", "-2.0" }, { "-2.0001", "-3" } },
	{ "{\"maximum\":3.0}",
	  { "2.6", "3", "3.0", "\"x\"" },
	  { "3.5", "3.00000000000000000001" } },
	{ "{\"maximum\":18446744073709551615}",
	  { "18446744073709551615" },
	  { "18446744073709551616" } },
	{ "{\"maximum\":1e308}", { "1e308" }, { "1e309", "2e308" } },
	{ "{\"exclusiveMinimum\":1.1}", { "1.2", "\"x\"" }, { "1.1", "0.6" } },
	{ "{\"exclusiveMaximum\":3.0}", { "2.2", "\"x\"" }, { "3.0", "3", "3.5" } },
	{ "{\"multipleOf\":2}", { "10", "0", "-4", "\"foo\"", "10.0", "1e30" }, { "7", "1.5" } },
	{ "{\"multipleOf\":1.5}", { "0", "4.5", "-3", "1.5e1" }, { "35", "1.50001" } },
	{ "{\"multipleOf\":0.0001}", { "0.0075", "1" }, { "0.00751" } },
	{ "{\"multipleOf\":0.01}",
	  { "19.99", "0.07", "4.35", "1.15", "100", "0.070" },
	  { "19.999" } },
	{ "{\"multipleOf\":1e-8}", { "12391239123" }, { "1e-9" } },
	{ "{\"multipleOf\":0.5}", { "1e308", "0.5" }, { "0.25" } },
	{ "{\"multipleOf\":0.123456789}", { "0.123456789", "0.246913578" }, { "1e308" } },
	{ "{\"multipleOf\":3}",
	  { "123456789012345678901234567890", "111111111111111111111111111111111", "3e100" },
	  { "123456789012345678901234567891", "1e100" } },
	{ "{\"multipleOf\":100}", { "100", "1e2", "300.0", "1e99" }, { "10", "150" } },
};

static const struct row strings[] = {
	{ "{\"minLength\":2}",
	  { "\"foo\"", "\"fo\"", "1", "\"\\u00e9\\u00e9\"" },
	  { "\"f\"", "\"\"", "\"\\ud83d\\udca9\"", "\"\\u00e9\"" } },
	{ "{\"maxLength\":2}",
	  { "\"f\"", "\"fo\"", "100", "\"\\ud83d\\udca9\\ud83d\\udca9\"", "\"\"" },
	  { "\"foo\"" } },
	{ "{\"maxLength\":2.0,\"minLength\":1e0}", { "\"f\"" }, { "\"foo\"", "\"\"" } },
	{ "{\"maxLength\":0}", { "\"\"", "0" }, { "\"a\"" } },
	{ "{\"pattern\":\"^a*$\"}",
	  { "\"aaa\"", "\"\"", "true", "{}", "null" },
	  { "\"abc\"", "\"aaa\\n\"", "\"\\naaa\"" } },
	{ "{\"pattern\":\"a+\"}", { "\"xxaayy\"", "\"a\"" }, { "\"xx\"", "\"\"" } },
	{ "{\"pattern\":\"a|b$\"}", { "\"xax\"", "\"xb\"" }, { "\"bx\"" } },
	{ "{\"pattern\":\"^\\\\d{2}$\"}",
	  { "\"12\"" },
	  { "\"1\"", "\"\\u07f1\\u07f2\"", "\"123\"", "\"12\\n\"" } },
	{ "{\"pattern\":\"^\\\\W$\"}", { "\"\\u00e9\"", "\"-\"" }, { "\"e\"" } },
	{ "{\"pattern\":\"^.$\"}", { "\"\\ud83d\\udc32\"", "\"x\"" }, { "\"\\n\"", "\"\"" } },
	{ "{\"pattern\":\"^\\\\ud83d\\\\udc32*$\"}",
	  { "\"\\ud83d\\udc32\\ud83d\\udc32\"", "\"\"" },
	  { "\"\\ud83d\\udc09\"" } },
	{ "{\"pattern\":\"^\\\\u{1F432}$\"}", { "\"\\ud83d\\udc32\"" }, { "\"D\"" } },
	{ "{\"pattern\":\"^\\\\p{Lu}\"}", { "\"\\u00c9x\"" }, { "\"\\u00e9x\"" } },
	{ "{\"pattern\":\"^[^]$\"}", { "\"\\n\"", "\"a\"" }, { "\"\"" } },
	{ "{\"pattern\":\"[]\"}", { NULL }, { "\"a\"", "\"\"" } },
	{ "{\"pattern\":\"^\\\\v$\"}", { "\"\\u000b\"" }, { "\"\\n\"", "\"v\"" } },
	{ "{\"pattern\":\"^\\\\t\\\\cC\\\\0$\"}", { "\"\\t\\u0003\\u0000\"" }, { "\"tC0\"" } },
	{ "{\"pattern\":\"^[[:x]+$\"}", { "\"[x:\"" }, { "\"a\"" } },
	{ "{\"pattern\":\"^[\\\\w-.]+$\"}", { "\"a-b.c\"" }, { "\"a/b\"" } },
	{ "{\"pattern\":\"^(?=.*[A-Z])(?=.*\\\\d).{4,}$\"}",
	  { "\"aB3d\"" },
	  { "\"ab3d\"", "\"aBcd\"", "\"aB3\"" } },
	{ "{\"pattern\":\"^(a)(b)?\\\\2c\\\\1$\"}", { "\"abbca\"", "\"aca\"" }, { "\"abca\"" } },
	{ "{\"pattern\":\"^(?<x>a|b)\\\\k<x>$\"}", { "\"aa\"", "\"bb\"" }, { "\"ab\"" } },
	{ "{\"pattern\":\"(?<!x)y\"}", { "\"y\"" }, { "\"xy\"" } },
};

static const struct row arrays[] = {
	{ "{\"items\":{\"type\":\"integer\"}}",
	  { "[1,2,3]", "[]", "{\"foo\":\"bar\"}", "{\"0\":\"x\",\"length\":1}" },
	  { "[1,\"x\"]" } },
	{ "{\"items\":true}", { "[1,\"foo\"]", "[]" }, { NULL } },
	{ "{\"items\":false}", { "[]", "1" }, { "[1]" } },
	{ "{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}",
	  { "[1,\"foo\"]", "[1]", "[1,\"foo\",true]", "[]", "{}" },
	  { "[\"foo\",1]", "[1,2]" } },
	{ "{\"prefixItems\":[{},{},{}],\"items\":{\"type\":\"integer\"}}",
	  { "[\"x\",\"x\",\"x\",4]", "[]", "[\"x\"]" },
	  { "[1,2,3,\"x\"]" } },
	{ "{\"prefixItems\":[{}],\"items\":false}", { "[1]", "[]" }, { "[1,2]" } },
	{ "{\"contains\":{\"minimum\":5}}",
	  { "[3,4,5]", "[5,5]", "{}", "1" },
	  { "[2,3,4]", "[]" } },
	{ "{\"contains\":true}", { "[1]" }, { "[]" } },
	{ "{\"contains\":false}", { "\"x\"" }, { "[1]", "[]" } },
	{ "{\"contains\":{\"const\":1},\"maxContains\":1}",
	  { "[1]", "[1,2]" },
	  { "[1,1]", "[]", "[2]" } },
	{ "{\"contains\":{\"const\":1},\"minContains\":2}",
	  { "[1,1]", "[1,1,1]" },
	  { "[1]", "[]", "[1,2]" } },
	{ "{\"contains\":{\"const\":1},\"minContains\":0}", { "[]", "[2]", "[1]" }, { NULL } },
	{ "{\"contains\":{\"const\":1},\"minContains\":0,\"maxContains\":1}",
	  { "[]", "[1]" },
	  { "[1,1]" } },
	{ "{\"contains\":{\"const\":1},\"minContains\":3,\"maxContains\":1}",
	  { NULL },
	  { "[1]", "[1,1,1]" } },
	{ "{\"minContains\":1}", { "[]", "[1]" }, { NULL } },
	{ "{\"maxContains\":0}", { "[]", "[1]" }, { NULL } },
	{ "{\"minItems\":1}", { "[1,2]", "[1]", "\"\"", "{}" }, { "[]" } },
	{ "{\"maxItems\":2}", { "[1]", "[1,2]", "\"foobar\"" }, { "[1,2,3]" } },
	{ "{\"uniqueItems\":true}",
	  { "[1,2]", "[]", "[{\"a\":1},{\"a\":2}]", "[[1],[2]]", "[1,true]", "[0,false]",
	    "[[1],[true]]", "[{\"a\":0},{\"a\":false}]", "[\"1\",1]", "[\"a\",\"A\"]",
	    "[null,0,false,\"\",[],{}]", "[{\"a\":1},{\"b\":1}]" },
	  { "[1,1]", "[1,2,1]", "[1.0,1.00,1]", "[\"foo\",\"bar\",\"foo\"]",
	    "[{\"a\":1},{\"a\":1}]", "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]", "[[1],[1.0]]",
	    "[[[1],\"x\"],[[1],\"x\"]]", "[0,-0]", "[1e2,100]", "[null,null]" } },
	{ "{\"uniqueItems\":false}", { "[1,1]" }, { NULL } },
	{ "{\"uniqueItems\":true,\"prefixItems\":[{\"type\":\"boolean\"}],\"items\":false}",
	  { "[true]" },
	  { "[false,false]" } },
};

static const struct row objects[] = {
	{ "{\"properties\":{\"foo\":{\"type\":\"integer\"},\"bar\":{\"type\":\"string\"}}}",
	  { "{\"foo\":1,\"bar\":\"baz\"}", "{\"quux\":[]}", "[]", "12", "{}" },
	  { "{\"foo\":1,\"bar\":{}}", "{\"foo\":[],\"bar\":{}}" } },
	{ "{\"properties\":{\"foo\":true,\"bar\":false}}",
	  { "{}", "{\"foo\":1}" },
	  { "{\"bar\":2}", "{\"foo\":1,\"bar\":2}" } },
	{ "{\"properties\":{\"foo\\nbar\":{\"type\":\"number\"},\"foo\\\"bar\":{\"type\":"
	  "\"number\"},"
	  "\"__proto__\":{\"type\":\"number\"},\"$ref\":{\"type\":\"string\"}}}",
	  { "{\"foo\\nbar\":1,\"foo\\\"bar\":1}", "{\"$ref\":\"a\"}" },
	  { "{\"foo\\nbar\":\"1\"}", "{\"foo\\\"bar\":\"1\"}", "{\"__proto__\":\"x\"}",
	    "{\"$ref\":2}" } },
	{ "{\"properties\":{\"foo\":{\"type\":\"array\",\"maxItems\":3},\"bar\":{\"type\":"
	  "\"array\"}},"
	  "\"patternProperties\":{\"f.o\":{\"minItems\":2}},\"additionalProperties\":{\"type\":"
	  "\"integer\"}}",
	  { "{\"foo\":[1,2]}", "{\"fxo\":[1,2]}", "{\"bar\":[]}", "{\"quux\":3}" },
	  { "{\"foo\":[1,2,3,4]}", "{\"foo\":[]}", "{\"fxo\":[]}", "{\"quux\":\"foo\"}" } },
	{ "{\"patternProperties\":{\"f.*o\":{\"type\":\"integer\"}}}",
	  { "{\"foo\":1}", "{\"foo\":1,\"foooo\":2}", "\"foo\"", "{\"x\":\"y\"}" },
	  { "{\"foo\":\"bar\",\"fooooo\":2}", "{\"foo\":\"bar\",\"foooooo\":\"baz\"}" } },
	{ "{\"patternProperties\":{\"a*\":{\"type\":\"integer\"},\"aaa*\":{\"maximum\":20}}}",
	  { "{\"a\":21}", "{\"aaaa\":18}", "{\"a\":21,\"aaaa\":18}" },
	  { "{\"a\":\"bar\"}", "{\"aaaa\":31}", "{\"aaa\":\"foo\",\"aaaa\":31}" } },
	{ "{\"patternProperties\":{\"[0-9]{2,}\":{\"type\":\"boolean\"},\"X_\":{\"type\":"
	  "\"string\"}}}",
	  { "{\"answer 1\":\"42\"}", "{\"a_x_3\":3}" },
	  { "{\"a31b\":null}", "{\"a_X_3\":3}" } },
	{ "{\"patternProperties\":{\"f.*\":true,\"b.*\":false}}",
	  { "{\"foo\":1}", "{}" },
	  { "{\"bar\":2}", "{\"foobar\":1}" } },
	{ "{\"properties\":{\"foo\":{},\"bar\":{}},\"patternProperties\":{\"^v\":{}},"
	  "\"additionalProperties\":false}",
	  { "{\"foo\":1}", "{\"foo\":1,\"vroom\":2}", "[1]", "\"x\"" },
	  { "{\"foo\":1,\"bar\":2,\"quux\":\"boom\"}" } },
	{ "{\"additionalProperties\":{\"type\":\"boolean\"}}",
	  { "{\"foo\":true}" },
	  { "{\"foo\":1}" } },
	{ "{\"allOf\":[{\"properties\":{\"foo\":{}}}],\"additionalProperties\":{\"type\":"
	  "\"boolean\"}}",
	  { "{\"foo\":true}" },
	  { "{\"foo\":1}" } },
	{ "{\"propertyNames\":{\"maxLength\":3}}",
	  { "{\"f\":{},\"foo\":{}}", "{}", "[1,2,3,4]" },
	  { "{\"foo\":{},\"foobar\":{}}" } },
	{ "{\"propertyNames\":{\"pattern\":\"^a+$\"}}",
	  { "{\"a\":1,\"aa\":2}", "{}" },
	  { "{\"aaA\":1}" } },
	{ "{\"propertyNames\":false}", { "{}" }, { "{\"foo\":1}" } },
	{ "{\"propertyNames\":{\"enum\":[\"foo\",\"bar\"]}}",
	  { "{\"foo\":1}" },
	  { "{\"baz\":1}" } },
	{ "{\"required\":[\"foo\"]}",
	  { "{\"foo\":1}", "[]", "\"\"", "12", "{\"foo\":null}" },
	  { "{\"bar\":1}", "{}" } },
	{ "{\"required\":[]}", { "{}" }, { NULL } },
	{ "{\"required\":[\"foo\\nbar\",\"foo\\\"bar\"]}",
	  { "{\"foo\\nbar\":1,\"foo\\\"bar\":1}" },
	  { "{\"foo\\nbar\":1}" } },
	{ "{\"required\":[\"__proto__\",\"toString\"]}",
	  { "{\"__proto__\":1,\"toString\":1}" },
	  { "{}", "{\"__proto__\":1}" } },
	{ "{\"minProperties\":1}", { "{\"a\":1}", "[]", "\"\"" }, { "{}" } },
	{ "{\"maxProperties\":2}",
	  { "{\"a\":1,\"b\":2}", "[1,2,3]" },
	  { "{\"a\":1,\"b\":2,\"c\":3}" } },
	{ "{\"maxProperties\":0}", { "{}" }, { "{\"a\":1}" } },
	{ "{\"dependentRequired\":{\"bar\":[\"foo\"]}}",
	  { "{}", "{\"foo\":1}", "{\"foo\":1,\"bar\":2}", "[\"bar\"]", "\"foobar\"" },
	  { "{\"bar\":2}" } },
	{ "{\"dependentRequired\":{\"bar\":[]}}", { "{}", "{\"bar\":2}" }, { NULL } },
	{ "{\"dependentRequired\":{\"quux\":[\"foo\",\"bar\"]}}",
	  { "{}", "{\"foo\":1,\"bar\":2}", "{\"foo\":1,\"bar\":2,\"quux\":3}" },
	  { "{\"foo\":1,\"quux\":2}", "{\"bar\":1,\"quux\":2}", "{\"quux\":1}" } },
	{ "{\"dependentSchemas\":{\"bar\":{\"properties\":{\"foo\":{\"type\":\"integer\"},\"bar\":{"
	  "\"type\":\"integer\"}}}}}",
	  { "{\"foo\":1,\"bar\":2}", "{\"foo\":\"quux\"}", "[\"bar\"]" },
	  { "{\"foo\":\"quux\",\"bar\":2}", "{\"foo\":2,\"bar\":\"quux\"}" } },
	{ "{\"dependentSchemas\":{\"foo\":true,\"bar\":false}}",
	  { "{\"foo\":1}", "{}" },
	  { "{\"bar\":2}", "{\"foo\":1,\"bar\":2}" } },
	{ "{\"properties\":{\"a\":{\"properties\":{\"b\":{\"required\":[\"c\"]}}}}}",
	  { "{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":1}}" },
	  { "{\"a\":{\"b\":{}}}" } },
};

static const struct row logic[] = {
	{ "{\"allOf\":[{\"required\":[\"bar\"]},{\"required\":[\"foo\"]}]}",
	  { "{\"foo\":1,\"bar\":2}" },
	  { "{\"foo\":1}", "{\"bar\":1}", "{}" } },
	{ "{\"required\":[\"bar\"],\"allOf\":[{\"required\":[\"foo\"]},{\"required\":[\"baz\"]}]}",
	  { "{\"foo\":1,\"bar\":2,\"baz\":3}" },
	  { "{\"foo\":1,\"baz\":2}", "{\"bar\":2}" } },
	{ "{\"allOf\":[true,false]}", { NULL }, { "1" } },
	{ "{\"allOf\":[{\"multipleOf\":2}],\"anyOf\":[{\"multipleOf\":3}],\"oneOf\":[{"
	  "\"multipleOf\":5}]}",
	  { "30" },
	  { "1", "5", "3", "15", "2", "10", "6" } },
	{ "{\"anyOf\":[{\"type\":\"integer\"},{\"minimum\":2}]}", { "1", "2.5", "3" }, { "1.5" } },
	{ "{\"type\":\"string\",\"anyOf\":[{\"maxLength\":2},{\"minLength\":4}]}",
	  { "\"fo\"", "\"foobar\"" },
	  { "3", "\"foo\"" } },
	{ "{\"anyOf\":[false,false]}", { NULL }, { "1" } },
	{ "{\"oneOf\":[{\"type\":\"integer\"},{\"minimum\":2}]}", { "1", "2.5" }, { "3", "1.5" } },
	{ "{\"oneOf\":[true,true]}", { NULL }, { "1" } },
	{ "{\"oneOf\":[true,false,false]}", { "1" }, { NULL } },
	{ "{\"oneOf\":[{\"required\":[\"foo\",\"bar\"]},{\"required\":[\"foo\",\"baz\"]}]}",
	  { "{\"foo\":1,\"bar\":2}", "{\"foo\":1,\"baz\":3}" },
	  { "{\"foo\":1,\"bar\":2,\"baz\":3}", "{\"bar\":2}" } },
	{ "{\"not\":{\"type\":\"integer\"}}", { "\"foo\"", "1.1" }, { "1" } },
	{ "{\"not\":{\"type\":[\"integer\",\"boolean\"]}}", { "\"foo\"" }, { "1", "true" } },
	{ "{\"properties\":{\"foo\":{\"not\":{}}}}", { "{\"bar\":1}" }, { "{\"foo\":1}" } },
	{ "{\"not\":{\"not\":{\"const\":1}}}", { "1" }, { "2" } },
	{ "{\"if\":{\"exclusiveMaximum\":0},\"then\":{\"minimum\":-10},\"else\":{\"multipleOf\":2}"
	  "}",
	  { "-1", "4", "-10" },
	  { "-100", "3" } },
	{ "{\"if\":{\"const\":0}}", { "0", "1" }, { NULL } },
	{ "{\"if\":true,\"then\":{\"const\":\"then\"},\"else\":{\"const\":\"else\"}}",
	  { "\"then\"" },
	  { "\"else\"" } },
	{ "{\"if\":false,\"then\":{\"const\":\"then\"},\"else\":{\"const\":\"else\"}}",
	  { "\"else\"" },
	  { "\"then\"" } },
	{ "{\"else\":{\"const\":1},\"then\":{\"const\":2}}", { "3" }, { NULL } },
	{ "{\"else\":{\"const\":\"other\"},\"if\":{\"maxLength\":4},\"then\":{\"const\":\"yes\"}}",
	  { "\"yes\"", "\"other\"" },
	  { "\"no\"", "\"invalid\"" } },
};

static const struct row unevaluated[] = {
	{ "{\"unevaluatedProperties\":false}", { "{}", "[1]", "1" }, { "{\"a\":1}" } },
	{ "{\"unevaluatedProperties\":{\"minLength\":3}}",
	  { "{\"a\":\"foo\"}", "{}" },
	  { "{\"a\":\"fo\"}" } },
	{ "{\"properties\":{\"foo\":{}},\"unevaluatedProperties\":false}",
	  { "{\"foo\":1}" },
	  { "{\"foo\":1,\"bar\":1}" } },
	{ "{\"patternProperties\":{\"^f\":{}},\"unevaluatedProperties\":false}",
	  { "{\"foo\":1}" },
	  { "{\"bar\":1}" } },
	{ "{\"additionalProperties\":true,\"unevaluatedProperties\":false}",
	  { "{\"foo\":1}" },
	  { NULL } },
	{ "{\"properties\":{\"foo\":{}},\"allOf\":[{\"properties\":{\"bar\":{}}}],"
	  "\"unevaluatedProperties\":false}",
	  { "{\"foo\":1,\"bar\":2}" },
	  { "{\"foo\":1,\"bar\":2,\"baz\":3}" } },
	{ "{\"allOf\":[{\"additionalProperties\":true}],\"unevaluatedProperties\":false}",
	  { "{\"foo\":1}" },
	  { NULL } },
	{ "{\"allOf\":[{\"unevaluatedProperties\":true}],\"unevaluatedProperties\":false}",
	  { "{\"foo\":1}" },
	  { NULL } },
	{ "{\"properties\":{\"foo\":{}},\"anyOf\":[{\"properties\":{\"bar\":{\"const\":\"bar\"}},"
	  "\"required\":[\"bar\"]},"
	  "{\"properties\":{\"baz\":{\"const\":\"baz\"}},\"required\":[\"baz\"]}],"
	  "\"unevaluatedProperties\":false}",
	  { "{\"foo\":1,\"bar\":\"bar\"}", "{\"bar\":\"bar\",\"baz\":\"baz\"}" },
	  { "{\"bar\":\"bar\",\"baz\":\"not-baz\"}", "{\"foo\":1,\"bar\":\"bar\",\"quux\":1}" } },
	{ "{\"oneOf\":[{\"properties\":{\"bar\":{\"const\":1}},\"required\":[\"bar\"]},"
	  "{\"properties\":{\"baz\":{\"const\":1}},\"required\":[\"baz\"]}],"
	  "\"unevaluatedProperties\":false}",
	  { "{\"bar\":1}", "{\"baz\":1}" },
	  { "{\"bar\":1,\"quux\":1}", "{\"bar\":1,\"baz\":2}" } },
	{ "{\"not\":{\"not\":{\"properties\":{\"bar\":{\"const\":1}},\"required\":[\"bar\"]}},"
	  "\"unevaluatedProperties\":false}",
	  { NULL },
	  { "{\"bar\":1}" } },
	{ "{\"if\":{\"properties\":{\"foo\":{\"const\":\"then\"}},\"required\":[\"foo\"]},"
	  "\"then\":{\"properties\":{\"bar\":{}}},\"else\":{\"properties\":{\"baz\":{}}},"
	  "\"unevaluatedProperties\":false}",
	  { "{\"foo\":\"then\",\"bar\":1}", "{\"baz\":1}" },
	  { "{\"foo\":\"then\",\"baz\":1}", "{\"foo\":\"else\",\"baz\":1}", "{\"bar\":1}" } },
	{ "{\"dependentSchemas\":{\"foo\":{\"properties\":{\"bar\":{\"const\":1}},\"required\":["
	  "\"bar\"]}},"
	  "\"properties\":{\"foo\":{}},\"unevaluatedProperties\":false}",
	  { "{\"foo\":1,\"bar\":1}" },
	  { "{\"bar\":1}" } },
	{ "{\"$ref\":\"#/$defs/bar\",\"properties\":{\"foo\":{}},\"unevaluatedProperties\":false,"
	  "\"$defs\":{\"bar\":{\"properties\":{\"bar\":{}}}}}",
	  { "{\"foo\":1,\"bar\":1}" },
	  { "{\"foo\":1,\"bar\":1,\"baz\":1}" } },
	{ "{\"allOf\":[{\"properties\":{\"foo\":{}}},{\"unevaluatedProperties\":false}]}",
	  { "{}" },
	  { "{\"foo\":1}" } },
	{ "{\"properties\":{\"foo\":{\"properties\":{\"bar\":{}},\"unevaluatedProperties\":false}}"
	  "}",
	  { "{\"foo\":{\"bar\":1},\"x\":1}" },
	  { "{\"foo\":{\"bar\":1,\"faz\":1}}" } },
	{ "{\"properties\":{\"foo\":{\"properties\":{\"bar\":{}}}},\"unevaluatedProperties\":"
	  "false}",
	  { "{\"foo\":{\"bar\":1,\"faz\":1}}" },
	  { "{\"bar\":1}" } },
	{ "{\"unevaluatedItems\":false}", { "[]", "{}" }, { "[1]" } },
	{ "{\"unevaluatedItems\":{\"type\":\"string\"}}", { "[\"a\"]" }, { "[1]" } },
	{ "{\"items\":{},\"unevaluatedItems\":false}", { "[1,2]" }, { NULL } },
	{ "{\"prefixItems\":[{}],\"unevaluatedItems\":false}", { "[1]" }, { "[1,2]" } },
	{ "{\"prefixItems\":[{}],\"allOf\":[{\"prefixItems\":[true,{\"type\":\"number\"}]}],"
	  "\"unevaluatedItems\":false}",
	  { "[1,2]" },
	  { "[1,2,3]" } },
	{ "{\"contains\":{\"type\":\"string\"},\"unevaluatedItems\":false}",
	  { "[\"a\",\"b\"]" },
	  { "[\"a\",1]", "[]" } },
	{ "{\"allOf\":[{\"contains\":{\"multipleOf\":2}},{\"contains\":{\"multipleOf\":3}}],"
	  "\"unevaluatedItems\":{\"multipleOf\":5}}",
	  { "[2,3,4,5,6]" },
	  { "[2,3,4,7,8]" } },
	{ "{\"if\":{\"contains\":{\"const\":\"a\"}},\"then\":{\"if\":{\"contains\":{\"const\":"
	  "\"b\"}}},\"unevaluatedItems\":false}",
	  { "[]", "[\"a\",\"a\"]", "[\"a\",\"b\"]" },
	  { "[\"b\"]", "[\"a\",\"c\"]" } },
	{ "{\"anyOf\":[{\"prefixItems\":[true,{\"const\":\"bar\"}]},{\"prefixItems\":[true,true,{"
	  "\"const\":\"baz\"}]}],"
	  "\"unevaluatedItems\":false}",
	  { "[\"foo\",\"bar\"]", "[\"foo\",\"bar\",\"baz\"]" },
	  { "[\"foo\",\"bar\",\"baz\",\"x\"]" } },
};

static void row_try(const struct row *row)
{
	struct trial trial;

	trial_init(&trial);
	if (!trial_schema(&trial, row->schema)) {
		tap_ok(false, __FILE__, __LINE__, "%s: %s", row->schema, trial_error(&trial));
		trial_fini(&trial);
		return;
	}
	for (size_t i = 0; row->valid[i]; i++)
		tap_ok(trial_ask(&trial, row->valid[i]) == SCHEMA_VALID &&
			       trial.report.n_faults == 0,
		       __FILE__, __LINE__, "%s takes %s: %s", row->schema, row->valid[i],
		       trial_faults(&trial, row->valid[i]));
	for (size_t i = 0; row->invalid[i]; i++)
		tap_ok(trial_ask(&trial, row->invalid[i]) == SCHEMA_INVALID &&
			       trial.report.n_faults > 0,
		       __FILE__, __LINE__, "%s refuses %s", row->schema, row->invalid[i]);
	trial_fini(&trial);
}

#define TRY_ALL(rows)                                                                              \
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)                                               \
	row_try(&(rows)[i])

static void keywords_of_any_value_hold(void)
{
	TRY_ALL(any_value);
}

static void keywords_of_numbers_are_exact(void)
{
	TRY_ALL(numbers);
}

static void keywords_of_strings_hold(void)
{
	TRY_ALL(strings);
}

static void keywords_of_arrays_hold(void)
{
	TRY_ALL(arrays);
}

static void keywords_of_objects_hold(void)
{
	TRY_ALL(objects);
}

static void keywords_that_combine_schemas_hold(void)
{
	TRY_ALL(logic);
}

static void what_is_left_over_is_found(void)
{
	TRY_ALL(unevaluated);
}

/* Each "not" of "not" of a schema is the schema: what is silent says the same as what is loud. */
static void silence_changes_no_answer(void)
{
	static const struct {
		const struct row *rows;
		size_t n_rows;
	} all[] = { { numbers, ARRAY_LEN(numbers) },
		    { arrays, ARRAY_LEN(arrays) },
		    { objects, ARRAY_LEN(objects) },
		    { logic, ARRAY_LEN(logic) } };
	char text[2048];

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (size_t j = 0; j < all[i].n_rows; j++) {
			struct row row = all[i].rows[j];

			snprintf(text, sizeof(text), "{\"not\":{\"not\":%s}}", row.schema);
			row.schema = text;
			row_try(&row);
		}
}

int main(void)
{
	TEST(keywords_of_any_value_hold);
	TEST(keywords_of_numbers_are_exact);
	TEST(keywords_of_strings_hold);
	TEST(keywords_of_arrays_hold);
	TEST(keywords_of_objects_hold);
	TEST(keywords_that_combine_schemas_hold);
	TEST(what_is_left_over_is_found);
	TEST(silence_changes_no_answer);
	return tap_done();
}
