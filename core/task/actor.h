/* core/task/actor.h: state that only messages touch, one at a time; libprocess' Process.
 *
 *                 actor_terminate()               its messages are done (in order),
 *                 actor_exit()                    or what is in work is (at once)
 *     RUNS ---------------------------> ENDING ------------------------------------> ENDED
 *
 *   RUNS    messages are taken and handled
 *   ENDING  no message is taken any more
 *   ENDED   fini() was called; whoever sends, waits or links is told at once
 *
 * An actor is at home on one loop, or computes on the pool: there its messages are handled one
 * after the other, never two at the same time. Everything named actor_* may be called by any
 * thread, but what says otherwise.
 *
 * Promises
 *   - What one thread sends to one actor is handled in the order in which it was sent.
 *   - A message is handled once, or never, and is released exactly once; the future of one that is not
 *     handled fails, it never stays pending.
 *   - A mailbox is bounded. Terminating and notices of ends never wait behind messages.
 *   - After QUANTUM messages, or a millisecond, others of the loop have their turn.
 *   - Nothing here but actor_spawn(), futures and what is delayed or linked takes memory: a message is the sender's.
 *
 * Ownership. An actor is one block, counted. It keeps itself until it has ended; a handle keeps
 * its memory, not its life. */
#pragma once
#include "core/base/arena.h"
#include "core/task/future.h"
#include "core/thread/pool.h"

struct actor;
struct message;
struct delayed;

enum {
	ACTOR_QUANTUM = 64,         /* messages in a row */
	ACTOR_MESSAGES_MAX = 10000, /* in a mailbox, unless its kind says otherwise */
};

/* Why an actor has ended, or cannot be reached. */
enum actor_end {
	ACTOR_LIVES,
	ACTOR_END_NORMAL,        /* it was asked to end, or wanted to */
	ACTOR_END_FAILED,        /* it said so by actor_exit() */
	ACTOR_END_KILLED,        /* it was terminated at once */
	ACTOR_END_NO_ACTOR,      /* it had ended before it was linked to */
	ACTOR_END_NO_CONNECTION, /* its host cannot be reached (any more) */
};
const char *actor_end_name(enum actor_end end);
enum actor_end actor_end_of(struct str name); /* one of a later version: failed */

/* What becomes of a message when the mailbox has no room for it. */
enum mailbox_policy {
	MAILBOX_REJECT,      /* its sender gets -ENOBUFS */
	MAILBOX_WAIT,        /* it waits for room, in order: as many as wait_max, then -ENOBUFS */
	MAILBOX_DROP_OLDEST, /* the oldest messages make room */
	MAILBOX_DROP_NEWEST, /* it is dropped, as if it had been taken */
};

struct mailbox_limits {
	uint32_t n_max; /* 0: ACTOR_MESSAGES_MAX */
	uint32_t wait_max;
	size_t max_bytes; /* of message.size together; 0: no bound. A larger message gets -EMSGSIZE */
	enum mailbox_policy full;
	/* What others have a share of, too: each message counts there until its release; NULL: nothing.
	 * Where it is used up, `full` says whose turn it is to go: the oldest of this mailbox, or the
	 * newest; else the sender gets -ENOMEM, as waiting takes memory itself. */
	struct arena_budget *budget;
};

/* ------------------------------------------------------------ the actor */

/* All of it is called on the actor's thread; each may be NULL. */
struct actor_kind {
	const char *name;
	size_t state_size;
	/* One that it is linked to has ended. */
	void (*on_end)(struct actor *self, struct actor *other, enum actor_end end);
	/* Terminated at once, while a message is held: actor_resume() must come soon. */
	void (*interrupt)(struct actor *self);
	/* Once, last. Messages that were not handled are released after it. */
	void (*fini)(struct actor *self, enum actor_end end);
};

/* `state` (NULL: zero) is copied. Its messages are handled on `loop`; with a queue, on a thread of
 * the pool: the queue must have no bound on what waits. The handle is the caller's. */
struct actor *actor_spawn(const struct actor_kind *kind, const void *state, struct loop *loop,
			  struct pool_queue *queue);
size_t actor_memory(const struct actor_kind *kind); /* bytes of one, for those who count */
struct actor *actor_ref(struct actor *actor);
void actor_unref(struct actor *actor); /* NULL is accepted */

/* For the actor's own code. */
void *actor_state(struct actor *actor);
struct loop *actor_loop(
	const struct actor *actor); /* its home, also when it computes on the pool */

void actor_set_limits(struct actor *actor, const struct mailbox_limits *limits);

/* In order: when all messages that it has are handled, ACTOR_END_NORMAL. At once: when the one in
 * work is, ACTOR_END_KILLED. */
