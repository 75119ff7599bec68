/* tests/server/flow/http.c: the HTTP verbs against servers that behave as each test's script
 * says. */
#include "tests/server/client/backend.h"
#include "tests/server/flow/try.h"
#include <sched.h>
#include <time.h>

#define JSON_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define OK_JSON_2 JSON_HEAD "Content-Length: 10\r\n\r\n{\"n\":1.50}"
#define OK_TEXT "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"
#define FAIL_503 "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy"

static struct backend *backend;

/* As begin(), with an upstream `users` that follows the script. */
static void begin_with(const struct step *script)
{
	begin();
	backend = backend_start(loop, script);
	try_upstream_add("users", backend->port);
}

static void end_all(void)
{
	client_sweep(client);
	end();
	backend_join(backend);
	backend_destroy(backend);
}

/* The clock stands still, but sockets need a while. */
static bool wait_until_ended(void)
{
	time_t give_up = time(NULL) + 60;

	while (n_ended == 0 && time(NULL) < give_up) {
		loop_run_once(loop, false);
		sched_yield();
	}
	return n_ended > 0;
}

static void run_it(const char *yaml)
{
	run_yaml(yaml);
	is_true(wait_until_ended());
}

static bool asked(const char *text)
{
	bool found = strstr(backend->request, text) != NULL;

	if (!found)
		printf("# the request was %s\n", backend->request);
	return found;
}

/* ------------------------------------------------------------ answers */

static void an_answer_has_status_headers_body_and_text(void)
{
	const struct step script[] = {
		ACCEPT, READ,
		SEND("HTTP/1.1 201 Created\r\nContent-Type: application/problem+json; "
		     "charset=utf-8\r\n"
		     "X-A: 1\r\nx-a: 2\r\nContent-Length: 17\r\n\r\n{\"id\":7,\"n\":19.9}"),
		END
	};

	begin_with(script);
	run_it("tasks:\n  a: {get: users:/v1/x}\n  b: {value: \"${a.body.id + 1}\"}\n");
	ended_ok();
	gives("[a.status, a.body, a.text, a.headers['x-a'], a.headers.x_a, b, a.ok]",
	      "[201,{\"id\":7,\"n\":19.9},\"{\\\"id\\\":7,\\\"n\\\":19.9}\",\"1, 2\",\"1, "
	      "2\",8,true]");
	gives("a", "{\"id\":7,\"n\":19.9}");
	is_true(asked("GET /v1/x HTTP/1.1\r\n"));
	is_true(asked("\r\nX-Request-Id: req-1\r\n"));
	is_false(strstr(backend->request, "Content-Length") != NULL);
	end_all();
}

static void a_body_of_another_type_is_text(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(OK_TEXT), END };

	begin_with(script);
	run_it("tasks:\n  a: {get: users:/}\n");
	ended_ok();
	gives("[a, a.text]", "[\"hi\",\"hi\"]");
	end_all();
}

static void an_empty_json_body_is_null(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(JSON_HEAD "Content-Length: 0\r\n\r\n"),
				       END };

	begin_with(script);
	run_it("tasks:\n  a: {delete: users:/}\n");
	ended_ok();
	gives("[a, a.text]", "[null,\"\"]");
	is_true(asked("DELETE / HTTP/1.1\r\n"));
	end_all();
}

static void json_that_is_none_is_a_bad_response(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(JSON_HEAD "Content-Length: 3\r\n\r\n{a}"),
				       END };

	begin_with(script);
	run_it("tasks:\n  a: {get: users:/}\n");
	ended_by("bad_response", "a");
	is_int(failure_status(&run->failure), 502);
	is_str(run->failure.detail, STR("users answered with a body that is not valid JSON"));
	end_all();
}

static void a_status_of_400_or_more_is_a_failure_that_can_be_read(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(FAIL_503), END };

	begin_with(script);
	run_it("tasks:\n  a: {get: users:/, optional: true}\n");
	ended_ok();
	gives("[a, a.failed, a.status, a.body, a.text, a.headers.retry_after]",
	      "[null,true,503,\"busy\",\"busy\",\"1\"]");
	gives("[a.error.code, a.error.status, a.error.detail]",
	      "[\"upstream_status\",503,\"users answered 503\"]");
	end_all();
	begin_with(script);
	run_it("tasks:\n  a: {get: users:/, default: {x: 1}}\n");
	ended_ok();
	gives("[a, a.body.x, a.status, a.text]", "[{\"x\":1},1,503,\"busy\"]");
	end_all();
	begin_with(script);
	run_it("tasks:\n  a: {get: users:/}\n");
	ended_by("upstream_status", "a");
	is_int(failure_status(&run->failure), 502);
	is_int(run->failure.upstream_status, 503);
	end_all();
}

