/* core/task/task.h: the only unit of work, and the scope that holds it.
 *
 *            task_start()            task_end()             (the loop's ready list)
 *     IDLE --------------> STARTED --------------> ENDING --------------> ENDED
 *                             |                      ^
 *                             +---- task_cancel() ---+   by way of ops->cancel()
 *
 *   IDLE     not started; may be dropped without a word
 *   STARTED  ops->start() was called; the task will end exactly once
 *   ENDING   the outcome is decided; on_end waits in the loop's ready list
 *   ENDED    on_end was called; the memory is the owner's again
 *
 * A task is embedded in its owner, so starting it cannot fail. It completes exactly once, also
 * when it is cancelled. Completions run from the loop's ready list, so that a million tasks in a
 * row, each ending inside its own start(), need no stack. Everything happens on the scope's
 * loop, nothing is locked. */
#pragma once
#include "core/io/loop.h"

struct task;
struct scope;
typedef void task_fn(struct task *task);
typedef void scope_fn(struct scope *scope);

enum task_state {
	TASK_IDLE,
	TASK_STARTED,
	TASK_ENDING,
	TASK_ENDED,
};

enum outcome {
	OUTCOME_NONE, /* not ended yet */
	OUTCOME_OK,
	OUTCOME_FAILED,
	OUTCOME_TIMED_OUT,
	OUTCOME_CANCELLED,
};

struct task_ops {
	const char *name;
	task_fn *start; /* may call task_end() before it returns */
	task_fn *
		cancel; /* called at most once, only while STARTED; must make task_end() happen soon. May be
			    NULL for a task that always ends soon by itself. When its own start() cancels the
			    scope, this is called from within start() */
};

struct task {
	const struct task_ops *ops;
	struct scope *scope; /* since task_start() */
	struct list
		link; /* in scope->tasks, while STARTED or ENDING. Before that, in the queue of the
				composite that was given the task */
	struct ready ready;
	task_fn *
		on_end; /* called once; may start other tasks in the scope, and this one again after
			    task_init() */
	uint8_t state;  /* enum task_state */
	uint8_t outcome; /* enum outcome */
	bool cancelled;  /* task_cancel() was called */
	uint32_t index;  /* its place among its siblings, given by the composite that starts it */
};

void task_init(struct task *task, const struct task_ops *ops, task_fn *on_end);
void task_start(struct task *task, struct scope *scope);

/* Completes a task that was not started and will not be: its start() is not called, it ends by
 * on_end with OUTCOME_CANCELLED. So that whoever handed it over hears of it, once, whatever
 * becomes of it. */
void task_drop(struct task *task, struct scope *scope);

/* Ends a STARTED task; for its implementation only. */
void task_end(struct task *task, enum outcome outcome);

/* Asks a task to end soon; it still completes through on_end. No effect on one that is not
 * STARTED, or was asked already. */
void task_cancel(struct task *task);

const char *outcome_name(enum outcome outcome);

/* A scope holds the tasks that belong together: they share a deadline and a fate, and what they
 * use stays until the last of them has ended. */
struct scope {
	struct loop *loop;
	struct list tasks; /* those that are STARTED or ENDING */
	size_t n_live;
	task_fn *
		on_child; /* NULL, or called in place of each task's on_end, which it has to call; the task may
			      be gone afterwards. For composites (core/task/composite.h) */
	scope_fn *
		on_empty; /* the last live task has ended, and its on_end started no other. May free the scope */
	struct timer deadline;
	uint64_t deadline_ns; /* UINT64_MAX: none */
	bool cancelled;       /* scope_cancel() was called, or the deadline passed */
	bool timed_out;       /* the deadline passed */
};

void scope_init(struct scope *scope, struct loop *loop, scope_fn *on_empty);

/* All tasks are cancelled when the monotonic clock reaches this; an earlier deadline that is set
 * already stays. */
void scope_set_deadline(struct scope *scope, uint64_t deadline_ns);

/* Cancels every live task, and every one that is started from now on (which then ends without
 * its start()). */
void scope_cancel(struct scope *scope);

/* The scope is used no more: its timer stops. It must have no live tasks. on_empty's owner calls
 * it. */
void scope_fini(struct scope *scope);
