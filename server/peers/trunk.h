/* server/peers/trunk.h: one connection between two daemons, from its first frame to its end.
 *
 *   dialled:   CHALLENGE_WAITED --> WELCOME_WAITED --> UP --> CLOSED
 *   accepted:  HELLO_WAITED --> PROOF_WAITED --> TURN_WAITED --> WELCOME_WAITED --> UP --> CLOSED
 *
 *   HELLO_WAITED      nobody knows who that is
 *   CHALLENGE_WAITED  HELLO is sent
 *   PROOF_WAITED      CHALLENGE is sent
 *   TURN_WAITED       it has proven itself; another trunk to the same peer is ending
 *   WELCOME_WAITED    WELCOME is sent (when accepted), the other's is to come
 *   UP                messages pass
 *   CLOSED            nothing passes; freed when nothing refers to it any more
 *
 * No frame that comes before UP touches an actor. All of it is on one loop; trunk_wake() is for any
 * thread that holds the lock of its mesh. How bytes come and go is its carrier's: trunk_dial.c (a
 * socket of its own), trunk_accept.c (a connection of the HTTP server). */
#pragma once
#include "server/peers/mesh.h"
#include "server/peers/peer_auth.h"

enum trunk_state {
	TRUNK_HELLO_WAITED,
	TRUNK_CHALLENGE_WAITED,
	TRUNK_PROOF_WAITED,
	TRUNK_TURN_WAITED,
	TRUNK_WELCOME_WAITED,
	TRUNK_UP,
	TRUNK_CLOSED,
};

/* Of the PING behind GOODBYE: no time that a heartbeat has. */
#define TRUNK_GOODBYE_STAMP UINT64_MAX

enum { TRUNK_OUT_MAX = 256 << 10, TRUNK_BEATS = 3, TRUNK_SHAKING_MAX = 256, TRUNK_SLOTS = 256 };

struct trunk_carrier {
	/* Copies the bytes, to be sent in order. False without memory, or when it is closed. */
	bool (*write)(struct trunk *trunk, struct str bytes);
	size_t (*unsent)(const struct trunk *trunk);

	/* The trunk is closed: nothing is called any more but `free`, and trunk_end() when the carrier has gone. `failed`: the
	 * other side does not read, or is not to be told anything. */
	void (*close)(struct trunk *trunk, bool failed);
	void (*free)(struct trunk *trunk); /* last */
};

struct trunk {
	const struct trunk_carrier *carrier;
	struct list link; /* in loop->trunks */
	struct peer_loop *loop;
	struct fellow *peer; /* a reference; NULL: nobody knows who that is */
	struct peer_auth auth;
	char names[2][256];       /* of HELLO: from, to */
	unsigned char no_key[32]; /* in the place of one that nobody has */
	struct str
		subject; /* of the certificate that who connects has shown; the carrier's; or empty */
	struct peer_seal out_seal, in_seal;
	struct peer_frames frames;
	struct buf out;     /* goes to the carrier at the end of a turn */
	struct timer timer; /* of the handshake, then of heartbeats */
	struct ready turn;
	struct post wake;
	_Atomic bool woken;
	uint8_t state;                 /* enum trunk_state */
	bool dialled, joined, carried; /* `carried`: the carrier is there */
	bool said_goodbye, failed;
	bool left; /* the other side has heard that, or had its time: none of its messages comes */
	bool succeeded;    /* another process is in the place of the other side: it ends soon */
	bool refused;      /* there is, or will be, another */
	bool watches;      /* the other side knows of WATCH */
	uint64_t instance; /* of the other process */
	uint64_t heard_ns;
	size_t peer_message_max;
	/* messages that were sent */
	uint64_t last_id, received_id;
	uint32_t sizes[PEER_WINDOW];
	size_t unreceived_bytes;
	/* messages that came */
	uint64_t in_id, told_id;
	/* ends that the other side has told of */
	uint64_t heard_id; /* guarded by the lock of the mesh */
	uint64_t noting_id, noted_id;
	struct list works[TRUNK_SLOTS]; /* of struct trunk_work.link, by their ids */
	size_t n_works;
	const char *problem; /* why it was closed; static */
};

/* Its memory is zero, but for its carrier, which is there from now on until trunk_end(). */
void trunk_init_dialled(struct trunk *trunk, struct peer_loop *loop, struct fellow *peer);
bool trunk_init_accepted(struct trunk *trunk,
			 struct peer_loop *loop); /* false: no random numbers */

void trunk_say_hello(struct trunk *trunk); /* of one that was dialled: the carrier can write */
void trunk_on_bytes(struct trunk *trunk, struct str bytes);
void trunk_on_sent(struct trunk *trunk);                    /* there is more room */
void trunk_close(struct trunk *trunk, const char *problem); /* static; harmless when closed */

/* The carrier has ended; it may be freed in here, or later by the carrier's free(). */
void trunk_end(struct trunk *trunk);

void trunk_wake(struct trunk *trunk); /* any thread, with the lock of its mesh held */

/* Begins to connect to the peer, on its home loop: mesh->dialer. */
void trunk_dial(struct mesh *mesh);

/* Says so, takes what is on its way already, and closes when all in work has been answered. `now`: at once. */
void trunk_drain(struct trunk *trunk, bool now);

/* ---- between the files of trunk_* */

void trunk_init(struct trunk *trunk, struct peer_loop *loop);
void trunk_fail(struct trunk *trunk,
		const char *problem); /* as trunk_close(), and it is the other's fault */
void trunk_ping(struct trunk *trunk);
void trunk_put_number(struct trunk *trunk, enum peer_frame_type type, uint64_t number,
		      unsigned n_bytes);

/* Of the handshake: trunk_shake.c. */
void trunk_join(struct trunk *trunk); /* of one that was accepted, when it has proven itself */
void trunk_on_hello(struct trunk *trunk, struct peer_fields *fields);
void trunk_on_challenge(struct trunk *trunk, struct peer_fields *fields);
void trunk_on_proof(struct trunk *trunk, struct peer_fields *fields);
void trunk_on_welcome(struct trunk *trunk, struct peer_fields *fields);

/* A frame that goes out with this turn. */
void trunk_put(struct trunk *trunk, enum peer_frame_type type, struct str body);
size_t trunk_unsent(const struct trunk *trunk);
void trunk_on_message(struct trunk *trunk, struct str body);
void trunk_on_withdraw(struct trunk *trunk, uint64_t id);
void trunk_drop_works(struct trunk *trunk); /* that are in work; nobody is answered */
