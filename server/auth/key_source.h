/* server/auth/key_source.h: a key set that is fetched from a URL.
 *
 * It is fetched when it is first needed, again in the background when it is older than `refresh`, and
 * when a token names a key that it has not; never more often than once in `retry`, and by one loop of
 * the process at a time. When that fails the keys that are there go on. Whoever needs keys that may be
 * coming waits for them; a fetch always ends (FETCH_MS). A source outlives the configuration: the next
 * one that names the same URL has it, keys and all.
 *
 * Any thread, but for the fetches of a loop, which are its own. */
#pragma once
#include "core/io/loop.h"
#include "server/auth/jwks.h"

struct context;
struct key_source;
struct node;
struct pool_queue;
struct upstream;

enum { KEY_SOURCE_FETCH_MS = 5000 };

/* How old it may be. */
struct key_times {
	uint64_t refresh_ms, retry_ms;
};

/* Keeps a reference to the upstream; `target` is the path and query. One reference. */
struct key_source *key_source_create(struct str url, struct upstream *upstream, struct str target);
struct key_source *key_source_ref(struct key_source *source);
void key_source_unref(struct key_source *source); /* NULL is accepted */
struct str key_source_url(const struct key_source *source);
const struct upstream *key_source_upstream(const struct key_source *source);

/* The keys as they are, a reference; NULL: there never were any. */
struct jwks *key_source_get(struct key_source *source);

/* The fetches that run on one loop. */
struct key_fetches {
	struct list list;        /* of struct key_fetch */
	struct pool_queue *pool; /* key sets are read there; set once there is one */
	bool stopped;
};

void key_fetches_init(struct key_fetches *fetches);

/* No fetch begins any more, and those that run end soon. For the loop's drain. */
void key_fetches_stop(struct key_fetches *fetches);

/* Fetches them in the background when they are too old. */
void key_source_refresh(struct key_source *source, const struct key_times *times,
			struct key_fetches *fetches, struct context *context);

/* A wait for the fetch that runs, embedded in who waits. */
struct key_wait {
	struct list link;
	struct post post;
	struct loop *loop;
	void (*on_keys)(struct key_wait *wait); /* on that loop: the fetch has ended, well or not */
	bool told;                              /* guarded by the source's lock */
};

enum keys {
	KEYS_CHANGED, /* others than `seen` are there already */
	KEYS_COMING,  /* on_keys() will be called */
	KEYS_SAME,    /* there will be no others soon */
};

/* Others than `seen` (NULL: any) are needed. */
enum keys key_source_wait(struct key_source *source, const struct jwks *seen, struct key_wait *wait,
			  const struct key_times *times, struct key_fetches *fetches,
			  struct context *context);

/* True: on_keys() will not be called. False: it will be, soon. */
bool key_wait_leave(struct key_source *source, struct key_wait *wait);
