/* server/client/checks.c
 *
 *   struct checks (one an upstream, on its loop)
 *     timer --(interval, with jitter)--> one struct check a server --> http_call --> peer_check_done(), freed
 *
 * A check that is still under way is not begun again: its deadline is its own. */
#include "server/client/checks.h"
#include "core/base/backoff.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/client/client.h"
#include "server/client/http_call.h"
#include <stdlib.h>

enum { CHECK_MEMORY = 256 << 10, CHECK_BODY = 128 << 10 };

struct checks {
	struct list link; /* in client->checks */
	struct client *client;
	struct upstream *upstream; /* held */
	struct timer timer;
	struct list running; /* of struct check */
	bool stopped;
};

struct check {
	struct list link;
	struct checks *checks;
	struct peer *peer; /* a reference */
	struct arena arena;
	struct scope scope;
	struct http_call call;
};

static void checks_free_if_done(struct checks *checks)
{
	if (!checks->stopped || !list_is_empty(&checks->running))
		return;
	list_remove(&checks->link);
	upstream_release(checks->upstream);
	free(checks);
}

/* ------------------------------------------------------------ one check */

static bool check_is_good(const struct check *check)
{
	const struct http_call *call = &check->call;

	return call->task.outcome == OUTCOME_OK &&
	       statuses_has(&check->checks->upstream->health.expected, call->response.status);
}

static void check_on_end(struct task *task)
{
	struct check *check =
		container_of(container_of(task, struct http_call, task), struct check, call);
	const struct upstream_health *health = &check->checks->upstream->health;

	if (!check->checks->stopped)
		peer_check_done(check->peer, check_is_good(check), health->rise, health->fall);
}

static void check_on_empty(struct scope *scope)
{
	struct check *check = container_of(scope, struct check, scope);
	struct checks *checks = check->checks;

	list_remove(&check->link);
	scope_fini(scope);
	arena_fini(&check->arena);
	peer_unref(check->peer);
	free(check);
	checks_free_if_done(checks);
}

static void check_start(struct checks *checks, struct peer *peer)
{
	const struct upstream_health *health = &checks->upstream->health;
	const struct http_call_request request = {
		.upstream = checks->upstream,
		.method_id = HTTP_GET,
		.method = STR("GET"),
		.target = health->path,
		.response_max = CHECK_BODY,
		.checked_id = peer->id,
	};
	struct check *check = calloc(1, sizeof(*check));

	if (!check)
		return; /* the next one, when there is memory again */
	check->checks = checks;
	check->peer = peer_ref(peer);
	list_add(&checks->running, &check->link);
	arena_init(&check->arena, CHECK_MEMORY);
	scope_init(&check->scope, checks->client->loop, check_on_empty);
	scope_set_deadline(&check->scope, clock_monotonic_ns() + health->timeout_ms * NS_PER_MS);
	http_call_init(&check->call, checks->client, &check->arena, &request, check_on_end);
	task_start(&check->call.task, &check->scope);
}

/* ------------------------------------------------------------ all servers */

static bool checks_are_running_for(const struct checks *checks, const struct peer *peer)
{
	struct check *check;

	list_each(check, &checks->running, struct check, link)
		if (check->peer == peer)
			return true;
	return false;
}

/* With a tenth more or less: processes that began together drift apart. */
static void checks_set_timer(struct checks *checks)
{
	uint64_t interval_ns = checks->upstream->health.interval_ms * NS_PER_MS;

	timer_start_at(&checks->timer, clock_monotonic_ns() + interval_ns * 9 / 10 +
					       backoff_random(interval_ns / 5));
}

static void checks_on_timer(struct timer *timer)
{
	struct checks *checks = container_of(timer, struct checks, timer);
	struct conn_pool *pool = client_pool(checks->client, checks->upstream);
	struct roster *roster;

	conn_pool_is_ready(pool); /* has looked up what is due */
	roster = upstream_roster(checks->upstream);
	for (size_t i = 0; i < roster->n_seats; i++)
		if (!checks_are_running_for(checks, roster->seats[i].peer))
			check_start(checks, roster->seats[i].peer);
	roster_unref(roster);
	checks_set_timer(checks);
}

static void checks_stop(struct checks *checks)
{
	struct check *check;

	checks->stopped = true;
	timer_stop(&checks->timer);
	list_each(check, &checks->running, struct check, link)
		scope_cancel(&check->scope);
	checks_free_if_done(checks);
}

void client_check(struct client *client, struct upstream *upstream)
{
	struct checks *checks;

	if (upstream->health.interval_ms == 0)
		return;
	list_each(checks, &client->checks, struct checks, link)
		if (checks->upstream == upstream)
			return;
	checks = mem_zalloc(sizeof(*checks));
	checks->client = client;
	checks->upstream = upstream;
	upstream_hold(upstream);
	list_init(&checks->running);
	timer_init(&checks->timer, client->loop, checks_on_timer);
	list_add(&client->checks, &checks->link);
	timer_start(&checks->timer, 0);
}

void client_sweep_checks(struct client *client)
{
	struct checks *checks;

	list_each(checks, &client->checks, struct checks, link)
		if (!checks->stopped && !upstream_is_called(checks->upstream))
			checks_stop(checks);
}

void client_stop_checks(struct client *client)
{
	struct checks *checks;

	list_each(checks, &client->checks, struct checks, link)
		if (!checks->stopped)
			checks_stop(checks);
}
