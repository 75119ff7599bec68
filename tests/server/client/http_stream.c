/* tests/server/client/http_stream.c: bodies that are passed on, against a server that behaves as
 * each test's script says. */
#include "server/client/http_stream.h"
#include "core/base/buf.h"
#include "server/client/client.h"
#include "server/client/http_conn.h"
#include "tests/lib/tap.h"
#include "tests/server/client/backend.h"

#define HEAD_LENGTH(n) "HTTP/1.1 200 OK\r\nContent-Length: " n "\r\n\r\n"
#define HEAD_CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

/* What every test has; made by begin(), given back by end(). */
static struct loop *loop;
static struct client *client;
static struct scope scope;
static struct arena_budget budget;
static struct arena arena;
static struct upstream *upstream;
static struct backend *backend;
static struct http_call call;
static struct http_call_request request;

/* Who takes the body. */
static struct {
	struct body_source *source;
	struct buf bytes;
	unsigned n_pieces, n_more;
	int result;   /* of the last read */
	bool reads;   /* on_more() reads on */
	bool waiting; /* for on_more() */
} taker;

static void on_empty(struct scope *empty)
{
	(void)empty;
}

static void on_end(struct task *task)
{
	(void)task;
}

#define run_until(cond)                                                                            \
	while (!(cond))                                                                            \
	loop_run_once(loop, false)

static void begin(const struct step *steps)
{
	char address[32];

	is_int(loop_create(&loop), 0);
	is_int(client_create(&client, loop), 0);
	scope_init(&scope, loop, on_empty);
	budget = (struct arena_budget){ .max = SIZE_MAX };
	arena_init(&arena, 64 << 20);
	arena.budget = &budget;
	upstream = upstream_create(STR("test"));
	backend = backend_start(loop, steps);
	snprintf(address, sizeof(address), "127.0.0.1:%u", backend->port);
	is_int(upstream_add_server(upstream, str_of(address)), 0);
	request = (struct http_call_request){ .upstream = upstream,
					      .method_id = HTTP_GET,
					      .method = STR("GET"),
					      .target = STR("/"),
					      .streams = true };
	memset(&taker, 0, sizeof(taker));
	buf_init(&taker.bytes, SIZE_MAX);
}

static void end(void)
{
	body_source_close(take(&taker.source));
	is_int(atomic_load(&upstream->fleet->stats.in_flight), 0);
	is_int(atomic_load(&budget.used), arena.used);
	upstream_hold(upstream);
	scope_fini(&scope);
	client_destroy(client);
	is_int(atomic_load(&upstream->fleet->stats.open), 0);
	is_int(atomic_load(&upstream->fleet->stats.idle), 0);
	backend_join(backend);
	backend_destroy(backend);
	upstream_unref(upstream);
	upstream_release(upstream);
	loop_destroy(loop);
	arena_fini(&arena);
	buf_fini(&taker.bytes);
}

static void read_on(void)
{
	struct str piece;

	while ((taker.result = body_source_read(taker.source, &piece)) == 1) {
		is_true(piece.len > 0);
		buf_add(&taker.bytes, piece);
		taker.n_pieces++;
	}
	taker.waiting = taker.result == -EAGAIN;
}

static void on_more(struct body_source *source)
{
	is_ptr(source, taker.source);
	is_true(taker.waiting);
	taker.waiting = false;
	taker.n_more++;
	if (taker.reads)
		read_on();
}

static struct http_stream *stream(void)
{
	return http_stream_of(taker.source);
}

/* Until the head is whole. */
static void start(void)
{
	http_call_init(&call, client, &arena, &request, on_end);
	task_start(&call.task, &scope);
	run_until(call.task.state == TASK_ENDED);
	is_int(call.task.outcome, OUTCOME_OK);
	is_int(call.response.status, 200);
	taker.source = &call.stream->source;
	taker.source->on_more = on_more;
}

static void run_to_the_end(void)
{
	taker.reads = true;
	if (!taker.waiting)
		read_on();
	run_until(taker.result != -EAGAIN);
}

static int n_open(void)
{
	return atomic_load(&upstream->fleet->stats.open);
}

static int n_idle(void)
{
	return atomic_load(&upstream->fleet->stats.idle);
}

/* ------------------------------------------------------------ whole bodies */

static void a_body_of_known_length_comes_whole_and_leaves_its_connection(void)
{
	begin((struct step[]){ ACCEPT, READ, SEND(HEAD_LENGTH("3000000")), FILL(3000000), GONE,
			       END });
	start();
	is_true(taker.source->size == 3000000);
	is_int(atomic_load(&upstream->fleet->stats.in_flight), 1);
	run_to_the_end();
	is_int(taker.result, 0);
	is_int(taker.bytes.len, 3000000);
	is_int(n_idle(), 1);
	end();
}

