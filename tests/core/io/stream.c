/* tests/core/io/stream.c: streams over socket pairs, and over TCP where a reset is needed. */
#include "core/io/stream.h"
#include "core/io/net.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct end {
	struct stream stream;
	unsigned n_readable, n_sent;
	bool close_on_readable, close_on_sent;
};

static struct loop *loop;

static void end_on_readable(struct stream *stream)
{
	struct end *end = container_of(stream, struct end, stream);

	end->n_readable++;
	if (end->close_on_readable)
		stream_close(stream);
}

static void end_on_sent(struct stream *stream)
{
	struct end *end = container_of(stream, struct end, stream);

	end->n_sent++;
	if (end->close_on_sent)
		stream_close(stream);
}

static void end_open(struct end *end, int fd)
{
	*end = (struct end){ 0 };
	check(stream_open(&end->stream, loop, fd, end_on_readable, end_on_sent) == 0);
}

static void turn(void)
{
	loop_run_once(loop, false);
}

static void setup_pair(struct end *a, struct end *b)
{
	int fds[2];

	check(loop_create(&loop) == 0);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	end_open(a, fds[0]);
	end_open(b, fds[1]);
	turn();
}

static void teardown(struct end *a, struct end *b)
{
	stream_close(&a->stream);
	stream_close(&b->stream);
	stream_close(&b->stream); /* twice is harmless */
	is_false(stream_is_open(&a->stream));
	loop_destroy(loop);
}

static int write_text(struct end *end, const char *text)
{
	struct iovec part = { (char *)(uintptr_t)text, strlen(text) };

	return stream_write(&end->stream, &part, 1);
}

static void what_is_written_is_read(void)
{
	struct end a, b;
	char bytes[100];
	char hello[] = "hello";
	struct iovec parts[4] = { { hello, 2 }, { NULL, 0 }, { hello + 2, 1 }, { hello + 3, 2 } };

	setup_pair(&a, &b);
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), -EAGAIN);
	is_int(stream_write(&a.stream, parts, 4), 1);
	is_int(stream_write(&a.stream, parts, 0), 1);
	is_int(stream_write(&a.stream, parts + 1, 1), 1);
	is_false(stream_is_sending(&a.stream));
	turn();
	is_int(b.n_readable, 1);
	is_int(stream_read(&b.stream, bytes, 2), 2);
	is_int(stream_read(&b.stream, bytes + 2, 50), 3);
	is_int(memcmp(bytes, "hello", 5), 0);
	is_false(b.stream.readable); /* a short read: no second look */
	is_int(stream_read(&b.stream, bytes, 50), -EAGAIN);
	is_int(a.n_sent, 0); /* it went at once */
	teardown(&a, &b);
}

static void what_is_written_before_the_first_turn_waits_for_it(void)
{
	struct end a;
	int fds[2];
	char bytes[8];

	check(loop_create(&loop) == 0);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	end_open(&a, fds[0]);
	is_int(write_text(&a, "early"), 0);
	is_true(stream_is_sending(&a.stream));
	turn();
	is_int(a.n_sent, 1);
	is_int(read(fds[1], bytes, sizeof(bytes)), 5);
	close(fds[1]);
	stream_close(&a.stream);
	loop_destroy(loop);
}

enum { BIG = 3 << 20 };

static char *big_bytes(void)
{
	char *bytes = malloc(BIG);

	check(bytes);
	for (size_t i = 0; i < BIG; i++)
		bytes[i] = (char)(i * 31 + i / 4096);
	return bytes;
}

/* Reads all there is from `b` to bytes + at; the new `at`. */
static size_t drain(struct end *b, char *bytes, size_t at, size_t max)
{
	ssize_t n;

	while (at < max &&
	       (n = stream_read(&b->stream, bytes + at, MIN(max - at, (size_t)70000))) > 0)
		at += (size_t)n;
	return at;
}

