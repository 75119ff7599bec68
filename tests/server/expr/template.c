/* tests/server/expr/template.c */
#include "server/expr/template.h"
#include "tests/server/expr/try.h"

static struct node plain(const char *text)
{
	return (struct node){
		.kind = NODE_TEXT, .plain = true, .place = { NULL, 1, 1, 0 }, .text = str_of(text)
	};
}

/* What the text gives in that context; "!message" when evaluating fails, "#message" for refused
 * values, "col: message" when compiling does. */
static void becomes(const char *text, enum template_context context, const char *want)
{
	struct node node = plain(text);
	struct template *template;
	struct world world;
	struct str got = STR_NONE;
	char shown[300];
	int r;

	world_init(&world);
	template = template_compile(&world.compiler, &node, context);
	if (template) {
		r = template_eval(template, &world.env, &got);
		snprintf(shown, sizeof(shown), "%s%.*s",
			 r == 0          ? ""
			 : r == -EINVAL  ? "!"
			 : r == -EBADMSG ? "#"
					 : "?",
			 STR_ARG(r ? str_of(world.env.message) : got));
	} else {
		snprintf(shown, sizeof(shown), "%.250s", world_error(&world));
	}
	tap_is_str(str_of(shown), str_of(want), __FILE__, __LINE__, text);
	world_fini(&world);
}

static void values_become_text(void)
{
	becomes("hello", TEMPLATE_PLAIN, "hello");
	becomes("", TEMPLATE_PLAIN, "");
	becomes("a ${query.q} b", TEMPLATE_PLAIN, "a blue! b");
	becomes("${query.q}${index}", TEMPLATE_PLAIN, "blue!7");
	becomes("[${body.n}${query.none}]", TEMPLATE_PLAIN, "[]");
	becomes("${body.n}", TEMPLATE_PLAIN, "");
	becomes("x ${body.list} ${body.yes} ${body.price}", TEMPLATE_PLAIN, "x [3,1,2] true 19.99");
	becomes("${1 + 1} and ${'}'} and ${ {a: {b: '}'}}.a.b }", TEMPLATE_PLAIN, "2 and } and }");
	becomes("${index}", TEMPLATE_PLAIN, "7");
	becomes("a ${'b'} $${c} $d $ ${index}", TEMPLATE_PLAIN, "a b ${c} $d $ 7");
	becomes("$${x}", TEMPLATE_PLAIN, "${x}");
	becomes("$$${x}", TEMPLATE_PLAIN, "$${x}");
	becomes("100$", TEMPLATE_PLAIN, "100$");
	becomes("a ${body.text + index}", TEMPLATE_PLAIN,
		"!\"+\" takes two numbers or two texts, got a text and a number");
}

static void errors_of_templates_have_their_place(void)
{
	struct source source = { "a.yaml", STR_INIT("reply: |\n"
						    "    ${index}\n"
						    "    and ${index} ${nope}\n"
						    "    and ${ index +\n"
						    "       nope } ${nope} '\n"
						    "other: \"x\\ny ${zzz}\"\n") };
	struct node node =
		plain("${index}\nand ${index} ${nope}\nand ${ index +\n   nope } ${nope} '\n");
	struct node quoted = plain("x\ny ${zzz}");
	struct world world;

	becomes("abc ${x", TEMPLATE_PLAIN,
		"5: this ${ has no closing }; write $${ for the characters");
	becomes("abc ${'x}", TEMPLATE_PLAIN,
		"5: this ${ has no closing }; write $${ for the characters");
	becomes("abc ${}", TEMPLATE_PLAIN, "7: an expression was expected");
	becomes("abc ${query.q} ${ qeury.q }", TEMPLATE_PLAIN,
		"19: unknown name \"qeury\"; did you mean \"query\"?");
	world_init(&world);
	node.plain = quoted.plain = false;
	node.place = (struct place){ &source, 1, 8, 0 };
	quoted.place = (struct place){ &source, 6, 8, 0 };
	is_null(template_compile(&world.compiler, &node, TEMPLATE_PLAIN));
	is_null(template_compile(&world.compiler, &quoted, TEMPLATE_PLAIN));
	if (is_int(world.diag.n_errors, 4)) {
		is_int(world.diag.entries[0].line, 3);
		is_int(world.diag.entries[0].col, 20);
		is_int(world.diag.entries[1].line, 5);
		is_int(world.diag.entries[2].line, 5);
		is_int(world.diag.entries[2].col, 17);
		is_int(world.diag.entries[3].line, 6);
		is_int(world.diag.entries[3].col, 16);
	}
	world_fini(&world);
	world_init(&world);
	node = plain("${nope}");
	node.plain = false;
	is_null(template_compile(&world.compiler, &node, TEMPLATE_PLAIN));
	is_int(world.diag.entries[0].col, 4);
	is_null(template_compile_text(&world.compiler, STR("/x/${nope}"),
				      (struct place){ NULL, 3, 12, 0 }, TEMPLATE_URL));
	is_int(world.diag.entries[1].line, 3);
	is_int(world.diag.entries[1].col, 17);
	node.kind = NODE_LIST;
	is_null(template_compile(&world.compiler, &node, TEMPLATE_PLAIN));
	is_text(world.diag.entries[2].message, "a text was expected, and this is a list");
	world_fini(&world);
}

