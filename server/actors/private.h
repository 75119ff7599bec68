/* server/actors/private.h: between the files of this folder.
 *
 * Locking: a shard's lock guards its map. With it held that of the groups may be taken, or an
 * actor's own (core/task/actor_private.h), and nobody is called back. */
#pragma once
#include "core/base/blob.h"
#include "core/base/map.h"
#include "core/thread/lock.h"
#include "server/actors/foreign.h"
#include "server/actors/links.h"
#include <stdatomic.h>

enum { ACTOR_SHARDS = 16 };

/* All actors of one name without its keys; as long as the process. */
struct actor_group {
	struct actor_group *next;
	_Atomic uint64_t n_handled, n_failed, n_refused;
	atomic_size_t n_live, n_messages, n_bytes;
	struct str name; /* behind it */
};

struct actor_shard {
	struct lock lock;
	struct map by_name; /* whole name to struct actor *, each with a handle */
};

struct actors {
	struct actor_shard shards[ACTOR_SHARDS];
	struct lock groups_lock;
	struct actor_group *groups;      /* guarded by groups_lock; never freed before the end */
	struct arena_budget *budget;     /* of limits.total_memory; or NULL */
	atomic_size_t n_live;            /* and who has entered: actors_enter() */
	atomic_bool stopping, cancelled; /* nothing is sent any more; nothing is begun any more */
	struct lock foreigns_lock;
	struct list foreigns;   /* of struct actor_foreign.link; guarded by foreigns_lock */
	atomic_size_t n_placed; /* those without a name */
	atomic_size_t memory_max;
	struct actor_links links;
	size_t n_loops;
	struct actor_loop *loops[];
};

struct actor_loop {
	struct actor_host host;
	struct actors *actors;
	const struct actor_section *section; /* of the generation at work */
	void *generation;
	uint64_t generation_number;
	size_t memory_max;
	struct arena_budget *budget;
	struct list selves; /* of struct actor_self.link; who was at work last comes first */
	struct list busy;   /* and those with a message in work, which takes longer than a turn */
	struct list runs;   /* of struct actor_run.link */
	struct list works;  /* of struct actor_work.link */
	struct list laters; /* of struct actor_later.link */
	size_t n_laters;
	atomic_size_t n_messages; /* in mailboxes of this loop, or in work */
	struct post look;         /* from another thread: is it quiet? */
	atomic_bool looking;
	bool draining, cancelled;
};

/* The state of the core's actor; all but what actor_self_create() sets is its loop's. */
struct actor_self {
	struct actor_loop *loop;
	struct actor *actor; /* itself, not counted */
	struct actor_group *group;
	struct str name;  /* whole; freed at the end */
	size_t base_size; /* what it counts besides its state */
	struct list link;
	struct blob *state; /* JSON; NULL: null */
	struct timer idle, pause;
	struct actor_run *run;
	unsigned n_failures; /* in a row */
	uint64_t ready_ns;   /* when the pause of a restart is over */
	uint64_t n_handled, n_failed;
	bool begun;   /* it is in loop->selves, or in loop->busy */
	bool is_busy; /* it is in loop->busy */
	bool made;    /* the generation at work has known it, and it has its first state */
	bool unready; /* `init:` has not succeeded yet */
	bool stopped;
	bool loaded;  /* of `persist: true`: `state` is what the store has */
	bool unsaved; /* `state` was changed while there was no `persist: true` */
	bool keeping; /* the store is at work for it */
};

/* One message being handled. */
struct actor_run {
	struct list link;
	struct context context;
	struct arena arena;
	struct flow_run flow;
	struct actor_self *self;
	struct actor_mail *mail;
	const struct actor_spec *spec;
	const struct actor_handler *handler;
	bool is_init;  /* the mail's handler comes after it */
	bool not_kept; /* the handler has succeeded, but there was no room for what it gave */
	struct value message, state;
	bool has_message, has_state;
	struct blob *new_state, *reply; /* of a handler that has succeeded; NULL: null */
	size_t counted; /* of new_state, in limits.total_memory, until it is the state */
};

