/* server/client/http_hedge.c
 *
 *   the call    LOOKUP … WAIT ------------------------> DONE      (it was first: the others are cancelled)
 *                  |      \--(it failed)--> PARKED --+--> DONE    (another one was first)
 *                  |                                 +--> PAUSE or DONE  (they have failed, too)
 *                  +--(slow)--> a try beside it, which ends well, ends badly, or is cancelled
 *
 * The tries are in a scope of their own, and always complete before the call does: who is cancelled
 * when it ends comes before it in the loop's ready list. */
#include "server/client/http_hedge.h"
#include "core/base/clock.h"
#include "server/client/client.h"
#include "server/client/http_exchange.h"
#include "server/client/http_request.h"
#include "server/client/http_stream.h"
#include "server/client/http_trace.h"

struct http_hedge {
	struct http_call *call;
	struct scope scope; /* of the tries; without a deadline, so that nothing of it is left */
	struct timer timer;
	unsigned n_started, n_running;
	struct http_call *tries[UPSTREAM_HEDGE_MAX];
	enum outcome outcome; /* of the call's own try, when it is PARKED */
	enum http_call_error error;
	const char *detail;
};

static const struct upstream_hedge *hedge_settings(const struct http_call *call)
{
	return call->request.hedge ? call->request.hedge : &call->request.upstream->hedge;
}

/* Twice is no harm, and can be done: a body that comes from a source is sent once. */
bool http_hedge_is_wanted(const struct http_call *call)
{
	const struct http_call_request *request = &call->request;

	return hedge_settings(call)->max > 0 && !call->first && !request->checked_id &&
	       !request->body_source && !request->upgrade.len &&
	       http_request_is_idempotent(request);
}

bool http_hedge_is_running(const struct http_call *call)
{
	return call->hedge && call->hedge->n_running > 0;
}

/* ------------------------------------------------------------ the end of a try */

/* The call's own end, which was put off. */
static void hedge_unpark(struct http_hedge *hedge)
{
	struct http_call *call = hedge->call;

	if (hedge->outcome == OUTCOME_OK)
		http_call_end(call, OUTCOME_OK, HTTP_CALL_OK, NULL);
	else if (hedge->outcome == OUTCOME_TIMED_OUT)
		http_call_time_out(call, hedge->detail);
	else
		http_call_fail(call, hedge->error, hedge->detail);
}

static void hedge_win(struct http_hedge *hedge, struct http_call *by)
{
	struct fleet *fleet = by->request.upstream->fleet;

	atomic_fetch_add_explicit(&fleet->n_hedges_won, 1, memory_order_relaxed);
	http_call_end_by(hedge->call, by);
}

static void hedge_on_end(struct task *task)
{
	struct http_call *other = container_of(task, struct http_call, task);
	struct http_call *call = other->first;
	struct http_hedge *hedge = call->hedge;

	hedge->n_running--;
	if (call->phase != CALL_DONE && task->outcome == OUTCOME_OK &&
	    other->response.status < 500) {
		hedge_win(hedge, other);
		return;
	}
	if (other->stream)
		body_source_close(&take(&other->stream)->source);
	if (call->phase == CALL_PARKED && hedge->n_running == 0)
		hedge_unpark(hedge);
}

static void hedge_on_empty(struct scope *scope)
{
	(void)scope; /* it may be used again, and has nothing to give back */
}

/* ------------------------------------------------------------ a try */

static void hedge_avoid(struct http_call *other, uint32_t peer_id)
{
	size_t at = other->request.n_avoided;

	if (peer_id && at < ARRAY_LEN(other->avoided)) {
		other->avoided[at] = peer_id;
		other->request.n_avoided = at + 1;
	}
	other->request.avoided = other->avoided;
}

/* Whoever is at work already is called only when there is nobody else. */
static void hedge_avoid_all(struct http_hedge *hedge, struct http_call *other)
{
	const struct http_call_request *request = &hedge->call->request;

	other->request.n_avoided = 0;
	for (size_t i = 0; i < request->n_avoided; i++)
		hedge_avoid(other, request->avoided[i]);
	hedge_avoid(other, hedge->call->peer_id);
	for (unsigned i = 0; i < hedge->n_started; i++)
		hedge_avoid(other, hedge->tries[i]->peer_id);
}

