/* server/client/http_exchange.h: a request and its response over a connection: the part of a
 * call between connecting and its end. Internal to server/client, with what http_call.c has for
 * it. */
#pragma once
#include "server/client/http_call.h"
#include "server/client/http_conn.h"

enum call_phase { /* the diagram is in http_call.c */
		  CALL_IDLE,
		  CALL_PAUSE,
		  CALL_PARKED,
		  CALL_LOOKUP,
		  CALL_ACQUIRE,
		  CALL_CONNECT,
		  CALL_TUNNEL,
		  CALL_SECURE,
		  CALL_SEND,
		  CALL_WAIT,
		  CALL_BODY,
		  CALL_DONE,
};

/* Sends the request over the connection, which is the call's now. May end the call, or make it
 * begin anew. */
void http_exchange_start(struct http_call *call, struct http_conn *conn);

/* Gives the connection up, if there is one: back to its pool, or closed. */
void http_exchange_leave(struct http_call *call, bool keep);
void http_exchange_on_timer(struct http_call *call); /* call->timer, in its phases */

/* The answer is there: it is the end, unless a try beside it may have a better one. */
void http_call_answered(struct http_call *call);

bool http_call_may_keep(const struct http_call *call, enum outcome outcome);

/* The try at hand is over: it leaves everything but its answer behind. */
void http_call_leave(struct http_call *call, bool keep, enum breaker_result result);

/* Another try has answered: its answer is the call's. */
void http_call_end_by(struct http_call *call, struct http_call *other);

/* Once; nothing else of the call is done after it. */
void http_call_end(struct http_call *call, enum outcome outcome, enum http_call_error error,
		   const char *detail);
void http_call_fail(struct http_call *call, enum http_call_error error, const char *detail);
void http_call_time_out(struct http_call *call, const char *detail);

/* A new answer, in place of the one of a try that failed. */
void http_call_expect_answer(struct http_call *call);

/* What an end of the try at hand says of its server. */
enum breaker_result http_call_judge(const struct http_call *call, enum outcome outcome,
				    enum http_call_error error);
void http_call_check(const struct http_call *call);
