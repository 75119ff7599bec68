/* tests/conf/tree.c: what a text becomes, where it stands, and what it may cost. */
#include "tests/conf/reading.h"
#include <stdlib.h>

static void plain_scalars_follow_the_core_schema(void)
{
	struct reading r;

	reading_start(&r, "n1:\nn2: ~\nn3: null\nn4: NULL\nt: true\nT: TRUE\nf: False\ni: 42\n"
			  "m: -7\np: +7\nz: 0\no: 0o17\nx: 0x1F\nmax: 9223372036854775807\n"
			  "min: -9223372036854775808\nr: 1.5\ne: -1e3\nh: .5\nd: 5.\n"
			  "big: 9223372036854775808\n");
	is_int(r.diag.n_entries, 0);
	is_int(reading_at(&r, "n1")->kind, NODE_NULL);
	is_int(reading_at(&r, "n2")->kind, NODE_NULL);
	is_int(reading_at(&r, "n3")->kind, NODE_NULL);
	is_int(reading_at(&r, "n4")->kind, NODE_NULL);
	is_true(reading_at(&r, "t")->kind == NODE_BOOL && reading_at(&r, "t")->boolean);
	is_true(reading_at(&r, "T")->kind == NODE_BOOL && reading_at(&r, "T")->boolean);
	is_true(reading_at(&r, "f")->kind == NODE_BOOL && !reading_at(&r, "f")->boolean);
	is_true(reading_at(&r, "i")->kind == NODE_INT && reading_at(&r, "i")->integer == 42);
	is_int(reading_at(&r, "m")->integer, -7);
	is_int(reading_at(&r, "p")->integer, 7);
	is_true(reading_at(&r, "z")->kind == NODE_INT && reading_at(&r, "z")->integer == 0);
	is_int(reading_at(&r, "o")->integer, 15);
	is_int(reading_at(&r, "x")->integer, 31);
	is_int(reading_at(&r, "max")->integer, INT64_MAX);
	is_int(reading_at(&r, "min")->integer, INT64_MIN);
	is_true(reading_at(&r, "r")->kind == NODE_REAL && reading_at(&r, "r")->real == 1.5);
	is_true(reading_at(&r, "e")->kind == NODE_REAL && reading_at(&r, "e")->real == -1000);
	is_true(reading_at(&r, "h")->kind == NODE_REAL && reading_at(&r, "h")->real == .5);
	is_true(reading_at(&r, "d")->kind == NODE_REAL && reading_at(&r, "d")->real == 5);
	is_true(reading_at(&r, "big")->kind == NODE_REAL);
	is_str(reading_at(&r, "big")->text, STR("9223372036854775808"));
	reading_end(&r);
}

static void all_else_is_text(void)
{
	static const char *const texts[] = { "no",         "on",    "yes",      "12:30:00", "0777",
					     "007.5",      "1_000", ".inf",     "-.inf",    ".nan",
					     "0x",         "0o8",   "0xg",      "1e",       "1e+",
					     "+",          ".",     "1.2.3",    "tRUE",     "nULL",
					     "-0x1",       "'5'",   "\"true\"", "'~'",      "1 2",
					     "2024-01-01", "${x}",  "''" };
	char text[64];
	struct reading r;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		snprintf(text, sizeof(text), "a: %s", texts[i]);
		reading_start(&r, text);
		if (!is_int(reading_at(&r, "a")->kind, NODE_TEXT))
			printf("# %s\n", texts[i]);
		reading_end(&r);
	}
}

static void numbers_that_nothing_holds_are_errors(void)
{
	says_one("a: 1e999",
		 "a.yaml:1:4: error: the number is too large; put it in quotes if it is "
		 "text");
	says_one("a: 0x8000000000000000", "a.yaml:1:4: error: the number does not fit 64 bits; put "
					  "it in quotes if it is text");
}

