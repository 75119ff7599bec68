/* server/live/inbox.h: from the bytes of a WebSocket client to its messages (RFC 6455 §5, §6, §8).
 *
 * Frames are taken apart, fragments put together, text judged as UTF-8 while it comes, compressed
 * messages inflated; nothing is held but the message at hand, which is bounded, also in what it inflates
 * to. The verdict does not depend on how the bytes were cut. No sockets, no loop. */
#pragma once
#include "server/live/deflate.h"
#include "server/live/frame.h"
#include "server/live/utf8.h"

enum inbox_step {
	INBOX_MORE,    /* all of *in is used */
	INBOX_MESSAGE, /* `text` or binary, in inbox_message() */
	INBOX_PING,    /* its payload is inbox_control(), until the next read */
	INBOX_PONG,
	INBOX_CLOSE, /* `code` (1005: it said none) and inbox_control(), the reason */
	INBOX_TURN,  /* it has had its turn (much was inflated): again, later */
	INBOX_BAD, /* the connection has failed: `code` and `detail` say why. Nothing more is read */
};

enum {
	INBOX_TURN_SIZE = 256 << 10, /* bytes that are inflated in one turn */
	INBOX_NO_CODE = 1005,
};

struct inbox_limits {
	uint64_t message_max; /* bytes, inflated: past it 1009 */
	uint64_t frame_max;   /* the same of one frame, as it came */
};

struct inbox {
	struct inbox_limits limits;
	struct deflate_terms deflate;
	struct arena_budget *budget; /* or NULL */
	struct frame_scan scan;
	struct frame_head head; /* of the frame at hand, while in_frame */
	uint64_t at;            /* bytes of its payload that were used */
	bool in_frame;
	bool in_message; /* the fragments of one are coming */
	bool text, compressed;
	bool whole; /* it was given: it is forgotten with the next read */
	struct utf8 utf8;
	char *data; /* the message so far */
	size_t len, room;
	struct inflater_raw *inflater; /* NULL until a compressed message comes */
	char control[FRAME_CONTROL_MAX];
	uint8_t control_len, reason_at;
	uint16_t code;
	const char *detail;
};

void inbox_init(struct inbox *inbox, const struct inbox_limits *limits,
		const struct deflate_terms *deflate, struct arena_budget *budget);
void inbox_fini(struct inbox *inbox);

/* Takes from the front of *in until something is whole. */
enum inbox_step inbox_read(struct inbox *inbox, struct str *in);

/* The message stays until the next read, or until inbox_forget(). */
static inline struct str inbox_message(const struct inbox *inbox)
{
	return (struct str){ inbox->data, inbox->len };
}
void inbox_forget(struct inbox *inbox); /* its memory, too */

/* Nothing will come for a while: gives up what can be made anew. */
void inbox_rest(struct inbox *inbox);

static inline struct str inbox_control(const struct inbox *inbox)
{
	return (struct str){ inbox->control + inbox->reason_at,
			     (size_t)(inbox->control_len - inbox->reason_at) };
}
