/* core/task/actor_private.h: between actor.c, actor_mailbox.c and actor_link.c.
 *
 * Locking: actor.lock guards what says so, nothing else. A thread that holds one takes no other
 * lock, and calls nobody back: completing a promise under it only posts. */
#pragma once
#include "core/task/actor.h"
#include "core/thread/lock.h"
#include <stdatomic.h>

enum actor_state {
	ACTOR_RUNS,   /* messages are taken */
	ACTOR_DRAINS, /* those that are there are handled, then it ends */
	ACTOR_STOPS,  /* it ends when nothing is in work */
	ACTOR_ENDED,  /* fini() was called */
};

struct message_fifo {
	struct message *first, *last;
	size_t n;
};

struct actor_waiter {
	struct actor_waiter *next;
	struct promise promise;
};

/* There may be millions: its size is a figure of the README. */
struct actor {
	const struct actor_kind *kind;
	struct loop *loop;
	struct pool_queue *queue; /* NULL: on the loop */
	_Atomic uint32_t refs;
	struct lock lock;
	/* guarded by lock */
	struct message_fifo told, inbox, putting; /* words; the mailbox; waiting for room in it */
	size_t n_bytes;                           /* of the inbox */
	struct mailbox_limits limits;
	struct list notices;          /* of struct link.notice */
	struct list links;            /* of struct link.out */
	struct list watchers;         /* of struct link.in */
	uint32_t n_links, n_watchers; /* in these lists */
	struct actor_waiter *waiters;
	uint32_t n_waiters, prune_waiters_at;
	struct message
		*held; /* read by its own thread without the lock, too: only that writes it */
	uint64_t n_refused;
	uint8_t state;       /* enum actor_state */
	uint8_t end;         /* enum actor_end: why it ends, or has ended */
	bool scheduled;      /* a turn will come, or is being had */
	uint32_t n_unlooked; /* refused since `putting` was last looked through */
	/* its own thread's */
	_Atomic uint64_t n_handled; /* read by any */
	bool put_off;               /* its turn was left to others once */
	bool interrupted;
	struct message *current; /* whose handle() is being called */
	union {
		struct {
			struct ready ready;
			struct post post;
		};
		struct work work;
	};
	_Alignas(16) char data[];
};

/* The lock is held; true: actor_schedule() must follow, after the release. */
bool actor_must_wake(struct actor *actor) HOLDS(actor->lock);
void actor_schedule(struct actor *actor, bool later);

/* The oldest notice, and what it took from its list of links; NULL: none. */
struct link *actor_take_notice(struct actor *actor) HOLDS(actor->lock);
void link_tell(struct link *link, struct actor *self); /* calls on_end() */

/* Of an actor that has ended: tells those who are linked to it, and forgets its own links. */
void actor_end_links(struct actor *actor);
void actor_end_waiters(struct actor_waiter *waiters);

/* The oldest word, else the oldest message, out of the mailbox; NULL: none. Those who wait for room come
 * in; those of them that nobody wants any more are put into `dropped`. */
struct message *actor_take_out(struct actor *actor, struct message_fifo *dropped)
	HOLDS(actor->lock);

/* It goes, and counts nowhere any more. */
void message_let_go(struct message *message, int error);

/* Nobody waits for its future any more. */
bool message_is_unwanted(const struct message *message);

/* It was not handled and will not be. */
void message_drop(struct message *message, int error);
void messages_drop(struct message *first, int error); /* with all that follow */
