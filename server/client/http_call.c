/* server/client/http_call.c
 *
 *                 idle connection
 *          +---------------------------+
 *          |                           v
 *   IDLE --+--> CONNECT -----------> SEND --> WAIT --> BODY --> DONE
 *                 ^  | next server    |  \_____|___^    |
 *                 +--+                |        |        |
 *                 ^        stale      v        v        |
 *                 +-------------------+--------+        |        every one --> DONE (error, timeout, cancel)
 *
 *   IDLE     not started, or ended before it could
 *   CONNECT  `dial` looks up the name and connects; its own timer runs
 *   SEND     a part of the request is not sent yet; the timer asks for progress (idle_ms)
 *   WAIT     the request is sent, the head of the response is not whole; the timer is first_byte_ms
 *   BODY     the body is coming; idle_ms between two reads. The request may still be going out
 *            (an early response): then the connection is not used again
 *   DONE     the outcome is decided; nothing of the call is left anywhere but task_end()'s completion
 *
 * Everything that ends a call goes through http_call_end(), which is reached once: it leaves no timer, no
 * connection and no dial behind that could come back. total_ms runs over all of it. */
#include "server/client/http_call.h"
#include "core/base/clock.h"
#include "server/client/dial.h"
#include "server/client/http_answer.h"
#include "server/client/http_conn.h"
#include "server/client/http_request.h"
#include <errno.h>

enum { READS_A_TURN = 16 }; /* of CLIENT_SCRATCH bytes; then other connections have their turn */

enum call_phase {
	CALL_IDLE,
	CALL_CONNECT,
	CALL_SEND,
	CALL_WAIT,
	CALL_BODY,
	CALL_DONE,
};

static void http_call_begin(struct http_call *call);
static void http_call_on_readable(struct stream *stream);
static void http_call_on_sent(struct stream *stream);
static void http_call_on_again(struct ready *ready);

static void http_call_check(const struct http_call *call)
{
	bool has_conn = call->phase >= CALL_SEND && call->phase <= CALL_BODY;

	check(!loop_current() || loop_is_current(call->client->loop));
	check_that((call->conn != NULL) == has_conn, "phase=%u", call->phase);
	check_that((call->task.state == TASK_STARTED) == (call->phase < CALL_DONE),
		   "state=%u phase=%u", call->task.state, call->phase);
	if (has_conn) {
		check(call->conn->call == call && stream_is_open(&call->conn->stream));
		check(call->phase != CALL_WAIT || !stream_is_sending(&call->conn->stream));
	}
	if (call->phase == CALL_CONNECT)
		check(!timer_is_running(&call->timer));
	if (call->phase == CALL_DONE)
		check(!timer_is_running(&call->timer) && !timer_is_running(&call->total_timer));
}

static void http_call_count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ------------------------------------------------------------ the end */

/* A response that is whole, with nothing behind it, leaves a connection that is good for more. */
static void http_call_leave_conn(struct http_call *call, bool keep)
{
	struct http_conn *conn = call->conn;

	if (!conn)
		return;
	call->sent = call->sent || conn->stream.sent_bytes > 0;
	call->conn = NULL;
	loop_ready_cancel(&conn->again);
	if (keep)
		http_conn_keep(conn);
	else
		http_conn_close(conn);
}

static void http_call_count_end(struct http_call *call, enum outcome outcome)
{
	struct upstream_stats *stats = &call->request.upstream->stats;

	atomic_fetch_sub_explicit(&stats->in_flight, 1, memory_order_relaxed);
	if (outcome == OUTCOME_FAILED || outcome == OUTCOME_TIMED_OUT)
		http_call_count(&stats->failed);
	call->pool->n_calls--;
	call->client->n_calls--;
}

static void http_call_end(struct http_call *call, enum outcome outcome, enum http_call_error error,
			  const char *detail)
{
	bool keep = outcome == OUTCOME_OK && call->answer->keep_alive;

	check_that(call->phase != CALL_IDLE && call->phase != CALL_DONE, "phase=%u", call->phase);
	if (call->phase == CALL_CONNECT && call->dial)
		dial_stop(call->dial);
	timer_stop(&call->timer);
	timer_stop(&call->total_timer);
	http_call_leave_conn(call, keep);
	if (call->answer)
		http_answer_fini(call->answer);
	call->error = error;
	call->detail = detail;
	call->ended_ns = clock_monotonic_ns();
	call->phase = CALL_DONE;
	http_call_count_end(call, outcome);
	task_end(&call->task, outcome);
	http_call_check(call);
}

