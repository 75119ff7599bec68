/* server/client/http_stream.h: a response's body that is passed on while it comes.
 *
 * It is made when the head of a call that streams is whole; from then on the connection is its
 * own, and the call ends. Who passes the body on pulls (server/body_source.h): while he takes
 * nothing, nothing is read, and the server that sends it is held back by its own socket. At most
 * one buffer is held, none while nothing comes. A whole body leaves the connection to its pool;
 * all else closes it. In the arena of the call, which lives longer. */
#pragma once
#include "server/body_source.h"
#include "server/client/http_call.h"

enum { HTTP_STREAM_BUFFER = 64 << 10 };

struct http_stream {
	struct body_source source;
	struct conn_pool *pool;
	struct upstream *upstream;
	struct shelf *shelf; /* used: of the server that answers */
	breaker_ticket ticket;
	enum breaker_result good;   /* what a whole body says of the server */
	struct http_conn *conn;     /* NULL: the body is whole, or lost */
	struct http_answer *answer; /* in the arena; behind its head */
	struct http_send *send;     /* of a request that is not sent to its end; or NULL */
	struct arena_budget *budget;
	struct timer timer;  /* idle_ms, while the taker waits */
	uint64_t seen_bytes; /* of the request, that had been sent when it was started */
	char *buffer;        /* NULL: nothing was read that is not taken */
	struct str piece;    /* what the next read gives, in the buffer; empty: nothing yet */
	int error;           /* why it is lost; 0: it is not */
	bool waiting;        /* for on_more() */
};

/* With the connection and the answer of the call, which has neither then; `rest` is what was read
 * behind the head. Its counts as a call in progress are the stream's to give back. NULL without
 * memory: nothing has changed. */
struct http_stream *http_stream_begin(struct http_call *call, struct str rest);

/* Its owner will not wait any longer: reading fails with -ETIMEDOUT. */
void http_stream_give_up(struct http_stream *stream);

/* Something that grows with every byte that passes, in either direction. */
uint64_t http_stream_progress(const struct http_stream *stream);

static inline struct http_stream *http_stream_of(struct body_source *source)
{
	return container_of(source, struct http_stream, source);
}
