/* server/client/http_call.h: one HTTP request to an upstream, as a task.
 *
 * The call owns nothing of its request: what `request` points at must stay until the task has
 * ended (of one that streams: until its stream is closed). The response is in the arena that was given. A connection goes back to the pool only
 * when the response was read to its end and everything about it was right; a kept-alive
 * connection that turns out to be dead before any byte of the response came is replaced once by
 * a new one, when the request is idempotent or nothing of it was sent. Cancel closes the
 * connection at once. */
#pragma once
#include "core/task/task.h"
#include "server/client/upstream.h"
#include "server/http/head.h"
#include "server/http/response.h"

struct http_call;
struct http_call_response;
struct trace;
enum { HTTP_CALL_TRIED_MAX = 16 }; /* servers that one call tries to reach */

struct http_call_request {
	struct upstream *upstream;
	enum http_method method_id;
	struct str method; /* a token */
	struct str target; /* path and query, encoded; the upstream's prefix is put before it */
	bool whole_target; /* it is not */
	struct str host;   /* empty: the upstream's authority */
	const struct http_field
		*fields; /* checked: names are tokens, values have no controls. Host,
					    Content-Length, Transfer-Encoding, Connection must not be among them */
	size_t n_fields;
	struct str body;
	bool has_body; /* also with an empty one: then Content-Length: 0 is sent */
	struct body_source
		*body_source; /* instead of `body`: sent while it comes; or NULL. Its owner
					    closes it, after the task (of one that streams: after its stream) */
	size_t response_max;  /* 0: the upstream's; of a body that is not kept, none */
	bool streams; /* the call ends with the head of the response; its body is call.stream */
	struct str
		upgrade; /* the protocol to switch to (RFC 9110 §7.8), when it streams and the server
			       agrees with 101: then call.stream, and body_source, are what is said in
			       it. Empty: none */

	bool wants_trailers; /* RFC 9110 §10.1.4: the server may send some behind a chunked body */
	/* With `streams`: whether a trailer goes on, to those who take call.stream's. NULL: none does. */
	bool (*passes_trailer)(const struct http_call_response *response, struct str name);

	/* An interim response (RFC 9110 §15.2) has come; its texts do not stay. NULL: they are skipped. */
	void (*on_interim)(struct http_call *call, const struct http_call_response *response);
	const struct trace *trace; /* that goes with it, and that its tries are told of; or NULL */
	uint64_t span;             /* whose parts the tries are; 0: they are not told of */
	uint64_t hash;             /* of the key, where the upstream balances by one */
	const uint32_t *avoided;   /* ids of peers that are called only when there is nobody else */
	size_t n_avoided;
	const struct upstream_hedge *hedge; /* NULL: that of the upstream */
	uint32_t
		checked_id; /* a health check of this peer: it has a connection of its own, needs no
				permit, and is not counted; 0: none */
};

struct http_call_response {
	int status;
	size_t n_fields;
	struct http_field *fields;
	struct str body; /* whole; empty when the call streams */
};

/* Why a call failed; the codes of DESIGN §1.6. */
enum http_call_error {
	HTTP_CALL_OK,
	HTTP_CALL_TIMEOUT,
	HTTP_CALL_CONNECT_FAILED,
	HTTP_CALL_DNS_FAILED,
	HTTP_CALL_TLS_FAILED,   /* no handshake, or not with whom was meant */
	HTTP_CALL_BAD_RESPONSE, /* not HTTP, cut short, or two readings possible */
	HTTP_CALL_TOO_LARGE,
	HTTP_CALL_MEMORY,         /* the arena is full */
	HTTP_CALL_POOL_EXHAUSTED, /* no connection was free in time, or too many wait for one */
	HTTP_CALL_BREAKER_OPEN,   /* of every server that is left */
	HTTP_CALL_BODY_LOST,      /* the request's own source has failed */
	HTTP_CALL_UNAVAILABLE,    /* no server is healthy */
};

struct conn_pool;
struct knock;
struct shelf;
struct http_answer;
struct http_conn;
struct http_hedge;
struct http_send;
struct http_stream;

struct http_call {
	struct task task;
	struct client *client;
	struct arena *arena;
	struct http_call_request request;
	struct http_call_response
		response; /* when the outcome is OUTCOME_OK (whatever the status) */
	enum http_call_error error;
	const char *
		detail; /* static text for the log: "connection refused", "closed in the middle of the body" */
	struct http_stream
		*stream; /* when the call streams and the outcome is OUTCOME_OK: the body, whose
				       source its owner closes, before the arena goes */
	bool sent; /* something of the request was handed to a socket: it may have been carried out */
	uint64_t started_ns, ended_ns;
	uint32_t peer_id; /* of the server that was chosen last; 0: none was */
	bool late; /* set before it is cancelled because its time is over: whoever is waited for
			     was too slow */
	/* the rest is the call's own */
	struct conn_pool *pool;     /* while in progress */
	struct shelf *shelf;        /* of the server that was chosen; used */
	breaker_ticket ticket;      /* of its breaker */
	struct http_conn *conn;     /* NULL while there is none */
	struct http_call *first;    /* it is a try beside this one: http_hedge.c */
	struct http_hedge *hedge;   /* in the arena: of the tries beside it; or NULL */
	struct knock *knock;        /* in the arena; made when a new connection is needed */
	struct http_answer *answer; /* in the arena */
	struct http_send *send;     /* in the arena: of the request's body_source; or NULL */
	struct timer timer;         /* of the phase, but for CALL_CONNECT */
	struct timer total_timer;
	struct list wait; /* in pool->waiting */
	struct permit_wait *permit_wait;
	struct http_conn *handed; /* that was given up for this call, which has not taken it yet */
	struct ready ready;       /* it takes it */
	uint64_t connect_deadline_ns;
	uint64_t acquire_ns; /* since when it waits for a permit */
	uint64_t seen_bytes; /* how much of the request had been sent when the timer was started */
	struct str head;     /* the request's head, rendered */
	size_t trace_at;     /* of the span's id in it; 0: it has none */
	uint64_t try_span, try_started_ns;     /* of the try at hand; 0: it is not told of */
	uint32_t tried[HTTP_CALL_TRIED_MAX];   /* peers that could not be reached */
	uint32_t avoided[HTTP_CALL_TRIED_MAX]; /* peers that have failed the tries before */
	uint8_t n_tried, n_retries;
	uint8_t phase;
	bool permit;  /* it has a permit to connect */
	bool retried; /* a stale connection was replaced */
};

/* Then task_start(&call->task, scope). */
void http_call_init(struct http_call *call, struct client *client, struct arena *arena,
		    const struct http_call_request *request, task_fn *on_end);