static void http_call_fail(struct http_call *call, enum http_call_error error, const char *detail)
{
	http_call_end(call, OUTCOME_FAILED, error, detail);
}

static void http_call_time_out(struct http_call *call, const char *detail)
{
	http_call_end(call, OUTCOME_TIMED_OUT, HTTP_CALL_TIMEOUT, detail);
}

static void http_call_cancel(struct task *task)
{
	struct http_call *call = container_of(task, struct http_call, task);

	http_call_check(call);
	http_call_end(call, OUTCOME_CANCELLED, HTTP_CALL_OK, "cancelled");
}

/* ------------------------------------------------------------ timers */

static void http_call_set_timer(struct http_call *call, uint64_t delay_ms)
{
	if (delay_ms)
		timer_start(&call->timer, delay_ms);
	else
		timer_stop(&call->timer);
}

static void http_call_watch_progress(struct http_call *call)
{
	call->seen_bytes = call->conn->stream.sent_bytes;
	http_call_set_timer(call, call->request.upstream->timeouts.idle_ms);
}

static void http_call_on_timer(struct timer *timer)
{
	struct http_call *call = container_of(timer, struct http_call, timer);

	http_call_check(call);
	if (call->phase == CALL_BODY)
		http_call_time_out(call, "the body did not go on");
	else if (call->phase == CALL_WAIT)
		http_call_time_out(call, "no response");
	else if (call->conn->stream.sent_bytes > call->seen_bytes)
		http_call_watch_progress(call);
	else
		http_call_time_out(call, "the request was not taken");
}

static void http_call_on_total(struct timer *timer)
{
	struct http_call *call = container_of(timer, struct http_call, total_timer);

	http_call_check(call);
	http_call_time_out(call, "not done in time");
}

/* ------------------------------------------------------------ reading */

/* True for a connection that died between two requests, as far as anybody can tell: then this was not the
 * request's fault, and doing it once more does no harm. */
static bool http_call_is_stale(const struct http_call *call)
{
	const struct http_conn *conn = call->conn;

	return conn->reused && !call->answer->began && !call->retried &&
	       (conn->stream.sent_bytes == 0 || http_request_is_idempotent(&call->request));
}

/* The connection is of no use any more: `detail` says why, unless the answer knows better. */
static void http_call_lost(struct http_call *call, const char *detail)
{
	if (http_call_is_stale(call)) {
		call->retried = true;
		timer_stop(&call->timer);
		http_call_leave_conn(call, false);
		http_call_begin(call);
		return;
	}
	http_call_fail(call, HTTP_CALL_BAD_RESPONSE, detail);
}

static const char *http_call_lost_detail(const struct http_answer *answer)
{
	switch (answer->state) {
	case ANSWER_HEAD:
		return answer->began ? "reset in the middle of the head"
				     : "reset before any response";
	case ANSWER_LENGTH:
	case ANSWER_CHUNKED:
	case ANSWER_CLOSE:
		return "reset in the middle of the body";
	case ANSWER_WHOLE:
	case ANSWER_FAILED:
		break;
	}
	unreachable();
}

/* What was just read has been used; `n_left` bytes of it not. False when the call is done. */
static bool http_call_step(struct http_call *call, size_t n_left)
{
	struct http_answer *answer = call->answer;

	switch (answer->state) {
	case ANSWER_HEAD:
		return true;
	case ANSWER_LENGTH:
	case ANSWER_CHUNKED:
	case ANSWER_CLOSE:
		call->phase = CALL_BODY;
		return true;
	case ANSWER_WHOLE:
		answer->keep_alive = answer->keep_alive && n_left == 0;
		call->response = answer->response;
		http_call_end(call, OUTCOME_OK, HTTP_CALL_OK, NULL);
		return false;
	case ANSWER_FAILED:
		http_call_fail(call, answer->error, answer->detail);
		return false;
	}
	unreachable();
}

static bool http_call_at_end(struct http_call *call)
{
	if (!call->answer->began) {
		http_call_lost(call, "closed before any response");
		return false;
	}
	http_answer_end(call->answer);
	return http_call_step(call, 0);
}

