/* server/redis_conf.h: the section `redis:`. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "server/redis/redis_section.h"

/* Reads the section (or NULL) into the arena of `conf`; what says the same as before is carried over
 * from `before` (or NULL). */
void redis_section_compile(struct redis_section *section, const struct node *node,
			   const struct redis_section *before, struct conf *conf,
			   struct diag *diag);
struct redis *redis_section_find(const struct redis_section *section,
				 struct str name); /* or NULL */
void redis_section_fini(struct redis_section *section);

extern const struct setting redis_keys[];
