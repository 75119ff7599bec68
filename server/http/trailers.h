/* server/http/trailers.h: fields behind a chunked body (RFC 9110 §6.5), and which of them may go on.
 *
 * Whoever has decided about a message by its head must not learn something else at its end: what
 * frames, routes, authenticates or describes a message counts in its head only (§6.5.1), so it is
 * dropped from trailers, as are the names that proxies speak of a client by. Trailers are never
 * merged into the fields of the head. */
#pragma once
#include "server/http/head.h"

enum { HTTP_TRAILERS_MAX = 64 }; /* of one message: past it 431 */

bool http_trailer_may_pass(struct str name);
