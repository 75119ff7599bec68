/* server/http/status.h: status codes and dates. */
#pragma once
#include "core/base/str.h"

struct str http_status_reason(int status); /* "Not Found"; "Unknown" for what is not registered */

enum { HTTP_DATE_LEN = 29 };

/* "Sun, 06 Nov 1994 08:49:37 GMT" (IMF-fixdate, RFC 9110 §5.6.7) into out, without NUL. */
void http_date_write(char out[HTTP_DATE_LEN], int64_t unix_seconds);

/* Any of the three forms of RFC 9110 §5.6.7. -EINVAL. */
int http_date_parse(struct str text, int64_t *ret_unix_seconds);