/* One read. False when nothing is to be read now, or the call is done or began anew. */
static bool http_call_read_some(struct http_call *call)
{
	char *scratch = call->client->scratch;
	ssize_t n = stream_read(&call->conn->stream, scratch, CLIENT_SCRATCH);
	size_t used;

	if (n == -EAGAIN)
		return false;
	if (n == 0)
		return http_call_at_end(call);
	if (n < 0) {
		http_call_lost(call, http_call_lost_detail(call->answer));
		return false;
	}
	used = http_answer_read(call->answer, (struct str){ scratch, (size_t)n });
	return http_call_step(call, (size_t)n - used) && call->conn->stream.readable;
}

/* Descriptors are edge-triggered: either all is read, or the rest is remembered in `again`. */
static void http_call_read(struct http_call *call)
{
	struct http_conn *conn = call->conn;

	for (unsigned n = 0; http_call_read_some(call); n++) {
		if (n + 1 < READS_A_TURN)
			continue;
		loop_ready(call->client->loop, &conn->again);
		break;
	}
	if (call->phase == CALL_BODY)
		http_call_set_timer(call, call->request.upstream->timeouts.idle_ms);
	http_call_check(call);
}

static void http_call_on_readable(struct stream *stream)
{
	struct http_conn *conn = container_of(stream, struct http_conn, stream);

	http_call_check(conn->call);
	http_call_read(conn->call);
}

static void http_call_on_again(struct ready *ready)
{
	struct http_conn *conn = container_of(ready, struct http_conn, again);

	http_call_check(conn->call);
	http_call_read(conn->call);
}

/* ------------------------------------------------------------ sending */

/* The peer takes no more. It may have answered all the same before it closed (413, 401, …): what has arrived
 * is still to be read, and then comes the end. */
static void http_call_on_send_error(struct http_call *call)
{
	struct stream *stream = &call->conn->stream;

	stream->error = 0;
	stream->readable = stream->peer_closed = true;
	while (http_call_read_some(call))
		;
	if (call->phase == CALL_SEND || call->phase == CALL_BODY)
		http_call_lost(call, "reset while the request was being sent");
}

static void http_call_is_sent(struct http_call *call)
{
	if (call->phase != CALL_SEND)
		return;
	call->phase = CALL_WAIT;
	http_call_set_timer(call, call->request.upstream->timeouts.first_byte_ms);
}

static void http_call_on_sent(struct stream *stream)
{
	struct http_call *call = container_of(stream, struct http_conn, stream)->call;

	if (stream->error)
		http_call_on_send_error(call);
	else
		http_call_is_sent(call);
	http_call_check(call);
}

static void http_call_send(struct http_call *call, struct http_conn *conn)
{
	const struct iovec parts[] = {
		{ (char *)(uintptr_t)call->head.ptr, call->head.len },
		{ (char *)(uintptr_t)call->request.body.ptr, call->request.body.len },
	};
	struct stream *stream = &conn->stream;
	int r;

	call->conn = conn;
	conn->call = call;
	conn->again.run = http_call_on_again;
	stream->on_readable = http_call_on_readable;
	stream->on_sent = http_call_on_sent;
	stream->sent_bytes = 0;
	call->phase = CALL_SEND;
	r = stream_write(stream, parts, ARRAY_LEN(parts));
	if (r < 0)
		http_call_on_send_error(call);
	else if (r > 0)
		http_call_is_sent(call);
	else
		http_call_watch_progress(call);
	if (call->conn == conn &&
	    stream->readable) /* its event is past: it came with the connect */
		http_call_read(call);
}

/* ------------------------------------------------------------ connecting */

static const char *http_call_connect_detail(int error)
{
	switch (-error) {
	case ECONNREFUSED:
		return "connection refused";
	case ECONNRESET:
		return "connection reset";
	case ETIMEDOUT:
		return "connect timed out";
	case EHOSTUNREACH:
		return "host unreachable";
	case ENETUNREACH:
		return "network unreachable";
	case EMFILE:
	case ENFILE:
		return "out of file descriptors";
	default:
		return "connect failed";
	}
}

static void http_call_reach(struct http_call *call);

static void http_call_connect_failed(struct http_call *call)
{
	const struct dial *dial = call->dial;
	unsigned n_servers = (unsigned)call->pool->n_servers;
	bool late = clock_monotonic_ns() >= call->connect_deadline_ns;

	if (!late && call->n_servers_tried < n_servers) {
		call->server = (call->server + 1) % n_servers;
		http_call_reach(call);
	} else if (dial->timed_out) {
		http_call_time_out(call, dial->looked_up ? "connect timed out"
							 : "name look-up timed out");
	} else if (dial->looked_up) {
		http_call_fail(call, HTTP_CALL_CONNECT_FAILED,
			       http_call_connect_detail(dial->error));
	} else {
		http_call_fail(call, HTTP_CALL_DNS_FAILED,
			       dial->error == -ENOENT ? "no such name" : "name look-up failed");
	}
}

