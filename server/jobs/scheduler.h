/* server/jobs/scheduler.h: the jobs of one loop and their runs. Internal to jobs; all of it is
 * the loop's.
 *
 *   due --> (when is false, overlap) --> skipped
 *    |
 *    +--> WAITING --> RUNNING --> over
 *            (overlap)   ^  |
 *                        |  v
 *                      PAUSING          (it failed, and is tried again) */
#pragma once
#include "core/base/map.h"
#include "server/jobs/agenda.h"
#include "server/jobs/history.h"
#include "server/jobs/record.h"
#include "server/jobs/timetable.h"

struct scheduler {
	struct loop *loop;
	struct client *client;
	struct detacher *detacher;
	struct homes *homes;         /* of what the runs share; or NULL */
	struct actor_loop *actors;   /* of the loop; or NULL */
	struct topics *topics;       /* the same */
	struct processes *processes; /* of the loop; or NULL */
	struct redis_loop *redis;    /* of the loop; or NULL */
	struct file_io *files;       /* the same */
	struct jq_pool *jq;          /* of the process; or NULL */
	struct store *store;         /* of the process; or NULL: nothing is kept */
	struct tracer *tracer;       /* of the loop; or NULL */
	struct agenda *own[N_LANES]; /* of the loop; or NULL: nothing is done once */
	struct agendas *agendas;     /* of all; or NULL */
	struct flow *(*find_flow)(void *generation, struct str name);
	void *generation;  /* of the last scheduler_set() */
	size_t memory_max; /* of one run's arena */
	struct arena_budget *memory_budget;
	struct map by_name;
	struct list jobs; /* of struct job, in the order of the configuration */
	size_t n_running; /* runs that are RUNNING or PAUSING, of all jobs */
	uint64_t n_made;  /* runs ever made: for their ids */
	bool stopped;
};

struct consumer;
struct job {
	struct list link;
	struct scheduler *scheduler;
	char *name;
	char *schedule; /* as text; another one is another plan */
	const struct job_spec
		*spec;             /* NULL: gone from the configuration; lives until its runs end */
	void *generation;          /* the spec's */
	struct consumer *consumer; /* of a source; NULL: it runs by the clock */
	struct timetable timetable;
	struct timer timer;
	struct list runs;    /* of struct job_run: RUNNING and PAUSING */
	struct list waiting; /* of struct job_run */
	size_t n_running, n_waiting;
	uint64_t n_runs, n_failures;
	bool paused;
	bool recorded;         /* the store knows it, and is told what it does */
	struct record *record; /* what the store is being asked; until then nothing is due */
	bool asks_again;       /* it could not say: the timer asks it again; the same holds */
	unsigned n_asked;      /* in vain */
	int64_t after_wall_ns; /* the last planned time that is done with */
	struct history history;
};

enum job_run_state {
	JOB_RUN_WAITING, /* for its turn; not pinned: it starts with the spec of then */
	JOB_RUN_RUNNING, /* its flow runs */
	JOB_RUN_PAUSING, /* it failed; the timer starts the next attempt */
};

struct job_run {
	struct list link;
	struct job *job;
	enum job_run_state state;
	const struct job_spec *spec; /* of its start; pinned by `generation` */
	void *generation;
	struct arena arena; /* of one attempt */
	struct context context;
	struct flow_run flow;
	struct timer timer; /* the pause */
	int64_t planned_wall_ns;
	int64_t started_wall_ns;   /* of this attempt */
	uint64_t started_ns;       /* of this attempt */
	uint64_t entry;            /* of this attempt in the history */
	bool has_entry;            /* also while it waits */
	char log[HISTORY_LOG_MAX]; /* the last lines of this attempt */
	size_t log_len;
	unsigned attempt;
	char id[JOB_RUN_ID_MAX];
	struct todo_run *todo; /* that asked for it; or NULL: the schedule */
	char *args;            /* JSON; or NULL */
};

/* ---- job_run.c */

/* What flows of this loop have. */
struct context scheduler_context(const struct scheduler *scheduler, const struct context_ops *ops,
				 struct arena *arena, struct str id);

/* Before the attempt behind that one: it doubles, with up to a quarter more, so that what failed
 * together is not tried together. */
uint64_t job_retry_wait_ms(const struct job_spec *spec, unsigned attempt, struct str id);
uint64_t job_timeout_ms(const struct job_spec *spec); /* of one attempt */

/* NULL when there is no memory. */
struct job_run *job_run_create(struct job *job, int64_t planned_wall_ns);
void job_run_destroy(struct job_run *run); /* one that was never started, or is over */

/* A line for the history: the last ones are kept. */
void job_run_keep_line(struct job_run *run, struct str line);

/* What the job's `when` says: 1, 0, or a negative errno. */
int job_run_when(struct job_run *run);
void job_run_start(struct job_run *run);

/* The run ends soon, or now when it is PAUSING, and is not tried again. */
void job_run_cancel(struct job_run *run);

/* ---- job_roots.c: ${run…} and ${job…} */
extern const struct context_ops job_run_ops;

/* ---- job_restore.c */

/* What the store knows has come: the history, what was missed meanwhile, and what was cut. */
void job_on_record(struct job *job, struct record *record);

/* What the store knows of it has not come yet. */
static inline bool job_is_unknown(const struct job *job)
{
	return job->record || job->asks_again;
}

/* ---- scheduler_tell.c */

/* NULL: no such job here, or it is no more in the configuration. */
struct job *scheduler_find(struct scheduler *scheduler, struct str name);

/* ---- scheduler.c */

/* It starts when those have ended that run, or wait before it. */
void job_wait(struct job *job, struct job_run *run);
void job_skip(struct job *job, int64_t planned_wall_ns, const char *outcome, const char *why);
void job_arm(struct job *job);

/* The store could not say what it knows. False: it is asked no more, and the job goes on without. */
bool job_ask_later(struct job *job);

/* Nothing runs any more: the next may, or the job goes. */
void job_check_idle(struct job *job);

/* A run of a job that an agenda asks for: it starts, or waits; agenda_on_job_over() follows. 0, -ENOENT,
 * -EAGAIN: not now; -ENOMEM. */
int scheduler_run_once(struct scheduler *scheduler, struct str name, struct todo_run *todo,
		       struct str args);

/* Called once by a run that was started, when it is over; it may be freed here. */
void job_on_run_over(struct job_run *run, bool failed);
