/* core/io/loop_clock.c */
#include "core/io/loop_clock.h"
#include "core/base/clock.h"

void loop_settle(struct loop *loop)
{
	do {
		loop_run_once(loop, false);
	} while (!loop_is_settled(loop));
}

void loop_advance(struct loop *loop, uint64_t ns)
{
	uint64_t now_ns = clock_monotonic_ns(), target_ns = now_ns + ns, next_ns;

	loop_settle(loop);
	while ((next_ns = loop_next_timer_ns(loop)) < target_ns) {
		clock_advance(next_ns - now_ns);
		now_ns = next_ns;
		loop_settle(loop);
	}
	clock_advance(target_ns - now_ns);
	loop_settle(loop);
}
