/* tests/server/expr/expr.c */
#include "tests/server/expr/try.h"

static void literals_are_what_they_say(void)
{
	gives("12", "12");
	gives(" -12 ", "-12");
	gives("-9223372036854775808", "-9223372036854775808");
	gives("19.990", "19.990");
	gives("-1.5e3", "-1.5e3");
	gives("18446744073709551615", "18446744073709551615");
	gives("'it''s'", "5: \"'s'\" cannot stand here; an operator or the end was expected");
	gives("'it\\'s \"x\"'", "\"it's \\\"x\\\"\"");
	gives("\"a\\n\\u00e9\\ud83d\\ude00\\\\\"", "\"a\\n\xc3\xa9\xf0\x9f\x98\x80\\\\\"");
	gives("true", "true");
	gives("false", "false");
	gives("null", "null");
	gives("[1, 'a', [null]]", "[1,\"a\",[null]]");
	gives("[]", "[]");
	gives("{}", "{}");
	gives("{a: 1, 'b c': 2, in: 3, true: body.yes}",
	      "{\"a\":1,\"b c\":2,\"in\":3,\"true\":true}");
}

static void precedence_is_that_of_the_table(void)
{
	gives("1 + 2 * 3", "7");
	gives("(1 + 2) * 3", "9");
	gives("2 - 3 - 4", "-5");
	gives("24 / 4 / 2", "3");
	gives("-2 * -3", "6");
	gives("- 2 + 3", "1");
	gives("1 - -1", "2");
	gives("1 + 2 < 4", "true");
	gives("1 < 2 == true", "true");
	gives("true || false && false", "true");
	gives("!true || true", "true");
	gives("not true == false", "true");
	gives("!(true && false)", "true");
	gives("null ?? true && false", "false");
	gives("null ?? null ?? 3", "3");
	gives("null ?? false ? 1 : 2", "2");
	gives("true ? 1 : false ? 2 : 3", "1");
	gives("false ? 1 : false ? 2 : 3", "3");
	gives("true ? false ? 1 : 2 : 3", "2");
	gives("1 in [1, 2] && 3 in [3]", "true");
	gives("-body.list[0]", "-3");
	gives("!body.yes", "false");
}

static void operators_compute_exactly(void)
{
	gives("9223372036854775806 + 1", "9223372036854775807");
	gives("9223372036854775807 + 1", "21: the result of \"+\" does not fit 64 bits");
	gives("body.max + 1", "!the result of \"+\" does not fit 64 bits");
	gives("body.min - 1", "!the result of \"-\" does not fit 64 bits");
	gives("body.max * 2", "!the result of \"*\" does not fit 64 bits");
	gives("body.min / -1", "!the result of \"/\" does not fit 64 bits");
	gives("body.min % -1", "0");
	gives("-body.min", "!the result of \"-\" does not fit 64 bits");
	gives("7 / 2", "3");
	gives("-7 / 2", "-3");
	gives("-7 % 3", "-1");
	gives("7.5 % 2", "1.5");
	gives("1 / 0", "3: \"/\" divides by zero");
	gives("1 % 0", "3: \"%\" divides by zero");
	gives("index / (index - 7)", "!\"/\" divides by zero");
	gives("1.0 / 0", "5: \"/\" divides by zero");
	gives("1e308 * 10", "7: the result of \"*\" does not fit 64 bits");
	gives("1 / 2.0", "0.5");
	gives("0.1 + 0.2", "0.30000000000000004");
	gives("body.price * 2", "39.98");
	gives("body.id + 1", "!\"+\" computes with 64 bits, and a number does not fit 64 bits");
	gives("body.huge + 1", "!\"+\" computes with 64 bits, and a number does not fit 64 bits");
	gives("body.id", "18446744073709551615");
	gives("body.huge", "1e400");
	gives("body.id == 18446744073709551615", "true");
	gives("body.id > 18446744073709551614", "true");
	gives("body.price == 19.99", "true");
	gives("body.huge > body.id", "true");
	gives("'a' + 'b' + ''", "\"ab\"");
	gives("-'a'", "1: \"-\" takes a number, got a text");
	gives("'n: ' + 1", "7: \"+\" takes two numbers or two texts, got a text and a number");
	gives("body.list + index",
	      "!\"+\" takes two numbers or two texts, got a list and a number");
	gives("body.a - null", "!\"-\" takes two numbers, got an object and null");
}