static void expect_says_what_is_no_failure(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(FAIL_503), READ, SEND(OK_TEXT), END };

	begin_with(script);
	run_it("tasks:\n  a: {get: users:/, expect: [2xx, 503]}\n"
	       "  b: {get: users:/, expect: 204, after: a, optional: true}\n");
	ended_ok();
	gives("[a.ok, a, b.ok, b.status, b.error.code]",
	      "[true,\"busy\",false,200,\"upstream_status\"]");
	end_all();
}

static void an_answer_that_is_too_large_is_refused(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(OK_TEXT), END };

	begin_with(script);
	run_it("tasks:\n  a: {get: users:/, max: 1}\n");
	ended_by("too_large", "a");
	end_all();
}

/* ------------------------------------------------------------ requests */

static void values_in_urls_are_encoded(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(OK_TEXT), END };

	begin_with(script);
	with_roots("{\"path\": {\"id\": \"a/b c?d\"}, \"query\": {\"q\": \"x&y=1\"}}");
	run_it("tasks:\n  a:\n    get: users:/v1/${path.id}?p=${query.q}\n"
	       "    query: {s: \"${query.q} é\", none: \"${query.none}\", l: [1, null, \"b c\"], "
	       "t: "
	       "true}\n");
	ended_ok();
	is_true(asked("GET /v1/a%2Fb%20c%3Fd?p=x%26y%3D1&s=x%26y%3D1%20%C3%A9&l=1&l=b%20c&t=true "
		      "HTTP/1.1\r\n"));
	end_all();
}

static void a_segment_that_values_make_a_dot_segment_is_refused(void)
{
	const struct step script[] = { END };

	begin_with(script);
	with_roots("{\"path\": {\"id\": \"..\"}}");
	run_it("tasks:\n  a: {get: \"users:/v1/${path.id}/x\"}\n");
	ended_by("invalid_input", "a");
	is_int(failure_status(&run->failure), 400);
	end_all();
}

static void headers_cannot_be_forged(void)
{
	const struct step script[] = { END };

	begin_with(script);
	with_roots("{\"query\": {\"q\": \"a\\r\\nX-Evil: 1\"}}");
	run_it("tasks:\n  a: {get: users:/, headers: {x-a: \"${query.q}\"}}\n");
	ended_by("invalid_input", "a");
	end_all();
}

static void headers_are_sent_and_null_ones_are_left_out(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(OK_TEXT), END };

	begin_with(script);
	with_roots("{\"query\": {\"q\": \"v\"}}");
	run_it("tasks:\n  a: {get: users:/, headers: {X-A: \"b ${query.q}\", X-None: "
	       "\"${query.none}\", X-Request-ID: own, Authorization: \"Bearer ${secret.x}\"}}\n");
	ended_ok();
	is_true(asked("\r\nX-A: b v\r\n"));
	is_true(asked("\r\nX-Request-ID: own\r\n"));
	is_true(asked("\r\nAuthorization: Bearer hush\r\n"));
	is_false(strstr(backend->request, "X-None") != NULL);
	is_false(strstr(backend->request, "req-1") != NULL);
	end_all();
}

static void bodies_have_their_types(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(OK_TEXT), END };

	begin_with(script);
	with_roots("{\"body\": {\"a\": [1, 2.50]}}");
	run_it("tasks:\n  a: {post: users:/, json: {x: \"${body.a}\", y: \"n ${body.a[0]}\"}}\n");
	ended_ok();
	is_true(asked("POST / HTTP/1.1\r\n"));
	is_true(asked("\r\nContent-Type: application/json\r\n"));
	is_true(asked("\r\n\r\n{\"x\":[1,2.50],\"y\":\"n 1\"}"));
	end_all();
	begin_with(script);
	with_roots("{\"body\": {\"a\": [1, 2.50]}}");
	run_it("tasks:\n  a: {put: users:/, form: {x: \"a b&\", l: \"${body.a}\", n: null}}\n");
	ended_ok();
	is_true(asked("PUT / HTTP/1.1\r\n"));
	is_true(asked("\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
	is_true(asked("\r\n\r\nx=a+b%26&l=1&l=2.50"));
	end_all();
	begin_with(script);
	run_it("tasks:\n  a: {patch: users:/, body: \"text ${1 + 1}\", headers: {content-type: "
	       "text/x}}\n");
	ended_ok();
	is_true(asked("PATCH / HTTP/1.1\r\n"));
	is_true(asked("\r\ncontent-type: text/x\r\n"));
	is_true(asked("\r\n\r\ntext 2"));
	is_false(strstr(backend->request, "text/plain") != NULL);
	end_all();
	begin_with(script);
	run_it("tasks:\n  a: {post: users:/}\n");
	is_true(asked("\r\nContent-Length: 0\r\n"));
	end_all();
}

static void any_method_can_be_sent(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(OK_TEXT), END };

	begin_with(script);
	run_it("tasks:\n  a: {http: users:/x, method: REPORT}\n");
	ended_ok();
	is_true(asked("REPORT /x HTTP/1.1\r\n"));
	end_all();
}