static void kinds_have_names(void)
{
	struct reading r;

	reading_start(&r, "a: 1\nb: [x]\nc: {d: ~}\ne: x\nf: true\n");
	is_text(node_kind_name(reading_at(&r, "a")), "a number");
	is_text(node_kind_name(reading_at(&r, "b")), "a list");
	is_text(node_kind_name(reading_at(&r, "c")), "a map");
	is_text(node_kind_name(reading_at(&r, "e")), "text");
	is_text(node_kind_name(reading_at(&r, "f")), "true or false");
	is_text(node_kind_name(node_find(reading_at(&r, "c"), "d")), "nothing");
	is_true(node_is_scalar(reading_at(&r, "a")));
	is_false(node_is_scalar(reading_at(&r, "b")));
	is_null(node_find(r.root, "nothing"));
	is_null(node_find(reading_at(&r, "a"), "b"));
	is_null(node_entry_find(NULL, "b"));
	reading_end(&r);
}

static void quoted_and_block_texts_are_text(void)
{
	struct reading r;

	reading_start(&r,
		      "a: 'it''s'\nb: \"x\\ty\\u00e9\"\nc: |\n  one\n  two\nd: >-\n  one\n  two\n");
	is_str(reading_at(&r, "a")->text, STR("it's"));
	is_false(reading_at(&r, "a")->plain);
	is_str(reading_at(&r, "b")->text, STR("x\ty\xc3\xa9"));
	is_str(reading_at(&r, "c")->text, STR("one\ntwo\n"));
	is_str(reading_at(&r, "d")->text, STR("one two"));
	is_int(reading_at(&r, "d")->text.ptr[7], 0);
	reading_end(&r);
}

static void is_place(struct place place, uint32_t line, uint32_t col, uint32_t len)
{
	is_int(place.line, line);
	is_int(place.col, col);
	is_int(place.len, len);
}

static void places_count_bytes_from_one(void)
{
	struct reading r;
	const struct node *list;

	reading_start(&r, "\xef\xbb\xbf"
			  "first: x\r\nb: {\xc3\xa9: 'y z'}\n\nlist:\n  - \xe2\x82\xac\n"
			  "  - \"q\n    r\"\nlast: |\n  t\n");
	is_int(r.diag.n_entries, 0);
	is_place(node_entry_find(r.root, "first")->key_place, 1, 1, 5);
	is_place(reading_at(&r, "first")->place, 1, 8, 1);
	is_place(reading_at(&r, "b")->place, 2, 4, 11);
	is_place(reading_at(&r, "b")->entries[0].key_place, 2, 5, 2);
	is_place(reading_at(&r, "b")->entries[0].value->place, 2, 9, 5);
	list = reading_at(&r, "list");
	is_int(list->place.line, 5);
	is_int(list->place.col, 3);
	is_place(list->entries[0].value->place, 5, 5, 3);
	is_place(list->entries[1].value->place, 6, 5, 2);
	is_place(node_entry_find(r.root, "last")->key_place, 8, 1, 4);
	is_place(reading_at(&r, "last")->place, 8, 7, 1);
	is_ptr(list->place.source, &r.source);
	reading_end(&r);
}

static void an_empty_document_is_an_empty_map(void)
{
	static const char *const texts[] = { "",      "\n\n",         "# nothing\n",
					     "---\n", "--- ~\n...\n", "\xef\xbb\xbf" };
	struct reading r;

	reading_start_str(&r, STR_NONE);
	is_true(r.root && r.root->kind == NODE_MAP);
	reading_end(&r);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		reading_start(&r, texts[i]);
		is_true(r.root && r.root->kind == NODE_MAP && r.root->n_entries == 0);
		is_int(r.diag.n_entries, 0);
		reading_end(&r);
	}
}

