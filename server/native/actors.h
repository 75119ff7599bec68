/* server/native/actors.h: actors of modules (struct leat_actor): what their kinds are to the section
 * `actors`, and what they are at work.
 *
 * Locking: library->actors.lock guards what says so. With it held an actor's own lock may be taken, or a
 * lock of server/actors/, and nothing of the module is called. No message is released with it held, as what is
 * delayed takes it then: so what puts something into a mailbox, or takes it out, is done between native_enter()
 * and native_leave(). */
#pragma once
#include "core/base/map.h"
#include "core/leat.h"
#include "core/thread/lock.h"
#include "server/actors/foreign.h"

struct leat_call;
struct library;
struct natives;
struct pool_queue;

enum { NATIVE_NAME_MAX = 128 };

/* Where they live; as long as the process. */
struct native_host {
	struct actors *actors;
	struct pool_queue *queue; /* of those that compute */
	struct loop *main;        /* where modules end */
};

struct native_actors {                  /* of a library */
	const struct native_host *host; /* NULL: there are none; set before init() */
	struct lock lock;
	struct map by_name; /* whole name to struct leat_actor *; guarded by lock */
	struct list all;    /* of struct leat_actor.link; guarded by lock */
	size_t n_live; /* of them, of delayed messages that were not released, of answers that are awaited; guarded by lock */
	bool closing;  /* nothing new is taken; guarded by lock */
	bool hold; /* they have a reference of the library, from the first spawn to the end of the last; guarded by lock */
	unsigned n_named; /* configurations that name the library; guarded by lock */
	struct post end;
};

struct leat_actor { /* the state of the core's actor */
	struct actor_foreign foreign;
	struct library *library; /* which lives longer */
	const struct leat_kind *kind;
	struct list link;           /* in library->actors.all, until it ends */
	char name[NATIVE_NAME_MAX]; /* behind foreign.name: it outlives the actor, for notices */
	struct list delays;       /* of struct leat_delayed.link; guarded by library->actors.lock */
	void *state;              /* the module's */
	struct native_turn *turn; /* the message in work, on a loop; or NULL */
	enum actor_end exits;     /* after the message in work; ACTOR_LIVES: it does not */
};

void native_actors_init(struct native_actors *actors);
void native_actors_fini(struct native_actors *actors);

/* A configuration names the library; no longer does: after the last its actors end, in order. */
void native_actors_name(struct library *library);
void native_actors_unname(struct library *library);

/* The daemon ends: they all end at once, and nothing new is taken. */
void natives_close_actors(const struct natives *natives);

/* ---- actor_turn.c: one message */
void native_actor_handle(struct message *message, struct actor *actor);
/* Of a call on the pool: nobody waits for its answer, its actor ends at once, or the daemon stops. */
bool native_message_is_unwanted(const struct leat_call *call);
void native_actor_interrupt(struct actor *actor);
/* It was linked, from the pool, to a name that is none, or for which there was no room. */
void native_actor_on_no_name(struct leat_actor *self, struct str name);
void native_actor_on_end(struct actor *actor, struct actor *other, enum actor_end end);

/* ---- actor_mail.c: on the way to an actor; defer.c: answers that are messages */

/* A mail for it; NULL, with *ret_error a code. */
struct actor_mail *native_mail_make(const struct leat_mail *mail, const char *function,
				    const char **ret_error);
/* As the module's table has it; .ptr NULL: the kind has no such handler. */
struct str native_handler_name(const struct leat_kind *kind, struct str name);
/* In its mailbox: 0; or a negative errno: the mail was released, and its future fails. */
int native_mail_send(struct leat_actor *actor, struct actor_mail *mail);

/* Any thread. False: the actor has ended. Else its loop, and the main one, are there until native_leave(). `stays`:
 * it is one more of n_live, until native_actor_leave(). */
bool native_enter(struct leat_actor *actor, bool stays);
void native_leave(struct leat_actor *actor);
/* Of whoever has entered: sends it. As native_mail_send(). */
int native_mail_put(struct leat_actor *actor, struct actor_mail *mail);
/* It was not sent: as what becomes of any message then. */
void native_mail_refuse(struct actor_mail *mail, int error);
void native_delays_end(struct leat_actor *actor); /* which is not in the library's list any more */

/* It was sent by associate(), and nobody waits for its promise. Until it is answered. */
bool associated_is_unwanted(const struct actor_mail *mail);

/* One of n_live is no more: when it was the last, the module may be unloaded. */
void native_actor_leave(struct library *library);
