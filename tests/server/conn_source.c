/* tests/server/conn_source.c: answers whose body comes from a source that does as it is told, over
 * a real connection: a socket pair, and the loop of a worker on this thread. */
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/task/home.h"
#include "server/connection.h"
#include "server/server.h"
#include "tests/lib/tap.h"
#include "tests/server/one_file.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GIVE, WAIT, FAIL, END, FOREVER };

enum { PIECE_MAX = 1 << 20, TURN = 256 << 10 };

/* What a source does, call by call. */
struct telling {
	int act;
	size_t size;
};

static struct told {
	struct body_source source;
	const struct telling *at;
	char mark; /* its bytes are these: 'a', 'b', … by piece */
	bool closed, waited, ended;
	bool misused; /* asked when it may not be */
	unsigned n_reads;
	size_t given;
} told;

static struct server server;
static struct worker *worker;
static struct one_file one;
static char piece[PIECE_MAX];
static int client_fd;
static struct buf got;
static bool ended;
static int status;

/* ------------------------------------------------------------ the source */

static int told_read(struct body_source *source, struct str *ret_bytes)
{
	const struct telling *telling = told.at;

	told.misused |= source != &told.source || told.closed || told.waited || told.ended;
	told.ended = telling->act == END || telling->act == FAIL;
	told.n_reads++;
	told.at += telling->act != FOREVER;
	switch (telling->act) {
	case GIVE:
	case FOREVER:
		memset(piece, told.mark, telling->size);
		told.mark = told.mark == 'z' ? 'a' : (char)(told.mark + 1);
		told.given += telling->size;
		*ret_bytes = (struct str){ piece, telling->size };
		return 1;
	case WAIT:
		told.waited = true;
		return -EAGAIN;
	case FAIL:
		return -EIO;
	default:
		return 0;
	}
}

static void told_close(struct body_source *source)
{
	is_ptr(source, &told.source);
	is_false(told.closed);
	told.closed = true;
}

static void told_on_ready(struct ready *ready)
{
	(void)ready;
	is_true(told.waited);
	told.waited = false;
	told.source.on_more(&told.source);
}

/* There is more: in the next turn. */
static void tell(void)
{
	static struct ready ready;

	ready_init(&ready, told_on_ready);
	loop_ready(worker->loop, &ready);
}

static void serve(struct request *request)
{
	const struct reply reply = { .status = status,
				     .content_type = STR("text/plain"),
				     .source = &told.source };

	request_reply(request, &reply);
}

/* ------------------------------------------------------------ the server */

static const char conf_text[] =
	"log: { access: off }\nlimits: { total_memory: 64m }\ntimeouts: { write: 50ms }\n"
	"routes:\n  /told: { tasks: { w: { wait: 1s } } }\n  GET /hello: { reply: hello }\n";

static void make_server(void)
{
	struct generation *generation;

	log_set_level(LOG_ERROR);
	signal(SIGPIPE, SIG_IGN);
	one_file_load(&one, conf_text, 1);
	generation = one.generation;
	for (size_t i = 0; i < generation->n_routes; i++)
		if (str_eq(generation->routes[i]->pattern.text, STR("/told")))
			generation->routes[i]->native = serve;
	server.n_workers = 1;
	server.workers = mem_zalloc(2 * sizeof(struct worker *));
	atomic_store(&server.memory.max, SIZE_MAX);
	atomic_store(&server.connections_max, 100);
	check(worker_create(&server.workers[0], &server, 0, false) == 0);
	worker = server.workers[0];
	server.homes = homes_create(&worker->loop, 1);
	scheduler_set_homes(worker->scheduler, server.homes);
	worker_set_generation(worker, generation);
}

static void forget_server(void)
{
	homes_destroy(server.homes);
	worker_destroy(worker);
	free(server.workers);
	one_file_forget(&one);
}

/* ------------------------------------------------------------ the client */

static void begin(uint64_t size, const struct telling *tellings)
{
	static const struct body_source_ops ops = { told_read, told_close };
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	client_fd = pair[0];
	atomic_fetch_add(&server.n_conns, 1);
	atomic_fetch_add(&worker->stats.n_conns, 1);
	check(loop_give(worker->loop, pair[1], 1, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) == 0);
	told = (struct told){ .source = { .ops = &ops, .size = size },
			      .at = tellings,
			      .mark = 'a' };
	status = 200;
	ended = false;
	buf_init(&got, SIZE_MAX);
}

static void receive(void)
{
	static char bytes[65536];
	ssize_t n;

	while ((n = recv(client_fd, bytes, sizeof(bytes), 0)) > 0)
		buf_add(&got, (struct str){ bytes, (size_t)n });
	ended |= n == 0 || errno != EAGAIN;
}

/* Turns of the loop; the client takes what comes. */
static void turns(int n)
{
	while (n-- > 0) {
		loop_run_once(worker->loop, false);
		receive();
	}
}

