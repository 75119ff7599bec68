/* tests/server/client/http_call.c: calls against a server that behaves as each test's script
 * says. */
/* long: one scripted backend, and a test for each thing that it can do */
#include "core/base/clock.h"
#include "server/client/client.h"
#include "server/client/http_answer.h"
#include "server/client/http_conn.h"
#include "server/client/knock.h"
#include "tests/lib/tap.h"
#include "tests/server/client/backend.h"

#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

enum { SECONDS_MAX = 60, CALLS_MAX = 200 };

/* What every test has; made by begin(), given back by end(). */
static struct loop *loop;
static struct client *client;
static struct scope scope;
static struct arena arena;
static struct upstream *upstream;
static struct backend *backend;
static struct http_call calls[CALLS_MAX];
static struct http_call *const call = &calls[0];
static struct http_call_request request;
static unsigned n_ended, n_wanted;

static void on_empty(struct scope *empty)
{
	(void)empty;
}

static void on_end(struct task *task)
{
	(void)task;
	if (++n_ended == n_wanted)
		loop_stop(loop);
}

static void set_method(enum http_method method)
{
	request.method_id = method;
	request.method = http_method_name(method);
}

static void add_server(uint16_t port)
{
	char address[32];

	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	is_int(upstream_add_server(upstream, str_of(address)), 0);
}

/* The number of the server that the call went to. */
static int server_of(const struct http_call *of)
{
	struct roster *roster = upstream_roster(upstream);
	int server = -1;

	for (size_t i = 0; i < roster->n_seats; i++)
		if (roster->seats[i].peer->id == of->peer_id)
			server = (int)i;
	roster_unref(roster);
	return server;
}

static void begin(const struct step *steps)
{
	is_int(loop_create(&loop), 0);
	is_int(client_create(&client, loop), 0);
	scope_init(&scope, loop, on_empty);
	arena_init(&arena, 64 << 20);
	upstream = upstream_create(STR("test"));
	backend = NULL;
	request = (struct http_call_request){ .upstream = upstream, .target = STR("/a?b=c") };
	set_method(HTTP_GET);
	if (!steps)
		return;
	backend = backend_start(loop, steps);
	add_server(backend->port);
}

/* Whatever happened, nothing is left over. */
static void end(void)
{
	struct fleet_stats *stats = &upstream->fleet->stats;

	is_int(atomic_load(&stats->in_flight), 0);
	upstream_hold(upstream);
	scope_fini(&scope);
	client_destroy(client);
	is_int(atomic_load(&stats->open), 0);
	is_int(atomic_load(&stats->idle), 0);
	if (backend) {
		backend_join(backend);
		backend_destroy(backend);
	}
	upstream_unref(upstream);
	upstream_release(upstream);
	loop_destroy(loop);
	arena_fini(&arena);
}

static void start(struct http_call *one)
{
	http_call_init(one, client, &arena, &request, on_end);
	task_start(&one->task, &scope);
}

static void run_until_ended(unsigned n)
{
	n_wanted = n;
	if (n_ended < n)
		loop_run(loop);
	n_ended = 0;
}

static void run(void)
{
	start(call);
	run_until_ended(1);
}

static void is_ok(int status, const char *body)
{
	is_int(call->task.outcome, OUTCOME_OK);
	is_int(call->error, HTTP_CALL_OK);
	is_int(call->response.status, status);
	is_str(call->response.body, str_of(body));
}

static void is_failure(enum http_call_error error, const char *detail)
{
	is_int(call->task.outcome, error == HTTP_CALL_TIMEOUT ? OUTCOME_TIMED_OUT : OUTCOME_FAILED);
	is_int(call->error, error);
	is_text(call->detail, detail);
	is_int(atomic_load(&upstream->fleet->stats.open), 0);
	is_int(atomic_load(&upstream->fleet->stats.failed), 1);
}

/* Turns the loop until something is so; without sleeping, since what makes it so may be in the
 * turn that would sleep. */
#define run_until(cond)                                                                            \
	while (!(cond))                                                                            \
	loop_run_once(loop, false)

static int n_open(void)
{
	return atomic_load(&upstream->fleet->stats.open);
}

static int n_idle(void)
{
	return atomic_load(&upstream->fleet->stats.idle);
}

static uint64_t n_connects(void)
{
	return atomic_load(&upstream->fleet->stats.connects);
}

/* One call whose response is `text`; then the server waits until the client has closed. */
static void run_against(const char *text)
{
	const struct step steps[] = { ACCEPT, READ, SEND(text), GONE, END };

	begin(steps);
	run();
}

static void fails_against(const char *text, enum http_call_error error, const char *detail)
{
	run_against(text);
	is_failure(error, detail);
	end();
}

static void is_kept(bool kept)
{
	is_int(n_open(), kept);
	is_int(n_idle(), kept);
}

/* The server sends `text` and, when that has arrived, closes or resets. */
static void run_then(const char *text, enum act act)
{
	const struct step steps[] = { ACCEPT, READ, SEND(text), AWAIT, DO(act), END };

	begin(steps);
	start(call);
	if (text[0])
		run_until(call->answer->began);
	backend_raise(backend);
	run_until_ended(1);
}

