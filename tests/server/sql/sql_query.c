/* tests/server/sql/sql_query.c: queries become the server's, with its own placeholders. */
#include "server/sql/sql_query.h"
#include "tests/lib/tap.h"

static struct arena arena;
static struct sql_query query;
static struct sql_query_error error;

static bool compile(enum sql_dialect dialect, const char *text)
{
	return sql_query_compile(&arena, dialect, str_of(text), &query, &error);
}

static void becomes(enum sql_dialect dialect, const char *text, const char *want)
{
	if (!tap_ok(compile(dialect, text), __FILE__, __LINE__, "%s: %s", text, error.message))
		return;
	is_str(query.text, str_of(want));
}

static void names_become_placeholders(void)
{
	becomes(SQL_SQLITE, "select :a, :b, :a", "select ?1, ?2, ?1");
	is_int(query.n_names, 2);
	is_int(query.n_places, 2);
	becomes(SQL_POSTGRES, "select :a, :b, :a", "select $1, $2, $1");
	becomes(SQL_MYSQL, "select :a, :b, :a", "select ?, ?, ?");
	is_int(query.n_names, 2);
	is_int(query.n_places, 3);
	is_int(query.places[0], 0);
	is_int(query.places[1], 1);
	is_int(query.places[2], 0);
}

static void a_column_of_an_earlier_statement_is_a_name_of_its_own(void)
{
	becomes(SQL_SQLITE, "select :a.b, :a, :a.c, :a.b", "select ?1, ?2, ?3, ?1");
	is_str(query.names[0].name, STR("a"));
	is_str(query.names[0].column, STR("b"));
	is_null(query.names[1].column.ptr);
}

static void what_is_quoted_or_a_comment_has_no_names(void)
{
	becomes(SQL_SQLITE, "select ':a', 'it''s :a', \":a\", `:a`, [:a], :b -- :c\n/* :d */",
		"select ':a', 'it''s :a', \":a\", `:a`, [:a], ?1 -- :c\n/* :d */");
	becomes(SQL_POSTGRES,
		"select $$:a$$, $x$ $$ :a $x$, E'\\':a', u&':a' /* /* :a */ :b */, :c",
		"select $$:a$$, $x$ $$ :a $x$, E'\\':a', u&':a' /* /* :a */ :b */, $1");
	becomes(SQL_MYSQL, "select '\\':a', \"\\\":a\", `:a`, :b # :c\n-- :d\n, 1--:e",
		"select '\\':a', \"\\\":a\", `:a`, ? # :c\n-- :d\n, 1--?");
}

static void casts_and_slices_are_not_names(void)
{
	becomes(SQL_POSTGRES, "select :a::int, x[1:2], y ? 'k', a @> b, f(z := 1)",
		"select $1::int, x[1:2], y ? 'k', a @> b, f(z := 1)");
	becomes(SQL_POSTGRES, "select a$b, 1e5, :c", "select a$b, 1e5, $1");
	becomes(SQL_POSTGRES, "select a:c", "select a $1");
}

static void one_semicolon_at_the_end_is_dropped(void)
{
	becomes(SQL_SQLITE, " select 1 ; -- end\n", "select 1  -- end");
	is_false(compile(SQL_SQLITE, "select 1; select 2"));
	is_str(error.at, STR("select"));
	is_false(compile(SQL_SQLITE, "select 1;;'"));
}

static void refuses(enum sql_dialect dialect, const char *text, const char *what)
{
	bool ok = compile(dialect, text);

	tap_ok(!ok && strstr(error.message, what), __FILE__, __LINE__, "%s: %s", text,
	       error.message);
}

static void what_has_no_end_is_refused(void)
{
	refuses(SQL_SQLITE, "select 'a", "no end");
	refuses(SQL_SQLITE, "select \"a", "no end");
	refuses(SQL_SQLITE, "select [a", "no end");
	refuses(SQL_SQLITE, "select 1 /* a", "no end");
	refuses(SQL_POSTGRES, "select $a$ $b$", "no end");
	refuses(SQL_POSTGRES, "select 1 /* /* */", "no end");
	refuses(SQL_MYSQL, "select 'a\\'", "no end");
}

static void placeholders_of_the_server_are_refused(void)
{
	refuses(SQL_SQLITE, "select ?", "has no value");
	refuses(SQL_SQLITE, "select ?1", "has no value");
	refuses(SQL_SQLITE, "select @a", "has no value");
	refuses(SQL_SQLITE, "select $a", "has no value");
	refuses(SQL_POSTGRES, "select $1", "has no value");
	refuses(SQL_MYSQL, "select ?", "has no value");
	refuses(SQL_MYSQL, "select @a", "has no value");
	is_true(compile(SQL_MYSQL, "select @@version"));
}

static void what_changes_the_connection_is_refused(void)
{
	static const char *const texts[] = { "BEGIN",
					     "commit",
					     "  /* x */ rollback",
					     "set a = 1",
					     "attach 'x' as y",
					     "listen x",
					     "copy x from stdin",
					     "use y",
					     "lock tables x write",
					     "vacuum into 'x'" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		refuses(SQL_POSTGRES, texts[i], "would change");
	refuses(SQL_POSTGRES, "pragma x", "would change");
	refuses(SQL_MYSQL, "xa begin 'a'", "would change");
	refuses(SQL_MYSQL, "flush tables with read lock", "would change");
	is_true(compile(SQL_SQLITE, "pragma table_info(x)"));
	refuses(SQL_MYSQL, "select 1 /*! into outfile 'x' */", "is run by the server");
}

static void what_only_reads_is_known(void)
{
	static const char *const reading[] = {
		"select 1",         "values (1)",
		"(select 1)",       "with x as (select 1) select replace(a, 'b', 'c') from x",
		"explain select 1", "select 'insert'"
	};
	static const char *const writing[] = {
		"insert into x values (1)",
		"update x set a = 1",
		"with x as (delete from y returning *) select * from x",
		"select * into x from y",
		"select 1 from x for update",
		"create table x (a)",
		"call x()"
	};

	for (size_t i = 0; i < ARRAY_LEN(reading); i++)
		is_true(compile(SQL_POSTGRES, reading[i]) && query.reads);
	for (size_t i = 0; i < ARRAY_LEN(writing); i++)
		is_true(compile(SQL_POSTGRES, writing[i]) && !query.reads);
}

static void a_query_without_a_statement_is_refused(void)
{
	refuses(SQL_SQLITE, "", "no statement");
	refuses(SQL_SQLITE, " -- a\n/* b */ ;", "no statement");
}

int main(void)
{
	arena_init_required(&arena);
	TEST(names_become_placeholders);
	TEST(a_column_of_an_earlier_statement_is_a_name_of_its_own);
	TEST(what_is_quoted_or_a_comment_has_no_names);
	TEST(casts_and_slices_are_not_names);
	TEST(one_semicolon_at_the_end_is_dropped);
	TEST(what_has_no_end_is_refused);
	TEST(placeholders_of_the_server_are_refused);
	TEST(what_changes_the_connection_is_refused);
	TEST(what_only_reads_is_known);
	TEST(a_query_without_a_statement_is_refused);
	arena_fini(&arena);
	return tap_done();
}
