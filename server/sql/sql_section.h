/* server/sql/sql_section.h: all databases of a generation. */
#pragma once
#include "server/sql/sql_conf.h"

struct sql_section {
	size_t n_dbs;
	struct sql_db **dbs; /* each a reference; one that was wrong has no driver */
	const char **names;  /* NULL at the end, for suggestions */
};

/* Reads the section (or NULL) into the arena of `conf`; `before` may be NULL. */
void sql_section_compile(struct sql_section *section, const struct node *node,
			 const struct sql_section *before, struct str files_root, struct conf *conf,
			 struct diag *diag);
struct sql_db *sql_section_find(const struct sql_section *section, struct str name); /* or NULL */

/* At the end of the process: no database is asked any more. */
void sql_section_stop(const struct sql_section *section);
void sql_section_fini(struct sql_section *section);
