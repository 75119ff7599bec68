/* server/store/store_db.c: opening the file, and its statements. */
#include "server/store/store_db.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	CHECK_NS = 2000000000, /* a large file is not looked at as a whole */
	CHECK_STEPS = 1000,    /* of SQLite's machine, between two looks at the clock */
	BUSY_MS = 2000,        /* somebody looks into the file */
	PAGE_SIZE = 4096,
	LOG_KEPT = 16 << 20,          /* of the write-ahead log, once it was larger */
	BATCH_LENGTH_MAX = 256 << 20, /* of one value */
};

/* ------------------------------------------------------------ errors */

static int error_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_TOOBIG:
		return -E2BIG;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return -EIO;
	default:
		return -EINVAL;
	}
}

/* At once: after a rollback SQLite knows of no error any more. */
static void store_db_note(struct store_db *db, int trouble)
{
	db->trouble = trouble;
	snprintf(db->problem, sizeof(db->problem), "%s", sqlite3_errmsg(db->sqlite));
}

int store_db_error(struct store_db *db, int code)
{
	int r = error_of(code);

	if (store_error_is_of_file(r))
		store_db_note(db, r);
	return r;
}

int store_db_exec(struct store_db *db, const char *sql)
{
	return store_db_error(db, sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL));
}

/* ------------------------------------------------------------ statements */

static sqlite3_stmt *store_prepare(struct store_db *db, const char *sql)
{
	sqlite3_stmt *statement = map_find(&db->statements, str_of(sql));
	int r;

	if (statement)
		return statement;
	r = sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
	if (r == SQLITE_ERROR) /* somebody has taken a table away */
		store_db_note(db, -EBADMSG);
	else
		store_db_error(db, r);
	if (statement)
		map_set(&db->statements, str_of(sqlite3_sql(statement)), statement);
	return statement;
}

static int store_bind(sqlite3_stmt *statement, int at, const struct store_arg *arg)
{
	switch (arg->kind) {
	case STORE_NULL:
		return sqlite3_bind_null(statement, at);
	case STORE_INT:
		return sqlite3_bind_int64(statement, at, arg->number);
	case STORE_TEXT:
		return sqlite3_bind_text64(statement, at, arg->text.len ? arg->text.ptr : "",
					   arg->text.len, SQLITE_STATIC, SQLITE_UTF8);
	}
	unreachable();
}

sqlite3_stmt *store_query(struct store_db *db, const char *sql, const struct store_arg *args,
			  size_t n_args)
{
	sqlite3_stmt *statement = store_prepare(db, sql);
	int r = SQLITE_OK;

	if (!statement)
		return NULL;
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	for (size_t i = 0; i < n_args && r == SQLITE_OK; i++)
		r = store_bind(statement, (int)i + 1, &args[i]);
	check_that(r != SQLITE_RANGE, "%s", sql);
	return r == SQLITE_OK ? statement : NULL;
}

int store_row(struct store_db *db, sqlite3_stmt *statement)
{
	int code;

	if (!statement)
		return db->trouble ? db->trouble : -ENOMEM;
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		return 1;
	sqlite3_reset(statement);
	return store_db_error(db, code);
}

int64_t store_row_int(sqlite3_stmt *statement, int column)
{
	return sqlite3_column_int64(statement, column);
}

struct str store_row_text(sqlite3_stmt *statement, int column)
{
	const void *bytes = sqlite3_column_blob(statement, column);

	return (struct str){ bytes, (size_t)sqlite3_column_bytes(statement, column) };
}

bool store_row_is_null(sqlite3_stmt *statement, int column)
{
	return sqlite3_column_type(statement, column) == SQLITE_NULL;
}

int64_t store_write(struct store_db *db, const char *sql, const struct store_arg *args,
		    size_t n_args)
{
	sqlite3_stmt *statement = store_query(db, sql, args, n_args);
	int r;

	do
		r = store_row(db, statement);
	while (r == 1); /* of a pragma */
	return r < 0 ? r : sqlite3_changes64(db->sqlite);
}