/* False: there will be no more of them. */
static bool hedge_try(struct http_hedge *hedge)
{
	struct http_call *call = hedge->call;
	struct fleet *fleet = call->request.upstream->fleet;
	struct http_call *other = arena_alloc(call->arena, sizeof(*other));
	struct http_call_request request = call->request;

	if (!other || !budget_spend(&fleet->budget, clock_monotonic_ns()))
		return false;
	request.on_interim = NULL;
	http_call_init(other, call->client, call->arena, &request, hedge_on_end);
	other->first = call;
	hedge_avoid_all(hedge, other);
	hedge->tries[hedge->n_started++] = other;
	hedge->n_running++;
	atomic_fetch_add_explicit(&fleet->n_hedged, 1, memory_order_relaxed);
	task_start(&other->task, &hedge->scope);
	return true;
}

/* ------------------------------------------------------------ when */

static void hedge_start_timer(struct http_hedge *hedge)
{
	const struct upstream_hedge *settings = hedge_settings(hedge->call);
	uint64_t after_ns = settings->after_ms * NS_PER_MS;

	if (settings->p95)
		after_ns = latency_p95_ns(&hedge->call->request.upstream->fleet->latency);
	if (hedge->n_started < settings->max && (!settings->p95 || after_ns > 0))
		timer_start_at(&hedge->timer, clock_monotonic_ns() + after_ns);
}

/* Who waits for a name or for a connection that others have would not be quicker a second time; and
 * a server whose answer has begun is not slow. */
static void hedge_on_timer(struct timer *timer)
{
	struct http_hedge *hedge = container_of(timer, struct http_hedge, timer);
	uint8_t phase = hedge->call->phase;

	if (phase == CALL_BODY)
		return;
	if (phase == CALL_LOOKUP || phase == CALL_ACQUIRE || hedge_try(hedge))
		hedge_start_timer(hedge);
}

void http_hedge_begin(struct http_call *call)
{
	struct http_hedge *hedge = call->hedge;

	if (likely(hedge_settings(call)->max == 0) || !http_hedge_is_wanted(call))
		return;
	if (!hedge) {
		hedge = call->hedge = arena_zalloc(call->arena, sizeof(*hedge));
		if (!hedge)
			return; /* the call does without */
		hedge->call = call;
		scope_init(&hedge->scope, call->client->loop, hedge_on_empty);
		timer_init(&hedge->timer, call->client->loop, hedge_on_timer);
	}
	if (!timer_is_running(&hedge->timer))
		hedge_start_timer(hedge);
}

void http_hedge_pause(struct http_call *call)
{
	if (call->hedge)
		timer_stop(&call->hedge->timer);
}

/* ------------------------------------------------------------ the end of the call */

bool http_hedge_park(struct http_call *call, enum outcome outcome, enum http_call_error error,
		     const char *detail)
{
	struct http_hedge *hedge = call->hedge;

	if (likely(!http_hedge_is_running(call)))
		return false;
	hedge->outcome = outcome;
	hedge->error = error;
	hedge->detail = detail;
	http_trace_end(call, outcome, error, detail);
	http_call_leave(call, http_call_may_keep(call, outcome),
			http_call_judge(call, outcome, error));
	call->phase = CALL_PARKED;
	http_call_check(call);
	return true;
}

/* A call that another try has won counts with the time that it has waited: else the slow ones would
 * not count at all, and ever more calls would be slow. */
static void hedge_measure(const struct http_call *call, enum outcome outcome)
{
	if (hedge_settings(call)->p95 && (outcome == OUTCOME_OK || outcome == OUTCOME_TIMED_OUT))
		latency_add(&call->request.upstream->fleet->latency,
			    clock_monotonic_ns() - call->started_ns);
}

void http_hedge_end(struct http_call *call, enum outcome outcome)
{
	struct http_hedge *hedge = call->hedge;

	if (likely(!hedge))
		return;
	timer_stop(&hedge->timer);
	hedge_measure(call, outcome);
	for (unsigned i = 0; i < hedge->n_started; i++) {
		hedge->tries[i]->late = call->late || call->task.scope->timed_out;
		task_cancel(&hedge->tries[i]->task);
	}
}
