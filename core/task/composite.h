/* core/task/composite.h: a task that is made of tasks: what series, parallel, dag, module,
 * dynamic, repeater, each and race have in common.
 *
 *   start() --> begin() --> children start and end --> the last live child has ended --> task_end()
 *                  \_____ cancel(), the time limit, composite_end() ____/  (the rest is cancelled)
 *
 * Promises
 *   - It ends once, and only when none of its children is live: whatever ended it early, nothing of it still runs.
 *   - A child is a task that its owner has task_init()ed with an on_end of its own, and handed over IDLE. Its on_end is
 *     called exactly once, before the composite goes on; it may read the child's outcome, free the child, hand over more
 *     where the kind allows it, and call composite_end(). A child whose turn does not come any more is completed
 *     without its start(), with OUTCOME_CANCELLED.
 *   - Cancelling it cancels every live child, to any depth of nesting.
 *   - Constant stack: neither the number of children nor the depth of nesting is a depth of calls. Starting and
 *     cancelling a composite reach its children by the loop's ready list, within the same turn.
 *
 * Outcome: what the kind decides, or composite_end() was told, whichever is first. Undecided
 * when it was cancelled: CANCELLED; when its time ran out: TIMED_OUT; else OK.
 *
 * Ownership: embedded in the owner's memory, and allocates nothing. The composite and its
 * children must stay until they have ended: a child until its on_end, the composite until its
 * own; then they are the owner's again, and may be freed in the on_end. A composite that is
 * itself completed without its start() (task_drop(), or started in a scope that is cancelled
 * already) has not taken its children: they stay IDLE, and nobody calls their on_end.
 *
 * Errors: none of its own; handing over a task that is not IDLE is a mistake that check() finds.
 * Thread: all of it on the loop of the scope in which it is started. */
#pragma once
#include "core/task/task.h"

struct composite;
typedef void composite_fn(struct composite *composite);

struct composite {
	struct task task;   /* the composite as a task: task_start(), task_cancel(), outcome */
	struct scope scope; /* of its children, since the start */
	struct ready ready; /* its start or its cancelling is still to reach the children */
	composite_fn *begin;
	task_fn *on_child;
	void *context;       /* the owner's; as the context of Workflow's series */
	uint64_t timeout_ms; /* from the start, 0: none. Set it before the start */
	uint32_t n_ended;    /* children that have ended */
	uint32_t n_failed;   /* those of them that did not end with OUTCOME_OK */
	uint8_t outcome;     /* enum outcome; NONE: undecided */
	bool begun;
};

/* Ends it early: its outcome is this unless it has one, every live child is cancelled, and it
 * completes when the last of them has ended. In its children's callbacks, or from elsewhere on
 * the loop while it is STARTED. */
void composite_end(struct composite *composite, enum outcome outcome);

/* The composite in whose scope a task was started. */
static inline struct composite *composite_of(const struct task *child)
{
	return container_of(child->scope, struct composite, scope);
}

/* ------------------------------------------------------------ for the kinds */

/* `begin` starts the first children in composite->scope; it is called also when that is
 * cancelled already, to complete what was handed over. `on_child` is called for each child that
 * ends, and calls composite_child_end(). */
void composite_init(struct composite *composite, const struct task_ops *ops, task_fn *on_end,
		    composite_fn *begin, task_fn *on_child);

/* What a kind puts into its task_ops. */
void composite_start(struct task *task);
void composite_cancel(struct task *task);

/* Counts a child's end and calls its on_end; then the child may be gone. Returns its outcome. */
enum outcome composite_child_end(struct composite *composite, struct task *child);

/* The outcome is this, unless there is one. Children go on. */
void composite_decide(struct composite *composite, enum outcome outcome);

/* A child's failure decides, and the rest is cancelled; unless all is being cancelled, when it
 * is no news. */
void composite_fail(struct composite *composite, enum outcome outcome);
