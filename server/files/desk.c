/* server/files/desk.c
 *
 *     desk_look() --> the same is looked for: wait for it
 *                \--> look --> pool: file_check() of what is known, else file_load() --> post --\
 *                                                 cache, and all who wait <----------------------/
 *
 * A look pins its generation, so that what it reads of the configuration stays. That nothing is
 * there is a result that is kept, too; that it could not be looked is not. */
#include "server/files/desk.h"
#include "core/base/clock.h"
#include "server/files/answer.h"
#include "server/server.h"
#include <errno.h>
#include <stdlib.h>

#define LOOK_QUEUE STR("files:look")
#define READ_QUEUE STR("files:read")

struct look {
	struct work work;
	struct post post;
	struct desk *desk;
	struct generation *generation;
	const struct files *files;
	struct file_query query; /* its path is in `key` */
	struct str key;          /* behind the struct */
	struct list waits;
	struct file *known; /* which may have changed; or NULL */
	struct file *found;
	int result;
};

/* ------------------------------------------------------------ the desk */

static void desk_on_read(struct disk_reads *reads)
{
	worker_check_drained(container_of(reads, struct desk, reads)->worker);
}

void desk_init(struct desk *desk, struct worker *worker)
{
	*desk = (struct desk){ .worker = worker };
	file_cache_init(&desk->cache);
	map_init(&desk->looks);
}

/* Each has half of the threads: one bad disk must not have them all. */
void desk_open(struct desk *desk, struct pool *pool, size_t n_workers)
{
	unsigned half = MAX(1U, pool_n_threads(pool) / 2);

	desk->look_queue = pool_queue_open(
		pool, LOOK_QUEUE,
		&(struct pool_limits){ .running_max = half, .waiting_max = DESK_LOOKS_MAX });
	desk->read_queue =
		pool_queue_open(pool, READ_QUEUE,
				&(struct pool_limits){ .running_max = half,
						       .waiting_max = n_workers * DISK_READS_MAX });
	disk_reads_init(&desk->reads, desk->worker->loop, desk->read_queue, desk_on_read);
}

void desk_fini(struct desk *desk)
{
	check_that(desk->looks.n_items == 0, "n_items=%zu", desk->looks.n_items);
	disk_reads_fini(&desk->reads);
	file_cache_fini(&desk->cache);
	map_fini(&desk->looks);
	pool_queue_close(desk->look_queue);
	pool_queue_close(desk->read_queue);
}

bool desk_is_busy(const struct desk *desk)
{
	return desk->looks.n_items > 0 || desk->reads.n_reads > 0;
}

enum desk_age desk_find(struct desk *desk, struct str key, struct file **ret_file)
{
	struct file *file = file_cache_find(&desk->cache, key);
	uint64_t age_ms;

	if (!file)
		return DESK_NONE;
	age_ms = (loop_now_ns(desk->worker->loop) - file->checked_ns) / NS_PER_MS;
	*ret_file = file;
	return age_ms < FILE_CACHE_FRESH_MS   ? DESK_FRESH
	       : age_ms < FILE_CACHE_STALE_MS ? DESK_STALE
					      : DESK_NONE;
}

/* ------------------------------------------------------------ on the pool */

static int look_load(struct look *look)
{
	int r = file_load(&look->query, &look->found);

	if (r == 0)
		r = files_render(look->files, look->found);
	if (r < 0) {
		file_unref(look->found);
		look->found = NULL;
	}
	return r;
}

static void look_run(struct work *work)
{
	struct look *look = container_of(work, struct look, work);

	if (!look->known || file_check(&look->query, look->known) < 0)
		look->result = look_load(look);
	loop_post(look->desk->worker->loop, &look->post);
}

/* ------------------------------------------------------------ on the loop */

/* Of limits.total_memory, which may change: what is kept must leave room for what is in work. */
static size_t desk_share(const struct desk *desk)
{
	const struct server *server = desk->worker->server;
	size_t max = atomic_load_explicit(&server->memory.max, memory_order_relaxed);

	return MIN(max / DESK_SHARE / server->n_workers, (size_t)FILE_CACHE_BYTES_MAX);
}

static bool look_is_short(const struct look *look)
{
	return look->result == -EMFILE || look->result == -ENFILE || look->result == -ENOMEM;
}

/* The file that the look-up led to, or NULL: a reference for the caller. What is known is kept
 * when there are no descriptors or memory to look again. */
static struct file *look_file(struct look *look)
{
	struct file_cache *cache = &look->desk->cache;
	struct file *file = take(&look->found);

	cache->bytes_max = desk_share(look->desk);
	if (look->result == -EMFILE || look->result == -ENFILE)
		file_cache_drop_fds(cache);
	if (look->known && !file && (look->result == 0 || look_is_short(look))) {
		look->result = look->known->error;
		return take(&look->known);
	}
	if (look->known)
		file_cache_remove(cache, look->known);
	if (!file && file_error_is_lasting(look->result))
		file = file_create_missing(&look->query, look->result);
	if (file)
		file_cache_add(cache, look->key, file);
	return file;
}

static void look_free(struct look *look)
{
	file_unref(look->known);
	free(look);
}

static void look_on_done(struct post *post)
{
	struct look *look = container_of(post, struct look, post);
	struct worker *worker = look->desk->worker;
	struct file *file = look_file(look);
	struct list *link;

	map_remove(&look->desk->looks, look->key);
	if (file)
		file->checked_ns = loop_now_ns(worker->loop);
	while ((link = list_pop(&look->waits))) {
		struct desk_wait *wait = container_of(link, struct desk_wait, link);

		wait->on_end(wait, look->result, look->result == 0 ? file : NULL);
	}
	file_unref(file);
	worker_unpin(worker, look->generation);
	look_free(look);
	worker_check_drained(worker);
}

static struct look *look_create(struct desk *desk, const struct files *files,
				const struct file_query *query, struct str key)
{
	struct look *look = calloc(1, sizeof(*look) + key.len);
	char *copy;

	if (!look)
		return NULL;
	copy = (char *)(look + 1);
	memcpy(copy, key.ptr, key.len);
	*look = (struct look){ .work.run = look_run,
			       .post.run = look_on_done,
			       .desk = desk,
			       .files = files,
			       .query = *query,
			       .key = { copy, key.len } };
	look->query.path = copy + (query->path - key.ptr);
	look->known = file_cache_find(&desk->cache, key);
	if (look->known)
		file_ref(look->known);
	list_init(&look->waits);
	return look;
}

int desk_look(struct desk *desk, struct generation *generation, const struct files *files,
	      const struct file_query *query, struct str key, struct desk_wait *wait)
{
	struct look *look = map_find(&desk->looks, key);

	if (!look) {
		look = look_create(desk, files, query, key);
		if (!look)
			return -ENOMEM;
		if (pool_queue_submit(desk->look_queue, &look->work) < 0) {
			look_free(look);
			return -EAGAIN;
		}
		look->generation = generation;
		worker_pin(desk->worker, generation);
		map_set(&desk->looks, look->key, look);
	}
	if (wait)
		list_add(&look->waits, &wait->link);
	return 0;
}

void desk_wait_cancel(struct desk_wait *wait)
{
	list_remove(&wait->link);
}