void actor_terminate(struct actor *actor, bool at_once);

/* In order, if there is nothing to do: no message waits or is in work. False: it lives. */
bool actor_terminate_idle(struct actor *actor);

/* From its own code: it ends after this message. */
void actor_exit(struct actor *self, enum actor_end end);

/* It was told to end at once: whoever computes for long in its name asks. */
bool actor_is_stopping(struct actor *actor);

/* ACTOR_LIVES, or why it has ended. */
enum actor_end actor_end(struct actor *actor);

/* READY, with no value, when it has ended. */
struct future *actor_wait(struct actor *actor, struct loop *loop);

/* ------------------------------------------------------------ messages */

/* Calls on the actor's thread; the message stays until its release. */
typedef void message_fn(struct message *message, struct actor *self);

/* Once; the message is the sender's again. 0: it was handled; else a negative errno: it never will
 * be: -ESRCH its actor has ended, -ENOBUFS it made room, -ECANCELED nobody waits for its future. On any thread. */
typedef void message_release_fn(struct message *message, int error);

struct message {
	message_fn *handle;
	message_release_fn *release;
	size_t size; /* bytes that it counts in the mailbox */
	struct promise
		reply; /* of actor_ask(): handle() completes it or moves it; what it leaves is dropped */
	/* the rest is the actor's */
	struct message *next;
	struct promise taken;
	uint64_t sent_ns;
	struct arena_budget *counted; /* where it is; NULL: nowhere */
};

/* `size` counts in the mailbox. */
void message_init(struct message *message, message_fn *handle, message_release_fn *release,
		  size_t size);

/* 0: it is in the mailbox (or MAILBOX_DROP_NEWEST); 1: it waits for room. A negative errno:
 * -ESRCH, -ENOBUFS, -EMSGSIZE, -ENOMEM: it was not taken, and was not released. */
int actor_dispatch(struct actor *actor, struct message *message);

/* Before all messages, and whatever the mailbox says: for words that must not be lost. Who sends
 * them bounds how many there are. 0 or -ESRCH. */
int actor_tell(struct actor *actor, struct message *message);

/* As actor_dispatch(), with a future of that loop for the reply. When the message is not taken, or never
 * handled, it is released and the future fails with that errno. Discarding the future withdraws
 * a message that still waits. */
struct future *actor_ask(struct actor *actor, struct loop *loop, struct message *message);

/* As actor_ask(), without a reply: READY when the message is in the mailbox. For who must not send more
 * than is taken. */
struct future *actor_offer(struct actor *actor, struct loop *loop, struct message *message);

/* During handle(), on a loop: the message is in work until actor_resume(), on that loop; no other
 * is handled meanwhile. */
void actor_hold(struct actor *self);
void actor_resume(struct actor *self);

struct message *actor_held(const struct actor *self); /* that message; NULL: none */

/* ------------------------------------------------------------ links */

/* From its own code: `self` is told once, by its kind's on_end(), when `other` has ended; soon when
 * it has ended already (ACTOR_END_NO_ACTOR). A second link to the same has no effect. */
void actor_link(struct actor *self, struct actor *other);
void actor_unlink(struct actor *self, struct actor *other); /* a notice on its way still comes */

/* ------------------------------------------------------------ later */

/* Sends the message after that time; it is released when it then cannot be taken. The caller has
 * one handle, and gives it back by delayed_unref(). */
struct delayed *actor_delay(struct actor *actor, struct message *message, uint64_t delay_ms);
bool delayed_cancel(struct delayed *delayed); /* true: the message was not sent, and is released */
void delayed_unref(struct delayed *delayed);  /* NULL is accepted */

/* libprocess' defer: when the future has ended, `message` is sent to the actor, with how it ended
 * and its value, which is the message's from then on. Takes the handle; on the future's loop. */
struct deferred {
	struct message message;
	void *value; /* NULL unless FUTURE_READY */
	enum future_state state;
	int error;
	/* the rest is actor_defer()'s */
	struct future_watch watch;
	struct future *future;
	struct actor *actor;
};
void actor_defer(struct actor *actor, struct future *future, struct deferred *deferred);

/* ------------------------------------------------------------ what people are shown */

struct actor_stats {
	uint64_t n_handled;
	uint64_t n_refused; /* messages that were not taken, or made room */
	size_t n_messages;  /* in the mailbox, and those that wait for room */
	size_t n_bytes;
	uint64_t oldest_ns; /* how long the oldest of them waits; 0: none */
	bool in_work;
};
void actor_stats(struct actor *actor, struct actor_stats *ret_stats);
