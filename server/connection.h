/* server/connection.h: one client's HTTP/1 connection. */
#pragma once
#include "core/io/stream.h"
#include "server/http/body.h"
#include "server/request.h"

enum conn_state {
	CONN_PROXY,     /* a PROXY header is expected */
	CONN_SECURE,    /* the TLS handshake is under way */
	CONN_READ_HEAD, /* no request yet, or part of its head */
	CONN_ADMIT,     /* the head is whole and valid; its policies decide, and nothing is read */
	CONN_READ_BODY, /* the body is coming */
	CONN_HANDLE,    /* a request is in work; only its answer moves on */
	CONN_WRITE,     /* an answer is being sent; nothing is read meanwhile */
	CONN_LINGER, /* the last answer is sent; what still comes is read and dropped, so that the client sees it */
	CONN_CLOSED, /* about to be freed */
};

struct conn {
	struct stream stream;
	struct worker *worker;
	struct list link; /* in worker->conns */
	struct timer timer;
	uint64_t deadline_ns; /* of the state; the timer may fire earlier, and is then set again */
	uint8_t state;        /* enum conn_state */
	bool keep_alive;      /* what the request at hand allows */
	bool http10;
	bool is_head;    /* the request at hand is a HEAD */
	bool processing; /* conn_process() is on the stack */
	bool proxied;    /* `addr` is what a PROXY header says, not the socket's */
	bool refusing;   /* past that bound: answers 503 */
	bool paused;     /* in CONN_READ_BODY: the intake takes nothing now */
	bool body_whole; /* in CONN_READ_BODY: and it has come to its end */
	bool refused;    /* the last answer was given before the request was read to its end */
	bool partial;    /* `in` begins with a part of a head that was looked at already */
	bool duplex; /* in CONN_WRITE: the body of the request that is being answered still comes */
	bool raw;    /* since a switch of protocols: that body is all that comes, to the end */
	bool is_message; /* the request at hand is one of libprocess' */
	bool unheard; /* nothing can be written any more; messages that came are handled all the same */
	uint32_t n_requests;
	uint32_t listener; /* the number of the one that it came by */
	const struct listen_spec
		*listen;           /* what the worker's generation says of it, as of the request
					     at hand; NULL: no more there */
	struct tls_info *tls_info; /* a reference; made when first asked for */
	bool guarded;              /* listen_spec_looks(), or did when it was last there */
	char *in;                  /* bytes that were read and not used: NULL while idle */
	size_t in_len, in_room;
	size_t unsent_size;
	char *unsent; /* a copy of what a write of scratch bytes left over */
	char *late;   /* answers that wait for more (conn_late.h); or NULL */
	uint16_t late_len, late_room;
	const struct reply_file *file; /* the rest of the answer being sent; or NULL */
	struct conn_source *source;    /* that the answer being sent comes from; or NULL */
	size_t n_parts_sent;           /* of file->parts: those that the stream has */
	bool part_bytes_sent;          /* of the part at hand, the bytes are the stream's already */
	size_t n_unsent; /* bytes that were queued when the write deadline was last set */
	struct http_scan scan;
	struct request *request;   /* in work, or its answer being sent */
	struct http_body *chunked; /* while such a body comes */
	uint64_t body_left;        /* of one with a length */
	uint64_t body_size, body_started_ns, paused_ns;
	struct buf body; /* what has come, in the request's arena */
	/* The body is dropped, then `after_body` is sent. Without a request, it and the route belong
	 * to `after_generation`, which is pinned meanwhile; so is the generation of a constant answer
	 * while it is being sent. */
	const struct reply *after_body;
	const struct route *after_route; /* for the log; or NULL */
	struct generation *after_generation;
	const struct reply
		*held;  /* the answer, while `resume` has something to go before it; or NULL */
	uint8_t resume; /* in CONN_WRITE: the state to go on with, CONN_ADMIT, CONN_READ_BODY or
			   CONN_HANDLE; 0: the answer ends the request */
	uint64_t
		left_ns; /* since when the client is known to have closed its side; 0: it has not */
	uint64_t started_ns; /* the head of the request at hand was whole */
	uint16_t addr_len;
	char addr[54]; /* of the peer, as text; made when first asked for */
};

/* Takes a descriptor that has arrived on the worker's loop (loop_give()), from that listener. */
void conn_accept(struct worker *worker, uint32_t listener, int fd, uint32_t events);

/* Its bytes are the client's from here on: TLS where the listener has it, else HTTP. Internal to
 * the connection. */
void conn_start(struct conn *conn, const struct listen_spec *listen);

/* The client may speak now: once, when it has connected, and when its handshake is done. Internal to
 * the connection. */
void conn_greet(struct conn *conn);

/* On its worker's thread. For draining: closes it if no request is in work, else makes the
 * answer the last one. */
void conn_drain(struct conn *conn, bool cancel);
