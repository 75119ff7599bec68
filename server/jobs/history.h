/* server/jobs/history.h: what became of the last runs of one job, an entry an attempt. Internal
 * to jobs. */
#pragma once
#include "server/jobs/jobs.h"

enum { HISTORY_ERROR_MAX = 64 };

struct history_entry {
	int64_t planned_wall_ns, started_wall_ns, ended_wall_ns; /* 0: not yet, or never */
	const char *outcome; /* "running", "ok", "failed", "timeout", "cancelled", "skipped" */
	char error[HISTORY_ERROR_MAX]; /* "" or the code, or why it was skipped */
	unsigned attempt;              /* from 1; 0: it was not started */
	uint64_t times;                /* how many planned runs in a row were skipped for this */
};

struct history {
	uint64_t n_added; /* ever */
	struct history_entry entries[JOB_HISTORY_MAX];
};

/* The number of a new entry, "running". */
uint64_t history_begin(struct history *history, int64_t planned_wall_ns, int64_t started_wall_ns,
		       unsigned attempt);

/* No effect when newer entries have pushed it out. */
void history_end(struct history *history, uint64_t number, int64_t ended_wall_ns,
		 const char *outcome, struct str error);

/* A planned run that was not started. True when it is the first in a row: the others are counted
 * with it. */
bool history_skip(struct history *history, int64_t planned_wall_ns, const char *outcome,
		  const char *why);

/* As a list of JSON objects, newest first. */
void history_write(const struct history *history, struct buf *out);

/* The newest entry that was started and has ended as a JSON object, or null. */
void history_write_last(const struct history *history, struct buf *out);

/* A time as JSON: RFC 3339 in UTC; null for 0. */
void history_write_time(int64_t wall_ns, struct buf *out);
