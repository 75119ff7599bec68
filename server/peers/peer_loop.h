/* server/peers/peer_loop.h: the other hosts of the process, and what each loop has of them. */
#pragma once
#include "server/peers/peers.h"

struct names;

struct peer_loop {
	struct peers *peers;
	struct loop *loop;
	struct names *names; /* for looking up addresses */
	struct actor_loop *actors;
	const struct peer_section *section; /* of the generation at work */
	struct arena_budget *budget;
	struct list trunks; /* of struct trunk.link: all of this loop's */
	size_t n_shaking;   /* connections that have not proven themselves */
	bool draining, cancelled;
};

struct peers *peers_create(size_t n_loops);
struct peer_loop *peers_add_loop(struct peers *peers, struct loop *loop, struct names *names,
				 struct actor_loop *actors, struct arena_budget *budget);

/* After the threads of the loops have ended, before actors_destroy(). NULL is accepted. */
void peers_destroy(struct peers *peers);

uint64_t peers_instance(const struct peers *peers); /* a random number: this process */
uint64_t peers_next_end(
	struct peers *peers); /* numbers of ends that others are told of; any thread */
void peers_count_watched(struct peers *peers, int n);
bool peers_are_stopping(const struct peers *peers); /* nobody is connected to any more */
struct peer_loop *peers_home(struct peers *peers, struct str name);

/* The generation is at work from now on: main thread. NULL is accepted: no loop has any. */
void peers_apply(struct peers *peers, const struct peer_section *section,
		 const struct actor_section *actors);

/* ---- on the loop */
void peer_loop_set(struct peer_loop *loop, const struct peer_section *section);

/* No message is taken any more; connections that came by HTTP end when what is in work has been
 * answered, or now. */
void peer_loop_drain(struct peer_loop *loop, bool cancel);

/* For actors_send() and ends of actors. */
extern const struct actor_remote peers_remote;

/* Those that are linked to `actor` of that peer are told; `name` is its whole name. */
void peer_loop_tell(struct peer_loop *loop, const struct fellow *peer, struct str actor,
		    struct str name, struct str reason);

/* ---- the route PEER_PATH, which is there when a peer may connect */
void peer_accept(struct request *request);
