/* server/sql/sql_conf.h: the section `sql:`: databases by name. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "server/sql/sql_db.h"

/* Compiles one entry: a new database, or a reference to `before` (may be NULL) when it says the
 * same. NULL with errors. `files_root` is where files are kept. Nothing is opened. */
struct sql_db *sql_db_compile(const struct node_entry *entry, struct sql_db *before,
			      struct str files_root, struct conf *conf, struct diag *diag);

extern const struct setting sql_keys[]; /* of an entry */
