/* server/sql/sql_threads.h: databases whose library blocks: threads of their own, each with one
 * connection.
 *
 * A database has one or two lanes (of SQLite: who writes, who reads), each with a queue and as
 * many threads as it may have connections. A thread is started when a job comes and none is free,
 * opens its connection with its first job, and ends when it was not needed for `pool.idle`. */
#pragma once
#include "server/sql/sql_db.h"

/* The driver's struct begins with it. */
struct sql_session {
	struct list link; /* in lane->sessions */
	struct sql_db *db;
	struct sql_lane *lane;
	unsigned lane_number;
	struct sql_job *job; /* that it runs; set with sql_db.lock held */
	bool is_open;        /* set with sql_db.lock held */
	bool broken;
};

int sql_threads_submit(struct sql_db *db, struct sql_job *job);
void sql_threads_leave(struct sql_db *db, struct sql_job *job);
void sql_threads_stop(struct sql_db *db);

/* A thread that is counted, too, and of which nobody hears. 0 or a negative errno. */
int sql_threads_start(void *(*run)(void *arg), void *arg);
void sql_threads_end(void); /* the last thing that it does */

/* At the end of the process: until the threads of all databases have ended, or too long. */
void sql_threads_wait(void);
