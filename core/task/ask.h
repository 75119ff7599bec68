/* core/task/ask.h: what a kind of named thing is made of; for the files that implement one.
 *
 * A kind is a struct (the thing) and these operations, which only ever run on the thing's loop.
 * An ask that was answered may be gone: it is not touched after ask_answer(). An operation may
 * answer other asks that wait. */
#pragma once
#include "core/task/home.h"

enum home_kind {
	HOME_CONDITION,
	HOME_GUARD,
	HOME_RESOURCE,
	HOME_QUEUE,
	HOME_ALARM,
	N_HOME_KINDS,
};

/* Who a named thing belongs to. */
struct owner {
	struct loop *loop;
	struct homes *homes;
	struct thing *thing;
};

struct thing_ops {
	const char *name;
	enum home_kind kind;
	size_t size; /* of the kind's struct */
	bool holds;  /* what was granted must be returned */
	void (*init)(void *thing, const struct owner *owner);
	void (*fini)(void *thing);                      /* drops what was left in it */
	void (*ask)(void *thing, struct ask *ask);      /* answers it, or lets it wait */
	void (*withdraw)(void *thing, struct ask *ask); /* one that waits leaves */
	void (*give_back)(void *thing,
			  struct ask *ask); /* what was granted is not wanted (any more) */
	bool (*is_idle)(const void *thing); /* nobody waits, holds, or left anything */
	/* How it stands, for other threads to see; or NULL. */
	void (*tell)(const void *thing, struct home_figures *figures);
	enum home_figured figured; /* where there is `tell` */
};

/* ------------------------------------------------------------ for the operations */

void ask_answer(struct ask *ask, enum reason reason);

/* Puts the ask at the end of `waiting`, or answers it when it will not wait or too many do.
 * *n_waiting counts them. */
void ask_wait(struct ask *ask, struct list *waiting, size_t *n_waiting);

/* Takes a waiting ask out of its list. */
void ask_stop_waiting(struct ask *ask, size_t *n_waiting);

/* A thing that changed by itself (by a timer): it is freed when that left it idle. NULL is
 * accepted. */
void thing_settle(struct thing *thing);

/* Bytes that lie in things. NULL is accepted, and has room for all. */
bool homes_has_room(struct homes *homes, size_t size);
void homes_keep(struct homes *homes, size_t size);
void homes_unkeep(struct homes *homes, size_t size);

/* Takes over the caller's reference. */
struct parcel *parcel_create(struct blob *blob);
void parcel_destroy(struct parcel *parcel); /* it must be in no list */
void parcels_drop(struct list *parcels);    /* all of a list */
size_t parcel_memory(const struct parcel *parcel);

void ask_add_parcel(struct ask *ask, struct parcel *parcel);

/* ------------------------------------------------------------ for the tasks */

/* `homes` and `name`, or `unnamed`. ask.parcels is empty; the caller fills the rest of `ask`. */
void wait_init(struct wait_task *wait, const struct task_ops *task_ops, const struct thing_ops *ops,
	       task_fn *on_end);
void wait_set_name(struct wait_task *wait, struct homes *homes, struct str name);
void wait_set_unnamed(struct wait_task *wait, void *unnamed);
void wait_set_limit(struct wait_task *wait, uint32_t n_wait_max, uint64_t wait_ms);

void wait_start(struct task *task);  /* task_ops.start */
void wait_cancel(struct task *task); /* task_ops.cancel */

/* Withdraws what waits, and ends the task. */
void wait_leave(struct wait_task *wait, enum reason reason);

/* Returns what the task holds; no effect when it holds nothing. */
void wait_return(struct wait_task *wait);

/* Asks without wanting to know the answer; from any thread. Takes over the parcels of `ask`. */
void home_tell(struct homes *homes, const struct thing_ops *ops, struct str name, struct ask *ask);
