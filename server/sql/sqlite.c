/* server/sql/sqlite.c: SQLite: one thread writes, others read, all in WAL mode, so that neither
 * waits for the other.
 *
 * What a statement may do is bounded by an authorizer: no ATTACH, no load_extension(), no
 * transaction of its own, no PRAGMA but those that only tell something. The file stays beneath
 * files_root: the path has no "..", and no part of it may be a symbolic link. */
#include "server/sql/sqlite.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SQLITE_STEPS = 1000, /* of its machine, between two looks at whether the job is over */
	SQLITE_PAUSE_MAX_US = 10000,
	SQLITE_PATTERN_MAX = 1000,
};

/* ------------------------------------------------------------ what statements may do */

static bool pragma_only_tells(const char *name, const char *value)
{
	static const char *const with_value[] = { "table_info",       "table_xinfo",
						  "table_list",       "index_list",
						  "index_info",       "index_xinfo",
						  "foreign_key_list", "foreign_key_check",
						  "integrity_check",  "quick_check" };
	static const char *const without[] = { "user_version",   "data_version",   "page_count",
					       "freelist_count", "page_size",      "application_id",
					       "encoding",       "journal_mode",   "foreign_keys",
					       "synchronous",    "compile_options" };

	for (size_t i = 0; i < ARRAY_LEN(with_value); i++)
		if (strcasecmp(name, with_value[i]) == 0)
			return true;
	for (size_t i = 0; !value && i < ARRAY_LEN(without); i++)
		if (strcasecmp(name, without[i]) == 0)
			return true;
	return false;
}

static bool function_is_safe(const char *name)
{
	static const char *const unsafe[] = { "load_extension", "fts3_tokenizer", "writefile",
					      "readfile", "edit" };

	for (size_t i = 0; i < ARRAY_LEN(unsafe); i++)
		if (strcasecmp(name, unsafe[i]) == 0)
			return false;
	return true;
}

static int sqlite_authorize(void *arg, int action, const char *a, const char *b, const char *schema,
			    const char *trigger)
{
	const struct sqlite_session *own = arg;
	bool ok = true;

	(void)schema;
	(void)trigger;
	if (action == SQLITE_ATTACH || action == SQLITE_DETACH)
		return SQLITE_DENY;
	if (own->own)
		return SQLITE_OK;
	if (action == SQLITE_TRANSACTION || action == SQLITE_SAVEPOINT)
		return SQLITE_DENY;
	if (action == SQLITE_PRAGMA)
		ok = pragma_only_tells(a, b);
	else if (action == SQLITE_FUNCTION)
		ok = function_is_safe(b);
	return ok ? SQLITE_OK : SQLITE_DENY;
}

/* ------------------------------------------------------------ waiting and ending */

static int sqlite_on_progress(void *arg)
{
	struct sqlite_session *own = arg;

	return own->session.job && sql_job_is_over(own->session.job);
}

void sqlite_watch(struct sqlite_session *own)
{
	sqlite3_progress_handler(own->db, SQLITE_STEPS, sqlite_on_progress, own);
}

/* Somebody else writes: another process, as here there is one thread for it. */
static int sqlite_on_busy(void *arg, int n_tries)
{
	struct sqlite_session *own = arg;

	if (!own->session.job || sql_job_is_over(own->session.job))
		return 0;
	usleep((useconds_t)MIN(500 << MIN(n_tries, 10), SQLITE_PAUSE_MAX_US));
	return 1;
}

/* ------------------------------------------------------------ opening */

static void sqlite_drop(void *owner, void *statement)
{
	(void)owner;
	sqlite3_finalize(statement);
}

/* The file remembers it. While somebody else has a lock on one that is not in this mode yet, who
 * writes waits, and who reads goes on without: SQLite itself waits for neither. */
static int sqlite_use_wal(struct sqlite_session *own, bool waits)
{
	int r, n_tries = 0;

	do
		r = sqlite3_exec(own->db, "pragma journal_mode = wal", NULL, NULL, NULL);
	while ((r & 0xff) == SQLITE_BUSY && waits && sqlite_on_busy(own, n_tries++));
	return (r & 0xff) == SQLITE_BUSY && !waits ? SQLITE_OK : r;
}

