/* core/io/spawn.h: a program becomes a process of its own.
 *
 * spawn_start() blocks as long as the kernel takes to load the program (0.5 ms when it is warm,
 * much longer from a slow disk): not on a loop. A spawner has the threads for that. */
#pragma once
#include "core/thread/pool.h"
#include <sys/types.h>

struct spawn {
	const char *path;        /* of the program; no PATH is searched */
	const char *const *argv; /* NULL at the end */
	const char *const *envp; /* NULL at the end */
	const char *cwd;         /* NULL: that of this process */
	int fds[3]; /* what are its descriptors 0, 1 and 2: each above 2, or -1 for /dev/null */
};

/* The program runs in a session and a process group of its own, both with its pid as number, with
 * no signal blocked and none ignored, and with no descriptors but the three. 0 or a negative errno:
 * also that of the execve(). Whoever has called it must wait for the pid: core/io/child.h. */
int spawn_start(const struct spawn *spawn, pid_t *ret_pid);

/* Where the program is: `name` itself when it has a slash, else the first executable file of that
 * name in the folders of `search` ("/usr/bin:/bin"). False when there is none, or it does not fit. */
bool spawn_find(const char *name, const char *search, char *ret_path, size_t size);

/* The threads on which programs are started. They are made when the first work comes. */
struct spawner;
struct spawner *spawner_create(void);
void spawner_destroy(struct spawner *spawner); /* NULL is accepted */

/* 0; or a negative errno, and the work is not taken: there is no thread. Any thread. */
int spawner_submit(struct spawner *spawner, struct work *work);