static void aliases_share_nodes(void)
{
	struct reading r;

	reading_start(&r, "a: &x {b: [1, 2]}\nc: *x\nd: [*x, *x]\n");
	is_int(r.diag.n_entries, 0);
	is_ptr(reading_at(&r, "c"), reading_at(&r, "a"));
	is_ptr(reading_at(&r, "d")->entries[1].value, reading_at(&r, "a"));
	reading_end(&r);
}

static void aliases_make_no_cycles(void)
{
	says_one("a: &x [*x]", "a.yaml:1:8: error: the alias *x stands inside what it names (line "
			       "1), which would never end; remove it");
	says_one("a: &x\n  b: {c: [1, *x]}",
		 "a.yaml:2:14: error: the alias *x stands inside what it "
		 "names (line 1), which would never end; remove it");
	says_one("a: &x [1]\nb: &x [2]", "a.yaml:2:4: error: the anchor &x is set twice, first at "
					 "line 1, column 4; choose another name");
}

static void a_billion_laughs_are_refused(void)
{
	struct reading r;
	struct buf text;

	buf_init(&text, SIZE_MAX);
	buf_printf(&text, "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
	for (int i = 1; i < 10; i++) {
		buf_printf(&text, "a%d: &a%d [", i, i);
		for (int j = 0; j < 9; j++)
			buf_printf(&text, "%s*a%d", j ? ", " : "", i - 1);
		buf_printf(&text, "]\n");
	}
	reading_start_str(&r, buf_str(&text));
	is_null(r.root);
	is_true(str_starts_with(reading_said(&r), STR("a.yaml:7:")));
	is_true(str_find(reading_said(&r), STR("more than 2000000 values, aliases unfolded")) > 0);
	reading_end(&r);
	buf_fini(&text);
}

/* Each level is one more alias: depth without brackets. */
static void depth_through_aliases_is_bounded(void)
{
	struct reading r;
	struct buf text;

	buf_init(&text, SIZE_MAX);
	buf_printf(&text, "a0: &a0 [x]\n");
	for (int i = 1; i < 100; i++)
		buf_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	reading_start_str(&r, buf_str(&text));
	is_null(r.root);
	is_true(str_starts_with(reading_said(&r),
				STR("a.yaml:64:12: error: more than 64 levels with "
				    "what *a62 stands for")));
	reading_end(&r);
	buf_fini(&text);
}

static struct str repeated(char *out, size_t n, const char *unit)
{
	size_t len = strlen(unit);

	for (size_t i = 0; i < n; i++)
		memcpy(out + i * len, unit, len);
	out[n * len] = '\0';
	return (struct str){ out, n * len };
}

static void is_too_deep(const char *unit)
{
	enum { N = 100000 };
	char *text = malloc(N * 5 + 1);
	struct reading r;

	reading_start_str(&r, repeated(text, N, unit));
	is_null(r.root);
	is_int(r.diag.n_errors, 1);
	if (!is_true(str_find(reading_said(&r),
			      STR("error: more than 64 levels; make it flatter")) > 0))
		printf("# %.*s\n", STR_ARG(reading_said(&r)));
	reading_end(&r);
	free(text);
}

static void a_hundred_thousand_levels_end_at_once(void)
{
	is_too_deep("[");
	is_too_deep("[\n");
	is_too_deep("- ");
	is_too_deep("{a: ");
	is_too_deep("[{a:\n");
}

static void sixty_four_levels_are_read(void)
{
	char text[200];
	struct reading r;

	memset(text, '[', 64);
	memset(text + 64, ']', 64);
	reading_start_str(&r, (struct str){ text, 128 });
	is_true(r.root != NULL);
	is_int(r.diag.n_entries, 0);
	reading_end(&r);
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	reading_start_str(&r, (struct str){ text, 130 });
	is_null(r.root);
	reading_end(&r);
}

static void brackets_in_texts_are_no_levels(void)
{
	char *text = malloc(200000);
	struct reading r;
	size_t len = 0;

	len += (size_t)sprintf(text, "a: |\n  ");
	memset(text + len, '[', 50000);
	len += 50000;
	len += (size_t)sprintf(text + len, "\nb: \"");
	memset(text + len, '{', 50000);
	len += 50000;
	len += (size_t)sprintf(text + len, "\"\n# ");
	memset(text + len, '[', 50000);
	len += 50000;
	reading_start_str(&r, (struct str){ text, len });
	is_int(r.diag.n_entries, 0);
	is_int(reading_at(&r, "a")->text.len, 50001);
	reading_end(&r);
	free(text);
}

static void many_keys_are_checked_for_duplicates(void)
{
	struct reading r;
	struct buf text;

	buf_init(&text, SIZE_MAX);
	for (int i = 0; i < 20000; i++)
		buf_printf(&text, "k%d: %d\n", i == 19999 ? 7 : i, i);
	reading_start_str(&r, buf_str(&text));
	is_int(r.diag.n_errors, 1);
	is_true(str_starts_with(reading_said(&r),
				STR("a.yaml:20000:1: error: the key \"k7\" is given "
				    "twice, first at line 8, column 1")));
	is_int(r.root->n_entries, 19999);
	is_int(reading_at(&r, "k7")->integer, 7);
	reading_end(&r);
	buf_fini(&text);
}

static void errors_that_are_not_of_syntax_are_all_told(void)
{
	struct reading r;

	reading_start(&r, "a: !b c\na: 1\n<<: 2\nd: *e\nf: \"g\"\n");
	is_int(r.diag.n_errors, 4);
	is_true(r.root != NULL);
	is_str(reading_at(&r, "f")->text, STR("g"));
	reading_end(&r);
}

static void a_file_of_nothing_but_errors_ends(void)
{
	struct reading r;
	char *text = malloc(600001);

	reading_start_str(&r, repeated(text, 100000, "- !x\n"));
	is_null(r.root);
	is_int(r.diag.n_entries, 1000);
	reading_end(&r);
	free(text);
}

static void an_arena_that_is_full_is_an_error(void)
{
	const struct source source = { "a.yaml", STR_INIT("a: [1, 2, 3]\nb: {c: d}\ne: &x [y]\n") };

	for (size_t max = 0; max < 8192; max += 512) {
		struct arena arena;
		struct diag diag;
		struct node *root;

		arena_init(&arena, max);
		diag_init(&diag);
		root = tree_read(&source, &arena, &diag);
		is_true((root == NULL) == (diag.n_errors == 1));
		diag_fini(&diag);
		arena_fini(&arena);
	}
}

static void a_file_that_is_too_large_is_refused(void)
{
	static const char nothing[1] = "";

	reading_says_one((struct str){ nothing, (size_t)CONF_FILE_MAX + 1 },
			 "a.yaml: error: the file is larger than 64 MiB; split it by include:",
			 __FILE__, __LINE__);
}

int main(void)
{
	TEST(plain_scalars_follow_the_core_schema);
	TEST(all_else_is_text);
	TEST(numbers_that_nothing_holds_are_errors);
	TEST(kinds_have_names);
	TEST(quoted_and_block_texts_are_text);
	TEST(places_count_bytes_from_one);
	TEST(an_empty_document_is_an_empty_map);
	TEST(aliases_share_nodes);
	TEST(aliases_make_no_cycles);
	TEST(a_billion_laughs_are_refused);
	TEST(depth_through_aliases_is_bounded);
	TEST(a_hundred_thousand_levels_end_at_once);
	TEST(sixty_four_levels_are_read);
	TEST(brackets_in_texts_are_no_levels);
	TEST(many_keys_are_checked_for_duplicates);
	TEST(errors_that_are_not_of_syntax_are_all_told);
	TEST(a_file_of_nothing_but_errors_ends);
	TEST(an_arena_that_is_full_is_an_error);
	TEST(a_file_that_is_too_large_is_refused);
	return tap_done();
}
