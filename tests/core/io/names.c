/* tests/core/io/names.c: look-ups against a small DNS server on the same loop. */
#include "core/io/names.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TYPE_A = 1, TYPE_AAAA = 28, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3 };

/* What the server says about a name. */
struct record {
	const char *name;
	unsigned n_a, n_aaaa;
	uint32_t ttl_s;
	uint8_t rcode;
	bool silent;
};

static const struct record records[] = {
	{ .name = "a.test", .n_a = 1, .ttl_s = 5 },
	{ .name = "both.test", .n_a = 2, .n_aaaa = 1, .ttl_s = 60 },
	{ .name = "many.test", .n_a = 30, .ttl_s = 60 },
	{ .name = "zero.test", .n_a = 1, .ttl_s = 0 },
	{ .name = "week.test", .n_a = 1, .ttl_s = 604800 },
	{ .name = "empty.test" },
	{ .name = "broken.test", .rcode = RCODE_SERVFAIL },
	{ .name = "silent.test", .silent = true },
};

static struct loop *loop;
static struct names *names;
static struct watch server;
static char server_text[32];
static unsigned n_asked; /* queries for A */
static unsigned n_done;

/* Reads the question's name as text; returns where its type stands, or 0. */
static size_t question_read(const uint8_t *bytes, size_t size, char *out, size_t out_size)
{
	size_t at = 12, len = 0;

	while (at < size && bytes[at]) {
		size_t label = bytes[at++];

		if (label > 63 || at + label > size || len + label + 2 > out_size)
			return 0;
		if (len > 0)
			out[len++] = '.';
		memcpy(out + len, bytes + at, label);
		len += label;
		at += label;
	}
	out[len] = '\0';
	return at + 5 <= size ? at + 1 : 0;
}

static size_t answer_add(uint8_t *out, uint16_t type, uint32_t ttl_s, unsigned number)
{
	uint8_t head[] = { 0xc0,
			   12, /* the name of the question */
			   (uint8_t)(type >> 8),
			   (uint8_t)type,
			   0,
			   1,
			   (uint8_t)(ttl_s >> 24),
			   (uint8_t)(ttl_s >> 16),
			   (uint8_t)(ttl_s >> 8),
			   (uint8_t)ttl_s,
			   0,
			   type == TYPE_A ? 4 : 16 };
	size_t size = head[11];

	memcpy(out, head, sizeof(head));
	memset(out + sizeof(head), 0, size);
	out[sizeof(head)] = type == TYPE_A ? 127 : 0x20;
	out[sizeof(head) + size - 1] = (uint8_t)(number + 1);
	return sizeof(head) + size;
}

static const struct record *record_find(const char *name)
{
	static const struct record unknown = { .rcode = RCODE_NXDOMAIN };

	for (size_t i = 0; i < ARRAY_LEN(records); i++)
		if (strcmp(records[i].name, name) == 0)
			return &records[i];
	if (strncmp(name, "kept", 4) == 0)
		return &records[0];
	return &unknown;
}

static void server_on_event(struct watch *watch, uint32_t events)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	uint8_t bytes[2048];
	char name[256];
	ssize_t n = recvfrom(watch->fd, bytes, 512, 0, (struct sockaddr *)&from, &from_len);
	size_t at = n > 12 ? question_read(bytes, (size_t)n, name, sizeof(name)) : 0;
	const struct record *record;
	uint16_t type;
	unsigned n_answers;

	(void)events;
	if (at == 0)
		return;
	record = record_find(name);
	type = (uint16_t)(bytes[at] << 8 | bytes[at + 1]);
	n_asked += type == TYPE_A;
	if (record->silent)
		return;
	n_answers = type == TYPE_A ? record->n_a : type == TYPE_AAAA ? record->n_aaaa : 0;
	at += 4;
	memset(bytes + 6, 0, 6);
	bytes[2] = 0x84; /* an answer, with authority */
	bytes[3] = (uint8_t)(0x80 | record->rcode);
	bytes[7] = (uint8_t)n_answers;
	for (unsigned i = 0; i < n_answers; i++)
		at += answer_add(bytes + at, type, record->ttl_s, i);
	sendto(watch->fd, bytes, at, 0, (struct sockaddr *)&from, from_len);
}