static void comparisons_and_in(void)
{
	gives("1 < 1", "false");
	gives("1 <= 1", "true");
	gives("2 > 1.5", "true");
	gives("1 >= 2", "false");
	gives("'a' < 'b'", "true");
	gives("'a' < 'B'", "false");
	gives("'a' < 1", "5: \"<\" takes two numbers or two texts, got a text and a number");
	gives("body.yes > true",
	      "!\">\" takes two numbers or two texts, got a boolean and a boolean");
	gives("1 < 2 < 3", "7: comparisons do not chain; write a < b && b < c");
	gives("1 == 1.0", "true");
	gives("1 == '1'", "false");
	gives("1 != '1'", "true");
	gives("null == null", "true");
	gives("[1, {a: 2}] == [1.0, {a: 2}]", "true");
	gives("body.a == parse_json('{\"b\": [10, 20, {\"c\": \"deep\"}]}')", "true");
	gives("2 in body.list", "true");
	gives("5 in body.list", "false");
	gives("'price' in body", "true");
	gives("'prize' in body", "false");
	gives("'ell' in 'hello'", "true");
	gives("1 in 2", "3: \"in\" looks in a list, or for a text in a text or an object; got a "
			"number in a number");
}

static void logic_is_lazy_and_strict(void)
{
	gives("body.yes && body.n == null", "true");
	gives("body.yes || 1 / (index - 7) == 1", "true");
	gives("!body.yes && 1 / (index - 7) == 1", "false");
	gives("body.yes && 1", "!\"&&\" takes booleans, got a number");
	gives("body.n || true", "!\"||\" takes booleans, got null");
	gives("!1", "1: \"!\" takes booleans, got a number");
	gives("body.n ?? 1 / (index - 7)", "!\"/\" divides by zero");
	gives("body.yes ?? 1 / (index - 7)", "true");
	gives("body.yes ? 'a' : 1 / (index - 7)", "\"a\"");
	gives("body.text ? 1 : 2", "!\"?:\" takes a boolean before \"?\", got a text");
}

static void paths_go_through_null_but_not_through_scalars(void)
{
	gives("body.a.b[2].c", "\"deep\"");
	gives("body['odd key']", "5");
	gives("body.a['b'][1 - 1]", "10");
	gives("body.a.b[index]", "null");
	gives("body.a.b[-1]", "null");
	gives("body.a.b[body.id]", "null");
	gives("body.n.x.y[3].z", "null");
	gives("body.nothing.x", "null");
	gives("body.text.x", "!a member is asked of a text; only an object has members");
	gives("body.list.x", "!a member is asked of a list; only an object has members");
	gives("body.text[0]", "!a text has no elements; [] takes a list or an object");
	gives("body.list['a' + string(index)]", "!the index of a list is an integer, got a text");
	gives("body.list[1.5]", "!the index of a list is an integer, got a number");
	gives("body[index]", "!the name in brackets must be a text, got a number");
	gives("body['li' + 'st']", "[3,1,2]");
	gives("body['li' + trim('st')]", "[3,1,2]");
	gives("index", "7");
	gives("index.x", "!a member is asked of a number; only an object has members");
	gives("[1,2][1]", "2");
	gives("{a: {b: 3}}.a.b", "3");
	gives("5 .a", "4: a member is asked of a number; only an object has members");
	gives("query.q", "\"blue!\"");
	gives("query.none", "null");
	gives("query[trim(' q')]", "\"blue!\"");
	gives("query[trim(query.q)]", "null");
	gives("query", "{\"q\":\"blue!\"}");
	gives("query.q.x", "!a member is asked of a text; only an object has members");
	gives("item", "!Cannot allocate memory");
}

static void header_names_are_spelled_as_people_do(void)
{
	gives("headers.x_a", "\"hit\"");
	gives("headers.X_A", "\"hit\"");
	gives("headers['X-A']", "\"hit\"");
	gives("headers['x_a']", "null");
	gives("headers[lower('X-A')]", "\"hit\"");
	gives("headers['X' + string(query.none) + '-A']", "\"hit\"");
	gives("profile.headers.content_type", "\"text/html\"");
	gives("profile.headers['Content-Type']", "\"text/html\"");
	gives("profile.headers[upper('content-type')]", "\"text/html\"");
}

