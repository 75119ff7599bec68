/* server/sql/sql_job.h: what a task asks of a database: one statement, or several that hold
 * together; and what has come of it.
 *
 *   QUEUED --(somebody of the driver takes it)--> RUNNING --sql_job_finish()--> DONE    on its way to the loop
 *     \------(the task has gone)--> freed            \-----(the task has gone)--> LEFT   the driver frees it
 *
 * A job is one block with its own memory: nothing in it points into a request, a flow or a
 * generation, so that a task that has ended need not wait for the server (DECISIONS 4). It belongs
 * to the loop until it is submitted, then to the driver, then to the loop again; only `state`,
 * `cancelled` and what sql_db.lock guards are looked at by both. */
#pragma once
#include "core/base/buf.h"
#include "core/io/loop.h"
#include "server/flow/error.h"

struct sql_db;
struct sql_job;
typedef void sql_job_fn(struct sql_job *job);

enum sql_kind {
	SQL_NULL,
	SQL_BOOL,   /* .integer */
	SQL_INT,    /* .integer */
	SQL_REAL,   /* .real */
	SQL_NUMBER, /* .text: a number as JSON writes it */
	SQL_TEXT,   /* .text */
	SQL_BLOB,   /* .text: bytes; only of answers */
	SQL_JSON,   /* .text: a list or an object; of answers, what may be JSON */
	SQL_KEPT,   /* a column of an earlier statement's first row: .statement, .kept; only of
		       arguments */
};

struct sql_value {
	enum sql_kind kind;
	uint32_t statement, kept;
	union {
		int64_t integer;
		double real;
		struct str text;
	};
};

/* A column that later statements want of the first row. */
struct sql_kept {
	struct str column;
	struct sql_value value;
	bool found;
};

struct sql_statement {
	struct str name; /* empty: it has none */
	struct str text; /* with the driver's placeholders */
	uint64_t hash;   /* of the text */
	bool reads, inserts;
	size_t n_args;
	struct sql_value *args; /* by placeholder */
	size_t n_kept;
	struct sql_kept *kept;
	size_t n_json;
	struct str *json; /* columns whose text is JSON */
	/* then: */
	size_t rows_from, rows_to;   /* "[…]" in job->out */
	size_t first_from, first_to; /* the first row in it; equal: there is none */
	uint64_t n_rows;
	bool has_rows; /* it is of the kind that gives rows */
	bool has_affected, has_last_id;
	int64_t affected, last_id;
};

enum { SQL_STATE_LEN = 5, SQL_MESSAGE_MAX = 240 };

struct sql_job {
	struct list link; /* among those that wait; sql_db.lock, or the driver's */
	struct post post; /* to its loop */
	struct post go;   /* to the loop of a driver that has one */
	struct loop *loop;
	struct sql_db *db;
	sql_job_fn *on_done; /* on the loop; NULL: the task has gone */
	void *owner;
	atomic_int state;      /* enum sql_job_state */
	atomic_bool cancelled; /* what runs should end soon */
	bool queued;           /* guarded by sql_db.lock */
	uint64_t deadline_ns;
	bool transaction; /* BEGIN and COMMIT around them */
	bool reads;       /* all of them do */
	bool numbers;     /* decimals are numbers, not texts */
	uint64_t max_rows, max_bytes;
	size_t n_statements;
	struct sql_statement *statements;
	struct arena arena;
	struct buf out; /* the rows of all statements, as JSON */
	/* the end */
	enum error_code code;             /* ERROR_NONE: all is done */
	char sqlstate[SQL_STATE_LEN + 1]; /* empty: the server did not say */
	char message[SQL_MESSAGE_MAX];    /* without any value, for error.detail and the log */
	size_t failed;                    /* the number of the statement */
	bool sent;                        /* the server may have done something */
};

/* With room for its statements; their memory is bounded by `memory_max` and counted by the budget
 * (NULL: none). NULL: there is no memory. */
struct sql_job *sql_job_create(struct loop *loop, size_t memory_max, struct arena_budget *budget,
			       size_t n_statements);
void sql_job_free(struct sql_job *job);

/* Why it has failed; the first reason stays. */
void sql_job_fail(struct sql_job *job, enum error_code code, const char *sqlstate,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Its task has gone, or its time is over: true, and it has failed with that. */
bool sql_job_is_over(struct sql_job *job);

/* The value of an argument, looked up where it is an earlier statement's. */
struct sql_value sql_job_arg(const struct sql_job *job, const struct sql_value *arg);

/* ---- between the loop and the driver */

/* The driver has the job no more: it goes to its loop, or is freed. Any thread. */
void sql_job_finish(struct sql_job *job);

/* The task has gone while the job was running: true when the driver will free it. The loop. */
bool sql_job_leave_running(struct sql_job *job);
