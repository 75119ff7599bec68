/* server/sql/sql_url.h: sqlite:FILE, and scheme://[user[:password]@][host][:port][/database][?query]
 * (RFC 3986), with %XX decoded in each part but the query. */
#pragma once
#include "server/sql/sql_db.h"

/* The scheme: what is before the first ':'; empty when there is none. */
struct str sql_url_scheme(struct str url);

/* Reads what is behind the scheme of a server's URL, into `arena`. False: it is none. */
bool sql_url_read_server(struct str url, struct arena *arena, struct sql_address *ret_address);

/* The same for a file: the path as it was written. */
bool sql_url_read_file(struct str url, struct arena *arena, struct str *ret_path);

/* The value of a parameter of the query, decoded; false: it is not there. */
bool sql_url_parameter(struct str query, const char *name, struct arena *arena,
		       struct str *ret_value);

/* The first name in the query that is not in `names` (NULL at the end); false: all are. */
bool sql_url_stranger(struct str query, const char *const names[], struct str *ret_name);
