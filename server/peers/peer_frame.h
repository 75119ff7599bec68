/* server/peers/peer_frame.h: leat's own protocol between two daemons, byte by byte. Pure.
 *
 * A connection begins as HTTP/1.1, on any listener of the other side:
 *
 *   GET /.well-known/leat-peer HTTP/1.1        HTTP/1.1 101 Switching Protocols
 *   Host: …                                    Connection: Upgrade
 *   Connection: Upgrade                        Upgrade: leat-peer/1
 *   Upgrade: leat-peer/1
 *
 * Behind that both sides send frames. Numbers are big endian; textN is a length of N bits, then as many
 * bytes; `rest` goes to the end of the body.
 *
 *   frame:  size 32 (of all that follows) | type 8 | body | seal 16 bytes
 *
 *   type          body
 *   1 HELLO       version 8 | nonce 32 bytes | instance 64 | from text8 | to text8
 *   2 CHALLENGE   nonce 32 bytes | instance 64 | proof 32 bytes | proof 32 bytes
 *   3 PROOF       proof 32 bytes
 *   4 WELCOME     message_max 32
 *   5 REFUSED     why text8
 *   16 MESSAGE    id 64 | timeout_ms 32 (0: none) | flags 8 (1: asks) | actor text16 | handler text16 |
 *                 sender text16 | sender_id text16 | value rest (JSON; empty: null)
 *   17 RECEIVED   id 64
 *   18 ANSWER     id 64 | status 16 | code text8 | custom text16 | detail text16 | value rest
 *   19 WITHDRAW   id 64
 *   20 PING       stamp 64 | knows 8 (1: WATCH, UNWATCH, DOWN) | rest, of later versions
 *   21 PONG       stamp 64
 *   22 LINK       actor text16
 *   23 UNLINK     actor text16
 *   24 ENDED      id 64 | actor text16 | whole name text16 | reason text8
 *   25 GOODBYE    (nothing)
 *   26 NOTED      id 64
 *   27 WATCH      whole name text16
 *   28 UNWATCH    whole name text16
 *   29 DOWN       id 64 | whole name text16 | reason text8
 *
 * Who has connected sends HELLO: `from` is its name in the other's `peers:`, `to` the other's name in its
 * own. CHALLENGE proves that the other has the key (and the old one, while keys are changed; else the second
 * proof is of a key that nobody has), PROOF that it has one of them itself (peer_auth.h), WELCOME opens
 * the connection; both sides send one. From there on every frame has a seal, unless there is no key
 * (auth: tls, where the certificates of both sides say who they are and TLS seals; auth: none): the first 16 bytes of HMAC-SHA256 with the key of its direction and connection, over the
 * number of the frame in its direction (64, from 0) and the SHA-256 of the frame as far as its body. So nothing can be
 * put in, left out, changed or said again, also not by those who carry the bytes. They are not hidden:
 * that is TLS's work.
 *
 * MESSAGE has the ids 1, 2, … of its connection and direction. RECEIVED says that all up to that id were
 * taken, and are with their actors or have been refused: at most WINDOW messages, and WINDOW_BYTES,
 * may be on their way without it. ANSWER ends each: for a send when it is in the mailbox, for an ask
 * with what the handler replied; `code` is empty or what error.code is, `custom` that of a `fail:`.
 * WITHDRAW says that nobody waits for an answer. LINK asks for an ENDED whenever an actor of that name
 * (whatever its keys) has ended or failed. Its ids grow for as long as that process lives; NOTED says that all up
 * to one were heard. What was not noted when a connection was lost is said again by the next one, and heard once.
 * WATCH asks for one DOWN, of a single
 * actor: when it has ended or failed next, or at once (no_actor) when it does not live; its ids are those of ENDED.
 * What was watched by the connection before, by the same process, is said again by this one; UNWATCH with an empty
 * name ends what was not. Only who has said in a PING that it knows them gets these frames: the first PING comes
 * before all else behind WELCOME, and who answers one without having said so is older, and cuts what is behind the
 * stamp. GOODBYE: who hears it sends no MESSAGE any more; answers still come. What was on its way is taken: the PING
 * behind it tells, by its PONG, that nothing is. */
#pragma once
#include "core/base/buf.h"

