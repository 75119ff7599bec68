/* server/sql/sql_section.c */
#include "server/sql/sql_section.h"

struct sql_db *sql_section_find(const struct sql_section *section, struct str name)
{
	for (size_t i = 0; section && i < section->n_dbs; i++)
		if (str_eq(section->dbs[i]->name, name))
			return section->dbs[i];
	return NULL;
}

void sql_section_compile(struct sql_section *section, const struct node *node,
			 const struct sql_section *before, struct str files_root, struct conf *conf,
			 struct diag *diag)
{
	size_t n_entries = node && node->kind == NODE_MAP ? node->n_entries : 0;

	section->dbs = arena_alloc_array(&conf->arena, n_entries + 1, sizeof(*section->dbs));
	section->names = arena_alloc_array(&conf->arena, n_entries + 1, sizeof(*section->names));
	for (size_t i = 0; i < n_entries; i++) {
		const struct node_entry *entry = &node->entries[i];
		struct sql_db *db = sql_db_compile(entry, sql_section_find(before, entry->key),
						   files_root, conf, diag);

		/* one that is wrong is known all the same: who asks it needs no error of its own */
		section->dbs[section->n_dbs++] = db ? db : sql_db_create(entry->key);
		section->names[i] = entry->key.ptr;
	}
	section->names[n_entries] = NULL;
}

void sql_section_stop(const struct sql_section *section)
{
	for (size_t i = 0; i < section->n_dbs; i++)
		sql_db_stop(section->dbs[i]);
}

void sql_section_fini(struct sql_section *section)
{
	for (size_t i = 0; i < section->n_dbs; i++)
		sql_db_unref(section->dbs[i]);
	section->n_dbs = 0;
}
