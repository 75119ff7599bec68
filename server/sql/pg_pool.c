/* server/sql/pg_pool.c
 *
 * A task that leaves sets its job's flag and pokes the pool, which then looks for jobs that have
 * it: so nothing of a job that may be gone is sent. */
#include "server/sql/pg_pool.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/sql/pg_conn.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PG_PORT = 5432 };

const char *const pg_parameters[] = { "sslmode",
				      "sslrootcert",
				      "sslcert",
				      "sslkey",
				      "sslcrl",
				      "sslsni",
				      "ssl_min_protocol_version",
				      "channel_binding",
				      "application_name",
				      "options",
				      "target_session_attrs",
				      "keepalives",
				      "keepalives_idle",
				      "keepalives_interval",
				      "keepalives_count",
				      "tcp_user_timeout",
				      NULL };

static const char *const pg_sslmodes[] = { "disable",   "allow",       "prefer", "require",
					   "verify-ca", "verify-full", NULL };

/* ------------------------------------------------------------ jobs and connections */

static struct sql_job *pool_take(struct pg_pool *pool)
{
	struct sql_job *job = list_first(&pool->waiting, struct sql_job, link);

	if (!job)
		return NULL;
	list_remove(&job->link);
	pool->n_waiting--;
	atomic_fetch_sub(&pool->db->stats.waiting, 1);
	return job;
}

static void pool_fail_all(struct pg_pool *pool, enum error_code code, const char *message)
{
	struct sql_job *job;

	while ((job = pool_take(pool))) {
		sql_job_fail(job, code, NULL, "%s", message);
		sql_db_finish(pool->db, job);
	}
}

static void pool_free(struct pg_pool *pool)
{
	if (!pool->stopped || pool->n_conns > 0 || atomic_load(&pool->poked))
		return;
	timer_stop(&pool->retry);
	names_destroy(pool->names);
	pool->db->own = NULL;
	sql_db_release(pool->db);
	free(pool);
}

static bool pool_may_try(struct pg_pool *pool)
{
	uint64_t due_ns;

	lock_acquire(&pool->db->lock);
	due_ns = pool->db->down_until_ns;
	lock_release(&pool->db->lock);
	if (clock_monotonic_ns() >= due_ns)
		return true;
	timer_start_at(&pool->retry, due_ns);
	return false;
}

/* As many as there are jobs that none is free for; not before the next try is due. */
static void pool_open_more(struct pg_pool *pool)
{
	while (!pool->stopped && pool->n_opening < pool->n_waiting &&
	       pool->n_conns < pool->db->settings.max && pool_may_try(pool))
		pg_conn_open(pool);
}

void pg_pool_idle(struct pg_pool *pool)
{
	while (!list_is_empty(&pool->idle)) {
		struct sql_job *job = pool_take(pool);
		struct pg_conn *conn = list_first(&pool->idle, struct pg_conn, idle);

		if (!job)
			break;
		if (sql_job_is_over(job))
			sql_db_finish(pool->db, job);
		else
			pg_conn_start(conn, job);
	}
	pool_open_more(pool);
}

static void pool_on_retry(struct timer *timer)
{
	pg_pool_idle(container_of(timer, struct pg_pool, retry));
}

/* While others are open or on their way, those who wait wait for them: the server has too many,
 * perhaps. */
void pg_pool_failed(struct pg_pool *pool, enum error_code code, const char *message)
{
	struct sql_job why = { .code = code };

	snprintf(why.message, sizeof(why.message), "%s", message);
	if (!pool->stopped)
		sql_db_failed(pool->db, &why);
	if (pool->n_open + pool->n_opening == 0)
		pool_fail_all(pool, code, message);
}

void pg_pool_gone(struct pg_pool *pool)
{
	if (pool->n_conns == 0 && atomic_load(&pool->db->stats.state) == SQL_DB_UP)
		atomic_store(&pool->db->stats.state, SQL_DB_IDLE);
	if (pool->stopped)
		pool_free(pool);
	else
		pool_open_more(pool);
}

/* ------------------------------------------------------------ messages from other loops */

static void pool_on_job(struct post *post)
{
	struct sql_job *job = container_of(post, struct sql_job, go);
	struct pg_pool *pool = job->db->own;
	const struct sql_settings *settings = &job->db->settings;
	bool full;

	if (!pool || pool->stopped || sql_job_is_over(job) ||
	    (pool->n_open + pool->n_opening == 0 && sql_db_is_down(job->db, job))) {
		sql_job_fail(job, ERROR_UNAVAILABLE, NULL, "the database is closed");
		sql_db_finish(job->db, job);
		return;
	}
	full = list_is_empty(&pool->idle) && pool->n_conns >= settings->max &&
	       pool->n_waiting >= settings->waiters + pool->n_opening;
	if (full) {
		atomic_fetch_add(&job->db->stats.refused, 1);
		sql_job_fail(job, ERROR_POOL_EXHAUSTED, NULL,
			     "too many wait for the database already");
		sql_db_finish(job->db, job);
		return;
	}
	list_add(&pool->waiting, &job->link);
	pool->n_waiting++;
	atomic_fetch_add(&job->db->stats.waiting, 1);
	pg_pool_idle(pool);
}

