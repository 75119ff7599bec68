/* server/sql/pg_value.h: values between PostgreSQL's text form and leat's. */
#pragma once
#include "server/sql/sql_job.h"

/* What a column of that type has said. It may point into `scratch`, or be `text` itself. */
struct sql_value pg_value(unsigned type, struct str text, bool numbers, struct buf *scratch);

/* An argument as the text that the server reads as `type`; *ret_text is NULL for null. 0; -EINVAL:
 * a text has a NUL, which the server does not take; -ENOMEM. */
int pg_param(const struct sql_value *value, unsigned type, struct arena *arena,
	     const char **ret_text);