static void what_does_not_fit_is_sent_later_in_order(void)
{
	char *bytes = big_bytes(), *got = malloc(BIG + 100);
	struct iovec parts[3] = { { bytes, 100000 },
				  { bytes + 100000, BIG - 100001 },
				  { bytes + BIG - 1, 1 } };
	struct end a, b;
	size_t at = 0;

	check(got);
	setup_pair(&a, &b);
	is_int(stream_write(&a.stream, parts, 3), 0);
	is_false(a.stream.writable);
	is_int(write_text(&a, "tail"), 0); /* behind what is queued */
	for (unsigned i = 0; i < 10000 && at < BIG + 4; i++) {
		turn();
		at = drain(&b, got, at, BIG + 100);
	}
	is_int(at, BIG + 4);
	is_int(memcmp(got, bytes, BIG), 0);
	is_int(memcmp(got + BIG, "tail", 4), 0);
	is_int(a.n_sent, 1);
	is_int(write_text(&a, "more"), 1);
	teardown(&a, &b);
	free(bytes);
	free(got);
}

static void the_end_is_read_after_the_last_byte(void)
{
	struct end a, b;
	char bytes[100];

	setup_pair(&a, &b);
	write_text(&a, "bye");
	stream_shutdown(&a.stream);
	turn();
	is_true(b.stream.peer_closed);
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), 3);
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), 0);
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), 0);
	is_int(write_text(&b, "still"), 1); /* only half is closed */
	turn();
	is_int(stream_read(&a.stream, bytes, sizeof(bytes)), 5);
	teardown(&a, &b);
}

static void an_end_that_comes_after_a_short_read_is_announced(void)
{
	struct end a, b;
	char bytes[100];
	unsigned before;

	setup_pair(&a, &b);
	write_text(&a, "x");
	turn();
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), 1);
	before = b.n_readable;
	stream_close(&a.stream);
	turn();
	is_int(b.n_readable, before + 1);
	is_int(stream_read(&b.stream, bytes, sizeof(bytes)), 0);
	teardown(&a, &b);
}

static void writing_to_a_closed_peer_is_an_error_that_stays(void)
{
	struct end a, b;
	char byte;

	setup_pair(&a, &b);
	stream_close(&b.stream);
	is_int(write_text(&a, "x"), -EPIPE);
	is_int(write_text(&a, "x"), -EPIPE);
	is_int(stream_read(&a.stream, &byte, 1), -EPIPE);
	is_false(stream_is_sending(&a.stream));
	teardown(&a, &b);
}

static void an_error_while_the_rest_is_sent_is_told_by_on_sent(void)
{
	char *bytes = big_bytes();
	struct iovec part = { bytes, BIG };
	struct end a, b;

	setup_pair(&a, &b);
	is_int(stream_write(&a.stream, &part, 1), 0);
	stream_close(&b.stream);
	turn();
	is_int(a.n_sent, 1);
	is_true(a.stream.error < 0);
	is_false(stream_is_sending(&a.stream));
	teardown(&a, &b);
	free(bytes);
}

static void a_stream_may_be_closed_in_its_callbacks(void)
{
	char *bytes = big_bytes();
	struct iovec part = { bytes, BIG };
	struct end a, b;

	setup_pair(&a, &b);
	a.close_on_sent = true;
	is_int(stream_write(&a.stream, &part, 1), 0);
	write_text(&b, "so that the event is for reading too");
	stream_close(&b.stream);
	turn();
	is_int(a.n_sent, 1);
	is_int(a.n_readable, 0); /* not after its end */
	teardown(&a, &b);
	setup_pair(&a, &b);
	b.close_on_readable = true;
	write_text(&a, "x");
	turn();
	is_int(b.n_readable, 1);
	is_false(stream_is_open(&b.stream));
	teardown(&a, &b);
	free(bytes);
}

static void free_on_readable(struct stream *stream)
{
	struct end *end = container_of(stream, struct end, stream);

	stream_close(stream);
	free(end);
}

static void a_stream_may_be_freed_in_its_callbacks(void)
{
	struct end *a = malloc(sizeof(*a)), b;

	check(a);
	setup_pair(a, &b);
	a->stream.on_readable = free_on_readable;
	write_text(&b, "x");
	turn();
	turn();
	is_true(stream_is_open(&b.stream));
	stream_close(&b.stream);
	a = malloc(sizeof(*a));
	check(a);
	loop_destroy(loop);
	setup_pair(a, &b);
	a->stream.on_sent = free_on_readable;
	a->stream.writable = false;
	write_text(a, "x");
	stream_close(&b.stream); /* so that the event is for reading too */
	turn();
	is_false(stream_is_open(&b.stream));
	loop_destroy(loop);
}

