/* tests/server/peers/wire_link.c: letters to a program of libprocess that this test plays. */
#include "server/peers/wire_link.h"
#include "core/base/clock.h"
#include "core/io/tls_client.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTED "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"

enum { WAIT_S = 60, BURST = 5000 };

static struct loop *loop;
static struct names *names;
static struct wire_link link_;
static int listener = -1, peer = -1;
static char heard[1 << 20];
static size_t n_heard;
static unsigned n_opened, n_broken, n_answers, n_lost, n_closed;

static void on_open(struct wire_link *link)
{
	(void)link;
	n_opened++;
}

static void on_break(struct wire_link *link)
{
	(void)link;
	n_broken++;
}

static void on_answer(struct wire_link *link, int error)
{
	(void)link;
	(void)error;
	n_answers++;
}

static void on_lost(struct wire_link *link, int error)
{
	(void)link;
	(void)error;
	n_lost++;
}

static void on_closed(struct wire_link *link)
{
	(void)link;
	n_closed++;
}

static const struct wire_link_ops ops = { on_open, on_break, on_answer, on_lost, on_closed };

/* ------------------------------------------------------------ the other side */

static void listen_anew(struct net_addr *addr)
{
	check(net_addr_parse(STR("127.0.0.1:0"), addr) == 0);
	check(net_listen(addr, 16, &listener) == 0);
	check(net_local_addr(listener, addr) == 0);
}

/* Takes what is there. */
static void peer_look(void)
{
	ssize_t n;

	if (peer < 0 && net_accept(listener, NULL) >= 0)
		check(false); /* nobody is expected */
	while (peer >= 0 && (n = read(peer, heard + n_heard, sizeof(heard) - n_heard)) > 0)
		n_heard += (size_t)n;
}

static void turn(void)
{
	struct pollfd nothing;

	loop_run_once(loop, false);
	poll(&nothing, 0, 1);
}