#define PEER_PROTOCOL "leat-peer/1"
#define PEER_PATH "/.well-known/leat-peer"

enum {
	PEER_VERSION = 1,
	PEER_NONCE_SIZE = 32,
	PEER_PROOF_SIZE = 32,
	PEER_SEAL_SIZE = 16,
	PEER_HEAD_SIZE = 5,           /* size and type */
	PEER_HANDSHAKE_MAX = 1024,    /* of a frame before WELCOME */
	PEER_OVERHEAD_MAX = 16 << 10, /* of a frame beside its value */
	PEER_WINDOW = 1024,
	PEER_WINDOW_BYTES = 1 << 20, /* one message is always let through */
};

enum peer_frame_type {
	PEER_HELLO = 1,
	PEER_CHALLENGE,
	PEER_PROOF,
	PEER_WELCOME,
	PEER_REFUSED,
	PEER_MESSAGE = 16,
	PEER_RECEIVED,
	PEER_ANSWER,
	PEER_WITHDRAW,
	PEER_PING,
	PEER_PONG,
	PEER_LINK,
	PEER_UNLINK,
	PEER_ENDED,
	PEER_GOODBYE,
	PEER_NOTED,
	PEER_WATCH,
	PEER_UNWATCH,
	PEER_DOWN,
};

enum { PEER_KNOWS_WATCH = 1 }; /* of a PING */

/* ------------------------------------------------------------ seals */

struct peer_seal {
	bool on; /* else nothing is sealed */
	uint64_t n_frames;
	unsigned char key[32];
};

/* ------------------------------------------------------------ writing */

/* Between the two the body is added. The frame is what was added to `out`; sticky errors tell of lack
 * of memory. */
size_t peer_frame_begin(struct buf *out, enum peer_frame_type type);
void peer_frame_end(struct buf *out, size_t begin, struct peer_seal *seal);

void peer_put(struct buf *out, uint64_t number, unsigned n_bytes);
void peer_put_text(struct buf *out, struct str text, unsigned n_bytes); /* cut when it is longer */

/* ------------------------------------------------------------ reading */

/* What has come, and is less than a frame. */
struct peer_frames {
	struct buf in;
	size_t used; /* of `in` */
	size_t max;  /* bytes of a frame, without its size */
};

struct peer_frame {
	enum peer_frame_type type;
	struct str body; /* until the next call */
};

enum peer_frames_step {
	PEER_FRAMES_MORE,  /* all that has come is used */
	PEER_FRAMES_FRAME, /* *ret_frame */
	PEER_FRAMES_BAD, /* too large, not sealed right, or no memory: nothing after it can be read */
};

void peer_frames_init(struct peer_frames *frames, size_t max);
void peer_frames_fini(struct peer_frames *frames);
bool peer_frames_add(struct peer_frames *frames, struct str bytes); /* false without memory */
enum peer_frames_step peer_frames_next(struct peer_frames *frames, struct peer_seal *seal,
				       struct peer_frame *ret_frame);

/* The fields of a body in their order. `bad` is sticky: what was there no more is 0, or empty. */
struct peer_fields {
	struct str rest;
	bool bad;
};

uint64_t peer_get(struct peer_fields *fields, unsigned n_bytes);
struct str peer_get_text(struct peer_fields *fields, unsigned n_bytes);
struct str peer_get_bytes(struct peer_fields *fields, size_t size);

/* All was there, and nothing is left. */
static inline bool peer_fields_end(const struct peer_fields *fields)
{
	return !fields->bad && fields->rest.len == 0;
}

/* ------------------------------------------------------------ frames of more than a field */

struct peer_message {
	uint64_t id;
	uint32_t timeout_ms;
	bool asks;
	struct str actor, handler, sender, sender_id, value;
};

struct peer_answer {
	uint64_t id;
	uint16_t status;
	struct str code, custom, detail, value;
};

/* `message->id` and `timeout_ms` are known later: peer_message_stamp() puts them into the body. */
void peer_message_write(const struct peer_message *message, struct buf *out);
void peer_message_stamp(char *body, uint64_t id, uint32_t timeout_ms);
bool peer_message_read(struct str body, struct peer_message *ret_message);

void peer_answer_write(const struct peer_answer *answer, struct buf *out);
bool peer_answer_read(struct str body, struct peer_answer *ret_answer);
