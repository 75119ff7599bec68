/* server/cache/cache.h: `cache:` of a task or a route: what its keys say, and what is kept.
 *
 * What is kept belongs to a struct cache, which is counted, used by all loops, and carried over a
 * reload under the same name as long as what it keeps would still come out the same: the text of
 * its task or route, and of the flows and upstreams that this names, has not changed. */
#pragma once
#include "conf/settings.h"
#include "core/base/map.h"
#include "server/cache/store.h"

struct cache_list;
struct redis;
struct template;

struct cache_counts {
	_Atomic uint64_t hits, misses, stale, coalesced, bypassed;
};

struct cache {
	atomic_uint n_refs;
	char *name, *text; /* "GET /x", "GET /x.profile"; what it depends on */
	char digest[32];   /* of `text`, as hexadecimal digits without an end */
	struct cache_store *store;
	struct cache_counts counts;
};

/* As the keys say. */
struct cache_spec {
	const struct node *key_node, *stale_node;
	uint64_t ttl_ms, max_bytes, entry_bytes;
	struct str where;
	/* compiled */
	uint64_t revalidate_ms, error_ms;
	struct template *key;
	struct cache *cache;
	struct redis *redis; /* of the generation; NULL: in memory */
};

extern const struct setting cache_keys[], cache_proxy_keys[], cache_stale_keys[];

/* All of a generation. */
struct cache_list {
	const struct node *root;         /* of the configuration */
	const struct cache_list *before; /* of the generation at work; NULL: none. While it loads */
	struct arena *arena;
	size_t n_caches, n_room;
	struct cache **caches;
	const struct cache_spec **specs; /* of each */
	struct map by_name;
};

void cache_list_init(struct cache_list *list, const struct node *root,
		     const struct cache_list *before, struct arena *arena);
void cache_list_fini(struct cache_list *list);

/* Reads the node at `cache:` (a duration is its ttl) but for the key, which is the caller's to
 * compile. False when there were errors. */
bool cache_spec_read(struct cache_spec *spec, const struct node *node, struct arena *arena,
		     struct diag *diag);

/* The same of a proxy, where answers say themselves how long they are good (`true` is all). */
bool cache_spec_read_proxy(struct cache_spec *spec, const struct node *node, struct arena *arena,
			   struct diag *diag);

/* Its key, where one is written: *roots becomes what that reads. False when it is wrong. */
struct expr_compiler;
bool cache_spec_compile_key(struct cache_spec *spec, const struct expr_compiler *expr,
			    uint64_t *roots, struct diag *diag);

/* What `in:` says, of the servers of `redis:` (NULL: there are none). False when it is wrong. */
struct redis_section;
bool cache_spec_place(struct cache_spec *spec, const struct node *node,
		      const struct redis_section *redis, struct diag *diag);

/* The cache of that name, with a reference of the list: that of the generation before, when
 * `definition` says the same, else a new one. */
struct cache *cache_list_add(struct cache_list *list, struct str name,
			     const struct node *definition, const struct cache_spec *spec);

/* ------------------------------------------------------------ any thread */

struct cache *cache_ref(struct cache *cache);
void cache_unref(struct cache *cache); /* NULL is accepted */

static inline void cache_count(_Atomic uint64_t *count)
{
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}
