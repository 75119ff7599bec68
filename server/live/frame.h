/* server/live/frame.h: frames of WebSocket (RFC 6455 §5.2).
 *
 * The head of a frame from a client is judged byte by byte, in one way: what is wrong is known at the
 * first byte that makes it so, however the bytes are cut. No memory, no sockets. */
#pragma once
#include "core/base/str.h"

enum frame_opcode {
	FRAME_CONTINUATION = 0,
	FRAME_TEXT = 1,
	FRAME_BINARY = 2,
	FRAME_CLOSE = 8, /* from here on: control frames */
	FRAME_PING = 9,
	FRAME_PONG = 10,
};

enum {
	FRAME_CONTROL_MAX = 125, /* bytes of a control frame */
	FRAME_HEAD_MAX = 14,     /* bytes of a head from a client */
	FRAME_OWN_HEAD_MAX = 10, /* of one from a server, which masks nothing */
};

struct frame_head {
	uint8_t opcode; /* enum frame_opcode */
	bool final;
	bool compressed; /* RSV1 (RFC 7692 §6) */
	uint8_t mask[4];
	uint64_t size; /* of the payload */
};

/* How much of a head is there. All zero before each. */
struct frame_scan {
	uint8_t bytes[FRAME_HEAD_MAX];
	uint8_t len, size; /* size: of the whole head, once two bytes are there */
};

enum frame_step {
	FRAME_MORE,  /* all of *in is used */
	FRAME_WHOLE, /* the payload follows in *in */
	FRAME_BAD,   /* a protocol error: close with 1002 */
};

/* Takes what belongs to the head off the front of *in. `may_compress`: RSV1 was negotiated. */
enum frame_step frame_read(struct frame_scan *scan, struct str *in, bool may_compress,
			   struct frame_head *ret_head);

static inline bool frame_is_control(uint8_t opcode)
{
	return opcode >= FRAME_CLOSE;
}

/* Takes the mask off: `from` begins at that byte of the payload. `to` may be the same bytes. */
void frame_unmask(char *to, struct str from, const uint8_t mask[4], uint64_t at);

/* Writes the head of a frame of a server; returns its size. */
size_t frame_write_head(char out[FRAME_OWN_HEAD_MAX], enum frame_opcode opcode, bool final,
			bool compressed, uint64_t size);

/* Whether a peer may say that code in a close frame (RFC 6455 §7.4). */
bool frame_close_code_is_valid(unsigned code);
