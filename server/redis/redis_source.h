/* server/redis/redis_source.h: messages of a Redis server for a job: of a stream, as a consumer of
 * a group, or of channels.
 *
 * Each source has connections of its own: what waits there makes nobody else wait. */
#pragma once
#include "server/jobs/source.h"
#include "server/redis/redis_pool.h"

enum redis_source_mode {
	REDIS_STREAM,
	REDIS_SUBSCRIBE,
	REDIS_PSUBSCRIBE, /* by patterns */
	REDIS_SSUBSCRIBE, /* sharded channels */
};

struct redis_source_spec {
	struct redis *redis;
	enum redis_source_mode mode;
	/* of a stream */
	struct str stream, group, consumer, start, dead_letter;
	uint64_t claim_ms; /* 0: never */
	/* else */
	struct setting_texts channels;
};

extern const struct source_kind redis_source;
extern const struct setting redis_source_keys[];

/* redis_stream.c, redis_feed.c: as source_kind.open() */
struct job_source *redis_stream_open(const struct redis_source_spec *spec,
				     struct consumer *consumer, const struct source_env *env);
struct job_source *redis_feed_open(const struct redis_source_spec *spec, struct consumer *consumer,
				   const struct source_env *env);

/* ---- for these two */

/* The first member of each. */
struct redis_intake {
	struct job_source source;
	struct redis_source_spec spec; /* its texts are in `texts`, and the entry is referred to */
	struct arena texts;
	struct source_env env;
	struct redis_loop *rloop; /* its own connections */
	bool connected;
	char problem[REDIS_PROBLEM_MAX]; /* "": none */
	uint64_t n_failed;               /* in a row */
	struct timer timer;              /* the next try */
};

/* A reply, as long as a message of it is in work. */
struct redis_load {
	struct arena arena;
	size_t n_refs;
};

struct redis_load *redis_load_create(const struct redis_intake *intake); /* NULL without memory */
void redis_load_put(struct redis_load *load);

/* What a text of a reply in base64 says, in the arena: text where it is UTF-8, else as it came. 0
 * or -ENOMEM. Other values are themselves. */
int redis_decode(struct value coded, struct arena *arena, struct value *ret);

/* False without memory. */
bool redis_intake_init(struct redis_intake *intake, const struct redis_source_spec *spec,
		       struct consumer *consumer, const struct source_env *env, timer_fn *on_retry);
void redis_intake_fini(struct redis_intake *intake); /* its connections are closed */

/* With new connections; no call may be in progress. */
void redis_intake_reconnect(struct redis_intake *intake);

/* It does not work: said once in the log, and tried again after a while. */
void redis_intake_failed(struct redis_intake *intake, const char *problem);
void redis_intake_works(struct redis_intake *intake);
void redis_intake_write(const struct job_source *source, struct buf *out); /* source_ops.write */
