/* core/io/timer.h: deadlines on a loop.
 *
 * A timer fires once, on its loop's thread, never before its deadline and normally within a
 * millisecond after it. It is embedded in its owner's struct, so starting one cannot fail. */
#pragma once
#include "core/base/list.h"
#include <stdint.h>

struct loop;
struct timer;
typedef void timer_fn(struct timer *timer);

struct timer {
	struct list link; /* in a slot of the loop's wheel, while running */
	struct loop *loop;
	timer_fn *on_fire;
	uint64_t tick; /* the millisecond of the monotonic clock in which it is due, rounded up */
};

void timer_init(struct timer *timer, struct loop *loop, timer_fn *on_fire);
void timer_start(struct timer *timer, uint64_t delay_ms);       /* moves it, if running */
void timer_start_at(struct timer *timer, uint64_t deadline_ns); /* on the monotonic clock */
void timer_stop(struct timer *timer);                           /* no effect, if not running */

static inline bool timer_is_running(const struct timer *timer)
{
	return list_is_linked(&timer->link);
}
