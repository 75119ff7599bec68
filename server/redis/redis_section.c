/* server/redis/redis_section.c */
#include "server/redis/redis_section.h"

struct redis *redis_section_find(const struct redis_section *section, struct str name)
{
	for (size_t i = 0; section && i < section->n_redises; i++)
		if (str_eq(section->redises[i]->name, name))
			return section->redises[i];
	return NULL;
}

struct redis *redis_section_need(const struct redis_section *section, const struct node *value,
				 struct diag *diag)
{
	struct redis *redis;
	const char *nearest;

	if (!value || !node_is_scalar(value) || value->kind == NODE_NULL) {
		diag_error(diag, value ? value->place : (struct place){ 0 },
			   "`redis` takes the name of an entry of the section `redis:`, not %s",
			   value ? node_kind_name(value) : "nothing");
		return NULL;
	}
	redis = redis_section_find(section, value->text);
	if (redis)
		return redis->n_servers ? redis : NULL;
	nearest = section ? diag_nearest(value->text, section->names) : NULL;
	diag_error(diag, value->place, "there is no redis \"%.*s\"; %s%s%s",
		   STR_ARG(str_first(value->text, 80)),
		   nearest ? "did you mean \"" : "declare it under `redis:`",
		   nearest ? nearest : "", nearest ? "\"?" : "");
	return NULL;
}

void redis_section_fini(struct redis_section *section)
{
	for (size_t i = 0; i < section->n_redises; i++)
		redis_unref(section->redises[i]);
	section->n_redises = 0;
}