int64_t store_number(struct store_db *db, const char *sql, const struct store_arg *args,
		     size_t n_args, int64_t otherwise, int *ret_error)
{
	sqlite3_stmt *statement = store_query(db, sql, args, n_args);
	int r = store_row(db, statement);
	int64_t number = otherwise;

	if (r == 1 && !store_row_is_null(statement, 0))
		number = store_row_int(statement, 0);
	if (statement)
		sqlite3_reset(statement);
	if (ret_error)
		*ret_error = MIN(r, 0);
	return number;
}

int64_t store_last_id(struct store_db *db)
{
	return sqlite3_last_insert_rowid(db->sqlite);
}

void store_db_reset(struct store_db *db)
{
	for (sqlite3_stmt *at = NULL; (at = sqlite3_next_stmt(db->sqlite, at));)
		if (sqlite3_stmt_busy(at))
			sqlite3_reset(at);
}

/* ------------------------------------------------------------ opening */

static int check_is_long(void *arg)
{
	const struct store_db *db = arg;

	return clock_monotonic_ns() > db->check_until_ns;
}

/* "ok", or what is wrong, in `out`; "ok" too when there was no time for all of it. */
static int store_check(struct store_db *db, char *out, size_t size)
{
	sqlite3_stmt *statement = NULL;
	int r;

	db->check_until_ns = clock_monotonic_ns() + CHECK_NS;
	sqlite3_progress_handler(db->sqlite, CHECK_STEPS, check_is_long, db);
	r = sqlite3_prepare_v2(db->sqlite, "pragma quick_check(1)", -1, &statement, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_step(statement);
	snprintf(out, size, "%s",
		 r == SQLITE_INTERRUPT ? "ok"
		 : r == SQLITE_ROW     ? (const char *)sqlite3_column_text(statement, 0)
				       : sqlite3_errmsg(db->sqlite));
	sqlite3_finalize(statement);
	sqlite3_progress_handler(db->sqlite, 0, NULL, NULL);
	if (r == SQLITE_INTERRUPT)
		log_info("store is large: not all of it was checked");
	return r == SQLITE_ROW || r == SQLITE_INTERRUPT ? 0 : error_of(r);
}

static int store_set_up(struct store_db *db, const struct store_settings *settings)
{
	char bounds[128];
	uint64_t n_pages =
		MIN(MAX(settings->size_max / PAGE_SIZE, UINT64_C(64)), (uint64_t)UINT32_MAX - 1);
	int r;

	sqlite3_extended_result_codes(db->sqlite, 1);
	sqlite3_busy_timeout(db->sqlite, BUSY_MS);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_limit(db->sqlite, SQLITE_LIMIT_LENGTH, BATCH_LENGTH_MAX);
	snprintf(bounds, sizeof(bounds),
		 "pragma page_size = %d; pragma max_page_count = %llu; pragma journal_size_limit = "
		 "%d",
		 PAGE_SIZE, (unsigned long long)n_pages, LOG_KEPT);
	r = store_db_exec(db, bounds);
	if (r == 0)
		r = store_db_exec(db, "pragma journal_mode = wal; pragma synchronous = full;"
				      "pragma foreign_keys = on; pragma temp_store = memory");
	return r;
}

static bool store_is_in_memory(const char *path)
{
	return strcmp(path, ":memory:") == 0;
}

/* With the mode that the file shall have; SQLite's own files beside it get the same. */
static int store_make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* 0; -EBADMSG with what is wrong; another errno with its text. */
static int store_try(struct store_db *db, const struct store_settings *settings, char *problem,
		     size_t size)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	int r = store_is_in_memory(settings->path) ? 0 : store_make_file(settings->path);

	if (r < 0) {
		snprintf(problem, size, "%s", strerror(-r));
		return r;
	}
	r = error_of(sqlite3_open_v2(settings->path, &db->sqlite, flags, NULL));
	if (r == 0)
		r = store_set_up(db, settings);
	if (r < 0)
		snprintf(problem, size, "%s", sqlite3_errmsg(db->sqlite));
	else
		r = store_check(db, problem, size);
	if (r == 0 && strcmp(problem, "ok") != 0)
		r = -EBADMSG;
	return r;
}

