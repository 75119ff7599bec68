/* server/sql/sql_threads.c
 *
 * Locking: sql_db.lock guards the lanes, `stopping`, and which job a session runs; it is never held
 * while a driver opens, runs or closes. Threads are detached: nobody may have to wait for a server
 * that does not answer; the process waits for them once, at its end. */
#include "server/sql/sql_threads.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS_WAIT_S = 10 };

/* All threads of all databases. */
static struct lock threads_lock = LOCK_INIT;
static pthread_cond_t threads_ended = PTHREAD_COND_INITIALIZER;
static unsigned n_threads; /* guarded by threads_lock */

static void threads_count(int change)
{
	lock_acquire(&threads_lock);
	n_threads += (unsigned)change;
	if (n_threads == 0)
		pthread_cond_broadcast(&threads_ended);
	lock_release(&threads_lock);
}

int sql_threads_start(void *(*run)(void *arg), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t thread;
	int r;

	threads_count(1);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (r != 0)
		threads_count(-1);
	return -r;
}

/* What OpenSSL keeps for a thread goes now: the thread's own end may come after the process's. */
void sql_threads_end(void)
{
	OPENSSL_thread_stop();
	threads_count(-1);
}

void sql_threads_wait(void) UNCHECKED
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += THREADS_WAIT_S;
	lock_acquire(&threads_lock);
	while (n_threads > 0 &&
	       pthread_cond_timedwait(&threads_ended, &threads_lock.mutex, &until) == 0)
		;
	if (n_threads > 0)
		log_warning("databases have not ended threads=%u, going on", n_threads);
	lock_release(&threads_lock);
}

/* ------------------------------------------------------------ a thread */

/* The next job, or NULL when the thread has been idle for long or is not wanted any more. */
static struct sql_job *thread_wait(struct sql_session *session) UNCHECKED
{
	struct sql_db *db = session->db;
	struct sql_lane *lane = session->lane;
	uint64_t until_ns = clock_monotonic_ns() + db->settings.idle_ms * NS_PER_MS;
	struct timespec until = { (time_t)(until_ns / NS_PER_S), (long)(until_ns % NS_PER_S) };
	struct sql_job *job = NULL;
	int r = 0;

	lock_acquire(&db->lock);
	while (list_is_empty(&lane->waiting) && !db->stopping && r == 0)
		r = pthread_cond_timedwait(&lane->wake, &db->lock.mutex, &until);
	lane->n_idle--;
	if (!list_is_empty(&lane->waiting)) {
		job = container_of(list_pop(&lane->waiting), struct sql_job, link);
		job->queued = false;
		session->job = job;
		lane->n_waiting--;
		atomic_fetch_sub(&db->stats.waiting, 1);
	} else {
		list_remove(&session->link);
		lane->n_threads--;
	}
	lock_release(&db->lock);
	return job;
}

/* Whoever interrupts it looks at that. */
static void thread_set_open(struct sql_session *session, bool is_open)
{
	lock_acquire(&session->db->lock);
	session->is_open = is_open;
	lock_release(&session->db->lock);
}

static void thread_close(struct sql_session *session)
{
	if (!session->is_open)
		return;
	thread_set_open(session, false);
	session->db->driver->close(session);
	session->broken = false;
	atomic_fetch_sub(&session->db->stats.open, 1);
}

static bool thread_open(struct sql_session *session, struct sql_job *job)
{
	struct sql_db *db = session->db;

	if (session->is_open && db->driver->is_stale && db->driver->is_stale(session))
		thread_close(session);
	if (session->is_open)
		return true;
	if (sql_db_is_down(db, job))
		return false;
	if (db->driver->open(session, job)) {
		thread_set_open(session, true);
		atomic_fetch_add(&db->stats.open, 1);
		sql_db_opened(db);
	} else if (job->code != ERROR_CANCELLED && job->code != ERROR_TIMEOUT) {
		sql_db_failed(db, job);
	}
	return session->is_open;
}

static bool lane_is_open(const struct sql_lane *lane)
{
	struct sql_session *session;

	list_each(session, &lane->sessions, struct sql_session, link)
		if (session->is_open)
			return true;
	return false;
}

/* Others of the lane have a connection: the server has too many, perhaps, and the job waits for one of
 * theirs. True: it is theirs, and the thread ends. */
static bool thread_give_back(struct sql_session *session, struct sql_job *job)
{
	struct sql_db *db = session->db;
	struct sql_lane *lane = session->lane;
	bool theirs;

	lock_acquire(&db->lock);
	theirs = lane_is_open(lane) && !db->stopping && !atomic_load(&job->cancelled);
	if (theirs) {
		job->code = ERROR_NONE;
		session->job = NULL;
		list_remove(&session->link);
		lane->n_threads--;
		list_add_first(&lane->waiting, &job->link);
		job->queued = true;
		lane->n_waiting++;
		atomic_fetch_add(&db->stats.waiting, 1);
		pthread_cond_signal(&lane->wake);
	}
	lock_release(&db->lock);
	return theirs;
}

