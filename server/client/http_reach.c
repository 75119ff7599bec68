/* server/client/http_reach.c: the phases LOOKUP, ACQUIRE, CONNECT and SECURE of a call (see
 * http_call.c).
 *
 * A server is chosen as late as possible: after its name is known, and again after waiting for a
 * permit. What the call holds meanwhile: in LOOKUP nothing; in ACQUIRE its place among those who
 * wait, or a connection that it was handed; in CONNECT a server, its ticket, and a permit; in SECURE
 * the connection has the permit. */
#include "server/client/http_reach.h"
#include "core/base/clock.h"
#include "server/client/client.h"
#include "server/client/http_exchange.h"
#include "server/client/http_hedge.h"
#include "server/client/http_tunnel.h"
#include "server/client/knock.h"
#include "server/client/upstream_names.h"
#include <errno.h>

static void http_call_choose(struct http_call *call);

static struct permits *http_call_permits(const struct http_call *call)
{
	return call->request.upstream->fleet->permits;
}

/* ------------------------------------------------------------ the server that was chosen */

static void http_call_take_peer(struct http_call *call, struct shelf *shelf)
{
	check(!call->shelf);
	call->shelf = shelf;
	call->peer_id = shelf->peer->id;
	if (call->request.checked_id)
		shelf->n_users++;
	else
		shelf_begin_call(shelf);
}

void http_call_leave_peer(struct http_call *call, enum breaker_result result)
{
	if (call->shelf && call->request.checked_id)
		shelf_leave(take(&call->shelf));
	else if (call->shelf)
		shelf_end_call(take(&call->shelf), &call->request.upstream->breaker, call->ticket,
			       result);
}

static bool http_call_has_tried(const struct http_call *call, const struct peer *peer)
{
	for (size_t i = 0; i < call->n_tried; i++)
		if (call->tried[i] == peer->id)
			return true;
	return false;
}

/* ------------------------------------------------------------ what went wrong */

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

/* Nobody is left: what the last server has done, or why there was none. */
static void http_call_fail_unreached(struct http_call *call, enum balance_refusal refusal)
{
	if (call->error == HTTP_CALL_TIMEOUT)
		http_call_time_out(call, call->detail);
	else if (call->error)
		http_call_fail(call, call->error, call->detail);
	else if (refusal == BALANCE_OPEN)
		http_call_fail(call, HTTP_CALL_BREAKER_OPEN, "the breaker is open");
	else if (refusal == BALANCE_UNHEALTHY)
		http_call_fail(call, HTTP_CALL_UNAVAILABLE, "no server is healthy");
	else
		http_call_fail(call, HTTP_CALL_DNS_FAILED,
			       upstream_names_error(call->request.upstream) == -ENOENT
				       ? "no such name"
				       : "name look-up failed");
}

/* The server could not be reached: another one is tried, if there is one. */
static void http_call_unreached(struct http_call *call, enum http_call_error error,
				const char *detail)
{
	uint64_t now_ns = clock_monotonic_ns();

	call->error = error;
	call->detail = detail;
	peer_doubt(call->shelf->peer, now_ns);
	call->tried[call->n_tried++] = call->shelf->peer->id;
	http_call_leave_peer(call, BREAKER_FAILED);
	if (now_ns >= call->connect_deadline_ns || call->n_tried == HTTP_CALL_TRIED_MAX)
		http_call_fail_unreached(call, BALANCE_NOBODY);
	else
		http_call_choose(call);
}

/* ------------------------------------------------------------ connecting */

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
	http_call_unreached(call, HTTP_CALL_TLS_FAILED, detail);
}

static void http_call_secure(struct http_call *call, struct http_conn *conn)
{
	const struct upstream *upstream = call->request.upstream;

	call->phase = CALL_SECURE;
	if (http_conn_secure(conn, upstream, http_call_on_secure) < 0)
		http_call_fail(call, HTTP_CALL_MEMORY, "no memory for TLS");
	else if (upstream->timeouts.tls_ms)
		timer_start(&call->timer, upstream->timeouts.tls_ms);
	else if (call->connect_deadline_ns != UINT64_MAX)
		timer_start_at(&call->timer, call->connect_deadline_ns);
}

static void http_call_set_connect_timer(struct http_call *call)
{
	if (call->connect_deadline_ns != UINT64_MAX)
		timer_start_at(&call->timer, call->connect_deadline_ns);
}

void http_call_is_tunnelled(struct http_call *call, const char *problem)
{
	timer_stop(&call->timer);
	if (!problem) {
		http_call_secure(call, call->conn);
		return;
	}
	http_exchange_leave(call, false);
	call->phase = CALL_CONNECT;
	http_call_unreached(call, HTTP_CALL_CONNECT_FAILED, problem);
}

