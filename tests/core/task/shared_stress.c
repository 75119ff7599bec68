/* tests/core/task/shared_stress.c: three loops in three threads use a few names of every kind,
 * and cancel at random.
 *
 * Each thread has some slots. A slot is idle, or its task is on its way, or it holds a lock or a
 * permit for a while. Every value has a number, and a tally of how often it was given away and
 * got. One that was given away for certain is got once; one whose task was cancelled, at most
 * once. */
#include "core/base/clock.h"
#include "core/task/alarm.h"
#include "core/task/condition.h"
#include "core/task/message_queue.h"
#include "core/task/resource.h"
#include "tests/lib/tap.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { N_LOOPS = 3, N_SLOTS = 48, N_OPS = 30000, N_NAMES = 5, N_PERMITS = 3, N_VALUES = 100000 };

enum op { OP_LOCK, OP_ACQUIRE, OP_ENQUEUE, OP_DEQUEUE, OP_SIGNAL, OP_AWAIT, OP_ALARM, N_OP_KINDS };

struct side;

struct slot {
	union {
		struct wait_task wait;
		struct alarm_task alarm;
	};
	struct side *side;
	enum op op;
	unsigned name;
	uint32_t value;
	unsigned n_started, n_ended;
	bool holds;
};

struct side {
	struct loop *loop;
	struct scope scope;
	struct slot slots[N_SLOTS];
	unsigned seed, n_begun, n_ended;
	unsigned n_outcomes[N_OP_KINDS][OUTCOME_CANCELLED + 1];
	pthread_t thread;
};

static struct homes *homes;
static struct side sides[N_LOOPS];
static atomic_int lock_holders[N_NAMES], permit_holders[N_NAMES], permits[N_NAMES][N_PERMITS];
static atomic_uint n_values, n_finished, n_wrong;
static atomic_uchar given[N_VALUES], maybe_given[N_VALUES], got[N_VALUES];

static unsigned roll(struct side *side, unsigned n)
{
	side->seed = side->seed * 1664525 + 1013904223;
	return (side->seed >> 8) % n;
}

static void wrong_if(bool wrong)
{
	if (wrong)
		atomic_fetch_add(&n_wrong, 1);
}

static struct str name_of(char text[16], unsigned name)
{
	snprintf(text, 16, "stress-%u", name);
	return str_of(text);
}

/* ------------------------------------------------------------ what is got */

static void slot_get(const struct blob *blob)
{
	uint32_t value;

	check(blob_str(blob).len == sizeof(value));
	memcpy(&value, blob_str(blob).ptr, sizeof(value));
	wrong_if(atomic_fetch_add(&got[value], 1) != 0);
}

static void slot_get_all(struct slot *slot)
{
	struct parcel *parcel;

	list_each(parcel, &slot->wait.ask.parcels, struct parcel, link)
		slot_get(parcel->blob);
}

static void slot_hold(struct slot *slot)
{
	slot->holds = true;
	if (slot->op == OP_LOCK) {
		wrong_if(atomic_fetch_add(&lock_holders[slot->name], 1) != 0);
		return;
	}
	wrong_if(atomic_fetch_add(&permit_holders[slot->name], 1) >= N_PERMITS);
	wrong_if(atomic_fetch_add(&permits[slot->name][permit_number(&slot->wait)], 1) != 0);
}

static void slot_release(struct slot *slot)
{
	slot->holds = false;
	if (slot->op == OP_LOCK) {
		atomic_fetch_sub(&lock_holders[slot->name], 1);
	} else {
		atomic_fetch_sub(&permits[slot->name][permit_number(&slot->wait)], 1);
		atomic_fetch_sub(&permit_holders[slot->name], 1);
	}
	permit_release(&slot->wait);
}

static void slot_on_end(struct task *task)
{
	struct slot *slot = (struct slot *)(void *)task;
	enum outcome outcome = (enum outcome)task->outcome;
	bool ok = outcome == OUTCOME_OK;

	slot->n_ended++;
	slot->side->n_ended++;
	slot->side->n_outcomes[slot->op][outcome]++;
	wrong_if(slot->n_ended != slot->n_started);
	if (slot->op == OP_LOCK || slot->op == OP_ACQUIRE) {
		if (ok)
			slot_hold(slot);
		return;
	}
	if (slot->op == OP_ENQUEUE || slot->op == OP_SIGNAL) {
		if (ok)
			given[slot->value] = 1;
		else if (outcome != OUTCOME_FAILED)
			maybe_given[slot->value] = 1;
	} else if (ok && slot->op != OP_ALARM) {
		slot_get_all(slot);
	}
	wait_fini(&slot->wait);
}

