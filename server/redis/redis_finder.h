/* server/redis/redis_finder.h: asks the servers of an entry, one after the other, who is in charge:
 * sentinels who the master is, servers of a cluster who has which slots. */
#pragma once
#include "server/redis/redis_pool.h"

struct redis_finder *redis_finder_create(struct redis_pool *pool);
void redis_finder_destroy(struct redis_finder *finder); /* NULL is accepted */

/* No effect while it asks. The pool's tickets go on, or fail, when it is done. */
void redis_finder_start(struct redis_finder *finder);

/* Nobody could answer just now, and it is too early to ask again; NULL is accepted for both. */
bool redis_finder_is_pausing(const struct redis_finder *finder, enum redis_error *ret_error,
			     const char **ret_problem);