static void server_start(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(fd, (struct sockaddr *)&addr, len) == 0);
	check(getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
	snprintf(server_text, sizeof(server_text), "127.0.0.1:%u", ntohs(addr.sin_port));
	check(loop_add(loop, &server, fd, EPOLLIN, server_on_event) == 0);
}

static void setup(void)
{
	check(loop_create(&loop) == 0);
	check(names_create(&names, loop) == 0);
	server_start();
	check(names_set_servers(names, server_text) == 0);
	n_asked = n_done = 0;
}

static void teardown(void)
{
	int fd = server.fd;

	names_destroy(names);
	loop_remove(loop, &server);
	close(fd);
	loop_destroy(loop);
}

static void count_done(struct lookup *lookup)
{
	(void)lookup;
	n_done++;
}

/* For 5 real seconds at most, whatever the replaced clock says. */
static void run_until_done(unsigned n)
{
	for (unsigned i = 0; i < 5000 && n_done < n; i++) {
		loop_run_once(loop, false);
		if (n_done < n)
			usleep(1000);
	}
}

static struct lookup *ask(struct lookup *lookup, const char *host)
{
	unsigned before = n_done;

	lookup_start(lookup, names, str_of(host), 80, count_done);
	check(n_done == before); /* never from within */
	run_until_done(before + 1);
	is_int(n_done, before + 1);
	return lookup;
}

static const char *addr_text(const struct lookup *lookup, unsigned at)
{
	static char text[NET_ADDR_TEXT_MAX];

	return net_addr_write(text, &lookup->addrs[at]);
}

static void a_name_is_answered_with_the_port_that_was_asked_for(void)
{
	struct lookup lookup;

	setup();
	is_int(ask(&lookup, "a.test")->error, 0);
	is_int(lookup.n_addrs, 1);
	is_text(addr_text(&lookup, 0), "127.0.0.1:80");
	teardown();
}

static void addresses_of_both_families_are_given(void)
{
	struct lookup lookup;
	unsigned n6 = 0;

	setup();
	is_int(ask(&lookup, "both.test")->n_addrs, 3);
	for (unsigned i = 0; i < lookup.n_addrs; i++) {
		n6 += lookup.addrs[i].sa.sa_family == AF_INET6;
		is_int(net_addr_port(&lookup.addrs[i]), 80);
	}
	is_int(n6, 1);
	is_int(ask(&lookup, "many.test")->n_addrs, NAMES_ADDRS_MAX);
	teardown();
}

static void numbers_need_no_query(void)
{
	struct lookup lookup;

	setup();
	ask(&lookup, "127.0.0.9");
	is_text(addr_text(&lookup, 0), "127.0.0.9:80");
	ask(&lookup, "::1");
	is_text(addr_text(&lookup, 0), "[::1]:80");
	ask(&lookup, "[::1]");
	is_text(addr_text(&lookup, 0), "[::1]:80");
	is_int(n_asked, 0);
	teardown();
}

static void localhost_is_known_without_a_server(void)
{
	struct lookup lookup;

	setup();
	is_int(ask(&lookup, "localhost")->error, 0);
	is_true(lookup.n_addrs > 0);
	is_int(n_asked, 0);
	teardown();
}

static void conf_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	check(file != NULL);
	fputs(text, file);
	check(fclose(file) == 0);
}

static void resolv_conf_is_read_again_when_it_has_changed(void)
{
	char path[] = "/tmp/leat-names-XXXXXX";
	struct lookup lookup;
	int fd = mkstemp(path);

	check(fd >= 0);
	close(fd);
	setup();
	is_int(names_set_conf(names, path), 0);
	is_int(ask(&lookup, "a")->error, -ENOENT);
	conf_write(path, "search test\n");
	is_int(ask(&lookup, "both")->error, 0); /* it is both.test */
	unlink(path);
	is_int(ask(&lookup, "many")->error, -ENOENT); /* without the file, as at boot */
	conf_write(path, "search test\n");
	is_int(ask(&lookup, "week")->error, 0);
	unlink(path);
	teardown();
}

static void a_name_that_does_not_exist_is_ENOENT(void)
{
	struct lookup lookup;

	setup();
	is_int(ask(&lookup, "missing.test")->error, -ENOENT);
	is_int(lookup.n_addrs, 0);
	is_int(ask(&lookup, "empty.test")->error, -ENOENT);
	teardown();
}

