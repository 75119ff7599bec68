/* tests/core/io/signals.c */
#include "core/io/signals.h"
#include "tests/lib/tap.h"
#include <unistd.h>

static unsigned n_hup, n_usr1;

static void on_signal(struct signals *signals, int number)
{
	n_hup += number == SIGHUP;
	n_usr1 += number == SIGUSR1;
	if (n_usr1 == 2)
		signals_close(signals);
}

static void signals_are_events_of_the_loop(void)
{
	static const int numbers[] = { SIGHUP, SIGUSR1 };
	struct signals signals;
	struct loop *loop;
	sigset_t mask;

	check(loop_create(&loop) == 0);
	is_int(signals_open(&signals, loop, numbers, 2, on_signal), 0);
	kill(getpid(), SIGHUP);
	kill(getpid(), SIGUSR1);
	is_int(n_hup + n_usr1, 0);
	loop_run_once(loop, false);
	is_int(n_hup, 1);
	is_int(n_usr1, 1);
	kill(getpid(), SIGUSR1);
	loop_run_once(loop, false); /* closes from within */
	is_int(n_usr1, 2);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	is_false(sigismember(&mask, SIGHUP));
	signals_close(&signals); /* twice is harmless */
	loop_destroy(loop);
}

int main(void)
{
	TEST(signals_are_events_of_the_loop);
	return tap_done();
}