static void http_call_on_dialed(struct dial *dial)
{
	struct http_call *call = dial->user;
	struct http_conn *conn;

	http_call_check(call);
	if (dial->error) {
		http_call_connect_failed(call);
		return;
	}
	conn = http_conn_open(call->pool, call->server, dial);
	if (!conn) {
		http_call_fail(call, HTTP_CALL_MEMORY, "no memory for a connection");
		return;
	}
	http_call_count(&call->request.upstream->stats.connects);
	http_call_send(call, conn);
}

static void http_call_dial(struct http_call *call)
{
	const struct upstream_server *server = &call->request.upstream->servers[call->server];
	unsigned n_more = (unsigned)call->pool->n_servers - call->n_servers_tried;

	if (!call->dial) {
		call->dial = arena_alloc(call->arena, sizeof(*call->dial));
		if (!call->dial) {
			http_call_fail(call, HTTP_CALL_MEMORY, "no memory to connect");
			return;
		}
		dial_init(call->dial, call->client->loop, http_call_on_dialed, call);
	}
	dial_start(call->dial, call->client->names, server, call->connect_deadline_ns, n_more);
}

/* Over the connection to call->server that was used last; or a new one, when there is none, or one just failed. */
static void http_call_reach(struct http_call *call)
{
	struct http_conn *conn = call->retried ? NULL : http_conn_take(call->pool, call->server);

	call->phase = CALL_CONNECT;
	call->n_servers_tried++;
	if (conn) {
		http_call_count(&call->request.upstream->stats.reused);
		http_call_send(call, conn);
	} else {
		http_call_dial(call);
	}
}

/* All servers may be tried, call->server first, within one connect_ms. */
static void http_call_begin(struct http_call *call)
{
	uint64_t connect_ms = call->request.upstream->timeouts.connect_ms;

	call->n_servers_tried = 0;
	call->connect_deadline_ns = connect_ms ? clock_monotonic_ns() + connect_ms * NS_PER_MS
					       : UINT64_MAX;
	http_call_reach(call);
}

/* ------------------------------------------------------------ the start */

static void http_call_count_start(struct http_call *call)
{
	struct upstream_stats *stats = &call->request.upstream->stats;

	http_call_count(&stats->calls);
	atomic_fetch_add_explicit(&stats->in_flight, 1, memory_order_relaxed);
	call->pool->n_calls++;
	call->client->n_calls++;
}

/* What the call needs whatever happens. False without memory. */
static bool http_call_prepare(struct http_call *call)
{
	const struct http_call_request *request = &call->request;
	size_t body_max = request->response_max ? request->response_max
						: request->upstream->response_max;

	call->head = http_request_render(call->arena, request);
	call->answer = arena_alloc(call->arena, sizeof(*call->answer));
	if (!call->answer)
		return false;
	http_answer_init(call->answer, call->arena, request->method_id, body_max);
	return call->head.ptr != NULL;
}

static void http_call_start(struct task *task)
{
	struct http_call *call = container_of(task, struct http_call, task);
	struct upstream *upstream = call->request.upstream;
	unsigned turn = atomic_fetch_add_explicit(&upstream->next, 1, memory_order_relaxed);

	call->started_ns = clock_monotonic_ns();
	call->pool = client_pool(call->client, upstream);
	call->server = turn % (unsigned)call->pool->n_servers;
	call->phase = CALL_CONNECT;
	http_call_count_start(call);
	if (!http_call_prepare(call)) {
		http_call_fail(call, HTTP_CALL_MEMORY, "no memory for the request");
		return;
	}
	if (upstream->timeouts.total_ms)
		timer_start(&call->total_timer, upstream->timeouts.total_ms);
	http_call_begin(call);
}

void http_call_init(struct http_call *call, struct client *client, struct arena *arena,
		    const struct http_call_request *request, task_fn *on_end)
{
	static const struct task_ops ops = { .name = "http call",
					     .start = http_call_start,
					     .cancel = http_call_cancel };

	*call = (struct http_call){ .client = client, .arena = arena, .request = *request };
	task_init(&call->task, &ops, on_end);
	timer_init(&call->timer, client->loop, http_call_on_timer);
	timer_init(&call->total_timer, client->loop, http_call_on_total);
}