static void store_forget(struct store_db *db)
{
	struct map_slot *slot;

	for (size_t at = 0; (slot = map_next(&db->statements, &at));)
		sqlite3_finalize(slot->value);
	map_fini(&db->statements);
	map_init(&db->statements);
	sqlite3_close(db->sqlite);
	db->sqlite = NULL;
}

/* The file and what SQLite has beside it get names that say when. */
static int store_move_aside(const char *path, const char *problem)
{
	static const char *const parts[] = { "", "-wal", "-shm" };
	int64_t now_s = clock_wall_ns() / (int64_t)NS_PER_S;
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		char *from = mem_printf("%s%s", path, parts[i]);
		char *to = mem_printf("%s.broken-%lld%s", path, (long long)now_s, parts[i]);

		if (rename(from, to) < 0 && (i == 0 || errno != ENOENT))
			r = -errno;
		free(from);
		free(to);
	}
	if (r == 0)
		log_error(
			"store was broken and is moved aside path=%s to=%s.broken-%lld problem=%s, "
			"beginning a new one",
			path, path, (long long)now_s, LOG_QUOTE(str_of(problem)));
	return r;
}

static int store_open_file(struct store_db *db, const struct store_settings *settings,
			   struct diag *diag)
{
	char problem[256] = "";
	int r = store_try(db, settings, problem, sizeof(problem));

	if (r == -EBADMSG && settings->move_corrupt &&
	    (store_forget(db), store_move_aside(settings->path, problem) == 0))
		r = store_try(db, settings, problem, sizeof(problem));
	if (r == -EBADMSG)
		diag_error(diag, (struct place){ 0 },
			   "the store %s is broken (%s); restore it from a copy, mend it with "
			   "`sqlite3 %s .recover`, or move it away with its -wal and -shm (or say "
			   "store.if_corrupt: move_aside) to begin a new one",
			   settings->path, problem, settings->path);
	else if (r < 0)
		diag_error(diag, (struct place){ 0 },
			   "cannot open the store %s: %s; see store.path", settings->path, problem);
	return r < 0 ? -1 : store_migrate(db, settings->path, diag);
}

int store_db_open(struct store_db *db, const struct store_settings *settings, struct diag *diag)
{
	int pid = 0;

	*db = (struct store_db){ .lock_fd = -1 };
	map_init(&db->statements);
	if (!store_is_in_memory(settings->path))
		db->lock_fd = store_lock(settings->path, &pid);
	if (db->lock_fd == -EBUSY)
		diag_error(diag, (struct place){ 0 },
			   "the store %s is in use by another leat (process %d); stop that one, or "
			   "give this one a store.path of its own",
			   settings->path, pid);
	else if (db->lock_fd < -1 || (db->lock_fd < 0 && !store_is_in_memory(settings->path)))
		diag_error(diag, (struct place){ 0 },
			   "cannot open the store %s: %s; see store.path", settings->path,
			   strerror(-db->lock_fd));
	else
		return store_open_file(db, settings, diag);
	return db->lock_fd == -EBUSY ? -EBUSY : -1;
}

/* What cannot be opened now is seen later. */
int store_db_look(const char *path, struct diag *diag)
{
	struct store_db db = { .lock_fd = -1 };
	int r = 0;

	map_init(&db.statements);
	if (!store_is_in_memory(path) &&
	    sqlite3_open_v2(path, &db.sqlite, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
		    SQLITE_OK)
		r = store_check_owner(&db, path, diag);
	store_db_close(&db);
	return r;
}

void store_db_close(struct store_db *db)
{
	store_forget(db);
	if (db->lock_fd >= 0)
		close(db->lock_fd);
	db->lock_fd = -1;
}
