/* server/peers/peer_auth.h: how two daemons prove to each other that they have the same key, without
 * saying it. Pure.
 *
 * Each side brings a nonce of its own, so that no proof is of use another time. A proof is
 * HMAC-SHA256(key, label ++ all that HELLO and CHALLENGE said); the labels of both sides differ, so that
 * none can be sent back as the other's. The keys of a connection, one for each direction, are made in the
 * same way.
 *
 * A side may have two keys, while they are changed: who accepts proves both, who connects goes on with the
 * first that it has too. */
#pragma once
#include "server/peers/peer_frame.h"

enum peer_side { PEER_CONNECTS, PEER_ACCEPTS };

struct peer_auth {
	struct str key;        /* lent; empty: there is none, and no proof is looked at */
	struct str old_key;    /* that is taken as well; lent; empty: there is none */
	struct str from, to;   /* as in HELLO; lent */
	uint64_t instances[2]; /* by enum peer_side */
	unsigned char nonces[2][PEER_NONCE_SIZE];
};

/* 32 random bytes; false when there are none. */
bool peer_auth_nonce(unsigned char out[PEER_NONCE_SIZE]);

/* What that side has to show. False without memory. */
bool peer_auth_prove(const struct peer_auth *auth, enum peer_side side,
		     unsigned char out[PEER_PROOF_SIZE]);

/* One of these proofs, which stand behind each other, is of that side. `key` is from now on the one that it is of. */
bool peer_auth_settle(struct peer_auth *auth, enum peer_side side, struct str proofs);

/* For the frames that side sends. */
bool peer_auth_seal(const struct peer_auth *auth, enum peer_side side, struct peer_seal *ret_seal);