/* By way of a proxy first, when there is one. */
static void http_call_connected(struct http_call *call, struct http_conn *conn)
{
	call->conn = conn;
	conn->call = call;
	if (!call->request.upstream->via) {
		http_call_secure(call, conn);
		return;
	}
	call->phase = CALL_TUNNEL;
	http_call_set_connect_timer(call);
	http_tunnel_start(call, conn);
}

static void http_call_on_knock(struct knock *knock)
{
	struct http_call *call = knock->user;
	struct http_conn *conn;

	http_call_check(call);
	if (knock->error) {
		http_call_unreached(call,
				    knock->timed_out ? HTTP_CALL_TIMEOUT : HTTP_CALL_CONNECT_FAILED,
				    http_call_connect_detail(knock->error));
		return;
	}
	conn = http_conn_open(call->shelf, knock, call->permit);
	if (!conn) {
		http_call_fail(call, HTTP_CALL_MEMORY, "no memory for a connection");
		return;
	}
	call->permit = false; /* it is the connection's */
	peer_count(call->shelf->peer, connects, 1);
	if (call->request.upstream->tls)
		http_call_connected(call, conn);
	else
		http_exchange_start(call, conn);
}

/* With a permit. */
static void http_call_knock(struct http_call *call)
{
	size_t n_seats = call->pool->balance.roster->n_seats;

	if (!call->knock) {
		call->knock = arena_alloc(call->arena, sizeof(*call->knock));
		if (!call->knock) {
			http_call_fail(call, HTTP_CALL_MEMORY, "no memory to connect");
			return;
		}
		knock_init(call->knock, call->client->loop, http_call_on_knock, call);
	}
	knock_start(call->knock, &call->shelf->peer->addr, call->connect_deadline_ns,
		    n_seats > call->n_tried + 1u ? (unsigned)n_seats - call->n_tried - 1 : 0);
}

/* ------------------------------------------------------------ permits */

/* The time that it has waited is not that of connecting. */
static void http_call_has_acquired(struct http_call *call)
{
	timer_stop(&call->timer);
	if (call->connect_deadline_ns != UINT64_MAX)
		call->connect_deadline_ns += clock_monotonic_ns() - call->acquire_ns;
}

static void http_call_on_permit(struct permit_wait *wait, void *user)
{
	struct http_call *call = user;

	check(call->permit_wait == wait);
	http_call_check(call);
	call->permit_wait = NULL;
	call->permit = true;
	http_call_has_acquired(call);
	http_call_choose(call);
}

static void http_call_acquire(struct http_call *call)
{
	uint64_t acquire_ms = call->request.upstream->timeouts.acquire_ms;

	http_call_leave_peer(call, BREAKER_UNKNOWN);
	if (call->first) { /* it would only take what others wait for */
		http_call_fail(call, HTTP_CALL_POOL_EXHAUSTED, "no connection is free");
		return;
	}
	call->phase = CALL_ACQUIRE;
	call->acquire_ns = clock_monotonic_ns();
	call->permit_wait = permits_wait(http_call_permits(call), call->client->loop,
					 http_call_on_permit, call);
	if (!call->permit_wait)
		http_call_fail(call, HTTP_CALL_POOL_EXHAUSTED,
			       "too many calls wait for a connection");
	else if (acquire_ms)
		timer_start(&call->timer, acquire_ms);
}

void http_call_hand_over(struct http_call *call, struct http_conn *conn)
{
	call->permit_wait = NULL;
	call->handed = conn;
	timer_stop(&call->timer);
	loop_ready(call->client->loop, &call->ready);
}

static void http_call_give_permit(struct http_call *call)
{
	if (!call->permit)
		return;
	call->permit = false;
	permits_give(http_call_permits(call));
}

/* Whether a connection that is at hand will do, whoever it goes to. */
static bool http_call_may_use(struct http_call *call, const struct http_conn *conn)
{
	const struct upstream *upstream = call->request.upstream;
	struct peer *peer = conn->shelf->peer;

	return upstream->balance != BALANCE_HASH && !call->retried && peer_is_listed(peer) &&
	       !http_call_has_tried(call, peer) &&
	       breaker_enter(&peer->breaker, &upstream->breaker, clock_monotonic_ns(),
			     &call->ticket);
}

/* Else it is closed, and its permit is for another one. */
static void http_call_on_handed(struct ready *ready)
{
	struct http_call *call = container_of(ready, struct http_call, ready);
	struct http_conn *conn = take(&call->handed);

	http_call_check(call);
	http_call_has_acquired(call);
	if (http_call_may_use(call, conn)) {
		http_call_take_peer(call, conn->shelf);
		peer_count(conn->shelf->peer, reused, 1);
		http_exchange_start(call, conn);
		return;
	}
	conn->permit = false;
	call->permit = true;
	http_conn_close(conn);
	http_call_choose(call);
}

