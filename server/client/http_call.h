/* server/client/http_call.h: one HTTP request to an upstream, as a task.
 *
 * The call owns nothing of its request: what `request` points at must stay until the task has ended. The
 * response is in the arena that was given. A connection goes back to the pool only when the response was read to its
 * end and everything about it was right; a kept-alive connection that turns out to be dead before any byte of
 * the response came is replaced once by a new one, when the request is idempotent or nothing of it was sent. Cancel closes
 * the connection at once. */
#pragma once
#include "core/task/task.h"
#include "server/client/upstream.h"
#include "server/http/head.h"
#include "server/http/response.h"

struct http_call_request {
	struct upstream *upstream;
	enum http_method method_id;
	struct str method; /* a token */
	struct str target; /* path and query, encoded; the upstream's prefix is put before it */
	struct str host;   /* empty: the upstream's authority */
	const struct http_field
		*fields; /* checked: names are tokens, values have no controls. Host,
					    Content-Length, Transfer-Encoding, Connection must not be among them */
	size_t n_fields;
	struct str body;
	bool has_body;       /* also with an empty one: then Content-Length: 0 is sent */
	size_t response_max; /* 0: the upstream's */
};

struct http_call_response {
	int status;
	size_t n_fields;
	struct http_field *fields;
	struct str body; /* whole */
};

/* Why a call failed; the codes of DESIGN §1.6. */
enum http_call_error {
	HTTP_CALL_OK,
	HTTP_CALL_TIMEOUT,
	HTTP_CALL_CONNECT_FAILED,
	HTTP_CALL_DNS_FAILED,
	HTTP_CALL_BAD_RESPONSE, /* not HTTP, cut short, or two readings possible */
	HTTP_CALL_TOO_LARGE,
	HTTP_CALL_MEMORY, /* the arena is full */
};

struct http_conn;

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
	bool sent; /* something of the request was handed to a socket: it may have been carried out */
	uint64_t started_ns, ended_ns;
	/* the rest is the call's own */
	struct http_conn *conn;
	struct lookup lookup;
	struct timer timer; /* of the phase */
	struct timer total_timer;
	uint8_t phase;
	uint8_t n_tries;
	unsigned server;
	struct str head; /* the request's head, rendered */
};

/* Then task_start(&call->task, scope). */
void http_call_init(struct http_call *call, struct client *client, struct arena *arena,
		    const struct http_call_request *request, task_fn *on_end);
