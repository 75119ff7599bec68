/* server/store/store_db.h: the file of the store: opening it, its schema, its statements. Internal to the store. */
#pragma once
#include "core/base/map.h"
#include "server/store/store.h"
#include <errno.h>
#include <sqlite3.h>

enum { STORE_APPLICATION_ID = 0x6c656174 }; /* "leat" */

struct store_db {
	sqlite3 *sqlite;
	int lock_fd;             /* -1: none, in memory */
	struct map statements;   /* text to sqlite3_stmt * */
	int trouble;             /* 0, or what the file has failed with since it was last cleared */
	char problem[160];       /* what SQLite said of it then */
	uint64_t check_until_ns; /* of the look at the file when it is opened */
};

/* 0, or a negative number with an error in `diag`; -EBUSY: another leat has it. In any case store_db_close() is due. */
int store_db_open(struct store_db *db, const struct store_settings *settings, struct diag *diag);
void store_db_close(struct store_db *db);

/* Whether a file that another leat has could be used when it lets go. 0, or -1 with an error. */
int store_db_look(const char *path, struct diag *diag);

/* Without rows. 0 or a negative errno, which is kept in `trouble` when it is the file's. */
int store_db_exec(struct store_db *db, const char *sql);

/* The same for what SQLite has said. */
int store_db_error(struct store_db *db, int code);

/* Not what an op has done wrong, but the disk. */
static inline bool store_error_is_of_file(int r)
{
	return r == -ENOSPC || r == -EIO || r == -EBADMSG || r == -EROFS || r == -EBUSY;
}

/* Whatever a run has left open ends. */
void store_db_reset(struct store_db *db);

/* ---- store_lock.c */

/* The descriptor of "PATH-lock", locked, or a negative errno; -EBUSY: by *ret_pid. */
int store_lock(const char *path, int *ret_pid);

/* ---- store_schema.c */

/* 0, or -1 with an error: it is another program's, or of a newer leat. */
int store_check_owner(struct store_db *db, const char *path, struct diag *diag);

/* Brings the schema to this version, one transaction a step. 0, or -1 with an error. */
int store_migrate(struct store_db *db, const char *path, struct diag *diag);
