/* core/io/loop_clock.h: time that a test moves by hand; libprocess' Clock.
 *
 *   clock_freeze()                  pauses (core/base/clock.h; the clock is the process's)
 *   loop_advance(loop, NS_PER_S)    a second passes on this loop
 *   loop_settle(loop)               what can happen without time passing has happened
 *   clock_thaw()                    resumes
 *
 * Promises
 *   - loop_settle() runs turns until nothing is posted, ready or due, and no descriptor had an event in the last turn.
 *     It does not sleep, so it does not wait for what other threads or the kernel have still to do.
 *   - loop_advance() moves the frozen clock to each timer's deadline in turn, and settles there, before it goes
 *     on: timers fire in the order of their deadlines, each sees the clock at its own (rounded up to the millisecond, as
 *     timers are), and one that a callback starts fires within the same call when its deadline is passed, too. It ends
 *     settled, exactly `ns` later. So an hour of a periodic timer takes as long as its callbacks do.
 *
 * A callback that readies itself for ever never settles. With several loops, advance by steps
 * that are short beside what they ask of each other, and settle each. Thread: that of the loop,
 * outside loop_run() and callbacks. */
#pragma once
#include "core/io/loop.h"

void loop_settle(struct loop *loop);
void loop_advance(struct loop *loop, uint64_t ns); /* the clock must be frozen */