static void urls_keep_values_in_their_place(void)
{
	const char *moved = "#a value makes a segment of the path empty, \".\" or \"..\"";

	becomes("/u/${body.slash}", TEMPLATE_URL, "/u/a%2Fb%3Fc%26d%25");
	becomes("/u/${body.text}/x", TEMPLATE_URL, "/u/h%C3%A9llo/x");
	becomes("/u?a=${body.slash}&b=${query.q}#${index}", TEMPLATE_URL,
		"/u?a=a%2Fb%3Fc%26d%25&b=blue%21#7");
	becomes("/u?${body.slash}=1", TEMPLATE_URL, "/u?a%2Fb%3Fc%26d%25=1");
	becomes("/u?a=${body.n}/${body.dots}", TEMPLATE_URL, "/u?a=/..");
	becomes("/u?a=${body.list}", TEMPLATE_URL, "/u?a=%5B3%2C1%2C2%5D");
	becomes("/u/${body.n}", TEMPLATE_URL, moved);
	becomes("/u/${body.empty}/x", TEMPLATE_URL, moved);
	becomes("/u/${body.empty}?x", TEMPLATE_URL, moved);
	becomes("/u/${body.dots}", TEMPLATE_URL, moved);
	becomes("/u/${body.dots}/x", TEMPLATE_URL, moved);
	becomes("/u/${body.dots}?x=1", TEMPLATE_URL, moved);
	becomes("/u/${body.dot}", TEMPLATE_URL, moved);
	becomes("/u/.${body.dot}", TEMPLATE_URL, moved);
	becomes("/u/%2e${body.dot}", TEMPLATE_URL, moved);
	becomes("/u/%2E${body.empty}/", TEMPLATE_URL, moved);
	becomes("/u/${body.empty}%2e%2E", TEMPLATE_URL, moved);
	becomes("/u/${body.dot}${body.dot}", TEMPLATE_URL, moved);
	becomes("${body.dots}/x", TEMPLATE_URL, moved);
	becomes("${body.empty}", TEMPLATE_URL, moved);
	becomes("/u/${body.dots}.", TEMPLATE_URL, "/u/...");
	becomes("/u/a${body.dots}", TEMPLATE_URL, "/u/a..");
	becomes("/u/a${body.empty}", TEMPLATE_URL, "/u/a");
	becomes("/u/../${index}/./", TEMPLATE_URL, "/u/../7/./");
	becomes("/u/${'..'}", TEMPLATE_URL,
		"1: a value makes a segment of the path empty, \".\" or \"..\"");
	becomes("/u/${'a b'}", TEMPLATE_URL, "/u/a%20b");
	becomes("/u//x", TEMPLATE_URL, "/u//x");
	becomes("${query.q}", TEMPLATE_URL, "blue%21");
}

