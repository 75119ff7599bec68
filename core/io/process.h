/* core/io/process.h: one run of a program: what it reads, what it writes, how it ends.
 *
 *   STARTING --> RUNNING --(it has ended)--> EXITED --(its output, too)--> on_end()
 *       \            \--------------------------\--- process_leave(): TERM; after kill_after_ms KILL
 *        \--(cannot be started)----------------------> on_end(), with `error`
 *
 *   STARTING  on a thread of the spawner
 *   RUNNING   its input is written, its output is read
 *   EXITED    it has ended but is not reaped, so that its group's number stays its own; what others have
 *             inherited of its output is awaited for kill_after_ms
 *
 * The program leads a process group; when it has ended, and its output too, what is left of the
 * group is killed. So a program is over when it says so, with all its helpers but those that have
 * made a session of their own.
 *
 * A process may outlive whoever wanted it: process_leave() ends that interest at once, and the rest
 * (TERM, KILL, reaping) goes on by itself, counted by struct processes, until on_end(). The process
 * is embedded in a block that its owner frees then. This program must ignore SIGPIPE. */
#pragma once
#include "core/base/str.h"
#include "core/io/child.h"
#include "core/io/spawn.h"

struct process;
struct processes;

enum process_output { PROCESS_STDOUT, PROCESS_STDERR };

struct process_ops {
	/* Bytes that the program has written; gone when this returns. It may call process_leave().
	 * Not called after that. */
	void (*on_output)(struct process *process, enum process_output output, struct str bytes);

	/* Of one whose standard output is pulled: process_pull() may have something to give. As
	 * on_output() otherwise. */
	void (*on_readable)(struct process *process);

	/* Once: nothing is left of it; the block may be freed. */
	void (*on_end)(struct process *process);
};

struct process_spec {
	const char *path, *cwd;  /* cwd: NULL: that of this process */
	const char *const *argv; /* NULL at the end, as envp */
	const char *const *envp;
	struct str input;       /* its standard input, must stay until the end or process_leave() */
	uint64_t kill_after_ms; /* between TERM and KILL */
	bool pulled; /* its standard output is read by process_pull(), not told by on_output() */
};

enum process_state { PROCESS_STARTING, PROCESS_RUNNING, PROCESS_EXITED };

struct process {
	/* read by its owner in on_end() */
	int error;              /* why it could not be started, or not be watched; 0: it ran */
	struct child_exit exit; /* how it ended */
	/* the rest is process.c's */
	const struct process_ops *ops;
	struct processes *processes;
	struct list link; /* in processes->all */
	struct work work;
	struct post post;
	struct ready ready;
	struct spawn spawn;
	char *block; /* what `spawn` points at */
	struct child child;
	int fds[3]; /* this side of the pipes; -1: closed */
	struct watch watches[3];
	struct str input; /* what is still to be written */
	struct timer timer;
	uint64_t kill_after_ms;
	enum process_state state;
	bool left;   /* process_leave() */
	bool killed; /* by the timer: what can be read at once is all that is read */
	bool pulled; /* PROCESS_STDOUT: by its owner */
};

/* 0: on_end() will be called once, from the loop. A negative errno: it will not. */
int process_start(struct process *process, struct processes *processes,
		  const struct process_spec *spec, const struct process_ops *ops);

/* Nobody wants it any more: its pipes are closed, and it is made to end. No effect when that was
 * said already. */
void process_leave(struct process *process);

/* Of one that is `pulled`: what its standard output has. Bytes read (> 0); 0 at its end; -EAGAIN:
 * on_readable() will be called. While nobody pulls, the program waits when the pipe is full. */
ssize_t process_pull(struct process *process, char *bytes, size_t size);

/* ------------------------------------------------------------ those of one loop */

struct processes {
	struct loop *loop;
	struct spawner *spawner;
	struct list all;   /* of struct process.link */
	size_t n_held;     /* those, and what processes_hold() has counted */
	uint64_t hurry_ms; /* no KILL comes later than this after its TERM */
	void (*on_idle)(struct processes *processes); /* n_held became 0; may be NULL */
};

void processes_init(struct processes *processes, struct loop *loop, struct spawner *spawner,
		    void (*on_idle)(struct processes *processes));

/* For a shutdown that must not wait: from now on KILL follows TERM after `ms` at most. */
void processes_hurry(struct processes *processes, uint64_t ms);

/* Counts something else that must be waited for. */
void processes_hold(struct processes *processes);
void processes_release(struct processes *processes);