/* ------------------------------------------------------------ what is asked */

static struct blob *slot_value(struct slot *slot)
{
	slot->value = atomic_fetch_add(&n_values, 1);
	check(slot->value < N_VALUES);
	return blob_create((struct str){ (const char *)&slot->value, sizeof(slot->value) });
}

static void slot_init_value(struct slot *slot, struct str name, uint64_t wait_ms)
{
	struct blob *value = slot_value(slot);

	if (slot->op == OP_ENQUEUE) {
		struct enqueue enqueue = { .message = value,
					   .n_max = 1 + slot->name,
					   .full = roll(slot->side, 2) ? QUEUE_WAIT : QUEUE_REJECT,
					   .wait_ms = wait_ms };

		enqueue_init(&slot->wait, homes, name, &enqueue, slot_on_end);
	} else {
		struct signal signal = { value, 1, WAIT_FOREVER };

		signal_init(&slot->wait, homes, name, &signal, slot_on_end);
	}
	blob_unref(value);
}

static void slot_init(struct slot *slot, struct str name, uint64_t wait_ms)
{
	struct acquire acquire = { .n_permits = N_PERMITS, .wait_ms = wait_ms };

	switch (slot->op) {
	case OP_LOCK:
		guard_init(&slot->wait, homes, name, &acquire, slot_on_end);
		break;
	case OP_ACQUIRE:
		acquire_init(&slot->wait, homes, name, &acquire, slot_on_end);
		break;
	case OP_ENQUEUE:
	case OP_SIGNAL:
		slot_init_value(slot, name, wait_ms);
		break;
	case OP_DEQUEUE:
		dequeue_init(&slot->wait, homes, name, &(struct dequeue){ .wait_ms = wait_ms },
			     slot_on_end);
		break;
	case OP_AWAIT:
		await_init(&slot->wait, homes, name,
			   &(struct await){ 1 + roll(slot->side, 3), 0, wait_ms }, slot_on_end);
		break;
	case OP_ALARM:
		alarm_init(&slot->alarm, homes, name, ALARM_AFTER, wait_ms, slot_on_end);
		break;
	case N_OP_KINDS:
		unreachable();
	}
}

static void slot_start(struct slot *slot, struct side *side)
{
	static const uint64_t waits[] = { 0, 1, 2, WAIT_FOREVER };
	char text[16];

	slot->side = side;
	slot->op = (enum op)roll(side, N_OP_KINDS);
	slot->name = roll(side, N_NAMES);
	slot->n_started++;
	side->n_begun++;
	slot_init(slot, name_of(text, slot->name), waits[roll(side, 4)]);
	task_start(&slot->wait.task, &side->scope);
}

/* Something happens to a slot, or nothing. */
static void slot_stir(struct slot *slot, struct side *side)
{
	bool idle = slot->n_started == slot->n_ended && !slot->holds;
	char text[16];

	if (slot->holds && roll(side, 4) == 0)
		slot_release(slot);
	else if (idle && side->n_begun < N_OPS)
		slot_start(slot, side);
	else if (!idle && roll(side, 16) == 0)
		task_cancel(&slot->wait.task);
	else if (roll(side, 256) == 0)
		alarm_cancel(homes, name_of(text, slot->name), roll(side, 3));
}

static bool side_is_idle(const struct side *side)
{
	for (unsigned i = 0; i < N_SLOTS; i++)
		if (side->slots[i].n_started != side->slots[i].n_ended || side->slots[i].holds)
			return false;
	return side->n_begun >= N_OPS;
}

static void side_on_empty(struct scope *scope)
{
	(void)scope;
}

static void *side_run(void *arg)
{
	struct side *side = arg;
	bool finished = false;

	while (atomic_load(&n_finished) < N_LOOPS) {
		for (unsigned i = 0; i < N_SLOTS; i++)
			slot_stir(&side->slots[i], side);
		loop_run_once(side->loop, false);
		if (!finished && side_is_idle(side)) {
			finished = true;
			atomic_fetch_add(&n_finished, 1);
		}
		sched_yield();
	}
	return NULL;
}

