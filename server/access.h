/* server/access.h: one line in the access log for each request. */
#pragma once
#include "server/connection.h"

/* The hot path: a head that was read and answered at once. */
void access_log_head(struct conn *conn, const struct route *route, const struct http_head *head,
		     int status, size_t body_size);
void access_log_request(struct conn *conn, const struct request *request, int status,
			size_t body_size);

/* What was refused before there was a request, or without one: there is no method or path that
 * could be trusted. */
void access_log_refusal(struct conn *conn, const struct route *route, int status, size_t body_size);

/* The client left before the answer: 499. */
void access_log_abandoned(struct conn *conn, const struct request *request);
