/* core/io/signals.h: signals as events of a loop (signalfd). */
#pragma once
#include "core/io/loop.h"
#include <signal.h>

struct signals;
typedef void signals_fn(struct signals *signals, int number);

struct signals {
	struct watch watch;
	struct loop *loop;
	signals_fn *on_signal;
	sigset_t before;
};

/* Blocks the signals for this thread (and those it starts later) and receives them on the loop.
 * 0 or a negative errno. */
int signals_open(struct signals *signals, struct loop *loop, const int numbers[], size_t n_numbers,
		 signals_fn *on_signal);
void signals_close(struct signals *signals); /* unblocks them again */