static void fails_then(const char *text, enum act act, enum http_call_error error,
		       const char *detail)
{
	run_then(text, act);
	is_failure(error, detail);
	end();
}

/* ------------------------------------------------------------ responses that are right */

static void a_body_of_known_length_arrives(void)
{
	run_against("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello");
	is_ok(200, "hello");
	is_int(call->response.n_fields, 2);
	is_str(call->response.fields[1].name, STR("X-A"));
	is_str(call->response.fields[1].value, STR("b"));
	is_kept(true);
	is_true(call->sent);
	is_true(call->ended_ns > call->started_ns);
	end();
}

static void the_request_is_written_as_it_should(void)
{
	const struct http_field fields[] = { { STR_INIT("Accept"), STR_INIT("*/*") } };
	const struct step steps[] = { ACCEPT, READ, SEND(OK_HELLO), RAISE, GONE, END };
	char want[256];

	begin(steps);
	set_method(HTTP_POST);
	upstream->prefix = STR("/v1");
	request.fields = fields;
	request.n_fields = 1;
	request.body = STR("{}");
	request.has_body = true;
	run();
	is_ok(200, "hello");
	snprintf(want, sizeof(want),
		 "POST /v1/a?b=c HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: */*\r\n"
		 "Content-Length: 2\r\n\r\n{}",
		 backend->port);
	backend_await(backend);
	is_text(backend->request, want);
	end();
}

static void a_post_without_a_body_says_so(void)
{
	const struct step steps[] = { ACCEPT, READ, SEND(OK_HELLO), RAISE, GONE, END };

	begin(steps);
	set_method(HTTP_POST);
	request.host = STR("other.example");
	request.target = STR("");
	run();
	backend_await(backend);
	is_text(backend->request,
		"POST / HTTP/1.1\r\nHost: other.example\r\nContent-Length: 0\r\n\r\n");
	end();
}