static void a_body_without_a_length_ends_with_its_connection(void)
{
	begin((struct step[]){ ACCEPT, READ, SEND("HTTP/1.1 200 OK\r\n\r\nuntil"), FILL(200000),
			       CLOSE, END });
	start();
	is_true(taker.source->size == BODY_SIZE_UNKNOWN);
	run_to_the_end();
	is_int(taker.result, 0);
	is_int(taker.bytes.len, 200005);
	is_int(n_open(), 0);
	end();
}

static void the_chunks_of_one_read_are_one_piece(void)
{
	begin((struct step[]){ ACCEPT, READ,
			       SEND(HEAD_CHUNKED "3\r\nabc\r\n4;x=y\r\ndefg\r\n1\r\nh\r\n"), AWAIT,
			       SEND("2\r\nij\r\n0\r\nX: trailer\r\n\r\n"), GONE, END });
	start();
	is_true(taker.source->size == BODY_SIZE_UNKNOWN);
	read_on();
	is_int(taker.n_pieces, 1);
	is_str(buf_str(&taker.bytes), STR("abcdefgh"));
	backend_raise(backend);
	run_to_the_end();
	is_int(taker.result, 0);
	is_str(buf_str(&taker.bytes), STR("abcdefghij"));
	is_int(n_idle(), 1);
	end();
}

static void a_body_that_came_with_its_head_gives_the_connection_back_unread(void)
{
	begin((struct step[]){ ACCEPT, READ, SEND(HEAD_LENGTH("5") "hello"), GONE, END });
	start();
	is_int(n_idle(), 1);
	run_to_the_end();
	is_str(buf_str(&taker.bytes), STR("hello"));
	is_ptr(stream()->buffer, NULL);
	end();
}

static void what_stands_behind_a_whole_body_closes_its_connection(void)
{
	begin((struct step[]){ ACCEPT, READ, SEND(HEAD_LENGTH("5") "hello more"), GONE, END });
	start();
	is_int(n_open(), 0);
	run_to_the_end();
	is_str(buf_str(&taker.bytes), STR("hello"));
	end();
}

static void a_response_without_a_body_is_an_empty_one(void)
{
	begin((struct step[]){ ACCEPT, READ, SEND(HEAD_LENGTH("5")), GONE, END });
	request.method_id = HTTP_HEAD;
	request.method = STR("HEAD");
	start();
	is_true(taker.source->size == 0);
	is_int(n_idle(), 1);
	run_to_the_end();
	is_int(taker.result, 0);
	end();
}

/* ------------------------------------------------------------ waiting */

static void nothing_is_read_that_nobody_takes(void)
{
	begin((struct step[]){ ACCEPT, READ, SEND(HEAD_LENGTH("6") "abc"), AWAIT, SEND("def"),
			       RAISE, GONE, END });
	start();
	read_on();
	is_int(taker.result, -EAGAIN);
	is_str(buf_str(&taker.bytes), STR("abc"));
	is_ptr(stream()->buffer, NULL); /* nothing is held while nothing comes */
	backend_raise(backend);
	run_until(taker.n_more == 1);
	backend_await(backend);
	for (int i = 0; i < 100; i++)
		loop_run_once(loop, false);
	is_int(taker.n_more, 1); /* once, though nobody reads */
	run_to_the_end();
	is_int(taker.result, 0);
	is_str(buf_str(&taker.bytes), STR("abcdef"));
	end();
}

static void a_server_that_falls_silent_is_given_up_only_while_somebody_waits(void)
{
	begin((struct step[]){ ACCEPT, READ, SEND(HEAD_LENGTH("6") "abc"), GONE, END });
	upstream->timeouts.idle_ms = 1;
	start();
	for (uint64_t start_ns = loop_now_ns(loop); loop_now_ns(loop) < start_ns + 20000000;)
		loop_run_once(loop, false);
	is_int(n_open(), 1);
	run_to_the_end();
	is_int(taker.result, -ETIMEDOUT);
	is_str(buf_str(&taker.bytes), STR("abc"));
	is_int(atomic_load(&upstream->fleet->stats.failed), 1);
	is_int(n_open(), 0);
	end();
}

/* ------------------------------------------------------------ what goes wrong */

static void a_body_that_is_cut_short_ends_with_an_error(void)
{
	static const struct {
		const char *bytes;
		bool reset;
		int error;
	} rows[] = {
		{ HEAD_LENGTH("6") "abc", false, -ECONNRESET },
		{ HEAD_LENGTH("6") "abc", true, -ECONNRESET },
		{ HEAD_CHUNKED "3\r\nabc\r\n", false, -ECONNRESET },
		{ HEAD_CHUNKED "6\r\nabc", true, -ECONNRESET },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		begin((struct step[]){ ACCEPT,
				       READ,
				       SEND(rows[i].bytes),
				       AWAIT,
				       { rows[i].reset ? ACT_RESET : ACT_CLOSE, NULL, 0 },
				       END });
		start();
		read_on();
		is_int(taker.result, -EAGAIN);
		backend_raise(backend);
		run_to_the_end();
		is_int(taker.result, rows[i].error);
		is_str(buf_str(&taker.bytes), STR("abc"));
		is_int(atomic_load(&upstream->fleet->stats.failed), 1);
		is_int(n_open(), 0);
		end();
	}
}