extern const struct actor_kind actor_self_kind;

/* ---- names.c: who has which name. Any thread. */
struct actor_group *actors_group(struct actors *actors, struct str name);
struct actor_loop *actors_home(struct actors *actors, struct str name);

/* A handle of the actor of that name, which is made when there is none. 0; -EMFILE: as many live as
 * `max` allows; -ENOMEM: limits.total_memory. */
int actors_get(struct actors *actors, const struct actor_spec *spec, struct str name,
	       struct actor **ret_actor);

/* What an actor of the group has counts in limits.total_memory, and for the group: false when there is no
 * more of it; or, for what is there already, in any case. */
bool actors_count(struct actors *actors, struct actor_group *group, size_t size);
void actors_count_anyway(struct actors *actors, struct actor_group *group, size_t size);
void actors_uncount(struct actors *actors, struct actor_group *group, size_t size);
/* A handle of the actor of that name; or NULL. */
struct actor *actors_find(struct actors *actors, struct str name);
void actors_set_mailbox(struct actors *actors, struct actor *actor, const struct actor_spec *spec);

/* The name is free, if it is still this actor's. */
void actors_forget(struct actors *actors, struct str name, const struct actor *actor);

/* Ends it, if it has nothing to do, and frees the name in one; and those that are linked to it are told, and it
 * has no links any more, unless it `rests`: in the store. */
bool actors_retire(struct actors *actors, struct actor_self *self, bool rests);

/* ---- spec_name.c: what the key of an entry of `actors:` says. False: an error at its place. */
bool actor_spec_read_name(struct flow_compiler *compiler, const struct node_entry *entry,
			  struct actor_spec *spec);

/* ---- send.c */
const struct actor_spec *actor_send_find(struct actor_loop *from, const struct actor_send *send,
					 enum error_code *ret_code, const char **ret_detail);
void actor_laters_drop(struct actor_loop *loop);

/* Tells those that are linked to it; and to one of that name, in the loop's generation. */
void actor_tell_links(struct actor_self *self, struct str reason);
void actor_tell_linked(struct actor_loop *loop, struct str group, struct str name,
		       struct str reason);

/* It is that one, or of those that are called so without keys; an empty `asked` is all. */
bool actor_name_is(struct str name, struct str asked);

/* The value of one of the keys in a whole name, decoded, in `arena`; .ptr NULL without memory. */
struct str actor_name_key(struct str name, size_t at, struct arena *arena);
size_t actor_name_n_keys(struct str name);
struct str actor_name_first(struct str name); /* without its keys */

/* ---- foreign.c */
void actors_end_foreign(struct actors *actors);

/* ---- keep.c: on the actor's loop, which holds a message meanwhile; `then` is called once, from the loop,
 * when they return 0. What was read is lent. */
typedef void actor_keep_fn(struct actor_self *self, int error, bool found, struct blob *state);
int actor_keep_load(struct actor_self *self, actor_keep_fn *then);
int actor_keep_save(struct actor_self *self, struct blob *state, actor_keep_fn *then);
void actor_keep_drop(struct actor_self *self); /* nobody waits for it */

/* ---- self.c */
void actor_self_set_state(struct actor_self *self, struct blob *state); /* takes the reference */
void actor_self_on_generation(struct actor_self *self); /* the loop has another one */
void actor_self_handle(struct message *message, struct actor *actor);

/* ---- run.c */
void actor_run_start(struct actor_self *self, struct actor_mail *mail,
		     const struct actor_spec *spec, const struct actor_handler *handler,
		     bool is_init);

enum run_end {
	RUN_OK,
	RUN_FAILED,
	RUN_NOT_KEPT, /* its state could not be kept: not the handler's fault, no restart */
};

/* What is called when a run has ended, with its memory gone: self.c. */
void actor_self_on_run(struct actor_self *self, struct actor_mail *mail, bool is_init,
		       enum run_end end);
