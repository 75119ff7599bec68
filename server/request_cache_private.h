/* server/request_cache_private.h: between request_cache.c, request_cache_keep.c and request_forget.c. */
#pragma once
#include "server/request_cache.h"

/* Ends the fill, if there is one. `failure` may be NULL. */
void request_cache_end(struct request_cache *cache, const struct cache_result *result);

/* Answers with the entry, which may be old; takes its reference. */
void request_cache_serve(struct request_cache *cache, struct cache_entry *entry, int fwd_status);

/* "leat; hit; ttl=5": RFC 9211. .ptr NULL without memory. */
struct str request_cache_status(const struct request_cache *cache, const struct cache_entry *hit,
				int fwd_status, bool stored);

/* "http://host:port" as the client has it. .ptr NULL without memory. */
struct str request_cache_origin(struct request *request);

/* The key of a URI of that origin, without a `key:`: by the path as it was understood, so that what
 * means the same has one key; with all of the origin, as the upstream is told it. 0 or -ENOMEM.
 * Without a query its .ptr is NULL. */
int request_cache_uri(struct request *request, const struct http_path *path, struct str query,
		      struct str *ret_key);

int64_t cache_entry_age(const struct cache_entry *entry, uint64_t now_ns); /* in seconds */
