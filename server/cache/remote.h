/* server/cache/remote.h: entries in Redis (`in: redis.NAME`), for several daemons, and over restarts.
 *
 * A value is the entry with its times of the wall clock, and Redis forgets it when it is of no use
 * any more. Its key begins with a digest of what the cache depends on, so that a configuration that
 * would make other results does not find these. What cannot be read, for whatever reason, is not
 * there; what cannot be written is not kept: neither is ever a failure. What is read is looked at
 * as what somebody else has written. */
#pragma once
#include "server/cache/cache.h"
#include "server/flow/context.h"
#include "server/redis/redis_call.h"

enum { CACHE_DIGEST_LEN = 32 };
#define CACHE_REMOTE_ROOT "leat:" /* all of them begin so */

/* One look; embedded, until it has ended. */
struct cache_remote {
	struct redis_call call;
	struct redis_command command;
	struct str args[2];
	const struct cache_spec *spec;
	struct str key;
	struct arena *arena;
	void (*on_end)(struct cache_remote *remote, struct cache_entry *entry); /* NULL: it is not
						there; a reference, the callee's. Perhaps from
						within cache_remote_get() */
	void *owner;
};

/* On the loop of the context, in its arena. */
void cache_remote_get(struct cache_remote *remote, struct context *context,
		      const struct cache_spec *spec, struct str key,
		      void (*on_end)(struct cache_remote *remote, struct cache_entry *entry),
		      void *owner);
void cache_remote_cancel(struct cache_remote *remote); /* on_end() is not called */

/* Keeps the entry there. Nobody waits for it but the shutdown. */
void cache_remote_put(struct context *context, const struct cache_spec *spec,
		      const struct cache_entry *entry);

/* The key in Redis; of the beginning of a key, how all of these begin. */
struct str cache_remote_key(const struct cache_spec *spec, struct str key, struct arena *arena);

/* For tests: what is written, and what is read of it (NULL: it is not that). */
void cache_remote_write(const struct cache_entry *entry, struct buf *out);
struct cache_entry *cache_remote_read(struct str bytes, struct str key,
				      struct arena_budget *budget);