/* ------------------------------------------------------------ the test */

static void begin(void)
{
	struct loop *loops[N_LOOPS];
	unsigned seed = (unsigned)clock_monotonic_ns();

	if (getenv("SEED"))
		seed = (unsigned)strtoul(getenv("SEED"), NULL, 10);
	printf("# SEED=%u\n", seed);
	for (unsigned i = 0; i < N_LOOPS; i++) {
		check(loop_create(&sides[i].loop) == 0);
		loops[i] = sides[i].loop;
		sides[i].seed = seed + i * 7919;
		scope_init(&sides[i].scope, sides[i].loop, side_on_empty);
	}
	homes = homes_create(loops, N_LOOPS);
}

static void turn_all(void)
{
	for (unsigned n = 0; n < 4; n++)
		for (unsigned i = 0; i < N_LOOPS; i++)
			loop_run_once(sides[i].loop, false);
}

/* Takes what is left, of one name and kind; one thread is enough now. */
static void drain(enum op op, unsigned name)
{
	struct slot *slot = &sides[0].slots[0];
	char text[16];

	do {
		slot->op = op;
		slot->n_started++;
		if (op == OP_DEQUEUE)
			dequeue_init(&slot->wait, homes, name_of(text, name),
				     &(struct dequeue){ 0 }, slot_on_end);
		else
			await_init(&slot->wait, homes, name_of(text, name), &(struct await){ 0 },
				   slot_on_end);
		task_start(&slot->wait.task, &sides[0].scope);
		turn_all();
	} while (slot->wait.task.outcome == OUTCOME_OK);
}

static void tally(void)
{
	unsigned n_lost = 0, n_doubled = 0, n_forged = 0;

	for (unsigned value = 0; value < n_values; value++) {
		n_lost += given[value] && got[value] == 0;
		n_doubled += got[value] > 1;
		n_forged += !given[value] && !maybe_given[value] && got[value] > 0;
	}
	is_int(n_lost, 0);
	is_int(n_doubled, 0);
	is_int(n_forged, 0);
	is_true(n_values > 1000);
}

/* Of all loops: on a busy machine one may have had its turn when the others were done. */
static unsigned long n_outcomes_of(unsigned op, enum outcome outcome)
{
	unsigned long n = 0;

	for (unsigned i = 0; i < N_LOOPS; i++)
		n += sides[i].n_outcomes[op][outcome];
	return n;
}

static void all_kinds_on_three_loops_with_random_cancels(void)
{
	struct homes_stats stats;

	begin();
	for (unsigned i = 0; i < N_LOOPS; i++)
		check(pthread_create(&sides[i].thread, NULL, side_run, &sides[i]) == 0);
	for (unsigned i = 0; i < N_LOOPS; i++)
		pthread_join(sides[i].thread, NULL);
	homes_settle(homes);
	for (unsigned i = 0; i < N_LOOPS; i++) {
		is_int(sides[i].n_ended, sides[i].n_begun); /* each once */
		is_int(sides[i].scope.n_live, 0);
	}
	for (unsigned op = 0; op < N_OP_KINDS; op++) {
		is_true(n_outcomes_of(op, OUTCOME_OK) > 0);
		is_true(n_outcomes_of(op, OUTCOME_CANCELLED) > 0);
	}
	is_int(n_wrong, 0); /* no lock was held by two, no permit, and no value was got twice */
	for (unsigned name = 0; name < N_NAMES; name++) {
		is_int(lock_holders[name] + permit_holders[name], 0);
		drain(OP_DEQUEUE, name);
		drain(OP_AWAIT, name);
	}
	homes_settle(homes);
	tally();
	homes_stats(homes, &stats);
	is_int(stats.n_things, 0);
	is_int(stats.n_messages, 0);
	is_int(stats.kept_bytes, 0);
	homes_destroy(homes);
	for (unsigned i = 0; i < N_LOOPS; i++) {
		scope_fini(&sides[i].scope);
		loop_destroy(sides[i].loop);
	}
}

int main(void)
{
	TEST(all_kinds_on_three_loops_with_random_cancels);
	return tap_done();
}
