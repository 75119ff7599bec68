/* server/body_sender.h: sends a body from its source over a stream, framed as HTTP/1 has it.
 *
 * For answers to clients and for requests to upstreams alike. One piece is in flight at a time:
 * the source is asked for the next when the kernel has taken the one before, which is all the
 * back-pressure there is. Who sends sets `source->on_more` and `.taker`, clears `waiting` when it
 * is called, and then goes on. All of it runs on one loop. */
#pragma once
#include "core/io/stream.h"
#include "server/body_source.h"

enum {
	BODY_PIECE_PARTS = 3,  /* size line, bytes or trailers, CRLF */
	BODY_TURN = 256 << 10, /* after so many bytes others have their turn */
};

struct body_sender {
	struct stream *stream;
	struct body_source *source;
	uint64_t left; /* of a body whose size was promised; else BODY_SIZE_UNKNOWN */
	uint64_t sent; /* bytes of the body, so far */
	bool chunked;
	bool trailers; /* set after body_sender_init(): the peer takes those of a chunked body */
	bool waiting;  /* for on_more() */
	bool whole;    /* the last byte was handed to the stream */
	char line[24]; /* the size of the piece at hand */
};

/* Of unknown size and not `chunked`: the connection's end is its end. */
void body_sender_init(struct body_sender *sender, struct stream *stream, struct body_source *source,
		      bool chunked);

/* The next piece, to be sent with what stands before it. Returns how many parts; 0: nothing now
 * (see `waiting`, `whole`); or a negative errno: the body cannot be finished. */
int body_sender_piece(struct body_sender *sender, struct iovec parts[BODY_PIECE_PARTS]);

/* Goes on, with nothing queued. 1: the body is sent; 0: it waits for room or for its source;
 * -EAGAIN: it has had its turn; or another negative errno: the stream's (stream->error), or the
 * source's. */
int body_sender_send(struct body_sender *sender);