static void tasks_have_fields_and_a_main_result(void)
{
	gives("profile.body.name", "\"Ann\"");
	gives("profile", "{\"name\":\"Ann\",\"0\":\"zero\",\"l\":[1]}");
	gives("profile.status == 200", "true");
	gives("orders.body ?? []", "[]");
	gives("orders.body.x.y", "null");
	gives("profile['na' + (query.none ?? 'me')]", "\"Ann\"");
	gives("profile['status']", "200");
	gives("profile.bdy", "9: a task has no \"bdy\"; did you mean \"body\"?");
	gives("profile.statsu", "9: a task has no \"statsu\"; did you mean \"status\"?");
	gives("profile.customer", "9: a task has no \"customer\"; its result is in body, text, "
				  "rows, result or value");
}

static void errors_show_the_place_and_the_mend(void)
{
	gives("", "1: an expression was expected");
	gives("  ", "1: an expression was expected");
	gives("profil.body", "1: unknown name \"profil\"; did you mean \"profile\"?");
	gives("1 + quary.q", "5: unknown name \"quary\"; did you mean \"query\"?");
	gives("query.q == GREEN", "12: unknown name \"GREEN\"; a text needs quotes: 'GREEN'");
	gives("form.x", "1: there is no \"form\" here");
	gives("lenn(query)", "1: unknown function \"lenn\"; did you mean \"len\"?");
	gives("frobnicate()", "1: unknown function \"frobnicate\"");
	gives("len", "1: \"len\" is a function; write len(x)");
	gives("1 + len()", "5: wrong number of arguments (0); write len(x)");
	gives("join(['a'])", "1: wrong number of arguments (1); write join(list, separator)");
	gives("now(1)", "1: wrong number of arguments (1); write now()");
	gives("min(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17)",
	      "1: wrong number of arguments (17); write min(list) or min(a, b, ...)");
	gives("1 +", "4: the expression ends too early; a value was expected");
	gives("(1", "3: the expression ends too early; \")\" was expected");
	gives("[1", "3: the expression ends too early; \",\" or \"]\" was expected");
	gives("{a: 1", "6: the expression ends too early; \",\" or \"}\" was expected");
	gives("{a 1}", "4: \"1\" cannot stand here; \":\" was expected");
	gives("{1: 1}", "2: \"1\" cannot stand here; a key was expected");
	gives("{a: 1, a: 2}", "8: the key \"a\" stands here twice");
	gives("len(1 2)", "7: \"2\" cannot stand here; \",\" or \")\" was expected");
	gives("1 2", "3: \"2\" cannot stand here; an operator or the end was expected");
	gives("true ? 1", "9: the expression ends too early; \":\" was expected");
	gives("body.", "6: the expression ends too early; a name was expected");
	gives("body.list.0", "11: an index stands in brackets; write [0]");
	gives("body.list[0", "12: the expression ends too early; \"]\" was expected");
	gives("'abc", "1: this text has no closing quote");
	gives("'a\\qb'", "3: not an escape; write \\\\ for a backslash, \\n, \\t, \\\", \\' or "
			 "\\u12ab");
	gives("'\\ud800'", "2: not an escape; write \\\\ for a backslash, \\n, \\t, \\\", \\' or "
			   "\\u12ab");
	gives("007", "1: not a number; write 12, 0.5 or 1e3");
	gives("5m", "1: not a number; write 12, 0.5 or 1e3");
	gives("1.", "1: not a number; write 12, 0.5 or 1e3");
	gives("a = 1", "3: write \"==\" to compare");
	gives("true & true", "6: write \"&&\"");
	gives("true | true", "6: write \"||\"");
	gives("true and true", "6: \"and\" is not an operator; write \"&&\"");
	gives("true or true", "6: \"or\" is not an operator; write \"||\"");
	gives("${x}", "1: the expression has begun already; write the name alone");
	gives("1 # 2", "3: this character has no meaning in an expression");
	gives("\xc3\xa9", "1: this character has no meaning in an expression");
	gives("request.metod", "9: a request has no \"metod\"; did you mean \"method\"?");
	gives("request.zzzzzzzz", "9: a request has no \"zzzzzzzz\"; it has id, trace_id, method, "
				  "path, query_string, host, scheme, version and body");
	gives("env.NOPE", "5: the environment variable \"NOPE\" is not set");
	gives("secret.nope", "8: there is no secret \"nope\"");
	gives("secret", "1: one of them must be named; write secret.NAME");
	gives("len(env)", "5: one of them must be named; write env.NAME");
	gives("env[query.q]", "4: the name must be constant here; write env.NAME");
	gives("env.HOME", "\"/root\"");
	gives("env['HOME']", "\"/root\"");
}