static void a_chunked_body_arrives(void)
{
	run_against("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "3\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: 1\r\n\r\n");
	is_ok(200, "hello");
	is_kept(true);
	end();
}

static void a_body_until_the_close_arrives(void)
{
	run_then("HTTP/1.1 200 OK\r\n\r\nhello", ACT_CLOSE);
	is_ok(200, "hello");
	is_kept(false);
	end();
}

static void a_large_body_arrives_whole(void)
{
	const struct step steps[] = {
		ACCEPT,        READ, SEND("HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n"),
		FILL(4000000), GONE, END
	};

	begin(steps);
	run();
	is_int(call->task.outcome, OUTCOME_OK);
	is_int(call->response.body.len, 4000000);
	is_int(call->response.body.ptr[3999999], 'x');
	is_kept(true);
	end();
}

static void a_large_body_until_the_close_arrives_whole(void)
{
	const struct step steps[] = { ACCEPT,        READ,  SEND("HTTP/1.1 200 OK\r\n\r\n"),
				      FILL(3000000), CLOSE, END };

	begin(steps);
	run();
	is_int(call->task.outcome, OUTCOME_OK);
	is_int(call->response.body.len, 3000000);
	is_true(arena.used < 12 << 20);
	end();
}

static void a_response_to_head_has_no_body(void)
{
	const struct step steps[] = { ACCEPT, READ,
				      SEND("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
				      SERVE(OK_HELLO), END };

	begin(steps);
	set_method(HTTP_HEAD);
	run();
	is_ok(200, "");
	set_method(HTTP_GET);
	run();
	is_ok(200, "hello");
	is_int(n_connects(), 1);
	end();
}

static void no_content_and_not_modified_have_no_body(void)
{
	run_against("HTTP/1.1 204 No Content\r\n\r\n");
	is_ok(204, "");
	is_kept(true);
	end();
	run_against("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
	is_ok(304, "");
	is_kept(true);
	end();
}

static void any_status_is_a_response(void)
{
	run_against("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nlate");
	is_ok(503, "late");
	is_int(atomic_load(&upstream->fleet->stats.failed), 0);
	is_kept(true);
	end();
}

static void interim_responses_are_skipped(void)
{
	run_against("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: "
		    "</a>\r\n\r\n" OK_HELLO);
	is_ok(200, "hello");
	is_int(call->response.n_fields, 1);
	is_kept(true);
	end();
}

static void a_response_in_single_bytes_is_read(void)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n" OK_HELLO;
	struct step steps[STEPS_MAX] = { ACCEPT, READ };
	size_t n = 2;

	for (size_t i = 0; i < sizeof(text) - 1; i += 2)
		steps[n++] =
			(struct step){ ACT_SEND, text + i, MIN(sizeof(text) - 1 - i, (size_t)2) };
	steps[n] = (struct step)GONE;
	begin(steps);
	run();
	is_ok(200, "hello");
	is_kept(true);
	end();
}

/* ------------------------------------------------------------ kept connections */

static void a_connection_is_used_again(void)
{
	const struct step steps[] = { ACCEPT, SERVE(OK_HELLO), END };

	begin(steps);
	for (unsigned i = 0; i < 3; i++) {
		run();
		is_ok(200, "hello");
	}
	is_kept(true);
	is_int(n_connects(), 1);
	is_int(atomic_load(&upstream->fleet->stats.reused), 2);
	is_int(atomic_load(&upstream->fleet->stats.calls), 3);
	end();
}

static void timeouts_of_zero_are_none(void)
{
	const struct step steps[] = { ACCEPT, SERVE(OK_HELLO), END };

	begin(steps);
	upstream->timeouts = (struct upstream_timeouts){ 0 };
	run();
	is_ok(200, "hello");
	is_ptr(client_loop(client), loop);
	client_sweep(client);
	is_kept(true); /* its time is not over */
	end();
}

static void a_thousand_calls_use_one_connection(void)
{
	const struct step steps[] = { ACCEPT, SERVE(OK_HELLO), END };
	unsigned n_ok = 0;

	begin(steps);
	for (unsigned i = 0; i < 1000; i++) {
		run();
		n_ok += call->task.outcome == OUTCOME_OK && call->response.body.len == 5;
	}
	is_int(n_ok, 1000);
	is_int(n_connects(), 1);
	end();
}

static void two_hundred_calls_are_in_progress_at_once(void)
{
	const struct step steps[] = { CROWD(CALLS_MAX, OK_HELLO), END };
	unsigned n_ok = 0;

	begin(steps);
	for (unsigned i = 0; i < CALLS_MAX; i++)
		start(&calls[i]);
	is_int(atomic_load(&upstream->fleet->stats.in_flight), CALLS_MAX);
	run_until_ended(CALLS_MAX);
	for (unsigned i = 0; i < CALLS_MAX; i++)
		n_ok += calls[i].task.outcome == OUTCOME_OK && calls[i].response.body.len == 5;
	is_int(n_ok, CALLS_MAX);
	is_int(n_connects(), CALLS_MAX);
	is_int(n_idle(), 128);
	is_int(n_open(), 128);
	end();
}

static void no_more_than_max_idle_are_kept(void)
{
	const struct step steps[] = { CROWD(3, OK_HELLO), END };

	begin(steps);
	upstream->pool.max_idle = 1;
	for (unsigned i = 0; i < 3; i++)
		start(&calls[i]);
	run_until_ended(3);
	is_kept(true);
	end();
}

static void the_connection_used_last_is_taken_first(void)
{
	const struct step steps[] = { ACCEPT,          READ,  ACCEPT, READ,
				      SEND(OK_HELLO),  AWAIT, USE(0), SEND(OK_HELLO),
				      SERVE(OK_HELLO), END };

	begin(steps);
	start(&calls[0]);
	start(&calls[1]);
	run_until_ended(1); /* that of the second connection */
	n_ended = 1;
	backend_raise(backend);
	run_until_ended(2);
	is_int(n_idle(), 2);
	run(); /* would never end on the other */
	is_ok(200, "hello");
	end();
}

static void connection_close_is_heeded(void)
{
	run_against("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
	is_ok(200, "hello");
	is_kept(false);
	end();
}

static void http_1_0_is_kept_only_when_it_says_so(void)
{
	run_against("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	is_ok(200, "hello");
	is_kept(false);
	end();
	run_against("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello");
	is_ok(200, "hello");
	is_kept(true);
	end();
}

static void bytes_behind_the_response_spoil_the_connection(void)
{
	run_against(OK_HELLO "H");
	is_ok(200, "hello");
	is_kept(false);
	end();
}

static void bytes_on_an_idle_connection_close_it(void)
{
	const struct step steps[] = {
		ACCEPT, READ, SEND(OK_HELLO), AWAIT, SEND(OK_HELLO), GONE, END
	};

	begin(steps);
	run();
	is_kept(true);
	backend_raise(backend);
	run_until(n_open() == 0);
	is_kept(false);
	end();
}

static void an_idle_connection_that_ends_is_closed(void)
{
	const struct step steps[] = { ACCEPT, READ, SEND(OK_HELLO), AWAIT, CLOSE, END };

	begin(steps);
	run();
	is_kept(true);
	backend_raise(backend);
	run_until(n_open() == 0);
	is_kept(false);
	end();
}

static void an_idle_connection_is_closed_when_its_time_is_over(void)
{
	const struct step steps[] = { ACCEPT, READ, SEND(OK_HELLO), GONE, END };

	begin(steps);
	upstream->pool.idle_close_ms = 30;
	run();
	is_kept(true);
	run_until(n_open() == 0);
	is_true(clock_monotonic_ns() - call->ended_ns > 25 * NS_PER_MS);
	end();
}

static void the_connections_of_an_upstream_that_nobody_names_are_swept(void)
{
	const struct step steps[] = { ACCEPT, READ, SEND(OK_HELLO), GONE, END };

	begin(steps);
	run();
	upstream_hold(upstream);
	upstream_unref(upstream);
	client_sweep(client);
	is_int(n_open(), 0);
	is_true(list_is_empty(&client->pools));
	is_int(atomic_load(&upstream->n_holds), 1);
	upstream_release(upstream);
	upstream = upstream_create(STR("for end()"));
	end();
}

/* ------------------------------------------------------------ stale connections */

/* After a first call the server ends the connection in a way that the client has not looked at
 * when it makes the second. */
static void run_on_stale(enum http_method method, enum act how, bool second_works)
{
	const struct step steps[] = {
		ACCEPT, READ,    SEND(OK_HELLO),
		AWAIT,  DO(how), RAISE,
		ACCEPT, READ,    SEND("HTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n"),
		GONE,   END
	};
	const struct step twice[] = { ACCEPT, READ,   SEND(OK_HELLO), AWAIT, DO(how),
				      RAISE,  ACCEPT, READ,           CLOSE, END };

	begin(second_works ? steps : twice);
	run();
	is_kept(true);
	backend_raise(backend);
	backend_await(backend);
	set_method(method);
	run();
}

static void a_get_on_a_stale_connection_is_sent_again(void)
{
	run_on_stale(HTTP_GET, ACT_CLOSE, true);
	is_ok(201, "");
	is_int(n_connects(), 2);
	is_int(atomic_load(&upstream->fleet->stats.reused), 1);
	is_int(atomic_load(&upstream->fleet->stats.failed), 0);
	end();
}

static void a_put_on_a_stale_connection_is_sent_again(void)
{
	run_on_stale(HTTP_PUT, ACT_RESET, true);
	is_ok(201, "");
	is_int(n_connects(), 2);
	end();
}

static void it_is_sent_again_only_once(void)
{
	run_on_stale(HTTP_GET, ACT_CLOSE, false);
	is_failure(HTTP_CALL_BAD_RESPONSE, "closed before any response");
	is_int(n_connects(), 2);
	end();
}

static void a_post_of_which_nothing_was_sent_is_sent_again(void)
{
	run_on_stale(HTTP_POST, ACT_RESET, true);
	is_ok(201, "");
	is_int(n_connects(), 2);
	end();
}

static void a_post_that_was_sent_is_not_sent_again(void)
{
	const struct step steps[] = { ACCEPT, READ, SEND(OK_HELLO), AWAIT, CLOSE, RAISE, END };

	begin(steps);
	run();
	backend_raise(backend);
	backend_await(backend);
	set_method(HTTP_POST);
	run();
	is_int(call->task.outcome, OUTCOME_FAILED);
	is_int(call->error, HTTP_CALL_BAD_RESPONSE);
	is_true(call->sent);
	is_int(n_connects(), 1);
	end();
}

static void a_new_connection_that_closes_is_not_tried_again(void)
{
	fails_then("", ACT_CLOSE, HTTP_CALL_BAD_RESPONSE, "closed before any response");
	fails_then("", ACT_RESET, HTTP_CALL_BAD_RESPONSE, "reset before any response");
}

/* ------------------------------------------------------------ responses that are wrong */

static void what_is_cut_short_is_a_bad_response(void)
{
	fails_then("HTTP/1.1 200 O", ACT_CLOSE, HTTP_CALL_BAD_RESPONSE,
		   "closed in the middle of the head");
	fails_then("HTTP/1.1 200 O", ACT_RESET, HTTP_CALL_BAD_RESPONSE,
		   "reset in the middle of the head");
	fails_then("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", ACT_CLOSE,
		   HTTP_CALL_BAD_RESPONSE, "closed in the middle of the body");
	fails_then("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", ACT_RESET,
		   HTTP_CALL_BAD_RESPONSE, "reset in the middle of the body");
	fails_then("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ACT_CLOSE,
		   HTTP_CALL_BAD_RESPONSE, "closed in the middle of the body");
	fails_then("HTTP/1.1 200 OK\r\n\r\nhello", ACT_RESET, HTTP_CALL_BAD_RESPONSE,
		   "reset in the middle of the body");
}

static void what_is_not_http_is_a_bad_response(void)
{
	fails_against("garbage\r\n\r\n", HTTP_CALL_BAD_RESPONSE, "not HTTP/1");
	fails_against("SSH-2.0-OpenSSH_9.2\r\n", HTTP_CALL_BAD_RESPONSE, "not HTTP/1");
	fails_against("HTTP/1.1 200 OK\n\n", HTTP_CALL_BAD_RESPONSE, "the head is not valid");
	fails_against("HTTP/2 200\r\n\r\n", HTTP_CALL_BAD_RESPONSE, "not HTTP/1");
	fails_against("h", HTTP_CALL_BAD_RESPONSE, "not HTTP/1");
	fails_against("HTTP/1.1 099 X\r\n\r\n", HTTP_CALL_BAD_RESPONSE, "the head is not valid");
}

static void what_has_two_readings_is_a_bad_response(void)
{
	fails_against("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		      HTTP_CALL_BAD_RESPONSE, "the head is not valid");
	fails_against("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0",
		      HTTP_CALL_BAD_RESPONSE, "the head is not valid");
	fails_against("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		      HTTP_CALL_BAD_RESPONSE, "bad chunks");
}

static void switching_protocols_was_not_asked_for(void)
{
	fails_against("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
		      HTTP_CALL_BAD_RESPONSE, "101 was not asked for");
}

static void endless_interim_responses_end(void)
{
	struct step steps[STEPS_MAX] = { ACCEPT, READ };

	for (unsigned i = 2; i < 22; i++)
		steps[i] = (struct step)SEND("HTTP/1.1 100 Continue\r\n\r\n");
	steps[22] = (struct step)GONE;
	begin(steps);
	run();
	is_failure(HTTP_CALL_BAD_RESPONSE, "too many interim responses");
	end();
}

static void an_endless_head_ends(void)
{
	const struct step steps[] = { ACCEPT,        READ, SEND("HTTP/1.1 200 OK\r\nX: "),
				      FILL(1 << 30), GONE, END };

	begin(steps);
	run();
	is_failure(HTTP_CALL_BAD_RESPONSE, "the head is not valid");
	end();
}

/* ------------------------------------------------------------ too much */

static void a_length_past_the_limit_is_too_large(void)
{
	const struct step steps[] = { ACCEPT,
				      READ,
				      SEND("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"),
				      FILL(1000000000),
				      GONE,
				      END };

	begin(steps);
	run();
	is_failure(HTTP_CALL_TOO_LARGE, "Content-Length is too large");
	is_true(arena.used < 65536);
	end();
}

static void chunks_past_the_limit_are_too_large(void)
{
	const struct step steps[] = { ACCEPT, READ,
				      SEND("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
					   "chunked\r\n\r\n5\r\nhello\r\n6\r\nworld!\r\n0\r\n\r\n"),
				      GONE, END };

	begin(steps);
	request.response_max = 10;
	run();
	is_failure(HTTP_CALL_TOO_LARGE, "the body is too large");
	end();
}

static void an_endless_body_is_too_large(void)
{
	const struct step steps[] = { ACCEPT,        READ, SEND("HTTP/1.1 200 OK\r\n\r\n"),
				      FILL(1 << 30), GONE, END };

	begin(steps);
	upstream->response_max = 100000;
	run();
	is_failure(HTTP_CALL_TOO_LARGE, "the body is too large");
	is_true(arena.used < 400000);
	end();
}

static void a_body_of_exactly_the_limit_is_not_too_large(void)
{
	const struct step steps[] = { ACCEPT, SERVE(OK_HELLO), END };

	begin(steps);
	request.response_max = 5;
	run();
	is_ok(200, "hello");
	end();
}

static void a_full_arena_fails_the_call(void)
{
	const struct step steps[] = { ACCEPT, READ,
				      SEND("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
				      GONE, END };

	begin(steps);
	arena.max = 20000;
	run();
	is_failure(HTTP_CALL_MEMORY, "no memory for the body");
	end();
}

static void an_arena_without_room_for_the_request_fails_the_call(void)
{
	unsigned n_dial = 0;

	begin(NULL);
	add_server(1);
	arena.max = 100;
	run();
	is_failure(HTTP_CALL_MEMORY, "no memory for the request");
	is_false(call->sent);
	for (size_t max = 100; call->error == HTTP_CALL_MEMORY; max += 16) {
		n_dial += strcmp(call->detail, "no memory to connect") == 0;
		arena_fini(&arena);
		arena.max = max;
		run();
	}
	is_true(n_dial > 0); /* there was room for the head, and not for a dial */
	is_int(call->error, HTTP_CALL_CONNECT_FAILED);
	end();
}

/* ------------------------------------------------------------ timeouts */

static void times_out(const char *detail)
{
	run();
	is_failure(HTTP_CALL_TIMEOUT, detail);
	is_true(call->ended_ns - call->started_ns >= 40 * NS_PER_MS);
	end();
}

static void no_response_times_out(void)
{
	const struct step steps[] = { ACCEPT, READ, GONE, END };

	begin(steps);
	upstream->timeouts.first_byte_ms = 40;
	times_out("no response");
}

static void half_a_head_times_out(void)
{
	const struct step steps[] = { ACCEPT, READ, SEND("HTTP/1.1 200 OK\r\nA: b"), GONE, END };

	begin(steps);
	upstream->timeouts.first_byte_ms = 40;
	times_out("no response");
}

static void half_a_body_times_out(void)
{
	const struct step steps[] = { ACCEPT, READ,
				      SEND("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"),
				      GONE, END };

	begin(steps);
	upstream->timeouts.idle_ms = 40;
	times_out("the body did not go on");
}

static void a_request_that_is_not_taken_times_out(void)
{
	const struct step steps[] = { ACCEPT, AWAIT, GONE, END };
	char *body = mem_zalloc(32 << 20);

	begin(steps);
	upstream->timeouts.idle_ms = 40;
	set_method(HTTP_PUT);
	request.body = (struct str){ body, 32 << 20 };
	request.has_body = true;
	run();
	is_failure(HTTP_CALL_TIMEOUT, "the request was not taken");
	is_true(call->sent);
	backend_raise(backend);
	end();
	free(body);
}

static void the_total_time_ends_a_call(void)
{
	const struct step steps[] = { ACCEPT, READ, SEND("HTTP/1.1 200 OK\r\nConte"), GONE, END };

	begin(steps);
	upstream->timeouts.total_ms = 40;
	times_out("not done in time");
}

/* A listener whose backlog is full: connecting to it takes forever. */
struct silent {
	int listen_fd, fds[4];
	uint16_t port;
};

static void silent_open(struct silent *silent)
{
	struct net_addr addr;

	is_int(net_addr_parse(STR("127.0.0.1:0"), &addr), 0);
	is_int(net_listen(&addr, 0, &silent->listen_fd), 0);
	is_int(net_local_addr(silent->listen_fd, &addr), 0);
	silent->port = net_addr_port(&addr);
	for (size_t i = 0; i < ARRAY_LEN(silent->fds); i++)
		is_int(net_connect(&addr, &silent->fds[i]), 0);
}

static void silent_close(struct silent *silent)
{
	for (size_t i = 0; i < ARRAY_LEN(silent->fds); i++)
		close(silent->fds[i]);
	close(silent->listen_fd);
}

static void a_silent_server_times_out(void)
{
	struct silent silent;

	silent_open(&silent);
	begin(NULL);
	add_server(silent.port);
	upstream->timeouts.connect_ms = 40;
	times_out("connect timed out");
	silent_close(&silent);
}

static void a_silent_server_leaves_time_for_the_next(void)
{
	const struct step steps[] = { ACCEPT, SERVE(OK_HELLO), END };
	struct silent silent;

	silent_open(&silent);
	begin(NULL);
	add_server(silent.port);
	backend = backend_start(loop, steps);
	add_server(backend->port);
	upstream->timeouts.connect_ms = 400;
	run();
	is_ok(200, "hello");
	is_int(server_of(call), 1);
	end();
	silent_close(&silent);
}

/* ------------------------------------------------------------ servers that are not there */

static uint16_t closed_port(void)
{
	struct net_addr addr;
	int fd;

	is_int(net_addr_parse(STR("127.0.0.1:0"), &addr), 0);
	is_int(net_listen(&addr, 1, &fd), 0);
	is_int(net_local_addr(fd, &addr), 0);
	close(fd);
	return net_addr_port(&addr);
}

static void a_refused_connection_fails(void)
{
	begin(NULL);
	add_server(closed_port());
	run();
	is_failure(HTTP_CALL_CONNECT_FAILED, "connection refused");
	is_false(call->sent);
	end();
}

static void the_next_server_is_tried(void)
{
	const struct step steps[] = { ACCEPT, SERVE(OK_HELLO), END };

	begin(NULL);
	add_server(closed_port());
	backend = backend_start(loop, steps);
	add_server(backend->port);
	for (unsigned i = 0; i < 4; i++) {
		run();
		is_ok(200, "hello");
		is_int(server_of(call), 1);
	}
	is_int(n_connects(), 1); /* also where the other was tried first */
	is_int(atomic_load(&upstream->fleet->stats.failed), 0);
	end();
}

static void an_address_that_cannot_be_reached_fails(void)
{
	begin(NULL);
	is_int(upstream_add_server(upstream, STR("255.255.255.255:80")), 0);
	run();
	is_int(call->task.outcome, OUTCOME_FAILED);
	is_int(call->error, HTTP_CALL_CONNECT_FAILED);
	is_int(n_open(), 0);
	end();
}

static void servers_take_turns(void)
{
	const struct step steps[] = { ACCEPT, SERVE(OK_HELLO), END };
	struct backend *other;

	begin(steps);
	other = backend_start(loop, steps);
	add_server(other->port);
	for (unsigned i = 0; i < 6; i++) {
		start(&calls[i]);
		run_until_ended(1);
		if (i > 0)
			is_true(server_of(&calls[i]) != server_of(&calls[i - 1]));
	}
	is_int(n_connects(), 2);
	end();
	backend_join(other);
	backend_destroy(other);
}

static void a_name_that_is_not_found_fails(void)
{
	begin(NULL);
	is_int(upstream_add_server(upstream, STR("no-such-host.invalid")), 0);
	is_int(names_set_servers(client->names, "127.0.0.1:1"), 0); /* no network is needed */
	is_int(names_set_patience(client->names, 20, 1), 0);
	run();
	is_int(call->task.outcome, OUTCOME_FAILED);
	is_int(call->error, HTTP_CALL_DNS_FAILED);
	is_int(n_connects(), 0);
	end();
}

static void a_name_that_nobody_answers_for_times_out(void)
{
	struct net_addr addr;
	char server[NET_ADDR_TEXT_MAX];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	is_int(net_addr_parse(STR("127.0.0.1:0"), &addr), 0);
	is_int(bind(fd, &addr.sa, addr.len), 0);
	is_int(net_local_addr(fd, &addr), 0);
	begin(NULL);
	is_int(upstream_add_server(upstream, STR("no-such-host.invalid")), 0);
	is_int(names_set_servers(client->names, net_addr_write(server, &addr)), 0);
	upstream->timeouts.connect_ms = 40;
	times_out("name look-up timed out");
	close(fd);
}

static void localhost_is_found(void)
{
	const struct step steps[] = { ACCEPT, SERVE(OK_HELLO), END };
	char address[32];

	begin(NULL);
	backend = backend_start(loop, steps);
	snprintf(address, sizeof(address), "localhost:%u", backend->port);
	is_int(upstream_add_server(upstream, str_of(address)), 0);
	run(); /* where ::1 comes first it is refused, and 127.0.0.1 is tried */
	is_ok(200, "hello");
	end();
}

/* ------------------------------------------------------------ early responses */

static void a_server_that_speaks_first_is_heard(void)
{
	const struct step steps[] = { ACCEPT, SEND("220 ready\r\n"), GONE, END };

	begin(steps);
	run();
	is_failure(HTTP_CALL_BAD_RESPONSE, "not HTTP/1");
	end();
}

static void run_early(enum act how)
{
	const struct step steps[] = { ACCEPT, READ_ANY,
				      SEND("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"),
				      DO(how), END };
	char *body = mem_zalloc(32 << 20);

	begin(steps);
	set_method(HTTP_POST);
	request.body = (struct str){ body, 32 << 20 };
	request.has_body = true;
	run();
	is_ok(413, "no");
	is_kept(false);
	if (how == ACT_AWAIT)
		backend_raise(backend);
	end();
	free(body);
}

static void a_response_may_come_before_the_request_is_sent(void)
{
	run_early(ACT_AWAIT);
}

static void a_response_counts_also_when_the_request_is_cut_off(void)
{
	run_early(ACT_CLOSE); /* with bytes unread: a reset */
}

static void set_body(char *body, size_t size)
{
	set_method(HTTP_PUT);
	request.body = (struct str){ body, size };
	request.has_body = true;
}

static void a_large_request_is_sent_whole(void)
{
	enum { SIZE = 32 << 20 };
	const struct step steps[] = { ACCEPT, READ, SEND(OK_HELLO), RAISE, GONE, END };
	char *body = mem_zalloc(SIZE);

	begin(steps);
	set_body(body, SIZE);
	run();
	is_ok(200, "hello");
	is_kept(true);
	backend_await(backend);
	is_int(backend->request_len, call->head.len + SIZE);
	end();
	free(body);
}

/* Turns the loop until nothing more goes out by itself. */
static void run_until_stuck(void)
{
	uint64_t before;

	run_until(call->conn && call->conn->stream.sent_bytes > 0);
	do {
		before = call->conn->stream.sent_bytes;
		for (unsigned i = 0; i < 100; i++)
			loop_run_once(loop, false);
	} while (call->conn->stream.sent_bytes > before);
}

static void a_request_that_goes_on_does_not_time_out(void)
{
	enum { SIZE = 64 << 20 };
	const struct step steps[] = { ACCEPT, AWAIT, DRAIN(16 << 20), AWAIT, GONE, END };
	char *body = mem_zalloc(SIZE);
	uint64_t before;

	clock_freeze(NS_PER_S, 0);
	begin(steps);
	upstream->timeouts.idle_ms = 100;
	set_body(body, SIZE);
	start(call);
	run_until_stuck();
	clock_advance(60 * NS_PER_MS);
	before = call->conn->stream.sent_bytes;
	backend_raise(backend);
	run_until(call->conn->stream.sent_bytes > before);
	run_until_stuck();
	clock_advance(60 * NS_PER_MS);
	run_until_stuck();
	is_int(call->task.state, TASK_STARTED);
	clock_advance(120 * NS_PER_MS);
	run_until(call->task.state == TASK_ENDED);
	n_ended = 0;
	is_failure(HTTP_CALL_TIMEOUT, "the request was not taken");
	backend_raise(backend);
	end();
	clock_thaw();
	free(body);
}

/* ------------------------------------------------------------ cancel */

static void cancel_call(void)
{
	task_cancel(&call->task);
}

static void is_cancelled(void)
{
	is_int(call->task.outcome, OUTCOME_CANCELLED);
	is_int(call->error, HTTP_CALL_OK);
	is_int(atomic_load(&upstream->fleet->stats.open), 0);
	is_int(atomic_load(&upstream->fleet->stats.failed), 0);
}

static void cancel_while_the_name_is_looked_up(void)
{
	begin(NULL);
	add_server(1);
	start(call);
	cancel_call();
	cancel_call();
	run_until_ended(1);
	is_cancelled();
	is_false(call->sent);
	end();
}

static void cancel_while_connecting(void)
{
	struct silent silent;

	silent_open(&silent);
	begin(NULL);
	add_server(silent.port);
	start(call);
	run_until(call->knock->watch.fd >= 0);
	cancel_call();
	run_until_ended(1);
	is_cancelled();
	is_int(call->knock->watch.fd, -1);
	end();
	silent_close(&silent);
}

static void cancel_while_sending(void)
{
	const struct step steps[] = { ACCEPT, READ_ANY, TELL, AWAIT, GONE, END };
	char *body = mem_zalloc(32 << 20);

	begin(NULL);
	backend = backend_start(loop, steps);
	backend->on_tell = cancel_call;
	add_server(backend->port);
	set_method(HTTP_PUT);
	request.body = (struct str){ body, 32 << 20 };
	request.has_body = true;
	run();
	is_cancelled();
	is_true(call->sent);
	backend_raise(backend);
	end(); /* joins: so the server has seen the end */
	free(body);
}

static void cancel_while_waiting(void)
{
	const struct step steps[] = { ACCEPT, READ, TELL, GONE, END };

	begin(NULL);
	backend = backend_start(loop, steps);
	backend->on_tell = cancel_call;
	add_server(backend->port);
	run();
	is_cancelled();
	end();
}

static void cancel_in_the_body(const char *response)
{
	const struct step steps[] = { ACCEPT, READ, SEND(response), GONE, END };

	begin(steps);
	start(call);
	run_until(call->answer->body_len > 0);
	cancel_call();
	run_until_ended(1);
	is_cancelled();
	end();
}

static void cancel_in_any_body(void)
{
	cancel_in_the_body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
	cancel_in_the_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell");
	cancel_in_the_body("HTTP/1.1 200 OK\r\n\r\nhell");
}

static void cancel_after_the_end_changes_nothing(void)
{
	const struct step steps[] = { ACCEPT, READ, SEND(OK_HELLO), GONE, END };

	begin(steps);
	start(call);
	run_until(call->task.state == TASK_ENDING || call->task.state == TASK_ENDED);
	cancel_call();
	run_until_ended(1);
	is_ok(200, "hello");
	is_kept(true);
	end();
}

static void a_cancelled_scope_starts_no_call(void)
{
	begin(NULL);
	add_server(1);
	scope_cancel(&scope);
	run();
	is_int(call->task.outcome, OUTCOME_CANCELLED);
	is_int(atomic_load(&upstream->fleet->stats.calls), 0);
	end();
}

int main(void)
{
	alarm(SECONDS_MAX); /* a test that hangs has failed */
	TEST(a_body_of_known_length_arrives);
	TEST(the_request_is_written_as_it_should);
	TEST(a_post_without_a_body_says_so);
	TEST(a_chunked_body_arrives);
	TEST(a_body_until_the_close_arrives);
	TEST(a_large_body_arrives_whole);
	TEST(a_large_body_until_the_close_arrives_whole);
	TEST(a_response_to_head_has_no_body);
	TEST(no_content_and_not_modified_have_no_body);
	TEST(any_status_is_a_response);
	TEST(interim_responses_are_skipped);
	TEST(a_response_in_single_bytes_is_read);
	TEST(a_connection_is_used_again);
	TEST(timeouts_of_zero_are_none);
	TEST(a_thousand_calls_use_one_connection);
	TEST(two_hundred_calls_are_in_progress_at_once);
	TEST(no_more_than_max_idle_are_kept);
	TEST(the_connection_used_last_is_taken_first);
	TEST(connection_close_is_heeded);
	TEST(http_1_0_is_kept_only_when_it_says_so);
	TEST(bytes_behind_the_response_spoil_the_connection);
	TEST(bytes_on_an_idle_connection_close_it);
	TEST(an_idle_connection_that_ends_is_closed);
	TEST(an_idle_connection_is_closed_when_its_time_is_over);
	TEST(the_connections_of_an_upstream_that_nobody_names_are_swept);
	TEST(a_get_on_a_stale_connection_is_sent_again);
	TEST(a_put_on_a_stale_connection_is_sent_again);
	TEST(it_is_sent_again_only_once);
	TEST(a_post_of_which_nothing_was_sent_is_sent_again);
	TEST(a_post_that_was_sent_is_not_sent_again);
	TEST(a_new_connection_that_closes_is_not_tried_again);
	TEST(what_is_cut_short_is_a_bad_response);
	TEST(what_is_not_http_is_a_bad_response);
	TEST(what_has_two_readings_is_a_bad_response);
	TEST(switching_protocols_was_not_asked_for);
	TEST(endless_interim_responses_end);
	TEST(an_endless_head_ends);
	TEST(a_length_past_the_limit_is_too_large);
	TEST(chunks_past_the_limit_are_too_large);
	TEST(an_endless_body_is_too_large);
	TEST(a_body_of_exactly_the_limit_is_not_too_large);
	TEST(a_full_arena_fails_the_call);
	TEST(an_arena_without_room_for_the_request_fails_the_call);
	TEST(no_response_times_out);
	TEST(half_a_head_times_out);
	TEST(half_a_body_times_out);
	TEST(a_request_that_is_not_taken_times_out);
	TEST(the_total_time_ends_a_call);
	TEST(a_silent_server_times_out);
	TEST(a_silent_server_leaves_time_for_the_next);
	TEST(a_refused_connection_fails);
	TEST(the_next_server_is_tried);
	TEST(an_address_that_cannot_be_reached_fails);
	TEST(servers_take_turns);
	TEST(a_name_that_is_not_found_fails);
	TEST(a_name_that_nobody_answers_for_times_out);
	TEST(localhost_is_found);
	TEST(a_response_may_come_before_the_request_is_sent);
	TEST(a_response_counts_also_when_the_request_is_cut_off);
	TEST(a_large_request_is_sent_whole);
	TEST(a_request_that_goes_on_does_not_time_out);
	TEST(a_server_that_speaks_first_is_heard);
	TEST(cancel_while_the_name_is_looked_up);
	TEST(cancel_while_connecting);
	TEST(cancel_while_sending);
	TEST(cancel_while_waiting);
	TEST(cancel_in_any_body);
	TEST(cancel_after_the_end_changes_nothing);
	TEST(a_cancelled_scope_starts_no_call);
	return tap_done();
}
