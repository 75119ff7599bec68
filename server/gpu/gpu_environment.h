/* server/gpu/gpu_environment.h: what PoCL, the driver that uses the CPU, is told by its environment.
 *
 * It links a shared object for each kernel, leaves it in a folder and loads it from there, so that
 * whoever can write to the folder can run code in this process; where there is neither a home nor
 * $XDG_CACHE_HOME, its own choice is a fixed name in /tmp. And it starts a thread for each CPU of
 * the machine, whatever the quota of the cgroup. */
#pragma once
#include "core/base/diag.h"

/* Chooses what the user has not: the folder ($POCL_CACHE_DIR) beneath $CACHE_DIRECTORY or
 * $STATE_DIRECTORY, else PoCL's own in the user's home, else one of this user's in $TMPDIR; and how
 * many threads. Touches nothing but the environment. At the start, while there is one thread. */
void gpu_environment_set(void);

/* Before a driver is loaded: makes the folder in $TMPDIR, if it is that, and makes sure that it is
 * this user's alone. False with an error. */
bool gpu_environment_check(struct place place, struct diag *diag);
