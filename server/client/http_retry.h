/* server/client/http_retry.h: an upstream's own `retry`: a try that failed is made again, on another
 * server where there is one. Internal to server/client. */
#pragma once
#include "server/client/http_call.h"

/* The try at hand has failed so. True: the call pauses and begins anew; false: that is its end. */
bool http_retry(struct http_call *call, enum outcome outcome, enum http_call_error error,
		const char *detail);

/* The head of the answer is there. True: its status is tried again, as above. */
bool http_retry_status(struct http_call *call);

void http_retry_on_timer(struct http_call *call); /* the pause is over */