static void a_name_that_cannot_exist_is_ENOENT_without_a_query(void)
{
	static const char *const bad[] = { "",     ".",    "a..b", ".a",          "a b",
					   "a/b",  "a\nb", "a:b",  "caf\xc3\xa9", "a..",
					   "[::1", "*",    "a%00" };
	struct lookup lookup;
	char text[300];

	setup();
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(ask(&lookup, bad[i])->error, -ENOENT);
	memset(text, 'a', sizeof(text));
	text[64] = '\0';
	is_int(ask(&lookup, text)->error, -ENOENT);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 10 == 9 ? '.' : 'a';
	text[254] = '\0';
	is_int(ask(&lookup, text)->error, -ENOENT);
	is_int(n_asked, 0);
	teardown();
}

static void a_broken_server_is_EIO(void)
{
	struct lookup lookup;

	setup();
	is_int(ask(&lookup, "broken.test")->error, -EIO);
	teardown();
}

static void a_silent_server_is_ETIMEDOUT(void)
{
	struct lookup lookup;

	setup();
	is_int(names_set_patience(names, 60, 2), 0);
	is_int(ask(&lookup, "silent.test")->error, -ETIMEDOUT);
	is_int(n_asked, 2);
	teardown();
}

static void those_who_ask_at_the_same_time_share_a_query(void)
{
	struct lookup lookups[5];

	setup();
	for (unsigned i = 0; i < 5; i++)
		lookup_start(&lookups[i], names, i % 2 ? STR("A.TEST") : STR("a.test"),
			     (uint16_t)(i + 1), count_done);
	is_int(names_set_servers(names, server_text), -EBUSY);
	run_until_done(5);
	is_int(n_done, 5);
	is_int(n_asked, 1);
	for (unsigned i = 0; i < 5; i++)
		is_int(net_addr_port(&lookups[i].addrs[0]), i + 1);
	teardown();
}

static void one_who_cancels_is_not_called_and_the_others_are(void)
{
	struct lookup lookups[3];

	setup();
	for (unsigned i = 0; i < 3; i++)
		lookup_start(&lookups[i], names, STR("a.test"), 80, count_done);
	lookup_cancel(&lookups[1]);
	lookup_cancel(&lookups[1]); /* twice is harmless */
	run_until_done(2);
	is_int(n_done, 2);
	lookup_start(&lookups[0], names, STR("127.0.0.1"), 80, count_done);
	lookup_cancel(&lookups[0]); /* one that is answered already */
	lookup_start(&lookups[2], names, STR("both.test"), 80, count_done);
	lookup_cancel(&lookups[2]); /* the only one: the query goes on */
	for (unsigned i = 0; i < 20; i++, usleep(1000))
		loop_run_once(loop, false);
	is_int(n_done, 2);
	ask(&lookups[0], "both.test");
	is_int(n_asked, 2);
	lookup_cancel(&lookups[0]); /* one that is done */
	teardown();
}

static void an_answer_is_kept_for_its_ttl(void)
{
	struct lookup lookup;

	setup();
	clock_freeze(1000 * NS_PER_S, 0);
	ask(&lookup, "a.test");
	clock_advance(5 * NS_PER_S - 1);
	is_int(ask(&lookup, "a.test")->error, 0);
	is_text(addr_text(&lookup, 0), "127.0.0.1:80");
	is_int(n_asked, 1);
	clock_advance(1);
	is_int(ask(&lookup, "a.test")->n_addrs, 1);
	is_int(n_asked, 2);
	teardown();
	clock_thaw();
}

static void ttls_are_held_between_one_second_and_five_minutes(void)
{
	struct lookup lookup;

	setup();
	clock_freeze(1000 * NS_PER_S, 0);
	ask(&lookup, "zero.test");
	clock_advance(NS_PER_S - 1);
	ask(&lookup, "zero.test");
	is_int(n_asked, 1);
	clock_advance(1);
	ask(&lookup, "zero.test");
	is_int(n_asked, 2);
	ask(&lookup, "week.test");
	clock_advance(300 * NS_PER_S - 1);
	ask(&lookup, "week.test");
	is_int(n_asked, 3);
	clock_advance(1);
	ask(&lookup, "week.test");
	is_int(n_asked, 4);
	teardown();
	clock_thaw();
}

