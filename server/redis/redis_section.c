/* server/redis/redis_section.c */
#include "server/redis/redis_section.h"

struct redis *redis_section_find(const struct redis_section *section, struct str name)
{
	for (size_t i = 0; section && i < section->n_redises; i++)
		if (str_eq(section->redises[i]->name, name))
			return section->redises[i];
	return NULL;
}

void redis_section_fini(struct redis_section *section)
{
	for (size_t i = 0; i < section->n_redises; i++)
		redis_unref(section->redises[i]);
	section->n_redises = 0;
}
