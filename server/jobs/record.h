/* server/jobs/record.h: what the store knows of jobs. Internal to jobs.
 *
 * Writing is told to nobody: a store that does not work says so itself, and the runs go on. All of
 * it is in the order in which it was asked for. */
#pragma once
#include "server/jobs/history.h"
#include "server/store/store.h"

struct job;

/* Keeps this entry of the history as it is now, and with it up to when the plan is done with. */
void record_entry(struct job *job, uint64_t number);
void record_state(struct job *job); /* paused, the schedule, up to when the plan is done with */

/* What the store knows of a job. */
struct record {
	struct store_op op;
	struct scheduler *scheduler;
	char *name;
	bool is_known, paused;
	char *schedule;        /* NULL when it is not known */
	int64_t after_wall_ns; /* up to when the plan is done with */
	size_t n_entries, max; /* of the history, oldest first */
	struct history_entry *entries;
};

/* Asks; job_on_record() is called once, unless the store refuses: then NULL, at once. */
struct record *record_ask(struct job *job);

/* The entries that were not taken (their logs) go with it. */
void record_free(struct record *record);
