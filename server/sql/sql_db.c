/* server/sql/sql_db.c */
#include "server/sql/sql_db.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include <stdio.h>
#include <stdlib.h>

enum { BACKOFF_MIN_MS = 50, BACKOFF_MAX_MS = 2000 };

struct sql_db *sql_db_create(struct str name)
{
	struct sql_db *db = mem_zalloc(sizeof(*db));
	pthread_condattr_t monotonic;

	atomic_init(&db->refs, 1);
	atomic_init(&db->n_holds, 1);
	arena_init_required(&db->arena);
	db->name = arena_str(&db->arena, name);
	lock_init(&db->lock);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	for (size_t i = 0; i < SQL_LANES_MAX; i++) {
		list_init(&db->lanes[i].waiting);
		list_init(&db->lanes[i].sessions);
		pthread_cond_init(&db->lanes[i].wake, &monotonic);
	}
	pthread_condattr_destroy(&monotonic);
	return db;
}

struct sql_db *sql_db_ref(struct sql_db *db)
{
	check(atomic_fetch_add(&db->refs, 1) > 0);
	return db;
}

void sql_db_unref(struct sql_db *db)
{
	if (!db || atomic_fetch_sub(&db->refs, 1) != 1)
		return;
	sql_db_stop(db);
	sql_db_release(db);
}

void sql_db_hold(struct sql_db *db)
{
	atomic_fetch_add(&db->n_holds, 1);
}

void sql_db_release(struct sql_db *db)
{
	if (atomic_fetch_sub(&db->n_holds, 1) != 1)
		return;
	for (size_t i = 0; i < SQL_LANES_MAX; i++)
		pthread_cond_destroy(&db->lanes[i].wake);
	lock_fini(&db->lock);
	arena_fini(&db->arena);
	free(db);
}

bool sql_db_is_same(const struct sql_db *a, const struct sql_db *b)
{
	const struct sql_address *x = &a->address, *y = &b->address;
	const struct sql_settings *s = &a->settings, *t = &b->settings;

	return a->driver == b->driver && s->max == t->max && s->waiters == t->waiters &&
	       s->idle_ms == t->idle_ms && s->timeout_ms == t->timeout_ms &&
	       s->connect_ms == t->connect_ms && s->max_rows == t->max_rows &&
	       s->max_bytes == t->max_bytes && s->statements == t->statements &&
	       s->numbers == t->numbers && str_eq(x->host, y->host) && x->port == y->port &&
	       str_eq(x->user, y->user) && str_eq(x->password, y->password) &&
	       str_eq(x->database, y->database) && str_eq(x->query, y->query) &&
	       str_eq(x->path, y->path);
}

int sql_db_submit(struct sql_db *db, struct sql_job *job)
{
	int r;

	job->db = db;
	job->out.max = job->max_bytes > SIZE_MAX / 2 ? SIZE_MAX : job->max_bytes + 1024;
	r = db->driver->submit(db, job);
	if (r < 0)
		atomic_fetch_add(&db->stats.refused, 1);
	return r;
}

void sql_db_leave(struct sql_db *db, struct sql_job *job)
{
	db->driver->leave(db, job);
}

void sql_db_stop(struct sql_db *db)
{
	if (db->driver)
		db->driver->stop(db);
}

/* ------------------------------------------------------------ for drivers */

bool sql_db_is_down(struct sql_db *db, struct sql_job *job)
{
	bool down;

	lock_acquire(&db->lock);
	down = clock_monotonic_ns() < db->down_until_ns;
	if (down)
		sql_job_fail(job, db->down_code, NULL, "%s", db->down_message);
	lock_release(&db->lock);
	return down;
}

void sql_db_opened(struct sql_db *db)
{
	atomic_fetch_add(&db->stats.connects, 1);
	lock_acquire(&db->lock);
	db->n_failures = 0;
	db->down_until_ns = 0;
	lock_release(&db->lock);
	if (atomic_exchange(&db->stats.state, SQL_DB_UP) == SQL_DB_DOWN)
		log_info("database is there again name=%s", db->name.ptr);
}

void sql_db_failed(struct sql_db *db, const struct sql_job *job)
{
	uint64_t wait_ms;

	lock_acquire(&db->lock);
	wait_ms =
		MIN((uint64_t)BACKOFF_MIN_MS << MIN(db->n_failures, 10U), (uint64_t)BACKOFF_MAX_MS);
	db->n_failures++;
	db->down_until_ns = clock_monotonic_ns() + wait_ms * NS_PER_MS;
	db->down_code = job->code;
	snprintf(db->down_message, sizeof(db->down_message), "%s", job->message);
	lock_release(&db->lock);
	if (atomic_exchange(&db->stats.state, SQL_DB_DOWN) != SQL_DB_DOWN)
		log_warning("database cannot be opened name=%s code=%s detail=%s, retrying",
			    db->name.ptr, error_code_name(job->code),
			    LOG_QUOTE(str_of(job->message)));
}

void sql_db_finish(struct sql_db *db, struct sql_job *job)
{
	atomic_fetch_add(&db->stats.queries, 1);
	if (job->code != ERROR_NONE && job->code != ERROR_CANCELLED)
		atomic_fetch_add(&db->stats.errors, 1);
	sql_job_finish(job);
}