static void failures_are_kept_for_one_second(void)
{
	struct lookup lookup;
	unsigned once;

	setup();
	clock_freeze(1000 * NS_PER_S, 0);
	ask(&lookup, "missing.test");
	once = n_asked; /* more than one, where /etc/resolv.conf has search domains */
	clock_advance(NS_PER_S - 1);
	is_int(ask(&lookup, "missing.test")->error, -ENOENT);
	is_int(n_asked, once);
	clock_advance(1);
	is_int(ask(&lookup, "missing.test")->error, -ENOENT);
	is_int(n_asked, 2 * once);
	teardown();
	clock_thaw();
}

static void the_cache_is_bounded_and_drops_what_was_used_longest_ago(void)
{
	struct lookup lookup;
	char host[32];

	setup();
	clock_freeze(1000 * NS_PER_S, 0);
	for (unsigned i = 0; i < NAMES_KEPT_MAX; i++) {
		snprintf(host, sizeof(host), "kept%u.test", i);
		lookup_start(&lookup, names, str_of(host), 80, count_done);
		run_until_done(i + 1);
	}
	is_int(n_asked, NAMES_KEPT_MAX);
	ask(&lookup, "kept0.test"); /* so that kept1 is the oldest */
	ask(&lookup, "both.test");
	is_int(n_asked, NAMES_KEPT_MAX + 1);
	ask(&lookup, "kept0.test");
	is_int(n_asked, NAMES_KEPT_MAX + 1);
	ask(&lookup, "kept1.test");
	is_int(n_asked, NAMES_KEPT_MAX + 2);
	teardown();
	clock_thaw();
}

static void too_many_waiting_questions_are_refused(void)
{
	static struct lookup lookups[NAMES_KEPT_MAX + 1];
	char host[32];

	setup();
	for (unsigned i = 0; i <= NAMES_KEPT_MAX; i++) {
		snprintf(host, sizeof(host), "kept%u.test", i);
		lookup_start(&lookups[i], names, str_of(host), 80, count_done);
	}
	loop_run_once(loop, false);
	is_int(lookups[NAMES_KEPT_MAX].error, -EIO);
	teardown();
}

static void destroy_with_waiting_lookups_loses_nothing(void)
{
	struct lookup lookups[3];

	setup();
	for (unsigned i = 0; i < 3; i++)
		lookup_start(&lookups[i], names, i ? STR("silent.test") : STR("a.test"), 80,
			     count_done);
	loop_run_once(loop, false);
	names_destroy(names);
	names = NULL;
	for (unsigned i = 0; i < 3; i++)
		lookup_cancel(&lookups[i]);
	loop_run_once(loop, false);
	is_int(n_done, 0);
	teardown();
}

static void servers_that_are_none_are_refused(void)
{
	struct lookup lookup;

	setup();
	is_int(names_set_servers(names, "nonsense"), -EINVAL);
	is_int(ask(&lookup, "a.test")->error, 0); /* those before still serve */
	teardown();
}

int main(void)
{
	TEST(a_name_is_answered_with_the_port_that_was_asked_for);
	TEST(addresses_of_both_families_are_given);
	TEST(numbers_need_no_query);
	TEST(localhost_is_known_without_a_server);
	TEST(resolv_conf_is_read_again_when_it_has_changed);
	TEST(a_name_that_does_not_exist_is_ENOENT);
	TEST(a_name_that_cannot_exist_is_ENOENT_without_a_query);
	TEST(a_broken_server_is_EIO);
	TEST(a_silent_server_is_ETIMEDOUT);
	TEST(those_who_ask_at_the_same_time_share_a_query);
	TEST(one_who_cancels_is_not_called_and_the_others_are);
	TEST(an_answer_is_kept_for_its_ttl);
	TEST(ttls_are_held_between_one_second_and_five_minutes);
	TEST(failures_are_kept_for_one_second);
	TEST(the_cache_is_bounded_and_drops_what_was_used_longest_ago);
	TEST(too_many_waiting_questions_are_refused);
	TEST(destroy_with_waiting_lookups_loses_nothing);
	TEST(servers_that_are_none_are_refused);
	return tap_done();
}
