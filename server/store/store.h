/* server/store/store.h: what must outlive the process: a SQLite file with a thread of its own.
 *
 * Who has something to keep embeds a store_op in a block of its own and submits it. The store's
 * thread runs as many of them as have come in one transaction (group commit, synchronous = full),
 * and tells each one's loop when that is on the disk, or why it is not. What `run` does is undone
 * when it fails; the others of its transaction are not touched by that.
 *
 * A disk that is full or broken stops nobody: ops fail with -ENOSPC or -EIO, the store says so
 * (status, log, metrics), tries by itself whether it works again, and goes on when it does.
 *
 * Without a path all is kept in memory, by the same rules, for as long as the process lives. */
#pragma once
#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/io/loop.h"

struct store;
struct store_db;
struct store_op;
struct sqlite3_stmt;

/* On the store's thread, which it must not hold up. 0, or a negative errno, which undoes what it
 * has changed. It may be run a second time, when a transaction with others could not be
 * committed: it starts from what the op says, not from what the first run left in it. */
typedef int store_run_fn(struct store_op *op, struct store_db *db);

/* On the op's loop, once, after the commit; `result` is 0 or a negative errno. It may free the
 * op. */
typedef void store_done_fn(struct store_op *op);

struct store_op {
	struct loop *loop; /* that is told */
	store_run_fn *run;
	store_done_fn *on_done;
	int result;
	/* the store's */
	struct post post;
	struct list link;
	size_t size;
};

struct store_settings {
	const char *path; /* or ":memory:" */
	uint64_t size_max;
	bool move_corrupt; /* a broken file is moved aside; else it is an error */
	bool wait; /* for another leat that has it (in memory: of its own) and is about to end */
};

enum { STORE_WAITING_MAX = 20000, STORE_WAITING_BYTES_MAX = 64 << 20 };

/* Opens the file, brings its schema to this version, starts the thread. NULL with an error that
 * says the way on: another daemon has it, it is broken, it is of a newer leat. */
/* With `wait` the store is there at once, and what is submitted waits, until the other one has let go of the file
 * (in memory: until store_set_alone(), so that neither does what the other is at);
 * then it is as if this process had just started. An error is then only what can be seen before. */
struct store *store_create(const struct store_settings *settings, struct diag *diag);

/* The end, in three steps; NULL is accepted by each. Until what was submitted is done, and its loops are told
 * (what they do then may submit more); until the file is closed, and more is refused with -EAGAIN (the loops
 * must still be there); until nobody may ask. store_destroy() does all that is left. */
void store_wait(struct store *store);
void store_stop(struct store *store);
void store_destroy(struct store *store);

/* Any thread; the op is the store's until on_done. `size` is what it carries, in bytes. -EAGAIN:
 * it stops, or more than STORE_WAITING_MAX wait, or their bytes are too many; then the op is still the
 * caller's and will not be told. In order for each submitter. */
int store_submit(struct store *store, struct store_op *op, size_t size);

/* ---- for `run`: statements, prepared once for each text, which must be constant */

struct store_arg {
	enum { STORE_NULL, STORE_INT, STORE_TEXT } kind;
	int64_t number;
	struct str text;
};
static inline struct store_arg store_null(void)
{
	return (struct store_arg){ STORE_NULL, 0, STR_NONE };
}
static inline struct store_arg store_int(int64_t number)
{
	return (struct store_arg){ STORE_INT, number, STR_NONE };
}
static inline struct store_arg store_text(struct str text) /* bytes of any kind */
{
	return (struct store_arg){ STORE_TEXT, 0, text };
}

#define STORE_NO_ARGS NULL, 0
#define STORE_ARGS(...)                                                                            \
	(const struct store_arg[]){ __VA_ARGS__ },                                                 \
		sizeof((const struct store_arg[]){ __VA_ARGS__ }) / sizeof(struct store_arg)

/* A statement without rows: how many rows it has changed, or a negative errno (-EEXIST: a
 * constraint). The args are ?1, ?2, … */
int64_t store_write(struct store_db *db, const char *sql, const struct store_arg *args,
		    size_t n_args);

/* A query: its statement, to be given to store_row() until that is not 1; not twice at a time.
 * NULL: it fails, store_row() says why. The texts of `args` must live as long. */
struct sqlite3_stmt *store_query(struct store_db *db, const char *sql, const struct store_arg *args,
				 size_t n_args);

/* 1: there is a row; 0: that was all; or a negative errno. */
int store_row(struct store_db *db, struct sqlite3_stmt *statement);
int64_t store_row_int(struct sqlite3_stmt *statement, int column);
struct str store_row_text(struct sqlite3_stmt *statement, int column); /* until the next row */
bool store_row_is_null(struct sqlite3_stmt *statement, int column);

/* Of a query that has at most one number as its answer: it, or `otherwise`; *ret_error (which
 * may be NULL) is 0 or a negative errno. */
int64_t store_number(struct store_db *db, const char *sql, const struct store_arg *args,
		     size_t n_args, int64_t otherwise, int *ret_error);

int64_t store_last_id(struct store_db *db); /* of the row that was inserted last */

/* ---- any thread */

struct store_stats {
	bool in_memory, degraded;
	char problem[160]; /* when degraded */
	size_t n_waiting;
	uint64_t n_ops, n_failed, n_commits, n_refused; /* refused: -EAGAIN */
	uint64_t size_bytes;                            /* of the file, without its log */
};
void store_stats(struct store *store, struct store_stats *ret_stats);
const char *store_path(const struct store *store);
bool store_is_open(struct store *store);    /* it waits for nobody */
void store_set_alone(struct store *store);  /* nobody is waited for any more: one in memory opens */
bool store_has_waited(struct store *store); /* it was taken from a leat that was running */
