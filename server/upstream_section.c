/* server/upstream_section.c */
#include "server/upstream_section.h"
#include "server/upstream_conf.h"
#include "server/upstream_servers.h"

struct upstream *upstream_section_find(const struct upstream_section *section, struct str name)
{
	for (size_t i = 0; section && i < section->n_upstreams; i++)
		if (str_eq(section->upstreams[i]->name, name))
			return section->upstreams[i];
	return NULL;
}

const struct node *upstream_section_key(const struct upstream_section *section, struct str name)
{
	const struct node *node = section->node;

	for (size_t i = 0; node && i < node->n_entries; i++)
		if (str_eq(node->entries[i].key, name))
			return upstream_hash_key(node->entries[i].value);
	return NULL;
}

void upstream_section_compile(struct upstream_section *section, const struct node *node,
			      const struct upstream_section *before, struct conf *conf,
			      struct diag *diag)
{
	size_t n_entries = node ? node->n_entries : 0;

	*section = (struct upstream_section){ .node = node };
	section->upstreams =
		arena_alloc_array(&conf->arena, n_entries + 1, sizeof(struct upstream *));
	section->names = arena_alloc_array(&conf->arena, n_entries + 1, sizeof(char *));
	for (size_t i = 0; i < n_entries; i++) {
		const struct node_entry *entry = &node->entries[i];
		struct upstream *upstream = upstream_compile(
			entry, upstream_section_find(before, entry->key), conf, diag);

		section->upstreams[section->n_upstreams++] = upstream ? upstream
								      : upstream_create(entry->key);
		section->names[i] = entry->key.ptr;
	}
	section->names[n_entries] = NULL;
}

void upstream_section_fini(struct upstream_section *section)
{
	for (size_t i = 0; i < section->n_upstreams; i++)
		upstream_unref(section->upstreams[i]);
	section->n_upstreams = 0;
}

void upstream_section_apply(struct upstream_section *section)
{
	for (size_t i = 0; i < section->n_upstreams; i++)
		upstream_apply(section->upstreams[i]);
}
