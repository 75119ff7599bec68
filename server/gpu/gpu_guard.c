/* server/gpu/gpu_guard.c */
#include "server/gpu/gpu_guard.h"
#include "core/base/check.h"
#include <pthread.h>

/* the faults first */
static const int guarded[GPU_GUARD_SIGNALS] = { SIGFPE,  SIGSEGV, SIGBUS,  SIGILL,  SIGABRT,
						SIGTRAP, SIGSYS,  SIGHUP,  SIGINT,  SIGQUIT,
						SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM,
						SIGCHLD, SIGXCPU, SIGXFSZ };

void gpu_guard_enter(struct gpu_guard *guard, bool loads)
{
	sigset_t all;

	guard->loads = loads;
	sigfillset(&all);
	for (unsigned i = 0; i < GPU_GUARD_FAULTS; i++)
		sigdelset(&all, guarded[i]); /* a fault that is blocked ends the process */
	pthread_sigmask(SIG_SETMASK, &all, &guard->blocked);
	check(sigaltstack(NULL, &guard->stack) == 0);
	for (unsigned i = 0; i < GPU_GUARD_SIGNALS; i++)
		check(sigaction(guarded[i], NULL, &guard->actions[i]) == 0);
}

void gpu_guard_leave(struct gpu_guard *guard)
{
	for (unsigned i = guard->loads ? GPU_GUARD_FAULTS : 0; i < GPU_GUARD_SIGNALS; i++)
		check(sigaction(guarded[i], &guard->actions[i], NULL) == 0);
	check(sigaltstack(&guard->stack, NULL) == 0);
	pthread_sigmask(SIG_SETMASK, &guard->blocked, NULL);
}
