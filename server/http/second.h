/* server/http/second.h: the second reading of a head, by llhttp.
 *
 * It gets the same bytes as our own reading did, and has to find the same things in the same
 * places: two parsers of different make that agree leave little room for a third reading. */
#pragma once
#include "server/http/head.h"

/* What the first reading found. */
struct second_expected {
	struct str method, target; /* of a request */
	int status;                /* of a response */
	bool chunked, has_length;
	uint64_t length;
	const struct http_field *fields;
	size_t n_fields;
	const char *minor; /* the digit of HTTP/1.minor: llhttp is told "1" for a higher one */
};

/* False when llhttp refuses the bytes, or reads them otherwise. */
bool second_agrees_on_request(struct str bytes, const struct second_expected *expected);
bool second_agrees_on_response(struct str bytes, const struct second_expected *expected);

/* Does llhttp know the method? What it does not know is answered 501. */
bool second_knows_method(struct str method);
