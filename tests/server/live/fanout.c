/* tests/server/live/fanout.c: one publication to 10,000 subscribers, in turns of their loops, which are
 * counted: the workers of a server, on this thread, and a socket for each subscriber.
 *
 * A descriptor each has to do: the socket of an event stream is connected to itself, so what the server
 * sends lies in the same socket to be read, and the server does not, while an answer goes on. A WebSocket
 * reads, so these have a pair each. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/task/home.h"
#include "server/conn_source.h"
#include "server/connection.h"
#include "server/live/topics.h"
#include "server/server.h"
#include "tests/lib/tap.h"
#include "tests/server/one_file.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	N_SUBSCRIBERS = 10000,
	N_WEBSOCKETS = 100, /* of these */
	N_STREAMS = N_SUBSCRIBERS - N_WEBSOCKETS,
	N_DESCRIPTORS = N_STREAMS + 2 * N_WEBSOCKETS + 100,
	N_LOOPS_MAX = 2,
	N_BY_ADDRESS = 4000, /* ports that one address lends */
	WAIT_S = 120,
};

static struct server server;
static struct one_file one;
static unsigned n_streams, n_clients; /* the others are WebSockets */
static int fds[N_SUBSCRIBERS];        /* what the clients read: first the streams' */

/* ------------------------------------------------------------ the server */

static const char conf_text[] =
	"log: { access: off }\nlimits: { total_memory: 1g }\n"
	"timeouts: { idle: 10m, write: 10m }\nroutes:\n"
	"  GET /events: { events: { subscribe: all, ping: 1h } }\n"
	"  GET /ws: { websocket: { subscribe: all, ping: 1h } }\n"
	"  GET /hello: { reply: hello }\n"
	"  POST /publish: { body: { type: text }, tasks: { p: { publish: all, message: "
	"\"${body}\" } }, reply: \"${p}\" }\n";

static void make_server(size_t n_loops)
{
	struct loop *loops[N_LOOPS_MAX];

	one_file_load(&one, conf_text, n_loops);
	server = (struct server){ .n_workers = n_loops };
	server.workers = mem_zalloc((n_loops + 1) * sizeof(struct worker *));
	atomic_store(&server.memory.max, SIZE_MAX);
	atomic_store(&server.connections_max, 2 * N_SUBSCRIBERS);
	for (size_t i = 0; i < n_loops; i++) {
		check(worker_create(&server.workers[i], &server, i, false) == 0);
		loops[i] = server.workers[i]->loop;
	}
	server.homes = homes_create(loops, n_loops);
	server.topics = topics_create(loops, n_loops, &server.memory);
	for (size_t i = 0; i < n_loops; i++) {
		scheduler_set_homes(server.workers[i]->scheduler, server.homes);
		worker_set_generation(server.workers[i], one.generation);
	}
}

static void forget_server(void)
{
	topics_settle(server.topics);
	topics_destroy(server.topics);
	homes_destroy(server.homes);
	for (size_t i = 0; i < server.n_workers; i++)
		worker_destroy(server.workers[i]);
	is_int((int64_t)atomic_load(&server.memory.used), 0);
	free(server.workers);
	one_file_forget(&one);
}

static void turn(void)
{
	for (size_t i = 0; i < server.n_workers; i++)
		loop_run_once(server.workers[i]->loop, false);
}

/* Each socket that is sent something has an event, being its own other end: 256 a turn. */
static void settle(void)
{
	bool settled;

	do {
		turn();
		settled = true;
		for (size_t i = 0; i < server.n_workers; i++)
			settled &= loop_is_settled(server.workers[i]->loop);
	} while (!settled);
}

/* ------------------------------------------------------------ clients */

/* The server has that descriptor, on one of the loops. */
static void give(int fd, unsigned number)
{
	struct worker *worker = server.workers[number % server.n_workers];

	atomic_fetch_add(&server.n_conns, 1);
	atomic_fetch_add(&worker->stats.n_conns, 1);
	check(loop_give(worker->loop, fd, 1, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) == 0);
}