static void headers_html_and_names_are_escaped(void)
{
	becomes("a ${query.q}", TEMPLATE_HEADER, "a blue!");
	becomes("a\t${body.text}", TEMPLATE_HEADER, "a\th\xc3\xa9llo");
	becomes("a ${body.crlf}", TEMPLATE_HEADER,
		"#a value for a header has line breaks or other control characters");
	becomes("${body.crlf}", TEMPLATE_HEADER,
		"#a value for a header has line breaks or other control characters");
	becomes("${'a\\u007f'}", TEMPLATE_HEADER,
		"1: a value for a header has line breaks or other control characters");
	becomes("${'a\\u0000'}", TEMPLATE_HEADER,
		"1: a value for a header has line breaks or other control characters");
	becomes("a\nb", TEMPLATE_HEADER,
		"1: a header has no line breaks or other control characters");
	becomes("<i>${body.html}</i>", TEMPLATE_HTML, "<i>&lt;b&gt;&amp;&#39;&quot;</i>");
	becomes("${body.html}", TEMPLATE_HTML, "&lt;b&gt;&amp;&#39;&quot;");
	becomes("<i>${raw(body.html)}</i>", TEMPLATE_HTML, "<i><b>&'\"</i>");
	becomes("${raw('<b>')}${'<b>'}", TEMPLATE_HTML, "<b>&lt;b&gt;");
	becomes("${raw(body.html) + '<'}", TEMPLATE_HTML, "&lt;b&gt;&amp;&#39;&quot;&lt;");
	becomes("${body.n}${body.list}", TEMPLATE_HTML, "[3,1,2]");
	becomes("user:${body.slash}:${index}", TEMPLATE_NAME, "user:a%2Fb?c&d%25:7");
	becomes("user:${'a:b'}", TEMPLATE_NAME, "user:a%3Ab");
}

static void whole_scalars_keep_their_type(void)
{
	struct node node = plain("${body.list}");
	struct template *template;
	struct value value;
	struct world world;
	struct str text;

	world_init(&world);
	template = template_compile(&world.compiler, &node, TEMPLATE_PLAIN);
	is_true(template_is_whole(template));
	is_false(template_is_constant(template, &text));
	is_int(template_eval_value(template, &world.env, &value), 0);
	is_int(value.kind, VALUE_LIST);
	node = plain("x${body.list}");
	template = template_compile(&world.compiler, &node, TEMPLATE_PLAIN);
	is_false(template_is_whole(template));
	is_int(template_eval_value(template, &world.env, &value), 0);
	is_str(value_str(value), STR("x[3,1,2]"));
	node = plain("${1 + 1}");
	template = template_compile(&world.compiler, &node, TEMPLATE_PLAIN);
	is_true(template_is_constant(template, &text));
	is_str(text, STR("2"));
	is_int(template_eval_value(template, &world.env, &value), 0);
	is_int(value.kind, VALUE_INT);
	node = plain("Bearer ${secret.token}");
	template = template_compile(&world.compiler, &node, TEMPLATE_HEADER);
	is_true(template_is_constant(template, &text));
	is_str(text, STR("Bearer s3cr3t"));
	is_true(world.uses.secrets);
	is_int(template_eval_value(template, &world.env, &value), 0);
	is_true(value.secret);
	node = plain("19.90");
	node.kind = NODE_REAL;
	node.real = 19.9;
	template = template_compile(&world.compiler, &node, TEMPLATE_PLAIN);
	is_int(template_eval_value(template, &world.env, &value), 0);
	is_text(world_show(&world, value), "19.90");
	world_fini(&world);
}

