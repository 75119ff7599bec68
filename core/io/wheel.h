/* core/io/wheel.h: where a loop keeps its timers: a hierarchical timing wheel (Varghese and Lauck).
 *
 * Adding and removing are O(1); a timer moves down at most WHEEL_LEVELS times before it fires.
 * Internal to core/io. */
#pragma once
#include "core/io/timer.h"

enum { WHEEL_LEVELS = 7, WHEEL_SLOTS = 64 };

struct wheel {
	uint64_t now;                /* every timer with tick <= now has been given out */
	uint64_t used[WHEEL_LEVELS]; /* a bit for each slot that has timers */
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
	struct list overdue; /* those that were due when they were added */
	struct list far;     /* those beyond what the levels reach */
	uint64_t next; /* the first tick of a slot that may have timers, or of `far`'s entry */
	size_t n_timers;
};

void wheel_init(struct wheel *wheel, uint64_t now);
void wheel_add(struct wheel *wheel,
	       struct timer *timer); /* by timer->tick; past ticks are due at once */
void wheel_remove(struct wheel *wheel, struct timer *timer);

/* Moves the timers with tick <= now to the end of `due`: first those that were overdue when they
 * were added, then in the order of their ticks (those of one tick in the order of their
 * starting, as far as they came by the same levels). They still count as the wheel's until
 * wheel_remove(). */
void wheel_advance(struct wheel *wheel, uint64_t now, struct list *due);

/* A tick at which wheel_advance() may have something to do, never later than the first timer's;
 * UINT64_MAX: there are no timers. */
static inline uint64_t wheel_next(const struct wheel *wheel)
{
	if (wheel->n_timers == 0)
		return UINT64_MAX;
	return list_is_empty(&wheel->overdue) ? wheel->next : wheel->now;
}
