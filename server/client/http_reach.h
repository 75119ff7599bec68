/* server/client/http_reach.h: the part of a call from choosing a server to a connection to it.
 * Internal to server/client. */
#pragma once
#include "server/client/http_call.h"
#include "server/client/http_conn.h"

/* Chooses a server and connects; all servers may be tried within one connect_ms. Ends the call, or
 * goes on with http_exchange_start(). */
void http_call_begin(struct http_call *call);

/* Gives up what the call has or waits for before it has a connection. Harmless when that is
 * nothing. */
void http_reach_stop(struct http_call *call);

/* The server that was chosen is the call's no more; what is to be thought of it. Harmless when there
 * is none. */
void http_call_leave_peer(struct http_call *call, enum breaker_result result);

void http_reach_on_timer(struct http_call *call); /* call->timer, in its phases */

/* For conn_pool.c: a look-up has ended; `wait` is call->wait, in no list. */
void http_call_look_again(struct list *wait);

/* For http_conn.c: the connection is given to a call that waits for a permit, and has been taken out
 * of their queue. */
void http_call_hand_over(struct http_call *call, struct http_conn *conn);
