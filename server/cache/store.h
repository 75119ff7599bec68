/* server/cache/store.h: entries by key, for all loops, bounded in bytes; and who is at work on one.
 *
 * Sharded by the hash of the key, with a short lock a shard; nothing is called with it held. A
 * reader gets a reference and needs no lock any more.
 *
 * Eviction is S3-FIFO (Yang et al., SOSP 2023). What is new goes into a small queue of a tenth of
 * the bytes; what was used again while it was there moves on to the main queue, all else leaves,
 * and only its fingerprint is remembered: when it comes again soon it begins in the main queue.
 * The main queue goes round while entries are used. Why this one: most keys of a cache are asked
 * for once, and these leave after a tenth of the memory has passed, so a crawler that goes over a
 * million pages does not wash out what is used; and a hit changes nothing but a counter of its own
 * entry, with no list to be moved in and no sketch to be kept, so hits of all loops do not wait for
 * one another longer than a look-up takes. W-TinyLFU is as good at that, and costs both.
 *
 * Coalescing: who finds nothing begins a fill, which belongs to the key, not to whoever began it.
 * Its home is the loop that it was begun on (DESIGN §2.1). Others who come wait for it, each with a
 * block of its own, and are answered by a message to their loop; who waits no longer leaves, and
 * nobody else notices. */
#pragma once
#include "core/io/loop.h"
#include "server/cache/entry.h"

enum {
	CACHE_WAITING_MAX = 10000, /* for one fill */
};

struct cache_store;
struct cache_fill;

struct cache_store *cache_store_create(size_t max_bytes);
void cache_store_destroy(struct cache_store *store); /* no fill is open any more */

/* ------------------------------------------------------------ any thread */

/* A reference to the entry of that key, whose use is counted; or NULL. */
struct cache_entry *cache_store_find(struct cache_store *store, struct str key);

/* In the place of what has that key; takes a reference of its own. Entries that are too large for
 * it are not kept (then the one before is removed all the same). */
void cache_store_add(struct cache_store *store, struct cache_entry *entry);

/* These, and what is being filled under such a key is not kept either. How many entries. */
size_t cache_store_remove(struct cache_store *store, struct str key);
size_t cache_store_remove_prefix(struct cache_store *store, struct str prefix);

/* An entry may not be larger than this to be kept. */
size_t cache_store_entry_max(const struct cache_store *store);

struct cache_store_stats {
	size_t n_entries, n_bytes;
	uint64_t n_evicted;
	size_t n_fills, n_waiting;
};
void cache_store_stats(struct cache_store *store, struct cache_store_stats *ret_stats);

/* ------------------------------------------------------------ fills */

/* Why there is nothing; the texts are cut off where they are too long. */
struct cache_failure {
	int code;   /* the user's; 0: none */
	int status; /* the user's */
	int upstream_status;
	char custom[64], task[128], detail[160];
};

enum cache_end {
	CACHE_END_ENTRY,  /* there is an entry */
	CACHE_END_FAILED, /* see `failure` */
	CACHE_END_ALONE,  /* what came is for the one who asked; whoever waits asks by himself */
};

/* One who waits. */
struct cache_wait {
	struct post post;
	struct list link; /* in the fill's, until it is posted; guarded by the shard's lock */
	struct loop *loop;
	struct cache_store *store;
	struct cache_fill *fill; /* until it is posted */
	uint64_t hash;
	void (*on_end)(struct cache_wait *wait); /* on its loop; it is freed behind it */
	void *owner;
	bool posted; /* guarded by the shard's lock */
	bool left;   /* its loop's */
	/* on_end() */
	enum cache_end end;
	struct cache_entry *entry; /* goes with it, unless it is taken */
	struct cache_failure failure;
};

enum cache_begin {
	CACHE_LEADS,   /* the caller makes it: cache_fill_end() */
	CACHE_WAITS,   /* somebody does: on_end() will be called, unless cache_wait_leave() was */
	CACHE_BUSY,    /* somebody does, and the caller did not want to wait */
	CACHE_CHANGED, /* there is another entry than `seen`: look again */
	CACHE_FULL,    /* too many wait, or there is no memory */
};

/* What is known when a fill is begun. */
struct cache_ask {
	struct str key;
	const struct cache_entry *seen; /* what the caller has found; or NULL */
	struct loop *loop;
	void (*on_end)(struct cache_wait *wait); /* NULL: the caller does not wait */
	void *owner;
	bool leader_waits; /* who leads waits as all others do */
};

enum cache_begin cache_fill_begin(struct cache_store *store, const struct cache_ask *ask,
				  struct cache_fill **ret_fill, struct cache_wait **ret_wait);

/* Ends the fill, once, on any thread: `entry` (CACHE_END_ENTRY; the caller keeps its reference) is
 * kept when `keep`, under its own key, and all who wait are told. `failure` may be NULL. */
struct cache_result {
	enum cache_end end;
	struct cache_entry *entry;
	bool keep;
	const struct cache_failure *failure;
};
void cache_fill_end(struct cache_fill *fill, const struct cache_result *result);
struct str cache_fill_key(const struct cache_fill *fill);

/* on_end() is not called any more; on the loop of the one who waits. */
void cache_wait_leave(struct cache_wait *wait);
