/* core/task/condition.c
 *
 * While something is kept, nobody waits: whoever comes takes it first, and what comes goes to
 * those who wait first.
 *
 * What is kept has a time each, and one timer for all: a sweep of the whole list, which comes
 * the less often the longer the list is. What has expired before the sweep is not given out, it
 * only lies there. */
#include "core/task/condition.h"
#include "core/base/clock.h"
#include "core/task/ask.h"

enum { CONDITION_AWAIT, CONDITION_SIGNAL };

enum { SWEEP_NS_EACH = 1000 };

static const struct thing_ops condition_ops;

/* ------------------------------------------------------------ what is kept */

/* Counted while it is kept or gathered by one who waits. */
static void condition_count(struct condition *condition, const struct parcel *parcel)
{
	size_t size = parcel_memory(parcel);

	homes_keep(condition->homes, size);
	condition->kept_bytes += size;
}

static void condition_uncount(struct condition *condition, const struct parcel *parcel)
{
	size_t size = parcel_memory(parcel);

	homes_unkeep(condition->homes, size);
	condition->kept_bytes -= size;
}

static void condition_plan_sweep(struct condition *condition, uint64_t until_ns)
{
	uint64_t pause_ns = condition->n_kept * SWEEP_NS_EACH;

	if (until_ns != UINT64_MAX)
		timer_start_at(&condition->expiry, MAX(until_ns, clock_monotonic_ns() + pause_ns));
}

static void condition_sweep(struct timer *timer)
{
	struct condition *condition = container_of(timer, struct condition, expiry);
	uint64_t now_ns = clock_monotonic_ns(), next_ns = UINT64_MAX;
	struct parcel *parcel;

	list_each(parcel, &condition->kept, struct parcel, link) {
		if (parcel->keep_until_ns > now_ns) {
			next_ns = MIN(next_ns, parcel->keep_until_ns);
			continue;
		}
		list_remove(&parcel->link);
		condition->n_kept--;
		condition_uncount(condition, parcel);
		parcel_destroy(parcel);
	}
	condition_plan_sweep(condition, next_ns);
	thing_settle(condition->thing);
}

/* False, and the parcel is gone, when there is no room. */
static bool condition_keep(struct condition *condition, struct parcel *parcel, bool first)
{
	if (!homes_has_room(condition->homes, parcel_memory(parcel))) {
		parcel_destroy(parcel);
		return false;
	}
	condition_count(condition, parcel);
	if (first)
		list_add_first(&condition->kept, &parcel->link);
	else
		list_add(&condition->kept, &parcel->link);
	condition->n_kept++;
	if (parcel->keep_until_ns != UINT64_MAX && !timer_is_running(&condition->expiry))
		condition_plan_sweep(condition, parcel->keep_until_ns);
	return true;
}

/* The oldest that has not expired, or NULL. */
static struct parcel *condition_take(struct condition *condition)
{
	uint64_t now_ns = condition->n_kept > 0 ? clock_monotonic_ns() : 0;
	struct list *link;

	while ((link = list_pop(&condition->kept))) {
		struct parcel *parcel = container_of(link, struct parcel, link);

		condition->n_kept--;
		condition_uncount(condition, parcel);
		if (parcel->keep_until_ns > now_ns)
			return parcel;
		parcel_destroy(parcel);
	}
	return NULL;
}

/* ------------------------------------------------------------ those who wait */

static void condition_stop_waiting(struct condition *condition, struct ask *ask)
{
	struct parcel *parcel;

	list_each(parcel, &ask->parcels, struct parcel, link)
		condition_uncount(condition, parcel);
	ask_stop_waiting(ask, &condition->n_waiting);
}

/* Gives a value to one who waits, who may have all it wanted then. False, and the parcel is
 * gone, when there is no room for it to lie until the others have come. */
static bool condition_deliver(struct condition *condition, struct ask *ask, struct parcel *parcel)
{
	bool whole = ask->n_parcels + 1 >= ask->n;

	if (!whole && !homes_has_room(condition->homes, parcel_memory(parcel))) {
		parcel_destroy(parcel);
		return false;
	}
	if (whole)
		condition_stop_waiting(condition, ask);
	else
		condition_count(condition, parcel);
	ask_add_parcel(ask, parcel);
	if (whole)
		ask_answer(ask, REASON_NONE);
	return true;
}

