/* server/client/http_call.c
 *
 *   IDLE --> LOOKUP --> ACQUIRE <--> CONNECT --> SEND --> WAIT --> BODY --> DONE
 *               \__________________^ | ^ ^       | \___|______^  |          ^
 *                                    +-+ |       |     |          |          |     (with TLS: SECURE before SEND)
 *                           next server  +-------+-----+          |          |
 *                                          stale, once            |          |
 *   and from every one but IDLE to DONE ----------------------+---+----------+   (error, timeout, cancel)
 *
 *   IDLE     not started, or ended before it could
 *   PARKED   the try has ended badly, and one beside it is at work (http_hedge.c), whose answer will be the call's
 *   PAUSE    a try has failed, and there will be another (http_retry.c); from SEND, WAIT and BODY, and back to LOOKUP
 *   LOOKUP   no server's address is known yet; the timer is connect_ms
 *   ACQUIRE  no more connections may be opened: it waits for a permit, or to be handed a connection
 *            that another call gives up; the timer is acquire_ms
 *   CONNECT  `knock` connects to the server that was chosen; its own timer runs. An idle connection, when there is
 *            one, takes the call through it at once
 *   TUNNEL   connected to a proxy, which is asked to connect to the server (http_tunnel.c); the timer is what is left of
 *            connect_ms
 *   SECURE   connected, and shaking hands; the timer is tls_ms, or what is left of connect_ms
 *   SEND     a part of the request is not sent yet; the timer asks for progress (idle_ms)
 *   WAIT     the request is sent, the head of the response is not whole; the timer is first_byte_ms
 *   BODY     the body is coming; idle_ms between two reads. The request may still be going out
 *            (an early response): then the connection is not used again
 *   DONE     the outcome is decided; nothing of the call is left anywhere but task_end()'s completion
 *            (and of one that streams its http_stream, which has the connection)
 *
 * Everything that ends a call goes through http_call_end(), which is reached once: it leaves no
 * timer, no connection and nothing that waits behind that could come back. total_ms runs over all of
 * it. */
#include "server/client/http_call.h"
#include "core/base/clock.h"
#include "server/client/client.h"
#include "server/client/http_answer.h"
#include "server/client/http_conn.h"
#include "server/client/http_exchange.h"
#include "server/client/http_hedge.h"
#include "server/client/http_reach.h"
#include "server/client/http_request.h"
#include "server/client/http_retry.h"
#include "server/client/http_send.h"
#include "server/client/http_stream.h"
#include "server/client/http_trace.h"
#include <errno.h>

void http_call_check(const struct http_call *call)
{
	bool has_conn = call->phase >= CALL_TUNNEL && call->phase <= CALL_BODY;

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
	check((call->shelf != NULL) == (call->phase >= CALL_CONNECT && call->phase <= CALL_BODY));
	check(!call->permit || call->phase == CALL_CONNECT || call->phase == CALL_ACQUIRE);
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
	struct fleet_stats *stats = &call->request.upstream->fleet->stats;

	call->pool->n_calls--;
	call->client->n_calls--;
	if (call->request.checked_id)
		return;
	atomic_fetch_sub_explicit(&stats->in_flight, 1, memory_order_relaxed);
	if (!call->first && (outcome == OUTCOME_FAILED || outcome == OUTCOME_TIMED_OUT))
		http_call_count(&stats->failed);
}

/* What the end says of the server. */
enum breaker_result http_call_judge(const struct http_call *call, enum outcome outcome,
				    enum http_call_error error)
{
	const struct upstream *upstream = call->request.upstream;

	switch (outcome) {
	case OUTCOME_OK:
		return upstream->breaker_5xx && call->response.status >= 500 ? BREAKER_FAILED
									     : BREAKER_SUCCEEDED;
	case OUTCOME_TIMED_OUT:
		return BREAKER_FAILED;
	case OUTCOME_FAILED:
		return error == HTTP_CALL_BAD_RESPONSE ? BREAKER_FAILED : BREAKER_UNKNOWN;
	case OUTCOME_CANCELLED:
		return call->late || call->task.scope->timed_out ? BREAKER_FAILED : BREAKER_UNKNOWN;
	case OUTCOME_NONE:
		break;
	}
	unreachable();
}

void http_call_leave(struct http_call *call, bool keep, enum breaker_result result)
{
	http_reach_stop(call);
	timer_stop(&call->timer);
	http_exchange_leave(call, keep);
	http_call_leave_peer(call, result);
	if (call->answer)
		http_answer_fini(call->answer);
}

/* Whether the connection can be used again. */
bool http_call_may_keep(const struct http_call *call, enum outcome outcome)
{
	return outcome == OUTCOME_OK && call->answer && call->answer->keep_alive &&
	       !call->request.checked_id;
}

/* What nobody will read. Its counts as a call go with it. */
static bool http_call_drop_stream(struct http_call *call)
{
	if (!call->stream)
		return false;
	body_source_close(&take(&call->stream)->source);
	return true;
}

static void http_call_finish(struct http_call *call, enum outcome outcome)
{
	timer_stop(&call->total_timer);
	http_hedge_end(call, outcome);
	call->ended_ns = clock_monotonic_ns();
	call->phase = CALL_DONE;
	if (!call->request.checked_id && !call->first && outcome != OUTCOME_CANCELLED)
		tally_times_add(&call->request.upstream->fleet->times,
				call->ended_ns - call->started_ns);
	task_end(&call->task, outcome);
	http_call_check(call);
}

