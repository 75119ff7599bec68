/* server/sql/sql_driver.h: what a kind of database is to the rest of leat.
 *
 * To add one: write server/sql/NAME.c, declare its driver here, list it in sql_drivers.c. One whose
 * library blocks takes the functions of sql_threads.h for `submit`, `leave` and `stop`, and brings
 * open, run and close, which its threads call. */
#pragma once
#include "server/sql/sql_lex.h"
#include <stdbool.h>

struct sql_db;
struct sql_job;
struct sql_session;

struct sql_driver {
	const char *scheme; /* "sqlite": what stands before the ':' of a URL */
	enum sql_dialect dialect;
	bool is_remote; /* a server, with host, port, user and password; else a file */
	const char *const *parameters; /* that may stand behind '?' in a URL, NULL at the end */

	const char *const *sslmodes; /* what the parameter of that name may be */

	/* Any thread. 0: the job is the driver's, which ends in one sql_job_finish(). -EAGAIN: too
	 * many wait already; another negative errno: nobody can take it now. */
	int (*submit)(struct sql_db *db, struct sql_job *job);

	/* The job's loop: its task has gone. A job that still waits is freed at once; what runs is
	 * interrupted, and freed when it has ended. */
	void (*leave)(struct sql_db *db, struct sql_job *job);

	/* Nobody submits any more; what runs is interrupted. Closes all connections, soon. May be
	 * called twice. */
	void (*stop)(struct sql_db *db);

	/* ---- of drivers with threads; all on the session's own thread but interrupt() */
	size_t session_size; /* of the struct that begins with a struct sql_session */
	unsigned n_lanes;
	unsigned (*lane)(const struct sql_job *job);
	unsigned (*lane_max)(const struct sql_db *db, unsigned lane);

	/* False: the job has failed (connect_failed, dns_failed, tls_failed, sql_error). */
	bool (*open)(struct sql_session *session, struct sql_job *job);

	/* Carries the job out, or fails it; sets session->broken when the connection is of no use
	 * any more. */
	void (*run)(struct sql_session *session, struct sql_job *job);
	void (*close)(struct sql_session *session);

	/* Before a job is run on a connection that was idle: it is of no use. NULL: never. */
	bool (*is_stale)(struct sql_session *session);

	/* Another thread, with sql_db.lock held, while run() is at work on a job that is cancelled.
	 * Must not block. NULL: run() looks at job->cancelled often enough. */
	void (*interrupt)(struct sql_session *session);
};

extern const struct sql_driver sql_driver_sqlite, sql_driver_postgres, sql_driver_mysql;

/* The driver of that scheme, or NULL; then *ret_missing tells the feature that this leat was built
 * without ("WITH_POSTGRES"), or is NULL. */
const struct sql_driver *sql_driver_find(struct str scheme, const char **ret_missing);