static void say(const char *text)
{
	is_int(send(client_fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turns(20);
}

#define ASK(method, version) say(method " /told HTTP/1." version "\r\nHost: a\r\n\r\n")

static struct str body(void)
{
	ptrdiff_t at = str_find(buf_str(&got), STR("\r\n\r\n"));

	return at < 0 ? STR_NONE : str_skip(buf_str(&got), (size_t)at + 4);
}

static bool has(const char *text)
{
	return str_find(buf_str(&got), str_of(text)) >= 0;
}

static void the_next_request_is_answered(void)
{
	buf_clear(&got);
	say("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	is_str(body(), STR("hello"));
	is_false(ended);
}

static void end(void)
{
	close(client_fd);
	while (!list_is_empty(&worker->conns)) /* it may have to be sure that the client has left */
		loop_run_once(worker->loop, false);
	is_true(list_is_empty(&worker->live));
	is_false(told.misused);
	is_int(atomic_load(&server.n_conns), 0);
	buf_fini(&got);
}

/* ------------------------------------------------------------ framing */

static void a_body_of_known_size_has_a_length(void)
{
	begin(6, (struct telling[]){ { GIVE, 3 }, { WAIT, 0 }, { GIVE, 3 }, { END, 0 } });
	ASK("GET", "1");
	is_true(has("Content-Length: 6\r\n"));
	is_str(body(), STR("aaa"));
	tell();
	turns(3);
	is_str(body(), STR("aaabbb"));
	is_true(told.closed);
	the_next_request_is_answered();
	end();
}

static void one_of_unknown_size_comes_in_chunks(void)
{
	begin(BODY_SIZE_UNKNOWN,
	      (struct telling[]){ { GIVE, 3 }, { GIVE, 17 }, { WAIT, 0 }, { END, 0 } });
	ASK("GET", "1");
	is_true(has("Transfer-Encoding: chunked\r\n"));
	is_str(body(), STR("3\r\naaa\r\n11\r\nbbbbbbbbbbbbbbbbb\r\n"));
	tell();
	turns(3);
	is_true(str_ends_with(body(), STR("b\r\n0\r\n\r\n")));
	is_true(told.closed);
	the_next_request_is_answered();
	end();
}

static void to_http_1_0_it_ends_with_the_connection(void)
{
	begin(BODY_SIZE_UNKNOWN, (struct telling[]){ { GIVE, 3 }, { END, 0 } });
	say("GET /told HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	is_true(has("Connection: close\r\n"));
	is_false(has("chunked"));
	is_str(body(), STR("aaa"));
	is_true(ended && told.closed);
	end();
}

static void the_head_does_not_wait_for_the_body(void)
{
	begin(3, (struct telling[]){ { WAIT, 0 }, { GIVE, 3 }, { END, 0 } });
	ASK("GET", "1");
	is_true(has("Content-Length: 3\r\n"));
	is_int(body().len, 0);
	tell();
	turns(3);
	is_str(body(), STR("aaa"));
	the_next_request_is_answered();
	end();
}

static void an_empty_body_is_whole(void)
{
	begin(0, (struct telling[]){ { END, 0 } });
	ASK("GET", "1");
	is_true(has("Content-Length: 0\r\n"));
	the_next_request_is_answered();
	end();
	begin(BODY_SIZE_UNKNOWN, (struct telling[]){ { END, 0 } });
	ASK("GET", "1");
	is_str(body(), STR("0\r\n\r\n"));
	the_next_request_is_answered();
	end();
}

static void where_no_body_is_sent_none_is_asked_for(void)
{
	begin(6, (struct telling[]){ { END, 0 } });
	ASK("HEAD", "1");
	is_true(has("Content-Length: 6\r\n"));
	is_int(told.n_reads, 0);
	is_true(told.closed);
	the_next_request_is_answered();
	end();
	begin(6, (struct telling[]){ { END, 0 } });
	status = 204;
	ASK("GET", "1");
	is_false(has("Content-Length"));
	is_int(told.n_reads, 0);
	is_true(told.closed);
	the_next_request_is_answered();
	end();
}

/* ------------------------------------------------------------ what goes wrong */

static void a_source_that_fails_cuts_the_connection(void)
{
	begin(BODY_SIZE_UNKNOWN, (struct telling[]){ { GIVE, 3 }, { FAIL, 0 } });
	ASK("GET", "1");
	is_str(body(), STR("3\r\naaa\r\n"));
	is_true(ended && told.closed);
	end();
	begin(6, (struct telling[]){ { GIVE, 3 }, { WAIT, 0 }, { FAIL, 0 } });
	ASK("GET", "1");
	tell();
	turns(3);
	is_str(body(), STR("aaa"));
	is_true(ended && told.closed);
	end();
	begin(6, (struct telling[]){ { FAIL, 0 } });
	ASK("GET", "1");
	is_int(body().len, 0);
	is_true(ended && told.closed);
	end();
}

static void a_source_that_breaks_its_promise_cuts_the_connection(void)
{
	begin(6, (struct telling[]){ { GIVE, 3 }, { END, 0 } });
	ASK("GET", "1");
	is_str(body(), STR("aaa"));
	is_true(ended && told.closed);
	end();
	begin(6, (struct telling[]){ { GIVE, 3 }, { GIVE, 4 }, { END, 0 } });
	ASK("GET", "1");
	is_str(body(), STR("aaa"));
	is_true(ended && told.closed);
	end();
	begin(6, (struct telling[]){ { GIVE, 6 }, { GIVE, 1 }, { END, 0 } });
	ASK("GET", "1");
	is_str(body(), STR("aaaaaa"));
	is_true(ended && told.closed);
	end();
}

static void a_client_that_leaves_closes_the_source(void)
{
	begin(BODY_SIZE_UNKNOWN, (struct telling[]){ { GIVE, 3 }, { WAIT, 0 } });
	ASK("GET", "1");
	is_false(told.closed);
	end();
	is_true(told.closed);
	begin(BODY_SIZE_UNKNOWN, (struct telling[]){ { FOREVER, 65536 } });
	is_true(send(client_fd, "GET /told HTTP/1.1\r\nHost: a\r\n\r\n", 31, MSG_NOSIGNAL) == 31);
	for (int i = 0; i < 20; i++)
		loop_run_once(worker->loop, false);
	is_false(told.closed);
	end();
	is_true(told.closed);
}

/* ------------------------------------------------------------ who waits for whom */

static void nothing_is_asked_for_that_the_client_does_not_take(void)
{
	unsigned n_reads;

	begin(BODY_SIZE_UNKNOWN, (struct telling[]){ { FOREVER, 65536 } });
	is_true(send(client_fd, "GET /told HTTP/1.1\r\nHost: a\r\n\r\n", 31, MSG_NOSIGNAL) == 31);
	for (int i = 0; i < 50; i++)
		loop_run_once(worker->loop, false);
	n_reads = told.n_reads;
	is_true(told.given < 4 << 20); /* what a socket's buffer takes, and one piece */
	for (int i = 0; i < 50; i++)
		loop_run_once(worker->loop, false);
	is_int(told.n_reads, n_reads);
	turns(20);
	is_true(told.n_reads > n_reads);
	end();
}

static void a_client_that_takes_nothing_is_given_up(void)
{
	begin(BODY_SIZE_UNKNOWN, (struct telling[]){ { FOREVER, 65536 } });
	is_true(send(client_fd, "GET /told HTTP/1.1\r\nHost: a\r\n\r\n", 31, MSG_NOSIGNAL) == 31);
	while (!told.closed) /* timeouts.write */
		loop_run_once(worker->loop, false);
	end();
}

/* Both are always ready: what one turn sends has an end. */
static void a_turn_of_the_loop_has_an_end_whatever_is_taken(void)
{
	size_t before, most = 0;

	begin(BODY_SIZE_UNKNOWN, (struct telling[]){ { FOREVER, 4096 } });
	ASK("GET", "1");
	for (int i = 0; i < 200; i++) {
		before = told.given;
		turns(1);
		most = MAX(most, told.given - before);
	}
	is_true(most > 0 && most <= TURN + 4096);
	end();
}

static void what_is_pipelined_behind_it_waits_and_is_answered(void)
{
	begin(6, (struct telling[]){ { GIVE, 3 }, { WAIT, 0 }, { GIVE, 3 }, { END, 0 } });
	say("GET /told HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	is_str(body(), STR("aaa"));
	tell();
	turns(3);
	is_true(str_starts_with(body(), STR("aaabbbHTTP/1.1 200 OK\r\n")));
	is_true(str_ends_with(body(), STR("\r\n\r\nhello")));
	end();
}

int main(void)
{
	make_server();
	TEST(a_body_of_known_size_has_a_length);
	TEST(one_of_unknown_size_comes_in_chunks);
	TEST(to_http_1_0_it_ends_with_the_connection);
	TEST(the_head_does_not_wait_for_the_body);
	TEST(an_empty_body_is_whole);
	TEST(where_no_body_is_sent_none_is_asked_for);
	TEST(a_source_that_fails_cuts_the_connection);
	TEST(a_source_that_breaks_its_promise_cuts_the_connection);
	TEST(a_client_that_leaves_closes_the_source);
	TEST(nothing_is_asked_for_that_the_client_does_not_take);
	TEST(a_client_that_takes_nothing_is_given_up);
	TEST(a_turn_of_the_loop_has_an_end_whatever_is_taken);
	TEST(what_is_pipelined_behind_it_waits_and_is_answered);
	forget_server();
	return tap_done();
}
