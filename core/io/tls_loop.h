/* core/io/tls_loop.h: what TLS keeps for each loop: scratch, and whose turn it is to shake hands.
 * Internal to core/io.
 *
 * A step of a handshake may hold a computation with a private key: about a millisecond for RSA.
 * So there is one a turn of the loop, however many wait: a flood of handshakes costs the others
 * one computation between two looks at their sockets. Those that have begun come first: what was
 * spent on them is not lost, and no more of them are begun than can be ended. */
#pragma once
#include "core/io/loop.h"

enum {
	TLS_RECORD_MAX = 16 << 10, /* plaintext */
	TLS_RECORD_MORE = 512,     /* more than a record's head and tail take */
	TLS_PIECE = 64 << 10,      /* plaintext that is encrypted before it is sent */
	TLS_IN_SIZE = TLS_PIECE + 4 * TLS_RECORD_MORE,
	TLS_OUT_SIZE = TLS_PIECE + (16 << 10), /* records of a piece, or what a handshake says */
};

struct tls;

struct tls_loop {
	struct loop *loop;
	struct ready turn;
	struct list begun, fresh; /* of tls.turn: those whose handshake may go on */
	/* of nobody between two calls: */
	size_t in_at, in_len,
		in_max; /* received and not used: in[in_at .. in_len); the size of a recv() */
	size_t out_len; /* encrypted and not sent */
	char in[TLS_IN_SIZE];
	char out[TLS_OUT_SIZE];
	char plain[TLS_PIECE];
};

struct tls_loop *tls_loop_of(struct loop *loop); /* made at first use; NULL without memory */
void tls_loop_destroy(struct tls_loop *tls_loop);

/* tls_step() is called in one of the next turns. No effect when it waits already. */
void tls_loop_queue(struct tls_loop *tls_loop, struct tls *tls);