/* What came for one goes to the next one, or is kept again for what is left of its time. */
static void condition_pass_on(struct condition *condition, struct ask *ask)
{
	uint64_t now_ns = clock_monotonic_ns();
	struct list rest = LIST_INIT(rest), *link;

	while ((link = list_pop(&ask->parcels))) {
		struct parcel *parcel = container_of(link, struct parcel, link);
		struct ask *next = list_first(&condition->waiting, struct ask, link);

		if (parcel->sole && next)
			condition_deliver(condition, next, parcel);
		else if (parcel->sole && parcel->keep_until_ns > now_ns)
			list_add_first(&rest, &parcel->link);
		else
			parcel_destroy(parcel);
	}
	ask->n_parcels = 0;
	while ((link = list_pop(
			&rest))) /* the newest first, so that the oldest gets to the front */
		condition_keep(condition, container_of(link, struct parcel, link), true);
}

static void condition_await(struct condition *condition, struct ask *ask)
{
	struct parcel *parcel;

	while (ask->n_parcels < ask->n && (parcel = condition_take(condition)))
		ask_add_parcel(ask, parcel);
	if (ask->n_parcels == ask->n) {
		ask_answer(ask, REASON_NONE);
		return;
	}
	if (ask->no_wait)
		condition_pass_on(condition, ask);
	list_each(parcel, &ask->parcels, struct parcel, link)
		condition_count(condition, parcel);
	ask_wait(ask, &condition->waiting, &condition->n_waiting);
}

/* ------------------------------------------------------------ signals */

static struct parcel *condition_parcel(const struct ask *ask, bool sole)
{
	const struct parcel *brought = list_first(&ask->parcels, struct parcel, link);
	struct parcel *parcel = parcel_create(brought ? blob_ref(brought->blob) : NULL);

	parcel->sole = sole;
	if (ask->keep_ms == WAIT_FOREVER)
		parcel->keep_until_ns = UINT64_MAX;
	else if (ask->keep_ms > 0)
		parcel->keep_until_ns = clock_monotonic_ns() +
					MIN(ask->keep_ms, UINT64_MAX / 4 / NS_PER_MS) * NS_PER_MS;
	return parcel;
}

static uint64_t condition_wake_all(struct condition *condition, const struct ask *ask)
{
	uint64_t n_woken = 0;
	struct ask *waiting;

	list_each(waiting, &condition->waiting, struct ask, link)
		n_woken += condition_deliver(condition, waiting, condition_parcel(ask, false));
	return n_woken;
}

static uint64_t condition_wake_n(struct condition *condition, const struct ask *ask)
{
	uint64_t n_woken = 0;
	struct ask *waiting;

	while (n_woken < ask->n && (waiting = list_first(&condition->waiting, struct ask, link))) {
		if (!condition_deliver(condition, waiting, condition_parcel(ask, true)))
			break;
		n_woken++;
	}
	return n_woken;
}

/* Sets ask->n to how many it reached. */
static enum reason condition_bring(struct condition *condition, struct ask *ask)
{
	bool all = ask->n == WAKE_ALL;
	uint64_t n_woken = all ? condition_wake_all(condition, ask)
			       : condition_wake_n(condition, ask);
	uint64_t n_left = all ? n_woken == 0 : ask->n - n_woken;
	bool room = !condition->n_waiting || n_left == 0;

	for (; n_left > 0 && room && ask->keep_ms > 0; n_left--)
		room = condition_keep(condition, condition_parcel(ask, true), false);
	ask->n = n_woken;
	return room ? REASON_NONE : REASON_FULL;
}

/* ------------------------------------------------------------ the kind */

void condition_init(struct condition *condition, struct loop *loop)
{
	*condition = (struct condition){ .loop = loop };
	list_init(&condition->waiting);
	list_init(&condition->kept);
	timer_init(&condition->expiry, loop, condition_sweep);
}

void condition_fini(struct condition *condition)
{
	check(condition->n_waiting == 0);
	timer_stop(&condition->expiry);
	homes_unkeep(condition->homes, condition->kept_bytes);
	parcels_drop(&condition->kept);
}