static void trees_are_built_of_what_varies(void)
{
	struct node number = plain("5"), real = plain(".5"), text = plain("${query.q}"),
		    list = plain("${body.list}"), mixed = plain("n${index}"), none = plain("~"),
		    yes = plain("true"), words = plain("$${a}"), inner, outer;
	struct node_entry items[] = { { .value = &number },
				      { .value = &text },
				      { .value = &none } };
	struct node_entry members[] = {
		{ .key = STR("a"), .value = &inner },   { .key = STR("b"), .value = &list },
		{ .key = STR("c"), .value = &mixed },   { .key = STR("d"), .value = &yes },
		{ .key = STR("${e}"), .value = &real }, { .key = STR("f"), .value = &words },
	};
	struct template_tree *tree;
	struct world world;
	struct value value;

	world_init(&world);
	number.kind = NODE_INT;
	number.integer = 5;
	real.kind = NODE_REAL;
	real.real = .5;
	none.kind = NODE_NULL;
	yes.kind = NODE_BOOL;
	yes.boolean = true;
	inner = (struct node){ .kind = NODE_LIST, .n_entries = 3, .entries = items };
	outer = (struct node){ .kind = NODE_MAP, .n_entries = 6, .entries = members };
	tree = template_tree_compile(&world.compiler, &outer);
	is_false(template_tree_is_constant(tree, &value));
	is_int(template_tree_eval(tree, &world.env, &value), 0);
	is_text(world_show(&world, value), "{\"a\":[5,\"blue!\",null],\"b\":[3,1,2],\"c\":\"n7\","
					   "\"d\":true,\"${e}\":0.5,\"f\":\"${a}\"}");
	text = plain("${secret.token}");
	list = plain("${[1]}");
	mixed = plain("${'x'}y");
	tree = template_tree_compile(&world.compiler, &outer);
	is_true(template_tree_is_constant(tree, &value));
	is_true(value.secret);
	is_text(world_show(&world, value), "{\"a\":[5,\"s3cr3t\",null],\"b\":[1],\"c\":\"xy\","
					   "\"d\":true,\"${e}\":0.5,\"f\":\"${a}\"}");
	list = plain("${nope}");
	text = plain("${1 +}");
	is_null(template_tree_compile(&world.compiler, &outer));
	is_int(world.diag.n_errors, 2);
	world_fini(&world);
}

static void a_tree_that_goes_round_is_refused(void)
{
	struct node list = { .kind = NODE_LIST, .n_entries = 1 };
	struct node_entry entry = { .value = &list };
	struct world world;

	world_init(&world);
	list.entries = &entry;
	is_null(template_tree_compile(&world.compiler, &list));
	is_text(world.diag.entries[0].message, "more than 64 levels");
	world_fini(&world);
}

static void conditions_are_bare_or_one_expression(void)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "index == 7", NULL },
		{ "${index == 7}", NULL },
		{ " ${ 'ok' in {ok: 1} } ", NULL },
		{ "not body.n ?? false", NULL },
		{ "true", NULL },
		{ "${index} == 7", "1: a condition is an expression, bare or as one ${}" },
		{ "${index", "1: a condition is an expression, bare or as one ${}" },
		{ "5", "1: a condition is true, false or null, and never this constant" },
		{ "index = 7", "7: write \"==\" to compare" },
		{ "${nope}", "3: unknown name \"nope\"; a text needs quotes: 'nope'" },
		{ "", "1: an expression was expected" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct node node = plain(cases[i].text);
		struct world world;
		struct expr *expr;

		world_init(&world);
		expr = template_compile_condition(&world.compiler, &node);
		tap_ok((expr != NULL) == !cases[i].error, __FILE__, __LINE__, "%s", cases[i].text);
		if (cases[i].error)
			is_text(world_error(&world), cases[i].error);
		world_fini(&world);
	}
}

static void memory_of_templates_has_a_ceiling(void)
{
	static const char *const texts[] = { "a${index}", "${query.q}${query.q}", "${index}",
					     "<${body.n}>${[index]}" };
	struct world world;
	struct str text;

	world_init(&world);
	arena_fini(&world.run);
	arena_init(&world.run, 16);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct node node = plain(texts[i]);

		is_int(template_eval(template_compile(&world.compiler, &node, TEMPLATE_URL),
				     &world.env, &text),
		       -ENOMEM);
	}
	world_fini(&world);
}

int main(void)
{
	TEST(values_become_text);
	TEST(errors_of_templates_have_their_place);
	TEST(urls_keep_values_in_their_place);
	TEST(headers_html_and_names_are_escaped);
	TEST(whole_scalars_keep_their_type);
	TEST(trees_are_built_of_what_varies);
	TEST(a_tree_that_goes_round_is_refused);
	TEST(conditions_are_bare_or_one_expression);
	TEST(memory_of_templates_has_a_ceiling);
	return tap_done();
}
