/* server/cache/entry.h: one kept answer: bytes and times that do not change, counted.
 *
 * Whoever has a reference reads it without a lock, on any loop, also when it is in no cache any
 * more. It is charged to the memory of all requests (limits.total_memory) as long as it is there:
 * with its key, its body and itself. Times are of the monotonic clock. */
#pragma once
#include "core/base/arena.h"
#include "core/base/list.h"
#include <stdatomic.h>

enum { CACHE_KEY_MAX = 4096 }; /* bytes; what has a longer key is not kept */

/* How long an entry may be used. `born` is when its age was 0. */
struct cache_times {
	int64_t born_ns;        /* less than 0: before the clock began */
	uint64_t fresh_ns;      /* until then it is fresh */
	uint64_t revalidate_ns; /* then it may be used until then, while a new one is made */
	uint64_t error_ns;      /* and until then when making a new one fails */
};

enum cache_queue { CACHE_NOWHERE, CACHE_SMALL, CACHE_MAIN };

struct cache_entry {
	atomic_uint n_refs;
	atomic_uchar visits; /* since it was last moved: 0 to 3 */
	uint8_t queue;       /* enum cache_queue; guarded by its shard's lock */
	uint8_t kind;        /* the user's */
	uint16_t status;     /* the user's */
	uint64_t hash;
	struct list link;         /* in its queue; guarded by its shard's lock */
	struct cache_entry *next; /* with the same bucket; guarded by its shard's lock */
	struct arena_budget *budget;
	size_t charged;
	struct cache_times times;
	struct str key, head, body; /* what they are of is the user's matter */
	char *own_body;             /* `body`, where it is a block of its own; or NULL */
	char bytes[];
};

/* What an entry is made of. */
struct cache_parts {
	struct str key, head, body;
	char *own_body; /* malloc()ed, of which `body` is the bytes: the entry's, when it is made;
			   or NULL: they are copied */
	struct cache_times times;
	uint8_t kind;
	uint16_t status;
	struct arena_budget *budget; /* NULL: none */
};

/* With one reference, the caller's. NULL without memory. */
struct cache_entry *cache_entry_create(const struct cache_parts *parts);

static inline struct cache_entry *cache_entry_ref(struct cache_entry *entry)
{
	atomic_fetch_add_explicit(&entry->n_refs, 1, memory_order_relaxed);
	return entry;
}

void cache_entry_unref(struct cache_entry *entry); /* any thread; NULL is accepted */

/* The same bytes with other times. NULL without memory. */
struct cache_entry *cache_entry_renew(const struct cache_entry *entry, struct str head,
				      const struct cache_times *times);

/* `times` from now on: fresh for so long, then what `stale` allows, in milliseconds. */
struct cache_times cache_times_from(uint64_t now_ns, uint64_t ttl_ms, uint64_t revalidate_ms,
				    uint64_t error_ms);