void http_call_end(struct http_call *call, enum outcome outcome, enum http_call_error error,
		   const char *detail)
{
	bool streams = call->stream != NULL; /* then the connection is still in use */

	check_that(call->phase != CALL_IDLE && call->phase != CALL_DONE, "phase=%u", call->phase);
	http_trace_end(call, outcome, error, detail);
	http_call_leave(call, http_call_may_keep(call, outcome),
			http_call_judge(call, outcome, error));
	call->error = error;
	call->detail = detail;
	if (outcome != OUTCOME_OK)
		http_call_drop_stream(call);
	if (!streams)
		http_call_count_end(call, outcome);
	http_call_finish(call, outcome);
}

void http_call_end_by(struct http_call *call, struct http_call *other)
{
	http_trace_end(call, OUTCOME_CANCELLED, HTTP_CALL_OK, "another try was answered first");
	http_call_leave(call, false, BREAKER_UNKNOWN);
	if (!http_call_drop_stream(call))
		http_call_count_end(call, OUTCOME_OK);
	call->response = other->response;
	call->stream = take(&other->stream);
	call->peer_id = other->peer_id;
	call->error = HTTP_CALL_OK;
	call->detail = NULL;
	call->sent = true;
	http_call_finish(call, OUTCOME_OK);
}

void http_call_answered(struct http_call *call)
{
	if (call->response.status < 500 || !http_hedge_park(call, OUTCOME_OK, HTTP_CALL_OK, NULL))
		http_call_end(call, OUTCOME_OK, HTTP_CALL_OK, NULL);
}

void http_call_fail(struct http_call *call, enum http_call_error error, const char *detail)
{
	if (!http_hedge_park(call, OUTCOME_FAILED, error, detail) &&
	    !http_retry(call, OUTCOME_FAILED, error, detail))
		http_call_end(call, OUTCOME_FAILED, error, detail);
}

void http_call_time_out(struct http_call *call, const char *detail)
{
	if (!http_hedge_park(call, OUTCOME_TIMED_OUT, HTTP_CALL_TIMEOUT, detail) &&
	    !http_retry(call, OUTCOME_TIMED_OUT, HTTP_CALL_TIMEOUT, detail))
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
	http_call_end(call, OUTCOME_TIMED_OUT, HTTP_CALL_TIMEOUT, "not done in time");
}

static void http_call_on_timer(struct timer *timer)
{
	struct http_call *call = container_of(timer, struct http_call, timer);

	http_call_check(call);
	if (call->phase == CALL_PAUSE)
		http_retry_on_timer(call);
	else if (call->phase < CALL_SEND)
		http_reach_on_timer(call);
	else
		http_exchange_on_timer(call);
}

/* ------------------------------------------------------------ the start */

static void http_call_count_start(struct http_call *call)
{
	struct fleet_stats *stats = &call->request.upstream->fleet->stats;

	call->pool->n_calls++;
	call->client->n_calls++;
	if (call->request.checked_id)
		return;
	if (!call->first)
		http_call_count(&stats->calls);
	atomic_fetch_add_explicit(&stats->in_flight, 1, memory_order_relaxed);
}

static void http_call_on_interim(struct http_answer *answer,
				 const struct http_call_response *response)
{
	struct http_call *call = answer->taker;

	call->request.on_interim(call, response);
}

void http_call_expect_answer(struct http_call *call)
{
	const struct http_call_request *request = &call->request;
	size_t body_max = request->response_max ? request->response_max
			  : request->streams    ? SIZE_MAX
						: request->upstream->response_max;

	http_answer_init(call->answer, call->arena, request->method_id, body_max);
	call->answer->streams = request->streams;
	call->answer->may_switch = request->upgrade.len > 0;
	call->answer->on_interim = request->on_interim ? http_call_on_interim : NULL;
	call->answer->taker = call;
	call->answer->passes_trailer = request->passes_trailer;
}

/* What the call needs whatever happens. False without memory. */
static bool http_call_prepare(struct http_call *call)
{
	const struct http_call_request *request = &call->request;

	call->head = http_request_render(call->arena, request, &call->trace_at);
	call->answer = arena_alloc(call->arena, sizeof(*call->answer));
	if (!call->answer)
		return false;
	http_call_expect_answer(call);
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

	call->started_ns = clock_monotonic_ns();
	call->pool = client_pool(call->client, upstream);
	call->phase = CALL_LOOKUP;
	http_call_count_start(call);
	if (upstream->retry.times || http_hedge_is_wanted(call))
		budget_earn(&upstream->fleet->budget, upstream->retry.budget);
	if (!http_call_prepare(call)) {
		http_call_fail(call, HTTP_CALL_MEMORY, "no memory for the request");
		return;
	}
	if (upstream->timeouts.total_ms)
		timer_start(&call->total_timer, upstream->timeouts.total_ms);
	http_trace_begin(call);
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
	list_init(&call->wait);
	ready_init(&call->ready, NULL);
	timer_init(&call->timer, client->loop, http_call_on_timer);
	timer_init(&call->total_timer, client->loop, http_call_on_total);
}