#define turn_until(cond)                                                                           \
	do {                                                                                       \
		uint64_t end_ns_ = clock_monotonic_ns() + WAIT_S * NS_PER_S;                       \
		bool come_;                                                                        \
		while (!(come_ = (cond)) && clock_monotonic_ns() < end_ns_)                        \
			turn();                                                                    \
		tap_ok(come_, __FILE__, __LINE__, "%s", #cond);                                    \
	} while (0)

static bool peer_accepts(void)
{
	peer = net_accept(listener, NULL);
	return peer >= 0;
}

static void peer_says(const char *text)
{
	check(write(peer, text, strlen(text)) == (ssize_t)strlen(text));
}

static void peer_leaves(void)
{
	close(peer);
	peer = -1;
}

static bool has_heard(size_t n)
{
	peer_look();
	return n_heard >= n;
}

/* ------------------------------------------------------------ this side */

static struct wire_link_conf usual(bool answers, size_t queue_max)
{
	return (struct wire_link_conf){ .server = { .host = STR("127.0.0.1") },
					.connect_ms = WAIT_S * 1000,
					.heartbeat_ms = WAIT_S * 1000,
					.queue_max = queue_max,
					.bytes_max = 1 << 20,
					.answers = answers };
}

static void begin_as(struct wire_link_conf conf)
{
	struct net_addr addr;

	n_heard = 0;
	n_opened = n_broken = n_answers = n_lost = n_closed = 0;
	check(loop_create(&loop) == 0 && names_create(&names, loop) == 0);
	listen_anew(&addr);
	conf.server.port = net_addr_port(&addr);
	wire_link_init(&link_, &conf, &ops);
	wire_link_start(&link_, loop, names);
}

static void begin(bool answers, size_t queue_max)
{
	begin_as(usual(answers, queue_max));
}

static void end(void)
{
	if (!link_.closing)
		wire_link_close(&link_);
	turn_until(n_closed == 1);
	is_int(wire_link_n_letters(&link_), 0);
	wire_link_fini(&link_);
	if (peer >= 0)
		peer_leaves();
	close(listener);
	names_destroy(names);
	loop_run_once(loop, false);
	loop_destroy(loop);
}

static struct future *put(const char *text)
{
	struct str whole = str_of(text);
	char *bytes;
	struct letter *letter = letter_create(whole.len, &bytes);

	memcpy(bytes, whole.ptr, whole.len);
	return wire_link_put(&link_, loop, letter);
}

/* How it has ended, when it has. */
static int ended(struct future *future)
{
	int error;

	turn_until(future_state(future) != FUTURE_PENDING);
	error = future_error(future);
	future_unref(future);
	return error;
}

/* ------------------------------------------------------------ tests */

static void letters_go_in_order_over_one_connection_and_are_kept_by_their_answers(void)
{
	struct future *futures[3];

	begin(true, 100);
	for (size_t i = 0; i < 3; i++)
		futures[i] = put(i == 0 ? "a" : i == 1 ? "b" : "c");
	turn_until(peer_accepts());
	turn_until(has_heard(3));
	is_str(((struct str){ heard, n_heard }), STR("abc"));
	is_int(future_state(futures[0]), FUTURE_PENDING);
	peer_says(ACCEPTED "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
	is_int(ended(futures[0]), 0);
	is_int(ended(futures[1]), -ESRCH);
	is_int(future_state(futures[2]), FUTURE_PENDING);
	peer_says("HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
	is_int(ended(futures[2]), -ENOBUFS);
	is_int(n_answers, 3);
	is_int(n_opened, 1);
	end();
}

static void each_of_a_burst_arrives(void)
{
	static struct future *futures[BURST];
	size_t n_kept = 0, n_said = 0;

	begin(true, BURST);
	for (size_t i = 0; i < BURST; i++)
		futures[i] = put("12345678");
	is_null(put("one too many"));
	turn_until(peer_accepts());
	while (n_said < BURST) {
		peer_look();
		for (; n_said < n_heard / 8; n_said++)
			peer_says(ACCEPTED);
		turn();
	}
	turn_until(n_answers == BURST && wire_link_n_letters(&link_) == 0);
	turn(); /* the futures are told by a post */
	turn();
	for (size_t i = 0; i < BURST; i++)
		n_kept += future_state(futures[i]) == FUTURE_READY;
	for (size_t i = 0; i < BURST; i++)
		future_unref(futures[i]);
	is_int(n_kept, BURST);
	is_int(n_opened, 1);
	is_int(n_heard, BURST * 8);
	end();
}

static void what_was_written_and_not_answered_is_lost_and_the_rest_goes_by_the_next(void)
{
	struct future *lost, *later;

	begin(true, 100);
	lost = put("lost");
	turn_until(peer_accepts());
	turn_until(has_heard(4));
	peer_leaves();
	turn_until(n_broken == 1);
	later = put("later");
	is_int(ended(lost), -ECONNRESET);
	is_int(n_lost, 1);
	turn_until(peer_accepts());
	turn_until(has_heard(9));
	peer_says(ACCEPTED);
	is_int(ended(later), 0);
	end();
}

static void nobody_there_fails_those_who_wait(void)
{
	begin(true, 100);
	close(listener);
	is_int(ended(put("x")), -ECONNREFUSED);
	is_int(n_broken, 1);
	is_int(n_opened, 0);
	listener = dup(0);
	end();
}

static void who_does_not_speak_TLS_in_time_is_not_there(void)
{
	const struct tls_client_settings settings = { .no_verify = true };
	struct wire_link_conf conf = usual(true, 100);
	struct tls_fault fault;

	conf.connect_ms = 300;
	check(tls_client_create(&conf.tls, &settings, &fault) == 0);
	begin_as(conf);
	is_int(ended(put("x")),
	       -ECONNREFUSED); /* the kernel has taken the connection, nobody else */
	is_int(n_broken, 1);
	is_int(n_opened, 0);
	end();
	tls_client_unref(conf.tls);
}

static void a_peer_that_does_not_answer_has_what_the_kernel_took(void)
{
	begin(false, 100);
	is_int(ended(put("x")), 0);
	turn_until(peer_accepts());
	turn_until(has_heard(1));
	peer_says(ACCEPTED); /* all the same */
	turn_until(n_answers == 1);
	is_int(ended(put("y")), 0);
	turn_until(has_heard(2));
	is_int(n_opened, 1);
	end();
}

static void what_nobody_waits_for_any_more_is_not_sent(void)
{
	struct future *unwanted;

	begin(true, 100);
	unwanted = put("unwanted");
	future_discard(unwanted);
	future_unref(unwanted);
	unwanted = put("x");
	turn_until(peer_accepts());
	turn_until(has_heard(1));
	peer_says(ACCEPTED);
	is_int(ended(unwanted), 0);
	is_str(((struct str){ heard, n_heard }), STR("x"));
	end();
}

static void an_answer_to_nothing_and_one_that_is_none_end_the_connection(void)
{
	struct future *future;

	begin(true, 100);
	wire_link_keep(&link_, true);
	turn_until(peer_accepts());
	turn_until(n_opened == 1);
	peer_says(ACCEPTED);
	turn_until(n_broken == 1);
	peer_leaves();
	future = put("x");
	turn_until(peer_accepts());
	turn_until(has_heard(1));
	peer_says("220 smtp\r\n\r\n");
	is_int(ended(future), -ECONNRESET);
	is_int(n_broken, 2);
	end();
}

static void an_answer_before_the_letter_was_sent_ends_the_connection(void)
{
	static char large[900 << 10];
	struct future *future;
	int small = 4096;

	memset(large, 'x', sizeof(large) - 1);
	begin(true, 100);
	check(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
	wire_link_keep(&link_, true);
	turn_until(peer_accepts());
	turn_until(n_opened == 1);
	check(setsockopt(stream_fd(&link_.stream), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) ==
	      0);
	future = put(large);
	turn_until(stream_is_sending(&link_.stream));
	peer_says("HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n");
	is_int(ended(future), -EMSGSIZE);
	is_int(n_broken, 1);
	end();
}

static void a_link_that_is_kept_is_open_without_letters_and_tells_when_it_breaks(void)
{
	begin(true, 100);
	wire_link_keep(&link_, true);
	turn_until(peer_accepts());
	turn_until(n_opened == 1);
	peer_leaves();
	turn_until(n_broken == 1);
	turn_until(peer_accepts()); /* again */
	turn_until(n_opened == 2);
	is_int(n_heard, 0);
	end();
}

static void a_link_that_is_closed_fails_what_it_has(void)
{
	struct future *written, *waiting;

	begin(true, 100);
	written = put("x");
	turn_until(peer_accepts());
	turn_until(has_heard(1));
	waiting = put("y");
	wire_link_close(&link_);
	is_int(ended(waiting), -ESHUTDOWN);
	is_int(ended(written), -ECONNRESET);
	is_null(put("z"));
	end();
}

int main(void)
{
	TEST(letters_go_in_order_over_one_connection_and_are_kept_by_their_answers);
	TEST(each_of_a_burst_arrives);
	TEST(what_was_written_and_not_answered_is_lost_and_the_rest_goes_by_the_next);
	TEST(nobody_there_fails_those_who_wait);
	TEST(who_does_not_speak_TLS_in_time_is_not_there);
	TEST(a_peer_that_does_not_answer_has_what_the_kernel_took);
	TEST(what_nobody_waits_for_any_more_is_not_sent);
	TEST(an_answer_to_nothing_and_one_that_is_none_end_the_connection);
	TEST(an_answer_before_the_letter_was_sent_ends_the_connection);
	TEST(a_link_that_is_kept_is_open_without_letters_and_tells_when_it_breaks);
	TEST(a_link_that_is_closed_fails_what_it_has);
	return tap_done();
}