/* False: the thread is not wanted any more. */
static bool thread_run(struct sql_session *session, struct sql_job *job)
{
	struct sql_db *db = session->db;
	bool opened = false;

	atomic_fetch_add(&db->stats.in_use, 1);
	/* asked again: who interrupts cuts only what is open */
	if (!sql_job_is_over(job)) {
		opened = thread_open(session, job);
		if (!opened && !sql_job_is_over(job) && thread_give_back(session, job)) {
			atomic_fetch_sub(&db->stats.in_use, 1);
			return false;
		}
	}
	if (opened && !sql_job_is_over(job))
		db->driver->run(session, job);
	lock_acquire(&db->lock);
	session->job = NULL;
	session->lane->n_idle++;
	lock_release(&db->lock);
	atomic_fetch_sub(&db->stats.in_use, 1);
	sql_db_finish(db, job);
	if (session->broken)
		thread_close(session);
	return true;
}

static void *thread_main(void *arg)
{
	struct sql_session *session = arg;
	struct sql_db *db = session->db;
	struct sql_job *job;
	char name[16];

	snprintf(name, sizeof(name), "sql-%.*s", STR_ARG(str_first(db->name, 11)));
	pthread_setname_np(pthread_self(), name);
	do
		job = thread_wait(session);
	while (job && thread_run(session, job));
	thread_close(session);
	if (atomic_load(&db->stats.open) == 0 && atomic_load(&db->stats.state) == SQL_DB_UP)
		atomic_store(&db->stats.state, SQL_DB_IDLE);
	free(session);
	sql_db_release(db);
	sql_threads_end();
	return NULL;
}

/* 0, or a negative errno: there is no thread more. */
static int thread_start(struct sql_db *db, unsigned lane_number) HOLDS(db->lock)
{
	struct sql_lane *lane = &db->lanes[lane_number];
	struct sql_session *session = mem_zalloc(db->driver->session_size);
	int r;

	session->db = db;
	session->lane = lane;
	session->lane_number = lane_number;
	sql_db_hold(db);
	r = sql_threads_start(thread_main, session);
	if (r == 0) {
		list_add(&lane->sessions, &session->link);
		lane->n_threads++;
		lane->n_idle++;
		return 0;
	}
	free(session);
	sql_db_release(db);
	return r;
}

/* ------------------------------------------------------------ for the loops */

/* 0, or why the job cannot be taken. */
static int lane_make_room(struct sql_db *db, unsigned number) HOLDS(db->lock)
{
	struct sql_lane *lane = &db->lanes[number];
	int r = 0;

	if (db->stopping)
		return -ESHUTDOWN;
	lane->n_max = db->driver->lane_max(db, number);
	if (lane->n_waiting >= lane->n_idle && lane->n_threads < lane->n_max &&
	    (lane->n_threads == 0 || clock_monotonic_ns() >= db->down_until_ns))
		r = thread_start(db, number);
	if (lane->n_threads == 0)
		return r;
	return lane->n_waiting >= lane->n_idle + db->settings.waiters ? -EAGAIN : 0;
}

int sql_threads_submit(struct sql_db *db, struct sql_job *job)
{
	unsigned number = db->driver->lane(job);
	struct sql_lane *lane = &db->lanes[number];
	int r;

	lock_acquire(&db->lock);
	r = lane_make_room(db, number);
	if (r == 0) {
		job->queued = true;
		list_add(&lane->waiting, &job->link);
		lane->n_waiting++;
		atomic_fetch_add(&db->stats.waiting, 1);
		pthread_cond_signal(&lane->wake);
	}
	lock_release(&db->lock);
	return r;
}

/* What runs is told to end, while it is sure that it runs. */
static void lane_interrupt(struct sql_db *db, struct sql_lane *lane, const struct sql_job *job)
	HOLDS(db->lock)
{
	struct sql_session *session;

	list_each(session, &lane->sessions, struct sql_session, link)
		if (session->job && (!job || session->job == job)) {
			atomic_store(&session->job->cancelled, true);
			if (db->driver->interrupt)
				db->driver->interrupt(session);
		}
}

void sql_threads_leave(struct sql_db *db, struct sql_job *job)
{
	struct sql_lane *lane = &db->lanes[db->driver->lane(job)];
	bool waits;

	lock_acquire(&db->lock);
	waits = job->queued;
	if (waits) {
		list_remove(&job->link);
		lane->n_waiting--;
		atomic_fetch_sub(&db->stats.waiting, 1);
	} else {
		lane_interrupt(db, lane, job);
	}
	lock_release(&db->lock);
	if (waits)
		sql_job_free(job);
	else
		sql_job_leave_running(job);
}

void sql_threads_stop(struct sql_db *db)
{
	lock_acquire(&db->lock);
	db->stopping = true;
	for (unsigned i = 0; i < db->driver->n_lanes; i++) {
		lane_interrupt(db, &db->lanes[i], NULL);
		pthread_cond_broadcast(&db->lanes[i].wake);
	}
	lock_release(&db->lock);
}
