/* server/client/http_retry.c
 *
 * Carried out twice is worse than failed: what may have been carried out is tried again only when
 * its method is idempotent. A body that comes from a source is sent once. The breaker of the server
 * hears of every try. */
#include "server/client/http_retry.h"
#include "core/base/backoff.h"
#include "core/base/clock.h"
#include "server/client/client.h"
#include "server/client/http_answer.h"
#include "server/client/http_exchange.h"
#include "server/client/http_hedge.h"
#include "server/client/http_reach.h"
#include "server/client/http_request.h"
#include "server/client/http_send.h"
#include "server/client/http_trace.h"

static bool http_retry_was_sent(const struct http_call *call)
{
	return call->sent || (call->conn && call->conn->stream.sent_bytes > 0);
}

/* All but the budget, which is spent last. */
static bool http_retry_may(const struct http_call *call)
{
	const struct upstream_retry *retry = &call->request.upstream->retry;

	return !call->request.checked_id && !call->first && !http_hedge_is_running(call) &&
	       call->n_retries < retry->times && !call->task.cancelled &&
	       !call->task.scope->cancelled && call->answer &&
	       (!call->send || http_send_can_repeat(call->send)) &&
	       (!http_retry_was_sent(call) || http_request_is_idempotent(&call->request));
}

static bool http_retry_has_budget(const struct http_call *call)
{
	return budget_spend(&call->request.upstream->fleet->budget, clock_monotonic_ns());
}

static void http_retry_avoid(struct http_call *call)
{
	size_t at = call->request.n_avoided;

	if (!call->peer_id || at == ARRAY_LEN(call->avoided))
		return;
	call->avoided[at] = call->peer_id;
	call->request.avoided = call->avoided;
	call->request.n_avoided = at + 1;
}

static void http_retry_pause(struct http_call *call, enum breaker_result result)
{
	const struct upstream_retry *retry = &call->request.upstream->retry;

	http_hedge_pause(call);
	http_call_leave(call, false, result);
	http_retry_avoid(call);
	http_call_expect_answer(call);
	call->phase = CALL_PAUSE;
	call->retried = false;
	call->n_retries++;
	atomic_fetch_add_explicit(&call->request.upstream->fleet->n_retries, 1,
				  memory_order_relaxed);
	timer_start_at(&call->timer,
		       clock_monotonic_ns() +
			       backoff_ns(retry->wait_ms, retry->wait_max_ms, call->n_retries));
}

bool http_retry(struct http_call *call, enum outcome outcome, enum http_call_error error,
		const char *detail)
{
	if (likely(call->request.upstream->retry.times == 0))
		return false;
	if (!(call->request.upstream->retry.errors >> error & 1) || !http_retry_may(call) ||
	    !http_retry_has_budget(call))
		return false;
	call->detail = detail;
	http_trace_end(call, outcome, error, detail);
	http_retry_pause(call, http_call_judge(call, outcome, error));
	return true;
}

bool http_retry_status(struct http_call *call)
{
	const struct upstream *upstream = call->request.upstream;
	int status = call->answer->response.status;

	if (likely(upstream->retry.times == 0))
		return false;
	if (!statuses_has(&upstream->retry.statuses, status) || !http_retry_may(call) ||
	    !http_retry_has_budget(call))
		return false;
	http_trace_end(call, OUTCOME_OK, HTTP_CALL_OK, NULL);
	http_retry_pause(call, upstream->breaker_5xx && status >= 500 ? BREAKER_FAILED
								      : BREAKER_SUCCEEDED);
	return true;
}

void http_retry_on_timer(struct http_call *call)
{
	http_trace_begin(call);
	http_call_begin(call);
}
