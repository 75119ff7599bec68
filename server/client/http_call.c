/* server/client/http_call.c
 *
 *   IDLE --> CONNECT --> SEND --> WAIT --> BODY --> DONE
 *             | ^ ^       | \___|______^  |          ^
 *             +-+ |       |     |          |          |     (with TLS: SECURE before SEND)
 *    next server  +-------+-----+          |          |
 *                   stale, once            |          |
 *   and from every one but IDLE to DONE ---+----------+   (error, timeout, cancel)
 *
 *   IDLE     not started, or ended before it could
 *   CONNECT  `dial` looks up the name and connects; its own timer runs. An idle connection, when there is
 *            one, takes the call through it at once
 *   SECURE   connected, and shaking hands; the timer is what is left of connect_ms
 *   SEND     a part of the request is not sent yet; the timer asks for progress (idle_ms)
 *   WAIT     the request is sent, the head of the response is not whole; the timer is first_byte_ms
 *   BODY     the body is coming; idle_ms between two reads. The request may still be going out
 *            (an early response): then the connection is not used again
 *   DONE     the outcome is decided; nothing of the call is left anywhere but task_end()'s completion
 *            (and of one that streams its http_stream, which has the connection)
 *
 * Everything that ends a call goes through http_call_end(), which is reached once: it leaves no
 * timer, no connection and no dial behind that could come back. total_ms runs over all of it. */
#include "server/client/http_call.h"
#include "core/base/clock.h"
#include "server/client/dial.h"
#include "server/client/http_answer.h"
#include "server/client/http_conn.h"
#include "server/client/http_exchange.h"
#include "server/client/http_request.h"
#include "server/client/http_send.h"
#include <errno.h>

void http_call_check(const struct http_call *call)
{
	bool has_conn = call->phase >= CALL_SECURE && call->phase <= CALL_BODY;

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

static void http_call_count_end(struct http_call *call, enum outcome outcome)
{
	struct upstream_stats *stats = &call->request.upstream->stats;

	atomic_fetch_sub_explicit(&stats->in_flight, 1, memory_order_relaxed);
	if (outcome == OUTCOME_FAILED || outcome == OUTCOME_TIMED_OUT)
		http_call_count(&stats->failed);
	call->pool->n_calls--;
	call->client->n_calls--;
}

void http_call_end(struct http_call *call, enum outcome outcome, enum http_call_error error,
		   const char *detail)
{
	bool keep = outcome == OUTCOME_OK && call->answer && call->answer->keep_alive;

	check_that(call->phase != CALL_IDLE && call->phase != CALL_DONE, "phase=%u", call->phase);
	if (call->phase == CALL_CONNECT && call->dial)
		dial_stop(call->dial);
	timer_stop(&call->timer);
	timer_stop(&call->total_timer);
	http_exchange_leave(call, keep);
	if (call->answer)
		http_answer_fini(call->answer);
	call->error = error;
	call->detail = detail;
	call->ended_ns = clock_monotonic_ns();
	call->phase = CALL_DONE;
	if (!call->stream) /* else the connection is still in use */
		http_call_count_end(call, outcome);
	task_end(&call->task, outcome);
	http_call_check(call);
}

void http_call_fail(struct http_call *call, enum http_call_error error, const char *detail)
{
	http_call_end(call, OUTCOME_FAILED, error, detail);
}

void http_call_time_out(struct http_call *call, const char *detail)
{
	http_call_end(call, OUTCOME_TIMED_OUT, HTTP_CALL_TIMEOUT, detail);
}

static void http_call_cancel(struct task *task)
{
	struct http_call *call = container_of(task, struct http_call, task);

	http_call_check(call);
	http_call_end(call, OUTCOME_CANCELLED, HTTP_CALL_OK, "cancelled");
}

static void http_call_on_total(struct timer *timer)
{
	struct http_call *call = container_of(timer, struct http_call, total_timer);

	http_call_check(call);
	http_call_time_out(call, "not done in time");
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

/* True: another server is being tried. */
static bool http_call_reach_next(struct http_call *call)
{
	unsigned n_servers = (unsigned)call->pool->n_servers;

	if (clock_monotonic_ns() >= call->connect_deadline_ns || call->n_servers_tried >= n_servers)
		return false;
	call->server = (call->server + 1) % n_servers;
	http_call_reach(call);
	return true;
}

static void http_call_connect_failed(struct http_call *call)
{
	const struct dial *dial = call->dial;

	if (http_call_reach_next(call))
		return;
	if (dial->timed_out) {
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

static void http_call_on_secure(struct stream *stream)
{
	struct http_conn *conn = container_of(stream, struct http_conn, stream);
	struct http_call *call = conn->call;
	const char *detail;

	http_call_check(call);
	timer_stop(&call->timer);
	if (!stream->error) {
		http_exchange_start(call, conn);
		return;
	}
	detail = http_conn_secure_failure(conn);
	http_exchange_leave(call, false);
	call->phase = CALL_CONNECT;
	if (!http_call_reach_next(call))
		http_call_fail(call, HTTP_CALL_TLS_FAILED, detail);
}

static void http_call_secure(struct http_call *call, struct http_conn *conn)
{
	call->conn = conn;
	conn->call = call;
	call->phase = CALL_SECURE;
	if (http_conn_secure(conn, http_call_on_secure) < 0)
		http_call_fail(call, HTTP_CALL_MEMORY, "no memory for TLS");
	else if (call->connect_deadline_ns != UINT64_MAX)
		timer_start_at(&call->timer, call->connect_deadline_ns);
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
	if (call->request.upstream->tls)
		http_call_secure(call, conn);
	else
		http_exchange_start(call, conn);
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

/* Over the connection to call->server that was used last; or a new one, when there is none, or
 * one just failed. */
static void http_call_reach(struct http_call *call)
{
	struct http_conn *conn = call->retried ? NULL : http_conn_take(call->pool, call->server);

	call->phase = CALL_CONNECT;
	call->n_servers_tried++;
	if (conn) {
		http_call_count(&call->request.upstream->stats.reused);
		http_exchange_start(call, conn);
	} else {
		http_call_dial(call);
	}
}

/* All servers may be tried, call->server first, within one connect_ms. */
void http_call_begin(struct http_call *call)
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

static void http_call_on_interim(struct http_answer *answer,
				 const struct http_call_response *response)
{
	struct http_call *call = answer->taker;

	call->request.on_interim(call, response);
}

/* What the call needs whatever happens. False without memory. */
static bool http_call_prepare(struct http_call *call)
{
	const struct http_call_request *request = &call->request;
	size_t body_max = request->response_max ? request->response_max
			  : request->streams    ? SIZE_MAX
						: request->upstream->response_max;

	call->head = http_request_render(call->arena, request);
	call->answer = arena_alloc(call->arena, sizeof(*call->answer));
	if (!call->answer)
		return false;
	http_answer_init(call->answer, call->arena, request->method_id, body_max);
	call->answer->streams = request->streams;
	call->answer->may_switch = request->upgrade.len > 0;
	call->answer->on_interim = request->on_interim ? http_call_on_interim : NULL;
	call->answer->taker = call;
	if (request->body_source) {
		call->send = http_send_create(call->arena, request->body_source);
		if (!call->send)
			return false;
		call->send->raw = request->upgrade.len > 0;
	}
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
	timer_init(&call->timer, client->loop, http_exchange_on_timer);
	timer_init(&call->total_timer, client->loop, http_call_on_total);
}