static int sqlite_set_up(struct sqlite_session *own)
{
	static const struct {
		int option, value;
	} options[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },      { SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 }, { SQLITE_DBCONFIG_DQS_DML, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },        { SQLITE_DBCONFIG_ENABLE_FKEY, 1 },
	};
	bool writes = own->session.lane_number == SQLITE_LANE_WRITE;
	int r = SQLITE_OK;

	sqlite3_extended_result_codes(own->db, 1);
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		sqlite3_db_config(own->db, options[i].option, options[i].value, NULL);
	sqlite3_limit(own->db, SQLITE_LIMIT_ATTACHED, 0);
	/* what a value may be made of by a function, and a pattern cost */
	sqlite3_limit(own->db, SQLITE_LIMIT_LENGTH,
		      (int)MAX(own->session.db->settings.max_bytes, (uint64_t)SQL_VALUE_MAX));
	sqlite3_limit(own->db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, SQLITE_PATTERN_MAX);
	sqlite3_busy_handler(own->db, sqlite_on_busy, own);
	sqlite_watch(own);
	own->own = true;
	r = sqlite_use_wal(own, writes);
	if (r == SQLITE_OK)
		r = sqlite3_exec(own->db, "pragma synchronous = full", NULL, NULL, NULL);
	if (r == SQLITE_OK && !writes)
		r = sqlite3_exec(own->db, "pragma query_only = on", NULL, NULL, NULL);
	own->own = false;
	sqlite3_set_authorizer(own->db, sqlite_authorize, own);
	return r;
}

/* The folder as it really is: only what is beneath it may not be a link. */
static bool sqlite_find_path(const struct sql_address *address, struct sql_job *job,
			     char out[PATH_MAX])
{
	struct str rest = str_skip(address->path, address->root.len);
	char root[PATH_MAX];

	if (!realpath(address->root.ptr, root) && errno == ENOENT)
		(void)mkdir(address->root.ptr, 0700);
	if (realpath(address->root.ptr, root) && strlen(root) + rest.len < PATH_MAX) {
		memcpy(mempcpy(out, root, strlen(root)), rest.ptr, rest.len + 1);
		return true;
	}
	sql_job_fail(job, ERROR_CONNECT_FAILED, NULL, "the folder of the database: %s",
		     strerrorname_np(errno));
	return false;
}

static void sqlite_close(struct sql_session *session)
{
	struct sqlite_session *own = sqlite_session_of(session);

	sql_cache_clear(&own->statements);
	check(sqlite3_close(own->db) == SQLITE_OK);
	own->db = NULL;
}

static bool sqlite_open(struct sql_session *session, struct sql_job *job)
{
	struct sqlite_session *own = sqlite_session_of(session);
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
			  SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW;
	char path[PATH_MAX];
	int r;

	sql_cache_init(&own->statements, session->db->settings.statements, sqlite_drop, NULL);
	if (!sqlite_find_path(&session->db->address, job, path))
		return false;
	r = sqlite3_open_v2(path, &own->db, flags, NULL);
	if (r == SQLITE_OK)
		r = sqlite_set_up(own);
	if (r == SQLITE_OK)
		return true;
	if (job->code == ERROR_NONE)
		sql_job_fail(job, r == SQLITE_NOMEM ? ERROR_MEMORY_LIMIT : ERROR_CONNECT_FAILED,
			     NULL, "the database cannot be opened: %s",
			     own->db ? sqlite3_errmsg(own->db) : sqlite3_errstr(r));
	if (own->db)
		sqlite_close(session);
	return false;
}

/* ------------------------------------------------------------ the driver */

static unsigned sqlite_lane(const struct sql_job *job)
{
	return job->reads ? SQLITE_LANE_READ : SQLITE_LANE_WRITE;
}

static unsigned sqlite_lane_max(const struct sql_db *db, unsigned lane)
{
	return lane == SQLITE_LANE_WRITE ? 1 : (unsigned)db->settings.max;
}

const struct sql_driver sql_driver_sqlite = {
	.scheme = "sqlite",
	.dialect = SQL_SQLITE,
	.submit = sql_threads_submit,
	.leave = sql_threads_leave,
	.stop = sql_threads_stop,
	.session_size = sizeof(struct sqlite_session),
	.n_lanes = 2,
	.lane = sqlite_lane,
	.lane_max = sqlite_lane_max,
	.open = sqlite_open,
	.run = sqlite_run,
	.close = sqlite_close,
};
