/* server/jobs/jobs.h: flows that run by the clock.
 *
 * A job is compiled with its generation (struct job_spec); its state (struct job: next run,
 * history, paused) is carried over a reload by name. Every job lives on one home loop, chosen by
 * its name; all its runs are there. */
#pragma once
#include "server/flow/flow.h"
#include "server/jobs/cron.h"
#include "server/jobs/zone.h"

enum {
	JOB_WAITING_MAX = 100,  /* of overlap: queue */
	JOB_PARALLEL_MAX = 100, /* of overlap: parallel */
};

enum job_overlap { OVERLAP_SKIP, OVERLAP_QUEUE, OVERLAP_PARALLEL, OVERLAP_CANCEL_PREVIOUS };

enum job_missed { MISSED_SKIP, MISSED_ONCE, MISSED_ALL };

struct file_io;
struct source_kind;
struct tally;
struct store;
struct job_spec {
	struct str name;
	struct place place;
	enum { JOB_EVERY, JOB_DELAY, JOB_CRON, JOB_SOURCE } kind;
	uint64_t every_ms, delay_ms;
	bool at_start; /* of `every` */
	struct cron cron;
	struct str cron_text;
	struct zone *zone;   /* of cron, run.date and run.time; its reference is the spec's */
	struct str timezone; /* "UTC", "Europe/Paris", "local" */
	enum job_overlap overlap;
	enum job_missed missed;
	size_t history_max;
	uint64_t generation_number; /* that it belongs to; said in the history */
	uint64_t timeout_ms;        /* of one attempt; 0: 30m */
	uint64_t jitter_ms;
	int64_t retry_times;
	uint64_t retry_wait_ms;
	struct flow *flow;
	struct expr *when;   /* or NULL */
	struct tally *tally; /* a reference: of its attempts */
	/* of JOB_SOURCE (server/jobs/source.h) */
	const struct source_kind *source_kind;
	const void *source;
	struct str source_text; /* what people are shown */
	size_t concurrency, waiting_max;
	size_t batch_max; /* 0: a message a run */
	uint64_t batch_wait_ms;
};

extern const struct setting job_keys[];

/* Compiles one entry of `jobs:`. NULL with errors in the compiler's diag. */
struct job_spec *job_compile(struct flow_compiler *compiler, const struct node_entry *entry);
void job_spec_fini(struct job_spec *spec); /* what is not in the arena: the zone */

/* The jobs of one loop. */
struct scheduler;
struct tracer;
struct scheduler *scheduler_create(struct loop *loop, struct client *client,
				   struct detacher *detacher, size_t memory_max);

/* What the runs share with others; before the first one. */
void scheduler_set_homes(struct scheduler *scheduler, struct homes *homes);
void scheduler_set_actors(struct scheduler *scheduler, struct actor_loop *actors);
void scheduler_set_topics(struct scheduler *scheduler, struct topics *topics);

/* Where what the runs do is recorded; before the first one. */
void scheduler_set_store(struct scheduler *scheduler, struct store *store);

/* Where the runs' connections to Redis servers are; before the first one. */
void scheduler_set_files(struct scheduler *scheduler, struct file_io *files);
void scheduler_set_redis(struct scheduler *scheduler, struct redis_loop *redis);
void scheduler_set_tracer(struct scheduler *scheduler, struct tracer *tracer); /* the same */

/* Where the runs' programs and jq are; before the first one. */
void scheduler_set_programs(struct scheduler *scheduler, struct processes *processes,
			    struct jq_pool *jq);

/* The flow of that name in a generation, or NULL: for what is done once; before the first one. */
void scheduler_set_flows(struct scheduler *scheduler,
			 struct flow *(*find_flow)(void *generation, struct str name));

/* What each run from now on may use, and what all of them share with others (NULL: nothing). */
void scheduler_set_memory(struct scheduler *scheduler, size_t memory_max,
			  struct arena_budget *budget);
void scheduler_destroy(struct scheduler *scheduler); /* no run may be in progress */

/* Takes over these specs (those whose home is this loop): jobs of the same name keep their
 * state; a job whose schedule changed plans anew; one that is gone lets its runs finish. Called
 * on the loop at start and at every reload. `generation` is what runs of these specs pin, by
 * detacher->begin() and end(). */
void scheduler_set(struct scheduler *scheduler, void *generation, struct job_spec *const specs[],
		   size_t n_specs);

/* No new runs; when `cancel`, those in progress are cancelled. n_running tells when all have
 * ended. */
void scheduler_stop(struct scheduler *scheduler, bool cancel);
size_t scheduler_n_running(const struct scheduler *scheduler);

/* ---- for the admin API; on the scheduler's loop */
/* Appends one JSON object for each job: {"name":…,"schedule":…,"next":RFC 3339 or
 * null,"paused":…,"running":n, "last":{…}|null,"runs":n,"failures":n}, separated by commas. */
void scheduler_write_list(struct scheduler *scheduler, struct buf *out);
/* The history as a JSON list, newest first; false: no such job here. Each entry is
 * {"planned":…,"started":…,
 * "ended":…,"took_ms":n,"attempt":n,"outcome":"waiting|running|ok|failed|timeout|cancelled|skipped|interrupted","error":CODE|null,
 * "times":n,"id":…,"generation":n,"retry":RFC 3339,"log":[LINE…]}; what does not apply is null or absent. */
bool scheduler_write_history(struct scheduler *scheduler, struct str name, struct buf *out);
enum job_command { JOB_RUN_NOW, JOB_MAY_RUN, JOB_PAUSE, JOB_RESUME };
/* 0; -ENOENT; -EAGAIN: what is known of the job is still being read; -EIO: it cannot be read now; -EBUSY for JOB_RUN_NOW that overlap (skip, or a bound) refuses. A paused job plans
 * no runs; those in progress and those that wait go on, and JOB_RUN_NOW works. */
int scheduler_command(struct scheduler *scheduler, struct str name, enum job_command command);
