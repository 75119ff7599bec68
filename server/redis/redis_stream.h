/* server/redis/redis_stream.h: a stream's messages; what its two files share. Internal to redis. */
#pragma once
#include "core/base/map.h"
#include "server/redis/redis_source.h"

enum { STREAM_ID_MAX = 48 };

struct stream_message {
	struct source_message message;
	struct list link; /* in the stream's acks or dead */
	struct redis_load *load;
	struct value fields; /* a list: name, value, …, in base64 */
	char id[STREAM_ID_MAX];
	char error[64]; /* of a dead letter: the code */
};

enum stream_step { STREAM_CREATE, STREAM_OWN, STREAM_SKIP, STREAM_NEW, STREAM_CLAIM };

struct redis_stream {
	struct redis_intake intake;
	enum stream_step step;
	bool asking, stopped;
	struct redis_call call;
	struct redis_load *load;    /* of the call */
	char after[STREAM_ID_MAX];  /* of OWN and SKIP: the last id that was seen */
	size_t n_asked, n_max;      /* messages: of the call, and of the next one at most */
	char cursor[STREAM_ID_MAX]; /* of CLAIM */
	uint64_t claim_at_ns;
	struct map by_id;  /* all messages that are not settled and acknowledged */
	struct list acks;  /* of struct stream_message: to be acknowledged */
	struct list acked; /* the same, on their way */
	struct list dead;  /* to be put to the dead letters; the first is on its way */
	bool acking, burying;
	struct redis_call ack_call, dead_call;
	struct arena ack_arena, dead_arena;
	struct timer ack_timer;
	bool closing;
	struct ready gone; /* nothing is left to do: not from within a call */
};

static inline struct redis_stream *stream_of(struct job_source *source)
{
	return container_of(source, struct redis_stream, intake.source);
}

/* ---- redis_stream_settle.c */

void redis_stream_init_settling(struct redis_stream *stream);

/* It is in no list any more. */
void redis_stream_forget(struct redis_stream *stream, struct stream_message *message);

void redis_stream_acknowledge(struct redis_stream *stream); /* what is in `acks` */
void redis_stream_settle(struct job_source *source, struct source_message *settled,
			 enum source_outcome outcome, const struct failure *failure);
void redis_stream_close(struct job_source *source, bool now);
