/* tests/server/client/upstream.c: addresses, counts, and the upstreams that absolute URLs make. */
#include "core/base/clock.h"
#include "server/client/client.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdio.h>

static struct loop *loop;
static struct client *client;

static void begin(void)
{
	clock_freeze(NS_PER_S, 0);
	is_int(loop_create(&loop), 0);
	is_int(client_create(&client, loop), 0);
}

static void end(void)
{
	client_destroy(client);
	loop_destroy(loop);
	clock_thaw();
}

static void is_address(const char *text, const char *host, uint16_t port, const char *authority)
{
	struct upstream *upstream = upstream_create(STR("u"));

	is_int(upstream_add_server(upstream, str_of(text)), 0);
	is_str(upstream->servers[0].host, str_of(host));
	is_int(upstream->servers[0].port, port);
	is_str(upstream->authority, str_of(authority));
	upstream_unref(upstream);
}

static void an_address_is_a_host_and_maybe_a_port(void)
{
	is_address("a.example", "a.example", 80, "a.example");
	is_address("a.example:8080", "a.example", 8080, "a.example:8080");
	is_address("a.example:80", "a.example", 80, "a.example");
	is_address("127.0.0.1:65535", "127.0.0.1", 65535, "127.0.0.1:65535");
	is_address("[::1]", "::1", 80, "[::1]");
	is_address("[::1]:81", "::1", 81, "[::1]:81");
	is_address("my_host-1", "my_host-1", 80, "my_host-1");
}

static void what_is_not_an_address_is_refused(void)
{
	static const char *const bad[] = {
		"",
		":80",
		"a:",
		"a:0",
		"a:65536",
		"a:-1",
		"a:8x",
		"a:000080",
		"a b",
		"a/b",
		"user@a",
		"a%41",
		"a\r\nb",
		"::1",
		"[::1",
		"[::1]8",
		"[::1]:",
		"[a]:80",
		"[127.0.0.1]",
		"[]:80",
		"[::1]:80:80",
		"\xc3\xa4.de",
		".",
		".a",
		"a:80:90",
		"[fe80::1%eth0]:1",
		"a:80 ",
	};
	struct upstream *upstream = upstream_create(STR("u"));
	char longest[NAMES_HOST_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(upstream_add_server(upstream, str_of(bad[i])), -EINVAL);
	memset(longest, 'a', sizeof(longest));
	is_int(upstream_add_server(upstream, (struct str){ longest, sizeof(longest) }), -EINVAL);
	is_int(upstream_add_server(upstream, STR_NONE), -EINVAL);
	is_int(upstream->n_servers, 0);
	upstream_unref(upstream);
}

static void servers_are_bounded(void)
{
	struct upstream *upstream = upstream_create(STR("u"));

	for (unsigned i = 0; i < UPSTREAM_SERVERS_MAX; i++)
		upstream_add_server(upstream, STR("a"));
	is_int(upstream->n_servers, UPSTREAM_SERVERS_MAX);
	is_int(upstream_add_server(upstream, STR("a")), -ENOSPC);
	upstream_unref(upstream);
}

static void an_upstream_has_the_documented_defaults(void)
{
	struct upstream *upstream = upstream_create(STR("users"));

	is_str(upstream->name, STR("users"));
	is_int(upstream->timeouts.connect_ms, 5000);
	is_int(upstream->timeouts.first_byte_ms, 30000);
	is_int(upstream->timeouts.idle_ms, 30000);
	is_int(upstream->timeouts.total_ms, 0);
	is_int(upstream->pool.max_idle, 128);
	is_int(upstream->pool.idle_close_ms, 55000);
	is_int(upstream->response_max, 8 << 20);
	upstream_unref(upstream);
	upstream_unref(NULL);
}

static void one_authority_is_one_upstream(void)
{
	struct upstream *a, *b, *c;

	begin();
	a = client_upstream(client, STR("A.example"));
	b = client_upstream(client, STR("a.EXAMPLE:80"));
	c = client_upstream(client, STR("a.example:81"));
	is_ptr(a, b);
	is_true(a != c);
	is_str(a->name, STR("a.example:80"));
	is_str(a->authority, STR("a.example"));
	is_str(c->authority, STR("a.example:81"));
	is_null(client_upstream(client, STR("a.example:http")));
	is_null(client_upstream(client, STR("")));
	is_int(client->unnamed_by_authority.n_items, 2);
	upstream_unref(a);
	upstream_unref(b);
	a = client_upstream(client, STR("[::1]:8080"));
	is_str(a->authority, STR("[::1]:8080"));
	is_str(a->servers[0].host, STR("::1"));
	upstream_unref(a);
	end();
	is_int(atomic_load(&c->refs), 1); /* the client has gone, the caller's reference holds */
	upstream_unref(c);
}

static void a_thousand_are_remembered_and_those_used_last_stay(void)
{
	struct upstream *first, *again;
	char authority[32];

	begin();
	first = client_upstream(client, STR("h0"));
	for (unsigned i = 1; i < 3000; i++) {
		snprintf(authority, sizeof(authority), "h%u", i);
		upstream_unref(client_upstream(client, str_of(authority)));
		again = client_upstream(client, STR("h0"));
		if (again != first)
			is_ptr(again, first);
		upstream_unref(again);
	}
	is_int(client->unnamed_by_authority.n_items, CLIENT_UNNAMED_MAX);
	is_int(atomic_load(&first->refs), 2);
	upstream_unref(first);
	end();
}

static void what_is_not_used_is_forgotten(void)
{
	struct upstream *kept;

	begin();
	kept = client_upstream(client, STR("kept"));
	is_ptr(client_pool(client, kept)->upstream, kept);
	clock_advance(59 * NS_PER_S);
	client_sweep(client);
	is_int(client->unnamed_by_authority.n_items, 1);
	clock_advance(2 * NS_PER_S);
	client_sweep(client);
	is_int(client->unnamed_by_authority.n_items, 0);
	is_false(list_is_empty(&client->pools)); /* somebody may still call it */
	upstream_unref(kept);
	client_sweep(client);
	is_true(list_is_empty(&client->pools));
	end();
}

static void the_timer_forgets_too(void)
{
	begin();
	upstream_unref(client_upstream(client, STR("a")));
	for (unsigned i = 0; i < 61; i++) {
		clock_advance(NS_PER_S);
		loop_run_once(loop, false);
	}
	is_int(client->unnamed_by_authority.n_items, 0);
	is_false(timer_is_running(&client->sweep));
	end();
}

int main(void)
{
	TEST(an_address_is_a_host_and_maybe_a_port);
	TEST(what_is_not_an_address_is_refused);
	TEST(servers_are_bounded);
	TEST(an_upstream_has_the_documented_defaults);
	TEST(one_authority_is_one_upstream);
	TEST(a_thousand_are_remembered_and_those_used_last_stay);
	TEST(what_is_not_used_is_forgotten);
	TEST(the_timer_forgets_too);
	return tap_done();
}
