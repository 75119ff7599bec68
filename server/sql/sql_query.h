/* server/sql/sql_query.h: one `query:` made ready: `:name` becomes the server's own placeholder.
 *
 * What can be known without the database is checked here, at load: a text that does not end,
 * several statements, placeholders of the server's own, and statements that would change the
 * connection, which others use after this task. */
#pragma once
#include "core/base/arena.h"
#include "server/sql/sql_lex.h"

enum { SQL_QUERY_MAX = 1 << 20, SQL_NAMES_MAX = 1000, SQL_ERROR_MAX = 200 };

/* A name that stands in the query, once. */
struct sql_name {
	struct str name;
	struct str column; /* :statement.column; .ptr NULL: a plain name */
	struct str text;   /* where it stands first */
};

struct sql_query {
	struct str text; /* for the driver */
	uint64_t hash;   /* of `text` */
	size_t n_names;
	struct sql_name *names; /* in the order of their appearance */
	size_t n_places;
	uint32_t *places; /* of each value that the driver wants: the number of its name */
	bool reads;       /* it changes nothing */
	bool inserts;     /* its first word is insert or replace */
};

struct sql_query_error {
	struct str at; /* what is wrong, as it stands in the query */
	char message[SQL_ERROR_MAX];
};

/* True, or false with the error. The names are slices of `text`. */
bool sql_query_compile(struct arena *arena, enum sql_dialect dialect, struct str text,
		       struct sql_query *ret_query, struct sql_query_error *ret_error);
