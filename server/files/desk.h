/* server/files/desk.h: where a worker's files are looked up: the cache, and the look-ups that the
 * pool has in hand.
 *
 * Look-ups have a queue of the pool of their own, with a bound. Those who ask for what is being
 * looked up already wait for that. */
#pragma once
#include "core/io/disk_file.h"
#include "server/files/cache.h"
#include "server/files/config.h"

enum {
	DESK_LOOKS_MAX = 1024, /* of the process, waiting for a thread; more are refused */
	DESK_SHARE = 8,        /* all caches together have an eighth of limits.total_memory */
};

struct desk;
struct generation;
struct worker;
struct desk_wait;
typedef void desk_wait_fn(struct desk_wait *wait, int result, struct file *file);

struct desk {
	struct worker *worker;
	struct file_cache cache;
	struct map looks; /* by key: of struct look */
	struct pool_queue *look_queue, *read_queue;
	struct disk_reads reads;
};

/* Embedded in who waits for a look-up. */
struct desk_wait {
	struct list link;
	desk_wait_fn *on_end; /* with a file and 0, or with an error; once, from the loop */
};

void desk_init(struct desk *desk, struct worker *worker);
void desk_fini(struct desk *desk); /* nothing may be in hand */

/* Before its loop runs. `n_workers` have one. */
void desk_open(struct desk *desk, struct pool *pool, size_t n_workers);

bool desk_is_busy(const struct desk *desk); /* something is in hand */

enum desk_age {
	DESK_NONE,  /* not known, or known too long ago */
	DESK_STALE, /* to be served, and looked at again */
	DESK_FRESH,
};
enum desk_age desk_find(struct desk *desk, struct str key, struct file **ret_file);

/* Looks for it on the pool; query->path is in `key`, `files` is of the generation. `wait` is
 * told, unless NULL. 0; -EAGAIN: too many look-ups wait; -ENOMEM. */
int desk_look(struct desk *desk, struct generation *generation, const struct files *files,
	      const struct file_query *query, struct str key, struct desk_wait *wait);
void desk_wait_cancel(struct desk_wait *wait);