static void pool_drop_cancelled(struct pg_pool *pool)
{
	struct sql_job *job;
	struct pg_conn *conn;

	list_each(job, &pool->waiting, struct sql_job, link) {
		if (!atomic_load(&job->cancelled))
			continue;
		list_remove(&job->link);
		pool->n_waiting--;
		atomic_fetch_sub(&pool->db->stats.waiting, 1);
		sql_job_is_over(job);
		sql_db_finish(pool->db, job);
	}
	list_each(conn, &pool->conns, struct pg_conn, link)
		if (conn->job && atomic_load(&conn->job->cancelled))
			pg_conn_interrupt(conn);
}

static void pool_stop(struct pg_pool *pool)
{
	struct pg_conn *conn;

	pool->stopped = true;
	pool_fail_all(pool, ERROR_UNAVAILABLE, "the database is closed");
	list_each(conn, &pool->conns, struct pg_conn, link) {
		if (conn->job)
			sql_job_fail(conn->job, ERROR_UNAVAILABLE, NULL, "the database is closed");
		pg_conn_close(conn);
	}
}

static void pool_on_poke(struct post *post)
{
	struct pg_pool *pool = container_of(post, struct pg_pool, poke);

	atomic_store(&pool->poked, false);
	if (pool->stopped)
		pool_free(pool);
	else
		pool_drop_cancelled(pool);
}

/* A post of its own: were it told by a flag and the poke, one that is under way already could see the flag,
 * and free the pool before whoever stops it has poked. */
static void pool_on_halt(struct post *post)
{
	struct pg_pool *pool = container_of(post, struct pg_pool, halt);

	pool_stop(pool);
	pool_free(pool);
}

static void pool_poke(struct pg_pool *pool)
{
	if (!atomic_exchange(&pool->poked, true))
		loop_post(pool->loop, &pool->poke);
}

/* ------------------------------------------------------------ the driver */

/* On the loop of who asks, which becomes its home. */
static int pool_create(struct sql_db *db, struct loop *loop)
{
	struct pg_pool *pool = mem_zalloc(sizeof(*pool));
	int r = names_create(&pool->names, loop);

	if (r < 0) {
		free(pool);
		return r;
	}
	pool->db = db;
	pool->loop = loop;
	list_init(&pool->waiting);
	list_init(&pool->conns);
	list_init(&pool->idle);
	snprintf(pool->port, sizeof(pool->port), "%u",
		 (unsigned)(db->address.port ? db->address.port : PG_PORT));
	timer_init(&pool->retry, loop, pool_on_retry);
	pool->poke.run = pool_on_poke;
	pool->halt.run = pool_on_halt;
	sql_db_hold(db);
	db->own = pool;
	return 0;
}

static int pg_submit(struct sql_db *db, struct sql_job *job)
{
	struct pg_pool *pool;
	int r = 0;

	lock_acquire(&db->lock);
	if (db->stopping)
		r = -ESHUTDOWN;
	else if (!db->own)
		r = pool_create(db, job->loop);
	pool = db->own;
	lock_release(&db->lock);
	if (r < 0)
		return r;
	job->go.run = pool_on_job;
	loop_post(pool->loop, &job->go);
	return 0;
}

static void pg_leave(struct sql_db *db, struct sql_job *job)
{
	struct pg_pool *pool = db->own;

	atomic_store(&job->cancelled, true);
	if (sql_job_leave_running(job))
		pool_poke(pool);
}

static void pg_stop(struct sql_db *db)
{
	struct pg_pool *pool;

	lock_acquire(&db->lock);
	pool = db->stopping ? NULL : db->own;
	db->stopping = true;
	lock_release(&db->lock);
	if (pool)
		loop_post(pool->loop, &pool->halt); /* it may be gone from here on */
}

const struct sql_driver sql_driver_postgres = {
	.scheme = "postgres",
	.dialect = SQL_POSTGRES,
	.is_remote = true,
	.parameters = pg_parameters,
	.sslmodes = pg_sslmodes,
	.submit = pg_submit,
	.leave = pg_leave,
	.stop = pg_stop,
};
