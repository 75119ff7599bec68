/* tests/server/sql/pg_pool.c: the end of a pool, told by another thread than its loop's. */
#include "core/base/clock.h"
#include "server/sql/sql_db.h"
#include "server/sql/sql_driver.h"
#include "tests/lib/tap.h"
#include <semaphore.h>

enum { ROUNDS = 200 };

static struct loop *loop;
static struct sql_db *db;
static struct post ask, marker;
static sem_t asked, reached;
static unsigned n_done;

static void *run_loop(void *arg)
{
	(void)arg;
	loop_run(loop);
	return NULL;
}

static void on_done(struct sql_job *job)
{
	(void)job;
	n_done++;
}

/* A task that asks and leaves at once: what it has sent to the pool is still under way when the generation
 * goes, and the database with it. */
static void ask_and_leave(struct post *post)
{
	struct sql_job *job = sql_job_create(loop, 4096, NULL, 1);

	(void)post;
	job->deadline_ns = clock_monotonic_ns() + 60 * NS_PER_S;
	job->on_done = on_done;
	if (sql_db_submit(db, job) == 0)
		sql_db_leave(db, job);
	sem_post(&asked);
}

static void on_marker(struct post *post)
{
	(void)post;
	sem_post(&reached);
}

static struct sql_db *open_db(void)
{
	struct sql_db *opened = sql_db_create(STR("db"));

	opened->driver = &sql_driver_postgres;
	opened->address.host = STR("127.0.0.1");
	opened->address.port = 1;
	opened->settings = (struct sql_settings){ .max = 1, .waiters = 1, .connect_ms = 1000 };
	return opened;
}

static void a_pool_is_stopped_while_somebody_who_has_left_is_on_his_way_to_it(void)
{
	pthread_t thread;

	is_int(loop_create(&loop), 0);
	ask.run = ask_and_leave;
	marker.run = on_marker;
	sem_init(&asked, 0, 0);
	sem_init(&reached, 0, 0);
	is_int(pthread_create(&thread, NULL, run_loop, NULL), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		db = open_db();
		loop_post(loop, &ask);
		sem_wait(&asked);
		sql_db_unref(db);
		loop_post(loop, &marker);
		sem_wait(&reached);
	}
	loop_stop(loop);
	is_int(pthread_join(thread, NULL), 0);
	loop_destroy(loop);
	is_int(n_done, 0);
}

int main(void)
{
	TEST(a_pool_is_stopped_while_somebody_who_has_left_is_on_his_way_to_it);
	return tap_done();
}
