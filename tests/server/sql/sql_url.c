/* tests/server/sql/sql_url.c: URLs of databases, and the statements that a connection keeps. */
#include "server/sql/sql_url.h"
#include "server/sql/sql_cache.h"
#include "tests/lib/tap.h"

static struct arena arena;

static bool reads(const char *url, struct sql_address *ret)
{
	*ret = (struct sql_address){ 0 };
	return sql_url_read_server(str_of(url), &arena, ret);
}

static void all_parts_of_a_url_are_read_and_decoded(void)
{
	struct sql_address address;
	struct str value;

	is_true(reads("postgres://us%65r:p%40s%2Fs@db.example:5433/my%20db?sslmode=require&a=%26",
		      &address));
	is_str(address.user, STR("user"));
	is_str(address.password, STR("p@s/s"));
	is_str(address.host, STR("db.example"));
	is_int(address.port, 5433);
	is_str(address.database, STR("my db"));
	is_true(sql_url_parameter(address.query, "a", &arena, &value));
	is_str(value, STR("&"));
	is_false(sql_url_parameter(address.query, "b", &arena, &value));
	is_true(reads("mysql://[::1]", &address));
	is_str(address.host, STR("::1"));
	is_int(address.port, 0);
	is_true(reads("postgres://u:p@ss@%2Frun%2Fpg/", &address));
	is_str(address.password, STR("p@ss"));
	is_str(address.host, STR("/run/pg"));
	is_true(reads("postgres:///only", &address));
	is_str(address.host, STR(""));
	is_str(address.database, STR("only"));
	is_true(reads("postgres://%41", &address));
	is_str(address.host, STR("A"));
}

static void what_is_no_url_is_refused(void)
{
	struct sql_address address;

	is_false(reads("postgres:x", &address));
	is_false(reads("postgres://h:0", &address));
	is_false(reads("postgres://h:99999", &address));
	is_false(reads("postgres://h:1x", &address));
	is_false(reads("postgres://[::1", &address));
	is_false(reads("postgres://[::1]x", &address));
	is_false(reads("postgres://h/%4", &address));
	is_false(reads("postgres://h/%zz", &address));
	is_false(reads("postgres://h/a%00b", &address));
	is_false(reads("postgres://h#x", &address));
}

static void a_parameter_that_nobody_knows_is_found(void)
{
	static const char *const names[] = { "sslmode", NULL };
	struct str stranger;

	is_false(sql_url_stranger(STR("sslmode=x&&sslmode=y"), names, &stranger));
	is_true(sql_url_stranger(STR("sslmode=x&other"), names, &stranger));
	is_str(stranger, STR("other"));
}

static unsigned n_dropped;

static void drop(void *owner, void *statement)
{
	is_ptr(owner, &n_dropped);
	is_true(statement != NULL);
	n_dropped++;
}

static void the_statement_that_was_not_used_for_longest_goes_first(void)
{
	struct sql_cache cache;
	int a = 1, b = 2, c = 3;

	sql_cache_init(&cache, 2, drop, &n_dropped);
	is_true(sql_cache_add(&cache, STR("a"), &a));
	is_true(sql_cache_add(&cache, STR("b"), &b));
	is_ptr(sql_cache_find(&cache, STR("a")), &a);
	is_true(sql_cache_add(&cache, STR("c"), &c));
	is_int(n_dropped, 1);
	is_null(sql_cache_find(&cache, STR("b")));
	is_ptr(sql_cache_find(&cache, STR("a")), &a);
	sql_cache_remove(&cache, STR("a"));
	is_null(sql_cache_find(&cache, STR("a")));
	sql_cache_clear(&cache);
	is_int(n_dropped, 3);
	sql_cache_init(&cache, 0, drop, &n_dropped);
	is_false(sql_cache_add(&cache, STR("a"), &a));
	sql_cache_clear(&cache);
}

int main(void)
{
	arena_init_required(&arena);
	TEST(all_parts_of_a_url_are_read_and_decoded);
	TEST(what_is_no_url_is_refused);
	TEST(a_parameter_that_nobody_knows_is_found);
	TEST(the_statement_that_was_not_used_for_longest_goes_first);
	arena_fini(&arena);
	return tap_done();
}
