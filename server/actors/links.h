/* server/actors/links.h: links that are made while running: libprocess' link() and exited().
 *
 *   LINKED --(the other ends, fails, or its host is lost)--> OWED --(it is in the mailbox)--> gone
 *
 * A link is from an actor, by its name, to another one, by its name; there is at most one between two. It ends with
 * its notice, or with the actor that is told: an actor of YAML whose state is in the store goes on by its name
 * while it is not in memory, and so do its links, in both directions. An actor of a module, which may have no name,
 * has them itself.
 *
 * Notices are told on the home loop of who is told; none is lost while that lives: where there is no room for the
 * actor (`max`, limits.total_memory) it is tried again.
 *
 * Locking: links->lock guards all that is here. It is taken with that of a shard, a library or nothing held; with it
 * held those of other hosts may be taken (struct actor_remote), and posts are sent. */
#pragma once
#include "core/base/map.h"
#include "core/task/actor.h"
#include "core/thread/lock.h"
#include "server/flow/error.h"

struct actor_foreign;
struct actor_loop;
struct actor_remote;
struct actors;

enum { ACTOR_LINKS_MAX = 10000 }; /* of one actor */

struct actor_links {
	struct lock lock;
	struct map owners;  /* whole names of YAML's actors to struct link_owner * */
	struct map targets; /* what ends to struct link_target * */
	bool alone; /* other hosts are told no more: see actor_loop_leave_hosts(); guarded by lock */
	struct list owed; /* of struct runtime_link.waiting: those that post, or are tried again */
};

void actor_links_init(struct actor_links *links);
void actor_links_stop(struct actor_links *links); /* while the loops are there, and turn no more */
void actor_links_fini(struct actor_links *links);

/* ------------------------------------------------------------ made and taken back
 *
 * On the home loop of the actor `self` (whole name), which lives: its `handler` is told. A second one to the same
 * changes the handler. ERROR_NONE, also when that is not there: then it is told so. Else why not. */
enum error_code actor_link_yaml(struct actor_loop *loop, struct str self, struct str handler,
				struct str name, const char **ret_detail);
void actor_unlink_yaml(struct actor_loop *loop, struct str self, struct str name);

/* The same for one of a module: on its home loop, while it has not ended. `handle` is of the mail that tells it. */
enum error_code actor_link_foreign(struct actor_foreign *self, message_fn *handle, struct str name,
				   const char **ret_detail);
void actor_unlink_foreign(struct actor_foreign *self, struct str name);

/* ------------------------------------------------------------ ends. Any thread */

/* An actor of this process; or, with its host, one of another. */
void actor_links_tell(struct actors *actors, const void *host, struct str name, enum actor_end end);

/* The actor is no more: whom it was linked to does not matter to it. */
void actor_links_drop(struct actors *actors, struct str self);
void actor_links_drop_foreign(struct actor_foreign *self);

/* On the loop, which has another generation: those of its actors that are neither there nor in the file any more. */
void actor_links_sweep(struct actor_loop *loop);

size_t actor_links_count(struct actors *actors, struct str self); /* LINKED and OWED */
size_t actor_links_count_foreign(const struct actor_foreign *self);
