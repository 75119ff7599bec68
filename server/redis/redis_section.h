/* server/redis/redis_section.h: all entries of a generation. */
#pragma once
#include "conf/settings.h"
#include "server/redis/redis.h"

struct redis_section {
	size_t n_redises;
	struct redis **redises; /* each a reference; one that was wrong has no servers */
	const char **names;     /* NULL at the end, for suggestions */
};

struct redis *redis_section_find(const struct redis_section *section,
				 struct str name); /* or NULL */

/* The same by what stands at `redis`. NULL with an error, or for one that was wrong, which was
 * told. */
struct redis *redis_section_need(const struct redis_section *section, const struct node *value,
				 struct diag *diag);
void redis_section_fini(struct redis_section *section);