static void tcp_pair(int ret_fds[2])
{
	struct net_addr addr;
	int listener;

	check(net_addr_parse(STR("127.0.0.1:0"), &addr) == 0);
	check(net_listen(&addr, 1, &listener) == 0 && net_local_addr(listener, &addr) == 0);
	check(net_connect(&addr, &ret_fds[0]) == 0);
	for (unsigned i = 0; i < 2000 && (ret_fds[1] = net_accept(listener, NULL)) < 0; i++)
		usleep(1000);
	check(ret_fds[1] >= 0);
	close(listener);
}

static void a_reset_is_an_error_of_reading(void)
{
	struct end a;
	int fds[2];
	char byte;

	check(loop_create(&loop) == 0);
	tcp_pair(fds);
	end_open(&a, fds[0]);
	turn();
	net_reset_on_close(fds[1]);
	close(fds[1]);
	for (unsigned i = 0; i < 1000 && a.n_readable == 0; i++, usleep(1000))
		turn();
	is_int(a.n_readable, 1);
	is_int(stream_read(&a.stream, &byte, 1), -ECONNRESET);
	is_int(write_text(&a, "x"), -ECONNRESET);
	stream_close(&a.stream);
	loop_destroy(loop);
}

static void a_connection_that_is_refused_is_told_by_on_sent(void)
{
	struct net_addr addr;
	struct end a;
	int fd;

	check(loop_create(&loop) == 0);
	check(net_addr_parse(STR("127.0.0.1:0"), &addr) == 0);
	check(net_listen(&addr, 1, &fd) == 0 && net_local_addr(fd, &addr) == 0);
	close(fd);
	check(net_connect(&addr, &fd) == 0);
	end_open(&a, fd);
	is_int(write_text(&a, "x"), 0);
	for (unsigned i = 0; i < 1000 && a.n_sent == 0; i++, usleep(1000))
		turn();
	is_int(a.n_sent, 1);
	is_int(a.stream.error, -ECONNREFUSED);
	stream_close(&a.stream);
	loop_destroy(loop);
}

static struct end arrived;

static void on_arrival(struct loop *to, int fd, uint32_t tag, uint32_t events)
{
	arrived = (struct end){ 0 };
	is_int(tag, 9);
	stream_adopt(&arrived.stream, to, fd, events, end_on_readable, end_on_sent);
}

static void an_arrived_descriptor_is_ready_for_what_it_arrived_with(void)
{
	int fds[2];
	char bytes[8];

	check(loop_create(&loop) == 0);
	loop_on_arrival(loop, on_arrival);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	check(write(fds[1], "x", 1) == 1);
	check(loop_give(loop, fds[0], 9, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) == 0);
	turn();
	is_int(stream_fd(&arrived.stream), fds[0]);
	is_true(arrived.stream.readable && arrived.stream.writable);
	is_int(stream_read(&arrived.stream, bytes, sizeof(bytes)), 1);
	check(write(fds[1], "yz", 2) == 2);
	turn();
	is_int(arrived.n_readable, 1);
	is_int(stream_read(&arrived.stream, bytes, sizeof(bytes)), 2);
	stream_close(&arrived.stream);
	close(fds[1]);
	loop_destroy(loop);
}

int main(void)
{
	TEST(what_is_written_is_read);
	TEST(what_is_written_before_the_first_turn_waits_for_it);
	TEST(what_does_not_fit_is_sent_later_in_order);
	TEST(the_end_is_read_after_the_last_byte);
	TEST(an_end_that_comes_after_a_short_read_is_announced);
	TEST(writing_to_a_closed_peer_is_an_error_that_stays);
	TEST(an_error_while_the_rest_is_sent_is_told_by_on_sent);
	TEST(a_stream_may_be_closed_in_its_callbacks);
	TEST(a_stream_may_be_freed_in_its_callbacks);
	TEST(a_reset_is_an_error_of_reading);
	TEST(a_connection_that_is_refused_is_told_by_on_sent);
	TEST(an_arrived_descriptor_is_ready_for_what_it_arrived_with);
	return tap_done();
}