static void condition_on_init(void *thing, const struct owner *owner)
{
	struct condition *condition = thing;

	condition_init(condition, owner->loop);
	condition->homes = owner->homes;
	condition->thing = owner->thing;
}

static void condition_on_fini(void *thing)
{
	condition_fini(thing);
}

static void condition_on_ask(void *thing, struct ask *ask)
{
	if (ask->op == CONDITION_AWAIT)
		condition_await(thing, ask);
	else
		ask_answer(ask, condition_bring(thing, ask));
}

static void condition_on_withdraw(void *thing, struct ask *ask)
{
	condition_stop_waiting(thing, ask);
	condition_pass_on(thing, ask);
}

static void condition_on_give_back(void *thing, struct ask *ask)
{
	if (ask->op == CONDITION_AWAIT)
		condition_pass_on(thing, ask);
}

static bool condition_is_idle(const void *thing)
{
	const struct condition *condition = thing;

	return condition->n_waiting == 0 && condition->n_kept == 0;
}

static const struct thing_ops condition_ops = {
	.name = "condition",
	.kind = HOME_CONDITION,
	.size = sizeof(struct condition),
	.init = condition_on_init,
	.fini = condition_on_fini,
	.ask = condition_on_ask,
	.withdraw = condition_on_withdraw,
	.give_back = condition_on_give_back,
	.is_idle = condition_is_idle,
};

/* ------------------------------------------------------------ tasks */

static const struct task_ops await_ops = { "await", wait_start, wait_cancel };
static const struct task_ops signal_ops = { "signal", wait_start, wait_cancel };

static void await_init_any(struct wait_task *wait, const struct await *await, task_fn *on_end)
{
	wait_init(wait, &await_ops, &condition_ops, on_end);
	wait_set_limit(wait, await->n_wait_max, await->wait_ms);
	wait->ask.op = CONDITION_AWAIT;
	wait->ask.n = MAX(await->count, 1U);
}

void await_init(struct wait_task *wait, struct homes *homes, struct str name,
		const struct await *await, task_fn *on_end)
{
	await_init_any(wait, await, on_end);
	wait_set_name(wait, homes, name);
}

void condition_await_init(struct wait_task *wait, struct condition *condition,
			  const struct await *await, task_fn *on_end)
{
	await_init_any(wait, await, on_end);
	wait_set_unnamed(wait, condition);
}

struct list *await_values(struct wait_task *wait)
{
	return &wait->ask.parcels;
}

void await_fini(struct wait_task *wait)
{
	wait_fini(wait);
}

/* A signal without a value brings no parcel. */
static void signal_fill(struct ask *ask, const struct signal *signal)
{
	ask->op = CONDITION_SIGNAL;
	ask->n = MAX(signal->wake_n, UINT64_C(1));
	ask->keep_ms = signal->keep_ms;
	if (signal->value)
		ask_add_parcel(ask, parcel_create(blob_ref(signal->value)));
}

static void signal_on_end(struct task *task)
{
	struct wait_task *wait = container_of(task, struct wait_task, task);

	wait_fini(wait);
	wait->on_end(task);
}

void signal_init(struct wait_task *wait, struct homes *homes, struct str name,
		 const struct signal *signal, task_fn *on_end)
{
	wait_init(wait, &signal_ops, &condition_ops, signal_on_end);
	wait->on_end = on_end;
	wait_set_name(wait, homes, name);
	signal_fill(&wait->ask, signal);
}

uint64_t signal_n_woken(const struct wait_task *wait)
{
	return wait->ask.n;
}

void signal_send(struct homes *homes, struct str name, const struct signal *signal)
{
	struct ask ask = { 0 };

	list_init(&ask.link);
	list_init(&ask.parcels);
	signal_fill(&ask, signal);
	home_tell(homes, &condition_ops, name, &ask);
}

uint64_t condition_signal(struct condition *condition, const struct signal *signal)
{
	struct ask ask = { .n = MAX(signal->wake_n, UINT64_C(1)), .keep_ms = signal->keep_ms };
	struct parcel brought = { .blob = signal->value };

	list_init(&ask.parcels);
	list_add(&ask.parcels, &brought.link);
	condition_bring(condition, &ask);
	return ask.n;
}
