/* tests/core/thread/wait_group.c */
#include "core/thread/wait_group.h"
#include "core/thread/pool.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdlib.h>

enum { N = 1000 };

static struct wait_group *group;
static int done_by[N]; /* plain memory: what done() publishes */
static struct work work[N];

static void work_run(struct work *at)
{
	done_by[at - work] = 1;
	wait_group_done(group);
}

static void a_group_of_none_is_done(void)
{
	struct wait_group none;

	wait_group_init(&none, 0);
	wait_group_wait(&none);
	is_int(wait_group_wait_for(&none, 0), 0);
	wait_group_fini(&none);
}

/* The group is on the stack, and gone as soon as wait() returns. */
static void wait_for_all(struct pool *pool)
{
	struct wait_group here;
	int sum = 0;

	wait_group_init(&here, N / 2);
	wait_group_add(&here, N - N / 2);
	group = &here;
	for (unsigned i = 0; i < N; i++) {
		work[i].run = work_run;
		done_by[i] = 0;
		pool_submit(pool, &work[i]);
	}
	wait_group_wait(&here);
	for (unsigned i = 0; i < N; i++)
		sum += done_by[i];
	is_int(sum, N);
	wait_group_fini(&here);
}

static void wait_returns_when_all_is_done_and_sees_it(void)
{
	struct pool *pool;

	check(pool_create(&pool, "test", 4) == 0);
	for (unsigned round = 0; round < 20; round++)
		wait_for_all(pool);
	pool_destroy(pool);
}

static void *wait_in_thread(void *of)
{
	wait_group_wait(of);
	return NULL;
}

static void many_may_wait(void)
{
	struct wait_group one;
	pthread_t threads[3];

	wait_group_init(&one, 1);
	for (unsigned i = 0; i < 3; i++)
		check(pthread_create(&threads[i], NULL, wait_in_thread, &one) == 0);
	wait_group_done(&one);
	for (unsigned i = 0; i < 3; i++)
		is_int(pthread_join(threads[i], NULL), 0);
	wait_group_fini(&one);
}

static void a_wait_may_be_bounded(void)
{
	struct wait_group one;

	wait_group_init(&one, 1);
	is_int(wait_group_wait_for(&one, 0), -ETIMEDOUT);
	is_int(wait_group_wait_for(&one, 20), -ETIMEDOUT);
	wait_group_done(&one);
	is_int(wait_group_wait_for(&one, 1000000), 0);
	wait_group_fini(&one);
}

int main(void)
{
	TEST(a_group_of_none_is_done);
	TEST(wait_returns_when_all_is_done_and_sees_it);
	TEST(many_may_wait);
	TEST(a_wait_may_be_bounded);
	return tap_done();
}