static void what_came_before_a_bad_chunk_is_given_then_the_error(void)
{
	begin((struct step[]){ ACCEPT, READ, SEND(HEAD_CHUNKED "3\r\nabc\r\nthis is no chunk\r\n"),
			       GONE, END });
	start();
	run_to_the_end();
	is_int(taker.result, -EPROTO);
	is_str(buf_str(&taker.bytes), STR("abc"));
	is_int(n_open(), 0);
	end();
}

static void a_body_that_is_too_large_for_the_call_is_refused_or_cut(void)
{
	begin((struct step[]){ ACCEPT, READ, SEND(HEAD_LENGTH("6") "abc"), GONE, END });
	request.response_max = 5;
	http_call_init(&call, client, &arena, &request, on_end);
	task_start(&call.task, &scope);
	run_until(call.task.state == TASK_ENDED);
	is_int(call.error, HTTP_CALL_TOO_LARGE);
	is_ptr(call.stream, NULL);
	end();

	begin((struct step[]){ ACCEPT, READ, SEND("HTTP/1.1 200 OK\r\n\r\nabcdef"), GONE, END });
	request.response_max = 5;
	start();
	run_to_the_end();
	is_int(taker.result, -EFBIG);
	end();
}

static void without_memory_the_call_fails_and_nothing_is_left(void)
{
	begin((struct step[]){ ACCEPT, READ, SEND(HEAD_LENGTH("3000")), GONE, END });
	http_call_init(&call, client, &arena, &request, on_end);
	task_start(&call.task, &scope);
	run_until(n_open() == 1);
	arena.max = arena.used;
	arena.at = arena.end;
	run_until(call.task.state == TASK_ENDED);
	is_int(call.error, HTTP_CALL_MEMORY);
	is_ptr(call.stream, NULL);
	is_int(n_open(), 0);
	end();
}

/* ------------------------------------------------------------ ends from outside */

static void closing_in_the_middle_closes_the_connection(void)
{
	begin((struct step[]){ ACCEPT, READ, SEND(HEAD_LENGTH("100000000")), FILL(100000000),
			       END });
	start();
	read_on();
	body_source_close(take(&taker.source));
	is_int(n_open(), 0);
	is_int(atomic_load(&upstream->fleet->stats.failed), 0);
	end();
}

static void a_request_that_was_answered_early_goes_on_and_its_connection_is_not_kept(void)
{
	static char large[64 << 20]; /* more than two sockets hold */

	begin((struct step[]){ ACCEPT, READ_ANY, SEND(HEAD_LENGTH("6") "abc"), AWAIT, SEND("def"),
			       AWAIT, GONE, END });
	request.method_id = HTTP_POST;
	request.method = STR("POST");
	request.has_body = true;
	request.body = (struct str){ large, sizeof(large) };
	start();
	read_on();
	backend_raise(backend);
	run_to_the_end();
	is_int(taker.result, 0);
	is_str(buf_str(&taker.bytes), STR("abcdef"));
	is_int(n_idle(), 0);
	backend_raise(backend);
	end();
}

static void a_connection_that_a_body_left_serves_the_next_call(void)
{
	begin((struct step[]){ ACCEPT, SERVE(HEAD_LENGTH("3") "abc"), END });
	for (int i = 0; i < 20; i++) {
		start();
		run_to_the_end();
		body_source_close(take(&taker.source));
	}
	is_int(taker.bytes.len, 60);
	is_int(atomic_load(&upstream->fleet->stats.connects), 1);
	end();
}

int main(void)
{
	TEST(a_body_of_known_length_comes_whole_and_leaves_its_connection);
	TEST(a_body_without_a_length_ends_with_its_connection);
	TEST(the_chunks_of_one_read_are_one_piece);
	TEST(a_body_that_came_with_its_head_gives_the_connection_back_unread);
	TEST(what_stands_behind_a_whole_body_closes_its_connection);
	TEST(a_response_without_a_body_is_an_empty_one);
	TEST(nothing_is_read_that_nobody_takes);
	TEST(a_server_that_falls_silent_is_given_up_only_while_somebody_waits);
	TEST(a_body_that_is_cut_short_ends_with_an_error);
	TEST(what_came_before_a_bad_chunk_is_given_then_the_error);
	TEST(a_body_that_is_too_large_for_the_call_is_refused_or_cut);
	TEST(without_memory_the_call_fails_and_nothing_is_left);
	TEST(closing_in_the_middle_closes_the_connection);
	TEST(a_request_that_was_answered_early_goes_on_and_its_connection_is_not_kept);
	TEST(a_connection_that_a_body_left_serves_the_next_call);
	return tap_done();
}
