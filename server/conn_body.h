/* server/conn_body.h: the bodies of requests, as they come. Internal to the connection. */
#pragma once
#include "server/connection.h"

enum {
	CONN_RATE_AFTER_MS =
		20000, /* a body that is slower than CONN_RATE_MIN bytes a second after this is refused */
	CONN_RATE_MIN = 500,
};

static inline bool conn_has_body(const struct http_head *head)
{
	return head->chunked || (head->has_length && head->length > 0);
}

/* What comes is the body of the request at hand, and there is somebody to take it. */
static inline bool conn_takes_body(const struct conn *conn)
{
	return (conn->state == CONN_READ_BODY || (conn->state == CONN_WRITE && conn->duplex)) &&
	       !conn->paused;
}

/* The head of conn->request is whole: asks its policies, if it has any, then reads its body. */
void conn_begin_request_body(struct conn *conn);

/* Goes to CONN_ADMIT and asks the policies, or does so when what stands before it is sent. */
void conn_admit(struct conn *conn);

/* Begins to read a body: into conn->request, or to be dropped when conn->after_body is set. */
void conn_begin_body(struct conn *conn, const struct http_head *head, uint64_t max);

/* Uses the front of the window; returns how many bytes. Not while conn->paused. */
size_t conn_body(struct conn *conn, struct str window);

/* The request was answered before its body was read (by a policy): the body is dropped, then the
 * answer goes out; a body that is large, or that the client waits to be asked for, closes the
 * connection instead. */
void conn_answer_early(struct conn *conn, const struct reply *reply);

bool conn_is_too_slow(const struct conn *conn);

/* The client has closed its side. False unless that is the end of the body. */
bool conn_body_at_end(struct conn *conn);

/* What comes is not what was promised. Answers with a status, if it is not too late for that. */
void conn_fail_body(struct conn *conn, int status);

/* of struct request_sink */
void conn_on_admitted(struct request *request);
void conn_on_resume_body(struct request *request);
