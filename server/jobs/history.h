/* server/jobs/history.h: what became of the last runs of one job, an entry an attempt. Internal
 * to jobs. */
#pragma once
#include "server/jobs/jobs.h"

enum {
	HISTORY_ERROR_MAX = 64,
	HISTORY_LOG_MAX = 2048, /* of the last lines that a run has logged */
	JOB_RUN_ID_MAX = 128,
};

struct history_entry {
	uint64_t number;
	int64_t planned_wall_ns, started_wall_ns, ended_wall_ns; /* 0: not yet, or never */
	int64_t retry_wall_ns;         /* when the run is tried again; 0: it is not */
	const char *outcome;           /* one of those in history.c */
	char error[HISTORY_ERROR_MAX]; /* "" or the code, or why it was skipped */
	unsigned attempt;              /* from 1; 0: it was not started */
	uint64_t times;                /* how many planned runs in a row were skipped for this */
	uint64_t generation;           /* the number of that which it ran by */
	char id[JOB_RUN_ID_MAX];       /* "" when there was no run */
	char *log;                     /* NULL, or its last lines, each with its newline */
};

struct history {
	uint64_t n_added; /* ever, also before this process: the number of the next */
	uint64_t first;   /* the number of the oldest that is kept */
	size_t max;
	struct history_entry *entries; /* `max` of them; NULL: none yet */
};

void history_init(struct history *history, size_t max);
void history_fini(struct history *history);
void history_resize(struct history *history, size_t max);

/* An entry that was kept elsewhere, whose numbers grow from call to call; it takes over `log`. Before any other. */
void history_restore(struct history *history, const struct history_entry *entry);

/* The outcome of that name, as an entry has it; NULL: there is none. */
const char *history_outcome(struct str name);

/* The number of a new entry, "waiting". */
uint64_t history_add_waiting(struct history *history, int64_t planned_wall_ns, const char *id);

/* The number of a new entry, "running". */
uint64_t history_begin(struct history *history, int64_t planned_wall_ns, int64_t started_wall_ns,
		       unsigned attempt);

/* NULL when newer ones have pushed it out. */
struct history_entry *history_find(struct history *history, uint64_t number);

/* No effect when newer entries have pushed it out. */
void history_end(struct history *history, uint64_t number, int64_t ended_wall_ns,
		 const char *outcome, struct str error);
void history_set_log(struct history *history, uint64_t number, struct str log);

/* A planned run that was not started. True when it is the first in a row: the others are counted
 * with it. It is the newest entry then. */
bool history_skip(struct history *history, int64_t planned_wall_ns, const char *outcome,
		  const char *why);

/* As a list of JSON objects, newest first. */
void history_write(const struct history *history, struct buf *out);

/* The newest entry that was started and has ended as a JSON object, or null. */
void history_write_last(const struct history *history, struct buf *out);

/* A time as JSON: RFC 3339 in UTC; null for 0. */
void history_write_time(int64_t wall_ns, struct buf *out);
