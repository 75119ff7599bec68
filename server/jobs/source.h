/* server/jobs/source.h: where a job's messages come from (`source:`), and how it takes them.
 *
 *   source --consumer_take()--> waits --> a run has it --> settled: done, failed or returned
 *      ^                                    |  ^  |
 *      +---- resume(): there is room ----+     |  v
 *                                            its next attempt
 *
 * A job has one source, open on the job's loop; all of this is that loop's. A message belongs to
 * the consumer from consumer_take() to settle(), which is called exactly once for each. Messages
 * of one lane are handled one after the other in the order in which they were taken, attempts
 * included; others side by side, as many runs at once as the job's `concurrency`. No more than
 * consumer_room() may be handed over: that bound is what holds back the sender.
 *
 *   OPEN --stop()--> STOPPED --close()--> closed: consumer_on_closed()
 *
 * A source that is stopped hands over nothing any more. It is closed when all of its messages are
 * settled, and keeps itself until its acknowledgements are on their way. */
#pragma once
#include "server/jobs/jobs.h"

struct consumer;
struct job_source;

struct source_message {
	struct list link; /* the consumer's */
	uint64_t lane;    /* 0: it need not be in order */
	uint64_t taken_ns;
};

enum source_outcome {
	SOURCE_DONE,     /* handled */
	SOURCE_FAILED,   /* all attempts have failed: to the dead letters, or it is lost */
	SOURCE_RETURNED, /* not handled: the job stops, or its runs were cancelled */
};

struct source_ops {
	/* The message as ${message}: an object, in the arena or as long as the message. 0 or a
	 * negative errno. */
	int (*value)(const struct source_message *message, struct arena *arena, struct value *ret);
	/* Takes it back; `failure` is NULL unless it FAILED. */
	void (*settle)(struct job_source *source, struct source_message *message,
		       enum source_outcome outcome, const struct failure *failure);
	void (*resume)(struct job_source *source);
	void (*stop)(struct job_source *source);
	void (*close)(struct job_source *source, bool now); /* now: from within, whatever is left */
	/* Members of a JSON object, each with a comma in front: what is special to it. Not
	 * called after close(). */
	void (*write)(const struct job_source *source, struct buf *out);
};

/* The first member of each source. */
struct job_source {
	const struct source_ops *ops;
	struct consumer *consumer;
};

/* What a source is opened with. */
struct source_env {
	struct loop *loop;
	struct redis_loop *redis; /* of the loop: for its names */
	size_t memory_max;        /* of one reply's arena */
	struct arena_budget *budget;
	struct str job; /* its name; stays */
};

/* One a verb of `source:`; server/jobs/source.c has the list. */
struct source_kind {
	const char *name; /* the key that names the section's entry */
	const struct setting *keys;
	/* Into the flow compiler's arena; NULL with errors in its diag. `*ret_text` is what people
	 * are shown. */
	const void *(*compile)(struct flow_compiler *compiler, const struct node *node,
			       struct str *ret_text);
	/* Whether the open source may go on with that, which a reload has brought. */
	bool (*is_same)(const struct job_source *source, const void *spec);
	/* It copies what it needs: the spec may be gone before the source. NULL without memory;
	 * whatever else is wrong is tried again and again, and told by write(). */
	struct job_source *(*open)(const void *spec, struct consumer *consumer,
				   const struct source_env *env);
};

/* Reads `source:`. False with errors in the compiler's diag. */
bool source_compile(struct flow_compiler *compiler, const struct node *node, struct job_spec *spec);

/* ---- for sources */

/* How many more messages may be handed over now; 0: not before resume(). */
size_t consumer_room(const struct consumer *consumer);
void consumer_take(struct consumer *consumer, struct source_message *message);

/* A message that had no room, where the sender cannot be held back. */
void consumer_count_dropped(struct consumer *consumer);
void consumer_on_closed(struct consumer *consumer); /* the source is gone */