static void a_head_has_no_body(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(JSON_HEAD "Content-Length: 500\r\n\r\n"),
				       END };

	begin_with(script);
	run_it("tasks:\n  a: {head: users:/x}\n");
	ended_ok();
	gives("[a, a.headers.content_length]", "[null,\"500\"]");
	end_all();
}

static void absolute_urls_need_no_upstream(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(OK_TEXT), END };
	char yaml[256];

	begin_with(script);
	snprintf(yaml, sizeof(yaml), "tasks:\n  a: {get: \"http://127.0.0.1:%u?x=${1}\"}\n",
		 backend->port);
	run_it(yaml);
	ended_ok();
	gives("a", "\"hi\"");
	is_true(asked("GET /?x=1 HTTP/1.1\r\n"));
	end_all();
}

static void a_host_from_a_value_must_be_listed(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(OK_TEXT), END };
	char yaml[256], json[128];

	begin_with(script);
	snprintf(json, sizeof(json), "{\"query\": {\"h\": \"127.0.0.1:%u\"}}", backend->port);
	with_roots(json);
	snprintf(yaml, sizeof(yaml),
		 "tasks:\n  a: {get: \"http://${query.h}/y\", hosts: [\"127.0.0.1:%u\"]}\n"
		 "  b: {get: \"http://x${query.h}/y\", hosts: [b], optional: true}\n",
		 backend->port);
	run_it(yaml);
	ended_ok();
	gives("[a, b.error.code]", "[\"hi\",\"invalid_input\"]");
	end_all();
}

/* ------------------------------------------------------------ together */

static void two_requests_are_in_flight_together(void)
{
	/* answers nobody before both have asked */
	const struct step script[] = { CROWD(2, OK_JSON_2), END };

	begin_with(script);
	run_it("tasks:\n  a: {get: users:/a}\n  b: {get: users:/b}\n"
	       "  both: {value: {a: \"${a.body}\", b: \"${b.body}\"}}\n");
	ended_ok();
	gives("both", "{\"a\":{\"n\":1.50},\"b\":{\"n\":1.50}}");
	end_all();
}

static void a_failure_cancels_the_request_of_its_sibling(void)
{
	/* the connection that hangs is closed by the client */
	const struct step script[] = { ACCEPT, READ, GONE, CLOSE, END };

	begin_with(script);
	run_yaml("tasks:\n  slow: {get: users:/a}\n  w: {wait: 10ms}\n"
		 "  bad: {value: \"${1 / query.none}\", after: w}\n");
	pass(10);
	is_true(wait_until_ended());
	ended_by("expr_error", "bad");
	gives("[slow.failed, slow.error.code]", "[true,\"cancelled\"]");
	end_all();
}

static void a_server_that_hangs_is_left_at_the_deadline(void)
{
	const struct step script[] = { ACCEPT, READ, RAISE, GONE, CLOSE, END };

	begin_with(script);
	run_yaml("tasks:\n  a: {get: users:/a, timeout: 200ms, default: fallback}\n");
	for (int i = 0; i < 1000; i++) {
		loop_run_once(loop, false);
		sched_yield();
	}
	pass(200);
	is_true(wait_until_ended());
	ended_ok();
	gives("[a, a.error.code, a.status]", "[\"fallback\",\"timeout\",null]");
	end_all();
}

static void a_refused_connection_is_connect_failed(void)
{
	begin();
	try_upstream_add("users", 1);
	run_it("tasks:\n  a: {get: users:/}\n");
	ended_by("connect_failed", "a");
	is_int(failure_status(&run->failure), 502);
	is_true(str_starts_with(run->failure.detail, STR("users: ")));
	end();
}

static void a_cut_answer_is_a_bad_response(void)
{
	const struct step script[] = { ACCEPT, READ,
				       SEND("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha"),
				       CLOSE, END };

	begin_with(script);
	run_it("tasks:\n  a: {get: users:/}\n");
	ended_by("bad_response", "a");
	end_all();
}

/* Turns the loop and lets time pass until the flow has ended: for pauses between tries. */
static void run_with_time(const char *yaml)
{
	time_t give_up = time(NULL) + 60;

	run_yaml(yaml);
	while (n_ended == 0 && time(NULL) < give_up) {
		for (int i = 0; i < 200 && n_ended == 0; i++) {
			loop_run_once(loop, false);
			sched_yield();
		}
		clock_advance(NS_PER_MS);
	}
}

