/* server/sql/sql_cache.h: the prepared statements of one connection, those used last in front.
 *
 * What a statement is, the driver knows; here it is a pointer, which is dropped by a function of
 * the driver's when there are too many, and at the end. Not for two threads at once. */
#pragma once
#include "core/base/list.h"
#include "core/base/map.h"

typedef void sql_drop_fn(void *owner, void *statement);

struct sql_cache {
	struct list used; /* of cache_entry.link */
	struct map by_text;
	size_t n_max;
	sql_drop_fn *drop;
	void *owner;
};

void sql_cache_init(struct sql_cache *cache, size_t n_max, sql_drop_fn *drop, void *owner);
void sql_cache_clear(struct sql_cache *cache); /* drops all; it may be used again */

/* The statement of that text, or NULL; it is in front now. */
void *sql_cache_find(struct sql_cache *cache, struct str text);

/* Keeps it: the text is copied. Others may be dropped; with a maximum of 0 this one, too: then
 * false, and it is still the caller's. */
bool sql_cache_add(struct sql_cache *cache, struct str text, void *statement);

/* Drops those that were not used for longest, until there are `n_max`. */
void sql_cache_trim(struct sql_cache *cache, size_t n_max);

/* Drops that one. */
void sql_cache_remove(struct sql_cache *cache, struct str text);
