/* tests/core/task/shared_fixture.h: three loops that the test turns by hand, with a frozen
 * clock; each has a scope, and `far` and `near` are where a name's home is seen from loop 0. */
#pragma once
#include "core/base/clock.h"
#include "core/task/home_private.h"
#include "tests/lib/tap.h"
#include <stdlib.h>

enum { N_LOOPS = 3 };

static struct loop *loops[N_LOOPS];
static struct scope scopes[N_LOOPS];
static struct homes *homes;
static unsigned n_ended, n_empty;
static struct wait_task *order[64]; /* in which tasks ended */

static inline void shared_on_empty(struct scope *scope)
{
	(void)scope;
	n_empty++;
}

static inline void setup(void)
{
	clock_freeze(UINT64_C(1000) * NS_PER_S, INT64_C(1700000000) * (int64_t)NS_PER_S);
	n_ended = n_empty = 0;
	for (unsigned i = 0; i < N_LOOPS; i++) {
		check(loop_create(&loops[i]) == 0);
		scope_init(&scopes[i], loops[i], shared_on_empty);
	}
	homes = homes_create(loops, N_LOOPS);
}

static inline void step(unsigned at)
{
	loop_run_once(loops[at], false);
}

/* Everything that is under way arrives. */
static inline void settle(void)
{
	for (unsigned n = 0; n < 8; n++)
		step(n % N_LOOPS);
	step(0);
}

static inline void advance_ms(uint64_t ms)
{
	clock_advance(ms * NS_PER_MS);
	settle();
}

static inline struct homes_stats stats(void)
{
	struct homes_stats found;

	homes_stats(homes, &found);
	return found;
}

/* Nothing is left of what the test did. */
static inline void is_quiet(void)
{
	struct homes_stats found = stats();

	is_int(found.n_things, 0);
	is_int(found.n_messages, 0);
	is_int(found.kept_bytes, 0);
}

static inline void teardown(void)
{
	homes_settle(homes);
	homes_destroy(homes);
	for (unsigned i = 0; i < N_LOOPS; i++) {
		scope_fini(&scopes[i]);
		loop_destroy(loops[i]);
	}
	clock_thaw();
}

static inline void count_end(struct task *task)
{
	order[n_ended++ % ARRAY_LEN(order)] = container_of(task, struct wait_task, task);
}

/* A name whose home is loop `at`; the memory is static, a few at a time. */
static inline struct str name_at(unsigned at)
{
	static char texts[16][24];
	static unsigned next, n_tried;
	char *text = texts[next++ % 16];

	for (;;) {
		snprintf(text, sizeof(texts[0]), "name-%u", n_tried++);
		if (home_loop(home_of(homes, str_of(text))) == loops[at])
			return str_of(text);
	}
}

static inline struct str value_at(struct list *values, unsigned at)
{
	struct parcel *parcel;

	list_each(parcel, values, struct parcel, link)
		if (at-- == 0)
			return blob_str(parcel->blob);
	return STR("(none)");
}