static void a_get_is_tried_again_when_the_server_is_busy(void)
{
	const struct step script[] = { ACCEPT,         READ, SEND(FAIL_503), READ,
				       SEND(FAIL_503), READ, SEND(OK_TEXT),  END };

	begin_with(script);
	run_with_time("tasks:\n  a: {get: users:/, retry: {times: 2, wait: 2ms}}\n");
	ended_ok();
	gives("a", "\"hi\"");
	is_int(atomic_load(&upstreams[0]->fleet->stats.calls), 3);
	end_all();
}

static void a_post_that_was_sent_is_not_tried_again(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(FAIL_503), END };

	begin_with(script);
	run_with_time("tasks:\n  a: {post: users:/, retry: 3}\n");
	ended_by("upstream_status", "a");
	is_int(atomic_load(&upstreams[0]->fleet->stats.calls), 1);
	end_all();
	begin();
	try_upstream_add("users", 1);
	run_with_time("tasks:\n  a: {post: users:/, retry: {times: 2, wait: 1ms}}\n");
	ended_by("connect_failed", "a");
	is_int(atomic_load(&upstreams[0]->fleet->stats.calls), 3);
	end();
}

static void codes_may_name_statuses(void)
{
	const struct step script[] = { ACCEPT, READ, SEND(FAIL_503), READ, SEND(OK_TEXT), END };

	begin_with(script);
	run_with_time("tasks:\n  a: {post: users:/, retry: {times: 3, wait: 1ms, codes: [503]}}\n");
	ended_ok();
	is_int(atomic_load(&upstreams[0]->fleet->stats.calls), 2);
	end_all();
}

static void a_detached_request_outlives_its_flow(void)
{
	const struct step script[] = { ACCEPT, READ, AWAIT, SEND(OK_TEXT), END };

	begin_with(script);
	with_roots("{\"body\": {\"a\": \"long enough to be a slice of the body\"}}");
	run_it("tasks:\n  a: {post: users:/audit, json: \"${body}\", detach: true}\n");
	ended_ok();
	is_int(n_detached, 1);
	forget();
	backend_raise(backend);
	while (n_detached > 0)
		loop_run_once(loop, false);
	is_true(asked("\r\n\r\n{\"a\":\"long enough to be a slice of the body\"}"));
	is_true(asked("\r\nX-Request-Id: req-1\r\n"));
	is_text(log_text, "");
	end_all();
}

static void requests_may_be_cancelled_at_any_moment(void)
{
	/* connections are made and requests are sent, but nobody answers */
	const struct step script[] = { AWAIT, END };
	unsigned n_cancelled = 0;

	for (int turns = 0; turns < 40; turns++) {
		begin_with(script);
		run_yaml("tasks:\n  a: {get: users:/a, retry: 2}\n  b: {post: users:/b, json: {}, "
			 "default: 1}\n  g: {tasks: {c: {get: users:/c}}, optional: true}\n");
		for (int i = 0; i < turns; i++)
			loop_run_once(loop, false);
		flow_run_cancel(run);
		wait_until_ended();
		n_cancelled += run->failure.code == ERROR_CANCELLED && n_ended == 1;
		is_int(atomic_load(&upstreams[0]->fleet->stats.in_flight), 0);
		backend_raise(backend);
		end_all();
	}
	is_int(n_cancelled, 40);
}

int main(void)
{
	clock_freeze(UINT64_C(1000) * NS_PER_S, INT64_C(1700000000) * (int64_t)NS_PER_S);
	(void)backend_await;
	TEST(an_answer_has_status_headers_body_and_text);
	TEST(a_body_of_another_type_is_text);
	TEST(an_empty_json_body_is_null);
	TEST(json_that_is_none_is_a_bad_response);
	TEST(a_status_of_400_or_more_is_a_failure_that_can_be_read);
	TEST(expect_says_what_is_no_failure);
	TEST(an_answer_that_is_too_large_is_refused);
	TEST(values_in_urls_are_encoded);
	TEST(a_segment_that_values_make_a_dot_segment_is_refused);
	TEST(headers_cannot_be_forged);
	TEST(headers_are_sent_and_null_ones_are_left_out);
	TEST(bodies_have_their_types);
	TEST(any_method_can_be_sent);
	TEST(a_head_has_no_body);
	TEST(absolute_urls_need_no_upstream);
	TEST(a_host_from_a_value_must_be_listed);
	TEST(two_requests_are_in_flight_together);
	TEST(a_failure_cancels_the_request_of_its_sibling);
	TEST(a_server_that_hangs_is_left_at_the_deadline);
	TEST(a_refused_connection_is_connect_failed);
	TEST(a_cut_answer_is_a_bad_response);
	TEST(a_get_is_tried_again_when_the_server_is_busy);
	TEST(a_post_that_was_sent_is_not_tried_again);
	TEST(codes_may_name_statuses);
	TEST(a_detached_request_outlives_its_flow);
	TEST(requests_may_be_cancelled_at_any_moment);
	return tap_done();
}
