/* server/peers/mesh.h: what leat keeps of one other daemon that speaks leat's own protocol: the form
 * `leat` of a peer.
 *
 *   mesh_send()  -->  waiting  --(the trunk has room)-->  sent  --(ANSWER)--> its sender is told
 *                        \                                 \--(the trunk is lost)--> unavailable
 *                         \--(no trunk can be had)--> unavailable
 *
 * There is at most one trunk (trunk.h) to the other daemon at a time, made by whoever sends first, and
 * used by both. It lives on the loop where it was made; senders of all loops put their messages into
 * `waiting`, and the trunk takes them from there. A message is never put back: one that was sent and has
 * no answer when its line is lost is in doubt, and its sender is told so.
 *
 * Connecting again, and the time after which those linked are told that the host is gone, are on the
 * peer's home loop.
 *
 * Locking: mesh.lock guards what says so. With it held posts are sent and promises completed, which
 * only posts; nobody is called back, and no other lock is taken. Everything is for any thread, but
 * what says otherwise. */
#pragma once
#include "core/base/map.h"
#include "core/io/names.h"
#include "core/thread/lock.h"
#include "server/peers/peer_frame.h"
#include "server/peers/peers.h"

struct trunk;

enum {
	MESH_SLOTS = 256,                        /* of the table of what was sent */
	MESH_LINKED_MAX = 1000,                  /* names that the other side is linked to */
	MESH_NOTICES_MAX = 10000,                /* that wait for a trunk */
	MESH_WATCHES_MAX = 10000,                /* single actors there that ours are linked to */
	MESH_WATCHED_MAX = 2 * MESH_WATCHES_MAX, /* the other side's: a while, both of two trunks */
	MESH_RETRY_FIRST_MS = 50,
	MESH_RETRY_MAX_MS = 10000,
	MESH_REFUSALS = 5,     /* in a row, then what waits fails */
	MESH_STEADY_MS = 1000, /* a trunk that was lost sooner counts as a failed try */
};

/* A message, from mesh_send() to its answer. */
struct mesh_mail {
	struct list link; /* in mesh.waiting, or in a slot of mesh.sent */
	struct promise promise;
	struct trunk *by; /* that it was sent by, and where `id` is its */
	uint64_t id, deadline_ns;
	size_t size; /* of `body` */
	bool asks;
	char body[]; /* of a MESSAGE */
};

/* A frame that is no message; its body. */
struct mesh_notice {
	struct list link; /* in mesh.notices, or in mesh.unsure */
	enum peer_frame_type type;
	uint64_t id; /* of an ENDED */
	size_t size;
	char body[];
};

struct mesh_name {
	struct list link;
	struct str text; /* behind it */
};

struct mesh {
	struct fellow *peer;
	struct lock lock;
	/* guarded by lock */
	struct peers *peers;    /* NULL: it is not at work */
	struct peer_loop *home; /* fixed when it has been at work once */
	struct trunk *trunk;    /* that is up, or about to be */
	struct trunk *next;     /* has proven itself, and waits for the end of `trunk` */
	struct trunk
		*left; /* whose other side takes no more messages: answers still pass; or NULL */
	struct list waiting, sent[MESH_SLOTS], notices;
	size_t n_waiting, n_sent, n_bytes, n_notices; /* also those in `unsure` */
	struct list unsure; /* ENDED that were sent, and may have been heard */
	uint64_t heard_id;  /* the last of `instance` */
	struct list linked; /* names that the other side is linked to */
	size_t n_linked;
	struct list wanted;          /* names that actors here are linked to */
	struct map watches, watched; /* single actors: ours there, and the other side's here */
	struct list unsaid;          /* of `watches`: what the trunk is to be told */
	bool sweeps;                 /* when that is all said, what was not is over */
	bool is_old;                 /* the other side knows nothing of them */
	uint64_t instance; /* of the process at the other end of the last trunk; 0: none */
	uint64_t up_ns, retry_ns;
	unsigned n_failed;   /* tries in a row */
	const char *problem; /* of the last one; static */
	bool must_dial;      /* a trunk is being made, or asked for */
	bool proven;         /* who is being dialled has proven itself */
	bool lost;           /* those linked are to be told when the grace is over */
	bool told;           /* they were, since the last trunk */
	bool restarted;      /* they are to be told at once: the actors they knew are no more */
	bool retired;
	/* the home loop's */
	struct post home_post;
	bool posted;  /* guarded by lock; a reference to the peer is held */
	bool working; /* timers may run; a reference is held */
	struct timer retry, grace;
	struct trunk *
		dialer; /* that is being made, until it is left, or its carrier has ended; or NULL */
};

static inline struct mesh *mesh_of(const struct fellow *peer)
{
	return peer->own;
}

/* For peer_leat. */
struct future *mesh_send(struct fellow *peer, struct actor_loop *from,
			 const struct actor_send *send, bool asks, enum error_code *ret_code,
			 const char **ret_detail);

/* ------------------------------------------------------------ for trunk.c, on the trunk's loop */

enum mesh_join {
	MESH_JOINED,
	MESH_LATER, /* trunk_wake() is called when its turn has come, or must not wait any more */
	MESH_REFUSED,
};

/* Who we are about to dial has proven itself: false, there is another trunk meanwhile. */
bool mesh_prove(struct mesh *mesh);

/* The trunk has been proven from both sides. One that is in the way is ended first, so that nothing
 * that came by it is handled behind what comes by this. */
enum mesh_join mesh_join(struct mesh *mesh, struct trunk *trunk, bool dialled, uint64_t instance);

