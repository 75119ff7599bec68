/* server/sql/sqlite.h: between sqlite.c (connections) and sqlite_run.c (jobs). */
#pragma once
#include "server/sql/sql_cache.h"
#include "server/sql/sql_threads.h"
#include <sqlite3.h>

enum { SQLITE_LANE_READ, SQLITE_LANE_WRITE };

struct sqlite_session {
	struct sql_session session; /* first */
	sqlite3 *db;
	struct sql_cache statements; /* of sqlite3_stmt */
	bool own; /* what is prepared now is leat's own: the authorizer lets it pass */
};

static inline struct sqlite_session *sqlite_session_of(struct sql_session *session)
{
	return container_of(session, struct sqlite_session, session);
}

void sqlite_run(struct sql_session *session, struct sql_job *job);

/* From now on SQLite asks often whether the job at hand is over. */
void sqlite_watch(struct sqlite_session *own);

/* The job has failed as the last call to the library did. */
void sqlite_fail(struct sqlite_session *own, struct sql_job *job, int code);
