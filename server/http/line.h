/* server/http/line.h: the request line and its target. */
#pragma once
#include "server/http/head.h"

/* Reads "method SP target SP HTTP/d.d CRLF" at the start of `bytes` into `head`: 0, 400, 405
 * (CONNECT) or 505. *ret_authority is that of an absolute target, else .ptr NULL; *ret_minor is
 * where the digit behind "HTTP/1." stands; *ret_rest what follows the line. */
int http_line_read(struct str bytes, struct http_head *head, struct str *ret_authority,
		   const char **ret_minor, const char **ret_rest);

/* "HTTP/d.d": its minor version, at most 1; -1 when it is no version, -2 when it is not
 * HTTP/1.x. */
int http_version_read(const char *at, const char *end);