static void say(int fd, const char *text)
{
	check(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static int connect_to_itself(unsigned number)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(0x7f4d0001 + number / N_BY_ADDRESS); /* 127.77.0.1 */
	check_that(fd >= 0, "errno=%d", errno);
	check_that(bind(fd, (struct sockaddr *)&addr, len) == 0, "errno=%d", errno);
	check(getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
	check_that(connect(fd, (struct sockaddr *)&addr, len) == 0, "errno=%d", errno);
	check(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	return fd;
}

static int connect_pair(unsigned number)
{
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	give(pair[1], number);
	return pair[0];
}

static void connect_all(void)
{
	for (unsigned i = 0; i < n_streams; i++) {
		fds[i] = connect_to_itself(i);
		say(fds[i], "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
		give(fds[i], i);
	}
	for (unsigned i = n_streams; i < n_clients; i++) {
		fds[i] = connect_pair(i);
		say(fds[i],
		    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
		    "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
	}
}

static bool is_subscriber(const struct conn *conn)
{
	return conn->source != NULL;
}

static size_t count_waiting(void)
{
	size_t n = 0;

	for (size_t i = 0; i < server.n_workers; i++) {
		struct conn *conn;

		list_each(conn, &server.workers[i]->conns, struct conn, link)
			n += conn_source_is_waiting(conn);
	}
	return n;
}

/* All have their head, and what stands before the first event. */
static void subscribe_all(void)
{
	uint64_t until_ns = clock_monotonic_ns() + WAIT_S * NS_PER_S;

	connect_all();
	while (count_waiting() < n_clients && clock_monotonic_ns() < until_ns)
		settle();
	is_int((int64_t)count_waiting(), n_clients);
}

/* Whoever is his own other end cannot leave: the server closes. */
static void leave_all(void)
{
	for (unsigned i = n_streams; i < n_clients; i++)
		close(fds[i]);
	for (size_t i = 0; i < server.n_workers; i++) {
		struct conn *conn;

		list_each(conn, &server.workers[i]->conns, struct conn, link)
			conn_drain(conn, true);
		while (!list_is_empty(&server.workers[i]->lives))
			turn();
	}
}

/* ------------------------------------------------------------ what a turn has sent */

static struct {
	size_t n_turns; /* in which somebody was sent something */
	size_t n_sent;  /* how many were */
	size_t n_most;  /* in one turn */
} told[N_LOOPS_MAX];

static void forget_sent(void)
{
	memset(told, 0, sizeof(told));
	for (size_t i = 0; i < server.n_workers; i++) {
		struct conn *conn;

		list_each(conn, &server.workers[i]->conns, struct conn, link)
			conn->stream.sent_bytes = 0;
	}
}

/* One turn of each, and who has been handed bytes in it. */
static void counted_turn(void)
{
	turn();
	for (size_t i = 0; i < server.n_workers; i++) {
		struct conn *conn;
		size_t n = 0;

		list_each(conn, &server.workers[i]->conns, struct conn, link) {
			n += is_subscriber(conn) && conn->stream.sent_bytes > 0;
			conn->stream.sent_bytes = 0;
		}
		told[i].n_turns += n > 0;
		told[i].n_sent += n;
		told[i].n_most = MAX(told[i].n_most, n);
	}
}

static size_t n_sent(void)
{
	size_t n = 0;

	for (size_t i = 0; i < server.n_workers; i++)
		n += told[i].n_sent;
	return n;
}

/* The network behind the sockets may take its time. */
static bool has_come(int fd, const char *text)
{
	static char bytes[65536];
	uint64_t until_ns = clock_monotonic_ns() + WAIT_S * NS_PER_S;

	do {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_PEEK);

		if (n > 0 && str_find((struct str){ bytes, (size_t)n }, str_of(text)) >= 0)
			return true;
	} while (clock_monotonic_ns() < until_ns);
	return false;
}

static size_t count_come(const char *text)
{
	size_t n = 0;

	while (n < n_clients && has_come(fds[n], text))
		n++;
	return n;
}

static int publish(const char *text)
{
	char request[128];
	int fd = connect_pair(0);

	snprintf(request, sizeof(request),
		 "POST /publish HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s", strlen(text),
		 text);
	say(fd, request);
	return fd;
}

/* ------------------------------------------------------------ */

static bool prepare(size_t n_loops, unsigned n_of_streams)
{
	struct rlimit limit;

	check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_max < N_DESCRIPTORS) {
		printf("# skipped: %u descriptors are needed, and %llu allowed\n", N_DESCRIPTORS,
		       (unsigned long long)limit.rlim_max);
		return false;
	}
	limit.rlim_cur = MAX(limit.rlim_cur, (rlim_t)N_DESCRIPTORS);
	check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	n_streams = n_of_streams;
	n_clients = n_streams + N_WEBSOCKETS;
	make_server(n_loops);
	subscribe_all();
	forget_sent();
	return true;
}

/* A request, its publication's way to its home and to the loops: a turn each, in any order. */
enum { TURNS_MAX = 10 };

static void each_loop_sends_it_to_all_in_one_turn(size_t n_loops)
{
	int fd;

	if (!prepare(n_loops, N_STREAMS))
		return;
	for (unsigned round = 0; round < 3; round++) {
		fd = publish(round ? "again" : "hello");
		for (unsigned n = 0; n < TURNS_MAX; n++)
			counted_turn();
		is_true(has_come(fd, "\r\n\r\n10000"));
		for (size_t i = 0; i < n_loops; i++) {
			is_int((int64_t)told[i].n_turns, 1);
			is_int((int64_t)told[i].n_sent, (int64_t)(N_SUBSCRIBERS / n_loops));
		}
		is_int((int64_t)count_come(round ? "again" : "hello"), N_SUBSCRIBERS);
		close(fd);
		settle();
		forget_sent();
	}
	leave_all();
	forget_server();
}

static void of_one_loop_all_have_a_publication_within_one_turn(void)
{
	each_loop_sends_it_to_all_in_one_turn(1);
}

static void of_two_loops_each_hands_it_to_all_of_its_own_within_one_turn(void)
{
	each_loop_sends_it_to_all_in_one_turn(2);
}

/* What bounds a turn is bytes: here, those of a tenth of the clients. */
static void behind_a_share_of_a_large_one_others_are_served(void)
{
	static const char frame[] = "\x81\x05hello";
	int fd, other;

	if (!prepare(1, 0))
		return;
	server.workers[0]->round.max = N_WEBSOCKETS / 10 * (sizeof(frame) - 1);
	fd = publish("hello");
	while (n_sent() == 0)
		counted_turn();
	is_int((int64_t)n_sent(), N_WEBSOCKETS / 10);
	other = connect_pair(0);
	say(other, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	counted_turn(); /* it is answered at the end of it */
	is_true(has_come(other, "hello"));
	is_int((int64_t)n_sent(), 2 * N_WEBSOCKETS / 10);
	for (unsigned n = 0; n < 2 * TURNS_MAX; n++)
		counted_turn();
	is_int((int64_t)told[0].n_turns, 10);
	is_int((int64_t)count_come(frame), N_WEBSOCKETS);
	close(fd);
	close(other);
	leave_all();
	forget_server();
}

int main(void)
{
	log_set_level(LOG_ERROR);
	signal(SIGPIPE, SIG_IGN);
	TEST(of_one_loop_all_have_a_publication_within_one_turn);
	TEST(of_two_loops_each_hands_it_to_all_of_its_own_within_one_turn);
	TEST(behind_a_share_of_a_large_one_others_are_served);
	return tap_done();
}
