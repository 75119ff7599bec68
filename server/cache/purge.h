/* server/cache/purge.h: forgetting entries in Redis, by their keys or by how these begin.
 *
 * Redis has no order of keys: SCAN goes over all that a server has, a thousand a step, and serves
 * others between two steps; what matches is unlinked, a few keys at a time, and freed there
 * in the background. In a cluster one master after the other is gone over. Keys that come while it
 * is at work may stay. One command is under way at a time, each with the timeouts of the entry; it
 * ends at the first that fails. */
#pragma once
#include "core/base/arena.h"
#include "server/redis/redis_pool.h"

enum {
	PURGE_UNLINK = 100, /* commands at once: an entry of `redis:` bounds what waits */
};

enum purge_step {
	PURGE_LOOKS,   /* for the servers of a cluster */
	PURGE_SCANS,   /* some keys of a server */
	PURGE_UNLINKS, /* some of those that were found */
};

/* Embedded in its owner, until it has ended. */
struct cache_purge {
	struct redis_call call;
	struct redis_loop *rloop;
	struct redis *redis;       /* a reference */
	const struct str *targets; /* keys in Redis, or how they begin */
	size_t n_targets;
	struct str pattern; /* that SCAN is told; .ptr NULL: the targets are keys */
	enum purge_step step;
	struct redis_command commands[PURGE_UNLINK];
	struct str args[PURGE_UNLINK][2], scan_args[6];
	struct arena arena;     /* of what a SCAN has found */
	const struct str *keys; /* that are to be unlinked */
	size_t n_keys, n_unlinked;
	char cursor[24]; /* "0": at the beginning, or at the end */
	bool begun, looked;
	bool *gone_over;                           /* of each slot; NULL: no cluster */
	const struct redis_node *node;             /* whose cursor it is; only compared */
	size_t n_removed;                          /* entries */
	const char *detail;                        /* of what has failed; NULL: nothing */
	void (*on_end)(struct cache_purge *purge); /* once, perhaps from within the start */
	void *owner;
};

/* What is asked for; all of it must stay until the end. */
struct cache_purge_ask {
	struct redis *redis;       /* a reference is taken */
	const struct str *targets; /* by cache_remote_key() */
	size_t n_targets;
	bool prefixes; /* the targets are how keys begin */
};

/* `arena` has the pattern, and must stay; `on_end` and `owner` are set. */
void cache_purge_start(struct cache_purge *purge, struct redis_loop *rloop, struct arena *arena,
		       const struct cache_purge_ask *ask);
void cache_purge_cancel(struct cache_purge *purge); /* on_end() is not called */
