/* server/actors/foreign.h: actors whose handlers are not YAML: those of modules (server/native/).
 *
 * To the rest of leat they are actors like others: their kinds are specs of the section (spec->foreign),
 * so that tasks, routes and /help know them; their messages are mails, their answers struct actor_answer.
 * What they are is the module's: a struct actor of the core, with a struct actor_foreign in its state. */
#pragma once
#include "server/actors/actors.h"
#include "server/flow/context.h"

struct compute_queue;
struct natives;

/* ------------------------------------------------------------ messages */

struct actor_group;

struct actor_mail {
	struct message message;
	struct actor_loop *loop; /* where it is counted */
	struct actor_group *group;
	struct blob *value;
	uint64_t generation; /* the number of that which it was sent from */
	bool counted, first; /* `first`: it is the beginning of a singleton, and no handler's */
	struct str handler, sender, sender_id; /* behind it */
	/* NULL, or called once, when it goes: for what is attached to it. Any thread */
	void (*on_release)(struct actor_mail *mail);
	void *attached;
};

/* A message for actors of that group, which is not counted yet; its reference of the value is its own. */
struct actor_mail *actor_mail_create(struct actor_loop *home, struct actor_group *group,
				     const struct actor_send *send);

/* It is on its way: the loop is not quiet before its release. */
void actor_mail_count(struct actor_mail *mail);

/* What comes of it is its answer; or, when nobody waits for that, a line of the log, about that actor (its whole
 * name; or none). */
void actor_mail_fail(struct actor_mail *mail, struct str actor, const struct failure *failure);
void actor_mail_answer(struct actor_mail *mail, struct blob *value); /* takes the reference */

/* What those that are linked to it are told: {actor, reason}. */
struct blob *actor_end_value(struct str name, struct str reason);

/* ------------------------------------------------------------ kinds */

struct actor_foreign_kind {
	/* A handle of the actor of that whole name; NULL: there is none. Any thread. */
	struct actor *(*find)(const struct actor_foreign_kind *kind, struct str name);
	message_fn *handle; /* of its mails */
};

/* ------------------------------------------------------------ actors */

/* In the actor's state; all but n_failed is fixed when it has begun. */
struct actor_foreign {
	struct list link; /* in actors->foreigns */
	struct actors *actors;
	struct actor_loop *home;
	struct actor *actor; /* itself, not counted */
	struct actor_group *group;
	struct str name; /* whole; .len 0: it has none */
	size_t size;     /* what it counts in limits.total_memory */
	_Atomic uint64_t n_failed;
	struct link_owner *links; /* links.c; NULL: it has none. Guarded by its lock, as: */
	bool unlinked;            /* and it will have none */
};

/* Where one lives: a name has a home, and others take turns. */
struct actor_loop *actors_place(struct actors *actors, struct str name);
struct loop *actor_loop_loop(const struct actor_loop *loop);

/* Memory for an actor of `size` bytes of the group that it names: false when there is no more. */
bool actors_admit(struct actors *actors, struct str group, size_t size);

/* One that was admitted begins; its `home`, `name` and `size` are set. It is ended with the daemon. */
void actor_foreign_begin(struct actor_foreign *foreign, struct actors *actors, struct str group);

/* Its name is another's from now on: before that those that are linked to it hear of it. */
void actor_foreign_unname(struct actor_foreign *foreign, enum actor_end end);

/* Its last word, on its own thread: those that are linked to its name hear of it. */
void actor_foreign_end(struct actor_foreign *foreign, enum actor_end end);

void actor_foreign_count(struct actor_foreign *foreign, bool failed); /* one message was handled */

/* Memory that belongs to it besides: false when there is no more. */
bool actors_take_memory(struct actors *actors, size_t size);
void actors_give_memory(struct actors *actors, size_t size);

/* Whoever sends from a thread that is no loop's. From the one to the other the end waits for it, so that the loops
 * are there; the last word. Entered while an actor lives. */
void actors_enter(struct actors *actors);
void actors_leave(struct actors *actors);

/* Nothing is begun any more. Any thread. */
bool actors_are_stopping(const struct actors *actors);

/* ------------------------------------------------------------ one message in work on a loop */

struct actor_ground {
	struct context context; /* with the generation at work, which is pinned */
	const struct natives *natives;
	const struct compute_queue *compute;
	size_t memory_max;
	struct arena_budget *budget;
};

/* On the loop: what a run has; it is cancelled when the daemon cannot wait any more. */
struct actor_work {
	struct list link; /* in loop->works */
	void (*cancel)(struct actor_work *work);
};
void actor_work_begin(struct actor_work *work, struct actor_loop *loop,
		      struct actor_ground *ret_ground);
void actor_work_end(struct actor_work *work); /* its generation stays: actor_ground_leave() */
void actor_ground_leave(const struct context *context); /* last: the loop may be done with it */

/* Memory that one message may use on the pool. Any thread. */
size_t actors_memory_max(const struct actors *actors);
struct arena_budget *actors_budget(const struct actors *actors);

/* ------------------------------------------------------------ what people are shown */

/* As actor_loop_write(), of all that are foreign; any thread. */
size_t actors_write_foreign(struct actors *actors, struct str name, size_t n_max, struct buf *out);