/* ------------------------------------------------------------ choosing */

/* Over the connection to the chosen server that was used last; or a new one, when there is none, or
 * one just failed. */
static void http_call_connect(struct http_call *call)
{
	struct permits *permits = http_call_permits(call);
	bool fresh = call->retried || call->request.checked_id;
	struct http_conn *conn = fresh ? NULL : http_conn_take(call->shelf);

	call->phase = CALL_CONNECT;
	if (call->request.checked_id) {
		http_call_knock(call);
		return;
	}
	if (conn) {
		http_call_give_permit(call);
		peer_count(call->shelf->peer, reused, 1);
		http_exchange_start(call, conn);
		return;
	}
	call->permit = call->permit || permits_take(permits) ||
		       (depot_close_oldest(call->pool->depot) && permits_take(permits));
	if (call->permit)
		http_call_knock(call);
	else
		http_call_acquire(call);
}

static int http_call_choose_seat(struct http_call *call, enum balance_refusal *ret_refusal)
{
	const struct upstream *upstream = call->request.upstream;
	const struct balance_ask ask = {
		.policy = upstream->balance,
		.tried = call->tried,
		.n_tried = call->n_tried,
		.avoided = call->request.avoided,
		.n_avoided = call->request.n_avoided,
		.group = -1,
		.hash = call->request.hash,
		.now_ns = clock_monotonic_ns(),
		.breaker = breaker_is_wanted(&upstream->breaker) ? &upstream->breaker : NULL,
		.healthy = upstream->health.interval_ms > 0,
		.only = call->request.checked_id,
	};

	return balance_choose(&call->pool->balance, &ask, ret_refusal);
}

/* Who is half open may have been taken by another loop meanwhile: then one chooses anew. */
static void http_call_choose(struct http_call *call)
{
	struct conn_pool *pool = call->pool;
	enum balance_refusal refusal;
	int seat;

	conn_pool_has_servers(pool);
	do {
		seat = http_call_choose_seat(call, &refusal);
		if (seat < 0) {
			http_call_fail_unreached(call, refusal);
			return;
		}
	} while (!call->request.checked_id && !breaker_enter(&pool->shelves[seat]->peer->breaker,
							     &call->request.upstream->breaker,
							     clock_monotonic_ns(), &call->ticket));
	http_call_take_peer(call, pool->shelves[seat]);
	http_call_connect(call);
}

/* ------------------------------------------------------------ names */

void http_call_look_again(struct list *wait)
{
	struct http_call *call = container_of(wait, struct http_call, wait);

	http_call_check(call);
	if (!conn_pool_has_servers(call->pool) && call->pool->n_lookups > 0) {
		list_add(&call->pool->waiting, &call->wait);
		return;
	}
	timer_stop(&call->timer);
	http_call_choose(call);
}

void http_call_begin(struct http_call *call)
{
	uint64_t connect_ms = call->request.upstream->timeouts.connect_ms;

	call->phase = CALL_LOOKUP;
	call->error = HTTP_CALL_OK;
	call->n_tried = 0;
	call->ready.run = http_call_on_handed;
	call->connect_deadline_ns = connect_ms ? clock_monotonic_ns() + connect_ms * NS_PER_MS
					       : UINT64_MAX;
	http_hedge_begin(call);
	if (conn_pool_is_ready(call->pool)) {
		http_call_choose(call);
		return;
	}
	list_add(&call->pool->waiting, &call->wait);
	if (connect_ms)
		timer_start_at(&call->timer, call->connect_deadline_ns);
}

/* ------------------------------------------------------------ the end */

void http_reach_on_timer(struct http_call *call)
{
	if (call->phase == CALL_LOOKUP)
		http_call_time_out(call, "name look-up timed out");
	else if (call->phase == CALL_ACQUIRE)
		http_call_fail(call, HTTP_CALL_POOL_EXHAUSTED, "no connection was free in time");
	else if (call->phase == CALL_TUNNEL)
		http_call_is_tunnelled(call, "the proxy did not connect in time");
	else
		http_call_time_out(call, "the TLS handshake took too long");
}

void http_reach_stop(struct http_call *call)
{
	list_remove(&call->wait);
	loop_ready_cancel(&call->ready);
	if (call->permit_wait)
		permit_wait_cancel(take(&call->permit_wait));
	if (call->handed)
		http_conn_keep(take(&call->handed), call->request.upstream);
	if (call->phase == CALL_CONNECT && call->knock)
		knock_stop(call->knock);
	http_call_give_permit(call);
}
