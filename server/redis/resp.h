/* server/redis/resp.h: replies of a Redis server (RESP2), from bytes into values.
 *
 * No sockets. A reply is read as its bytes come, into the arena of whoever asked; a text goes to
 * its place at once, and is in no other buffer. One that is too large, that its arena has no room
 * for, or that nobody wants any more is read to its end and kept nowhere, so that the connection
 * goes on with the next. Only what is no RESP, or nests deeper than RESP_DEPTH_MAX, ends it. */
#pragma once
#include "server/expr/value.h"

enum {
	RESP_DEPTH_MAX = 128, /* lists in lists */
	RESP_LINE_MAX = 4096, /* of a simple text or an error, what is kept */
};

enum resp_status {
	RESP_OK,
	RESP_ERROR,     /* the server's, or one inside of a list: `error` is its text */
	RESP_TOO_LARGE, /* more bytes than were asked for */
	RESP_BINARY,    /* a text that is not UTF-8, and base64 was not asked for */
	RESP_MEMORY,    /* the arena is full */
};

/* What the next reply is for. */
struct resp_want {
	struct arena *arena; /* NULL: nobody wants it */
	size_t max;          /* bytes, as they come */
	bool base64;         /* texts of known length become base64 */
};

struct resp_reply {
	enum resp_status status;
	struct value value; /* null, unless RESP_OK */
	struct str error;   /* in the reader, until the next reply begins; at most RESP_LINE_MAX */
};

struct resp_level {
	uint64_t n_left; /* elements that are still to come */
	struct value *items;
	uint32_t n_items, n_room;
};

enum resp_state {
	RESP_TYPE,     /* the first byte of an element */
	RESP_LINE,     /* the rest of its line */
	RESP_TEXT,     /* `text_left` bytes of a text */
	RESP_TEXT_END, /* CR LF behind it */
};

struct resp_reader {
	struct resp_want want;
	enum resp_state state;
	enum resp_status status; /* of the reply so far */
	char type;
	bool cr;     /* the last byte was a CR */
	size_t used; /* bytes of this reply */
	uint64_t text_left;
	char *text; /* NULL: it is not kept */
	uint32_t text_len;
	unsigned depth;
	size_t line_len;   /* what is kept of the line, its CR too */
	size_t line_total; /* what has come of it */
	size_t error_len;
	struct value value; /* of the whole reply */
	struct resp_level levels[RESP_DEPTH_MAX];
	char line[RESP_LINE_MAX];
	char error[RESP_LINE_MAX];
};

/* Before the first byte of each reply. */
void resp_begin(struct resp_reader *reader, const struct resp_want *want);

/* In the middle of a reply: nobody wants it any more; its arena is not touched again. */
void resp_skip(struct resp_reader *reader);

/* Uses bytes from the front, as far as the end of the reply. Returns how many; -EPROTO: this is no
 * reply. `*ret_whole` says whether the reply is there: then resp_reply() has it. */
ptrdiff_t resp_read(struct resp_reader *reader, struct str bytes, bool *ret_whole);
struct resp_reply resp_reply(const struct resp_reader *reader);

/* Some bytes of this reply have come. */
static inline bool resp_has_begun(const struct resp_reader *reader)
{
	return reader->used > 0;
}
