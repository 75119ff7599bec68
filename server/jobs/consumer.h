/* server/jobs/consumer.h: a job whose runs are brought by messages. Internal to jobs. */
#pragma once
#include "server/jobs/scheduler.h"
#include "server/jobs/source.h"

struct consumer_stats {
	uint64_t n_received, n_done, n_failed, n_returned, n_dropped, n_retried;
};

struct consumer {
	struct job *job;
	const struct source_kind *kind; /* of `source` */
	struct job_source *source;      /* NULL: none is open */
	bool stopping;                  /* `source` was stopped, and goes when all is settled */
	bool closing;                   /* it was told to go */
	bool ending;                    /* so is the consumer */
	void *pinned;                   /* the generation that waits for its end; or NULL */
	struct list waiting;            /* of struct source_message */
	size_t n_waiting;
	struct list runs; /* of struct delivery */
	size_t n_runs;
	bool starving; /* the source was told that there is no room */
	struct ready pump;
	struct timer timer; /* of the oldest batch that is not full */
	uint64_t n_made;
	struct consumer_stats stats;
};

/* For a job with a source. */
struct consumer *consumer_create(struct job *job);
void consumer_destroy(struct consumer *consumer); /* nothing runs; NULL is accepted */

/* The job has (another) spec, or none; or it was paused or resumed. */
void consumer_set(struct consumer *consumer);

/* Nothing new is begun; when `cancel`, what runs is cancelled and what pauses is given back. */
void consumer_stop(struct consumer *consumer, bool cancel);
bool consumer_is_busy(const struct consumer *consumer);
void consumer_write(const struct consumer *consumer, struct buf *out); /* a JSON object */

/* ---- delivery.c: one run of a consumer, with its attempts */

struct delivery {
	struct list link;
	struct consumer *consumer;
	struct list messages; /* of struct source_message */
	size_t n_messages;
	uint64_t lane;
	const struct job_spec *spec;
	void *generation; /* pinned */
	struct arena arena;
	struct context context;
	struct flow_run flow;
	struct timer timer; /* the pause before the next attempt */
	bool pausing;
	unsigned attempt;
	int64_t started_wall_ns;
	uint64_t started_ns, entry;
	char id[JOB_RUN_ID_MAX];
};

/* NULL without memory. Takes its messages later. */
struct delivery *delivery_create(struct consumer *consumer, uint64_t lane);
void delivery_start(struct delivery *delivery);
void delivery_cancel(struct delivery *delivery);

/* consumer.c: it is over, and its messages are settled; it is freed here. */
void consumer_on_delivered(struct delivery *delivery, enum source_outcome outcome,
			   const struct failure *failure);