static void an_error_in_a_second_line_has_its_line(void)
{
	struct world world;

	world_init(&world);
	is_null(world_compile(&world, "1 +\n  nope"));
	is_int(world.diag.entries[0].line, 2);
	is_int(world.diag.entries[0].col, 3);
	is_int(world.diag.entries[0].len, 4);
	world_fini(&world);
}

static void depth_and_length_are_bounded(void)
{
	static char text[70000];
	struct world world;

	world_init(&world);
	memset(text, '(', 99);
	strcpy(text + 99, "1");
	memset(text + 100, ')', 99);
	text[199] = '\0';
	is_text(world_eval(&world, text), "1");
	memset(text, '(', 5000);
	text[5000] = '\0';
	is_text(world_eval(&world, text), "101: more than 100 levels of brackets and signs");
	memset(text, '!', 5000);
	is_text(world_eval(&world, text), "100: more than 100 levels of brackets and signs");
	memset(text, '[', 5000);
	is_text(world_eval(&world, text), "101: more than 100 levels of brackets and signs");
	strcpy(text, "index");
	for (unsigned i = 0; i < 249; i++)
		strcat(text, "+1");
	is_text(world_eval(&world, text), "256");
	strcat(text, "+1");
	is_text(world_eval(&world, text), "504: more than 249 operators in one chain");
	memset(text, ' ', sizeof(text) - 1);
	is_null(world_compile(&world, text));
	text[0] = '[';
	for (unsigned i = 1; i < 2100; i += 2)
		memcpy(text + i, "1,", 2);
	text[2101] = '\0';
	is_text(world_eval(&world, text), "2002: more than 1000 parts in one literal");
	world_fini(&world);
}

static void secrets_stay_marked(void)
{
	static const struct {
		const char *text;
		bool secret;
	} cases[] = {
		{ "secret.token", true },
		{ "'Bearer ' + secret.token", true },
		{ "[secret.token]", true },
		{ "{a: secret.token}.a", true },
		{ "upper(secret.token)", true },
		{ "len(secret.token)", true },
		{ "secret.token == query.q", true },
		{ "query.q ?? secret.token", true },
		{ "to_json([1, {a: secret.token}])", true },
		{ "join([query.q, secret.token], '')", true },
		{ "base64('u:' + secret.token)", true },
		{ "!(secret.token == 'x')", true },
		{ "body.list[len(secret.token) - 6]", true },
		{ "default(body.n, secret.token)", true },
		{ "first([secret.token])", true },
		{ "replace(query.q, 'blue', secret.token)", true },
		{ "true ? secret.token : 1", true },
		{ "sha256(secret.token)", false },
		{ "hmac_sha256(secret.token, query.q)", false },
		{ "'x' + hmac_sha256(secret.token, query.q)", false },
		{ "secret.token == query.q ? 'yes' : 'no'", false },
		{ "env.HOME", false },
		{ "query.q", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world world;
		struct value value = value_null();
		struct expr *expr;

		world_init(&world);
		expr = world_compile(&world, cases[i].text);
		if (is_true(expr != NULL))
			is_int(expr_eval(expr, &world.env, &value), 0);
		tap_ok(world.uses.secrets == cases[i].secret, __FILE__, __LINE__, "uses: %s",
		       cases[i].text);
		/* what ?? did not choose is not in the value */
		tap_ok(value.secret == cases[i].secret || !strncmp(cases[i].text, "query.q ??", 10),
		       __FILE__, __LINE__, "value: %s", cases[i].text);
		world_fini(&world);
	}
}

static void messages_never_hold_values(void)
{
	gives("secret.token + 1",
	      "14: \"+\" takes two numbers or two texts, got a text and a number");
	gives("number(query.q)", "!number() takes a text that is a number as JSON writes it");
	gives("parse_json(query.q)",
	      "!parse_json() takes a JSON text, but at byte 0 a value was expected");
}

static void uses_tell_what_an_expression_reads(void)
{
	struct world world;

	world_init(&world);
	is_true(world_compile(&world, "orders.body ?? profile.body + orders.ok + body.x + "
				      "query.y + now()") != NULL);
	is_int(world.uses.roots, ROOT_BIT(ROOT_BODY) | ROOT_BIT(ROOT_QUERY));
	is_int(world.uses.n_tasks, 2);
	is_int(world.uses.tasks[0], 1);
	is_int(world.uses.tasks[1], 0);
	is_int(world.uses.task_places[1].col, 16);
	is_int(world.uses.task_places[1].len, 7);
	is_true(world.uses.changing);
	is_false(world.uses.secrets);
	is_true(world_compile(&world, "secret.token") != NULL);
	is_true(world.uses.roots & ROOT_BIT(ROOT_SECRET));
	world_fini(&world);
}

static void what_depends_on_nothing_is_constant(void)
{
	static const char *const constant[] = { "1 + 2 * 3", "upper('a')",
						"[1, {a: len('xyz')}].x ?? 1", "env.HOME + '/x'",
						"true ? 1 : 2" };
	static const char *const varying[] = { "index", "now()", "uuid4()", "[1, query.q]",
					       "profile.ok" };
	struct world world;
	struct value value;

	world_init(&world);
	is_text(world_eval(&world, constant[2]),
		"22: a member is asked of a list; only an object has members");
	for (size_t i = 0; i < ARRAY_LEN(constant); i++)
		if (i != 2)
			is_true(expr_is_constant(world_compile(&world, constant[i]), &value));
	for (size_t i = 0; i < ARRAY_LEN(varying); i++)
		is_false(expr_is_constant(world_compile(&world, varying[i]), &value));
	is_text(world_eval(&world,
			   "replace(replace(replace(replace('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',"
			   "'a','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'),'a','aaaaaaaaaaaaaaaaaaaaaaa'),"
			   "'a','aaaaaaaaaaaaaaaaaaaaaaaaaa'),'a','aaaaaaaaaaaaaaaaaaaaaaaaaa')"),
		"9: this constant is larger than 1048576 bytes");
	world_fini(&world);
}

static void conditions_are_true_false_or_null(void)
{
	static const struct {
		const char *text;
		int r;
		bool want;
	} cases[] = {
		{ "body.yes", 0, true },
		{ "body.n", 0, false },
		{ "body.nothing.at.all", 0, false },
		{ "index == 7", 0, true },
		{ "index", -EINVAL, false },
		{ "body.text", -EINVAL, false },
		{ "item", -ENOMEM, false },
	};
	struct world world;

	world_init(&world);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool got = !cases[i].want;

		is_int(expr_eval_bool(world_compile(&world, cases[i].text), &world.env, &got),
		       cases[i].r);
		if (cases[i].r == 0)
			is_int(got, cases[i].want);
	}
	is_text(world.env.message, "a condition is true, false or null, got a text");
	world_fini(&world);
}

