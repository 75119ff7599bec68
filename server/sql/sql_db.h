/* server/sql/sql_db.h: one entry of the section `sql:`: a database, by name.
 *
 * It is counted: `refs` by the generations that name it, which carry it over when it says the
 * same; `n_holds` by whoever still looks at its memory (all refs together, each thread, each
 * connection). When the last ref goes, it is stopped; when the last hold goes, it is freed. */
#pragma once
#include "core/base/arena.h"
#include "core/base/list.h"
#include "core/thread/lock.h"
#include "server/sql/sql_driver.h"
#include "server/sql/sql_job.h"

enum {
	SQL_LANES_MAX = 2,
	SQL_VALUE_MAX = 64 << 20, /* bytes of one value, where max_bytes is not more */
};

struct sql_settings {
	uint64_t max;        /* connections; of SQLite, those that read */
	uint64_t waiters;    /* that wait for one of them */
	uint64_t idle_ms;    /* after which an unused one is closed */
	uint64_t timeout_ms; /* of a task, waiting included */
	uint64_t connect_ms;
	uint64_t max_rows, max_bytes; /* of tasks that say nothing else */
	uint64_t statements;          /* prepared, a connection */
	bool numbers;                 /* decimals: number */
};

/* As the URL says; decoded. */
struct sql_address {
	struct str host; /* empty: none; a path that begins with '/': the folder of a socket */
	uint16_t port;   /* 0: the usual one */
	struct str user, password, database;
	struct str query; /* what is behind '?', as it stands there */
	struct str path;  /* of a file: absolute */
	struct str root;  /* the folder that `path` must stay in */
};

enum sql_db_state {
	SQL_DB_IDLE, /* nobody has asked for it yet, or its connections were closed unused */
	SQL_DB_UP,
	SQL_DB_DOWN, /* the last try to open it has failed */
};

/* Threads of one kind, and the jobs that wait for them; all guarded by sql_db.lock. */
struct sql_lane {
	struct list waiting;  /* of struct sql_job.link */
	struct list sessions; /* of struct sql_session.link */
	pthread_cond_t wake;
	size_t n_waiting;
	unsigned n_max, n_threads, n_idle;
};

struct sql_stats {
	_Atomic uint64_t queries, errors, connects, refused;
	atomic_int open, in_use, waiting, state;
};

struct sql_db {
	atomic_uint refs, n_holds;
	struct arena arena; /* of its texts */
	struct str name;
	const struct sql_driver *driver;
	struct sql_settings settings;
	struct sql_address address;
	struct sql_stats stats;
	struct lock lock;
	struct sql_lane lanes[SQL_LANES_MAX];
	bool stopping;             /* guarded by lock */
	unsigned n_failures;       /* to open, in a row; guarded by lock */
	uint64_t down_until_ns;    /* no try before; guarded by lock */
	enum error_code down_code; /* why; guarded by lock */
	char down_message[SQL_MESSAGE_MAX];
	void *own; /* of a driver that has no threads */
};

struct sql_db *sql_db_create(struct str name); /* one reference */
struct sql_db *sql_db_ref(struct sql_db *db);
void sql_db_unref(struct sql_db *db); /* NULL is accepted */
void sql_db_hold(struct sql_db *db);
void sql_db_release(struct sql_db *db);
bool sql_db_is_same(const struct sql_db *a, const struct sql_db *b);

/* From the job's loop; as the driver's functions say. */
int sql_db_submit(struct sql_db *db, struct sql_job *job);
void sql_db_leave(struct sql_db *db, struct sql_job *job);

/* At the end of the process, before its last reference goes. */
void sql_db_stop(struct sql_db *db);

/* ---- for drivers; any thread */

/* True when no try to open it is due yet: the job has failed as the last try did. */
bool sql_db_is_down(struct sql_db *db, struct sql_job *job);

/* It was opened, or could not be, and why. Logs when that has changed. */
void sql_db_opened(struct sql_db *db);
void sql_db_failed(struct sql_db *db, const struct sql_job *job);

/* A job has ended: counts, then sql_job_finish(). */
void sql_db_finish(struct sql_db *db, struct sql_job *job);
