/* server/gpu/gpu_guard.h: around calls of a driver that may start threads or compile.
 *
 * A thread of the driver would take the signals that are the main thread's: so they are blocked
 * meanwhile, which it inherits. And compilers made of LLVM put handlers of their own on nearly all
 * signals, and a stack for them under the thread that calls: what was there is put back. While a
 * driver is loaded, its handlers for faults are kept: PoCL has one that goes on after a division by
 * zero, which would end the process else. */
#pragma once
#include <signal.h>
#include <stdbool.h>

enum { GPU_GUARD_SIGNALS = 18, GPU_GUARD_FAULTS = 7 };

struct gpu_guard {
	bool loads;
	sigset_t blocked;
	stack_t stack;
	struct sigaction actions[GPU_GUARD_SIGNALS];
};

void gpu_guard_enter(struct gpu_guard *guard, bool loads); /* `loads`: a driver may be loaded */
void gpu_guard_leave(struct gpu_guard *guard);