static void memory_of_evaluation_has_a_ceiling(void)
{
	static const char *const texts[] = {
		"query.q + 'x'",  "[index, 1]",          "{a: index}",
		"upper(query.q)", "split(query.q, 'u')", "to_json(query)",
		"body.a",         "keys(query)",         "query == {q: 'x'}"
	};
	struct world world;
	struct value value;

	world_init(&world);
	arena_fini(&world.run);
	arena_init(&world.run, 16);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		tap_ok(expr_eval(world_compile(&world, texts[i]), &world.env, &value) == -ENOMEM,
		       __FILE__, __LINE__, "%s", texts[i]);
	world_fini(&world);
}

static void roots_have_names(void)
{
	enum expr_root root;

	for (unsigned i = 0; i < N_ROOTS; i++)
		is_true(expr_root_find(str_of(expr_root_name((enum expr_root)i)), &root) &&
			root == i);
	is_false(expr_root_find(STR("pat"), &root));
}

int main(void)
{
	TEST(literals_are_what_they_say);
	TEST(precedence_is_that_of_the_table);
	TEST(operators_compute_exactly);
	TEST(comparisons_and_in);
	TEST(logic_is_lazy_and_strict);
	TEST(paths_go_through_null_but_not_through_scalars);
	TEST(header_names_are_spelled_as_people_do);
	TEST(tasks_have_fields_and_a_main_result);
	TEST(errors_show_the_place_and_the_mend);
	TEST(an_error_in_a_second_line_has_its_line);
	TEST(depth_and_length_are_bounded);
	TEST(secrets_stay_marked);
	TEST(messages_never_hold_values);
	TEST(uses_tell_what_an_expression_reads);
	TEST(what_depends_on_nothing_is_constant);
	TEST(conditions_are_true_false_or_null);
	TEST(memory_of_evaluation_has_a_ceiling);
	TEST(roots_have_names);
	return tap_done();
}
