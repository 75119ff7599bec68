/* server/conn_output.h: from answers to bytes. Internal to the connection. */
#pragma once
#include "server/connection.h"

/* Puts an answer into the loop's scratch and moves to CONN_WRITE; conn_flush() sends it.
 * `request` may be NULL (the hot path and refusals): for the log. The reply's memory must live
 * until it is sent (`request`'s arena), or be constant. */
void conn_answer(struct conn *conn, const struct reply *reply, struct request *request);

/* The hot path: a constant answer to a request that needs nothing else. The state stays. */
void conn_answer_constant(struct conn *conn, const struct route *route,
			  const struct http_head *head, const struct reply *reply);

/* Answers with a status and closes: the request, or what should have become one, is not looked
 * at further. */
void conn_refuse(struct conn *conn, int status);
/* The same for what never became a request: nothing of the one before it counts. */
void conn_refuse_head(struct conn *conn, int status);
void conn_refuse_plain(struct conn *conn); /* HTTP where HTTPS is spoken */
void conn_continue(struct conn *conn);     /* 100 Continue */

/* An interim response. False when there is no room for it. */
bool conn_put_interim(struct conn *conn, int status, const struct http_field *fields,
		      size_t n_fields);

bool conn_has_output(const struct conn *conn);
void conn_forget_output(struct conn *conn);  /* what stands there is not sent */
bool conn_has_room(const struct conn *conn); /* for one more small answer in the scratch */

/* Sends the scratch (and the body behind it). 1: everything is sent; 0: some is queued; or a
 * negative errno. */
int conn_send(struct conn *conn);

/* The rest of an answer: of its file, from its source. As conn_send(). */
int conn_send_rest(struct conn *conn);
struct arena_budget *conn_budget(const struct conn *conn); /* what it holds counts there */
void conn_forget_unsent(struct conn *conn);  /* the copy of what could not be sent at once */
size_t conn_unsent(const struct conn *conn); /* bytes that the client has not taken yet */

/* Of the client: what a PROXY header says, else the socket's other end. "127.0.0.1:4711" */
struct str conn_addr(struct conn *conn);
void conn_set_addr(struct conn *conn, const struct net_addr *addr);

/* Of the socket's other end; IPv4 as IPv4. .len 0: it has gone. */
struct net_addr;
void conn_socket_addr(const struct conn *conn, struct net_addr *ret_addr);