/* Why it has to end; NULL: it has not. `ret_succeeded`: another process is there in the place of the other side, which may
 * have said GOODBYE. */
const char *mesh_must_end(struct mesh *mesh, struct trunk *trunk, bool *ret_succeeded);
bool mesh_is_quiet(struct mesh *mesh); /* no message waits or is unanswered */

/* The other side has said GOODBYE: its messages and the answers pass on, what waits goes to another trunk. So a
 * process that takes the place of that one is spoken to while that one ends. */
void mesh_leave(struct mesh *mesh, struct trunk *trunk);

/* A trunk that had joined (or waited to) has ended: what was sent by it fails. */
void mesh_part(struct mesh *mesh, struct trunk *trunk);

/* The next message, whose id is its from now on; NULL: none waits, or `room` is not enough for it.
 * Those that nobody waits for are dropped. What it points to is the mesh's: copy `body` out, under
 * the lock that this takes and gives back. */
bool mesh_take(struct mesh *mesh, struct trunk *trunk, uint64_t id, size_t room, struct buf *out,
	       size_t *ret_size);

/* The same of a notice; one of an end is kept until it is noted. */
bool mesh_take_notice(struct mesh *mesh, struct trunk *trunk, struct buf *out,
		      enum peer_frame_type *ret_type);
void mesh_on_noted(struct mesh *mesh, const struct trunk *trunk, uint64_t id);

/* The end of that number is told by the other side: false, it was already. */
bool mesh_hear_end(struct mesh *mesh, struct trunk *trunk, uint64_t id);

void mesh_on_answer(struct mesh *mesh, const struct trunk *trunk, const struct peer_answer *answer);

/* Asks that were sent by it and that nobody waits for any more become notices to withdraw them. */
void mesh_sweep(struct mesh *mesh, const struct trunk *trunk);

/* The other side is linked to that name, or not any more. False: to too many. */
bool mesh_set_linked(struct mesh *mesh, struct str name, bool linked);

/* ------------------------------------------------------------ single actors: mesh_watch.c
 *
 * Each is told of once: by a DOWN, or that the host is lost. */

/* For peer_leat. */
bool mesh_watch(struct fellow *peer, struct str there, bool on);

/* As mesh_take_notice(): what the trunk has not been told. The other side must know of it. */
bool mesh_take_watch(struct mesh *mesh, const struct trunk *trunk, struct buf *out,
		     enum peer_frame_type *ret_type);
void mesh_on_old(struct mesh *mesh, const struct trunk *trunk); /* it does not */

/* The other side watches it, or no more; an empty name: what it has not said by this trunk. False: too many. */
bool mesh_set_watched(struct mesh *mesh, const struct trunk *trunk, struct str name, bool on);
void mesh_tell_down(struct mesh *mesh, struct str name, enum actor_end end); /* if it is watched */

/* A trunk is up; `other`: to another process, where nothing is any more that was watched. */
void mesh_meet_watches(struct mesh *mesh, bool other) HOLDS(mesh->lock);
void mesh_part_watches(struct mesh *mesh) HOLDS(mesh->lock); /* it is up no more */
void mesh_lose_watches(struct mesh *mesh) HOLDS(mesh->lock); /* they are to be told */
void mesh_tell_lost_watches(struct mesh *mesh);              /* on the home loop */
void mesh_watched_clear(struct mesh *mesh) HOLDS(mesh->lock);
void mesh_watches_clear(struct map *watches);

/* ------------------------------------------------------------ for peer_loop.c */

/* An actor of this process has ended. */
void mesh_tell_ended(struct mesh *mesh, struct str group, struct str name, struct str reason);

/* The try to make a trunk is over, and has made none; on the home loop. `problem` is static. `refused`:
 * the other side has, or is about to have, a trunk: what waits goes on waiting, for a while. */
void mesh_on_dial_failed(struct mesh *mesh, const char *problem, bool refused);

/* ---- mesh_home.c */
void mesh_on_home(struct post *post);
void mesh_open(struct fellow *peer, struct peers *peers, const struct str *names, size_t n_names);
void mesh_retire(struct fellow *peer);

/* ---- between the files of mesh_*, with the lock held */
void mesh_post_home(struct mesh *mesh) HOLDS(mesh->lock);
void mesh_ask_trunk(struct mesh *mesh) HOLDS(mesh->lock);
bool mesh_may_dial(const struct mesh *mesh);
bool mesh_is_wanted(const struct mesh *mesh);
void mesh_fail_waiting(struct mesh *mesh, const char *detail) HOLDS(mesh->lock);
void mesh_notice_name(struct mesh *mesh, enum peer_frame_type type, struct str name)
	HOLDS(mesh->lock);
struct mesh_name *mesh_name_find(struct list *names, struct str text);
void mesh_name_add(struct list *names, struct str text);
void mesh_name_remove(struct mesh_name *name);
void mesh_wake_trunk(struct mesh *mesh) HOLDS(mesh->lock);
void mesh_fail_sent(struct mesh *mesh, const struct trunk *trunk) HOLDS(mesh->lock);
void mesh_add_notice(struct mesh *mesh, enum peer_frame_type type, uint64_t id,
		     const struct buf *body) HOLDS(mesh->lock);
void mesh_doubt_notices(struct mesh *mesh) HOLDS(mesh->lock); /* those in `unsure` wait again */
void mesh_drop_notices(struct mesh *mesh, bool all) HOLDS(mesh->lock); /* else but ENDED */
void mesh_names_clear(struct list *names);
