/* server/client/http_hedge.h: a call that is slow to be answered is made once more, beside itself:
 * the first good answer is the call's. Internal to server/client.
 *
 * The try beside it is a call of its own, to another server where there is one. It spends of the
 * upstream's budget of tries that are made again, waits for no connection that others wait for,
 * and is made of what may be carried out twice only. An answer with a status from 500 on is good
 * only when there is no other. */
#pragma once
#include "server/client/http_call.h"

bool http_hedge_is_wanted(const struct http_call *call);

/* A try begins: the time runs after which it is slow. */
void http_hedge_begin(struct http_call *call);
void http_hedge_pause(struct http_call *call); /* there is no try for a while */

/* Whether a try beside the call is at work. */
bool http_hedge_is_running(const struct http_call *call);

/* The call's own try has ended so. True: one beside it is at work, and the call waits for it. False:
 * nothing has changed. */
bool http_hedge_park(struct http_call *call, enum outcome outcome, enum http_call_error error,
		     const char *detail);

/* The call has ended: so do the tries beside it. */
void http_hedge_end(struct http_call *call, enum outcome outcome);
