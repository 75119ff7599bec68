/* tests/core/thread/queue.c */
#include "core/thread/queue.h"
#include "tests/lib/tap.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct item {
	struct queue_node node;
	unsigned producer, number;
};

static struct item *item_get(struct queue *queue)
{
	struct queue_node *node = queue_get(queue);

	return node ? container_of(node, struct item, node) : NULL;
}

static void what_is_put_first_comes_first(void)
{
	struct queue *queue = queue_create(SIZE_MAX);
	struct item items[10];

	for (unsigned i = 0; i < 10; i++) {
		items[i].number = i;
		queue_put(queue, &items[i].node);
		if (i == 4) /* two are taken meanwhile, so that both sides have some */
			is_true(item_get(queue) == &items[0] && item_get(queue) == &items[1]);
	}
	is_int(queue_len(queue), 8);
	for (unsigned i = 2; i < 10; i++)
		is_ptr(item_get(queue), &items[i]);
	is_int(queue_len(queue), 0);
	queue_destroy(queue);
}

static void a_queue_that_does_not_block_is_empty_at_once(void)
{
	struct queue *queue = queue_create(SIZE_MAX);
	struct item item;

	queue_set_blocking(queue, false);
	is_null(queue_get(queue));
	queue_put(queue, &item.node);
	is_ptr(item_get(queue), &item);
	is_null(queue_get(queue));
	queue_destroy(queue);
	queue_destroy(NULL);
}

static void the_bound_holds_until_the_queue_stops_blocking(void)
{
	struct queue *queue = queue_create(2);
	struct item items[3];

	is_true(queue_try_put(queue, &items[0].node));
	is_true(queue_try_put(queue, &items[1].node));
	is_false(queue_try_put(queue, &items[2].node));
	is_ptr(item_get(queue), &items[0]);
	is_true(queue_try_put(queue, &items[2].node));
	queue_set_blocking(queue, false);
	queue_put(queue, &items[0].node); /* does not wait */
	is_int(queue_len(queue), 3);
	for (unsigned i = 0; i < 3; i++)
		is_ptr(item_get(queue), &items[(i + 1) % 3]);
	queue_destroy(queue);
}

static void what_waits_can_be_taken_back_once(void)
{
	struct queue *queue = queue_create(SIZE_MAX);
	struct item items[6];

	for (unsigned i = 0; i < 4; i++)
		queue_put(queue, &items[i].node);
	is_ptr(item_get(queue), &items[0]); /* 1, 2, 3 stand on the get side now */
	queue_put(queue, &items[4].node);
	queue_put(queue, &items[5].node);
	is_true(queue_take_back(queue, &items[3].node)); /* the end of the get side */
	is_true(queue_take_back(queue, &items[1].node)); /* its beginning */
	is_true(queue_take_back(queue, &items[5].node)); /* the end of the put side */
	is_false(queue_take_back(queue, &items[5].node));
	is_false(queue_take_back(queue, &items[0].node));
	queue_put(queue, &items[5].node);
	is_int(queue_len(queue), 3);
	is_ptr(item_get(queue), &items[2]);
	is_ptr(item_get(queue), &items[4]);
	is_ptr(item_get(queue), &items[5]);
	queue_destroy(queue);
}

static void *get_one(void *queue)
{
	return queue_get(queue);
}

static void take_back_does_not_stand_behind_a_getter_that_waits(void)
{
	struct queue *queue = queue_create(SIZE_MAX);
	struct item item, other;
	pthread_t getter;
	void *got;

	check(pthread_create(&getter, NULL, get_one, queue) == 0);
	usleep(20000);
	is_false(queue_take_back(queue, &item.node));
	queue_put(queue, &other.node);
	pthread_join(getter, &got);
	is_ptr(got, &other.node);
	queue_destroy(queue);
}

static void those_who_wait_are_woken_when_the_queue_stops_blocking(void)
{
	struct queue *queue = queue_create(SIZE_MAX);
	pthread_t getters[3];
	void *got;

	for (unsigned i = 0; i < 3; i++)
		check(pthread_create(&getters[i], NULL, get_one, queue) == 0);
	usleep(10000);
	queue_set_blocking(queue, false);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(getters[i], &got);
		is_null(got);
	}
	queue_destroy(queue);
}

/* ------------------------------------------------------------ many at once */

enum { N_THREADS = 4, N_ITEMS = 20000 };

static struct queue *shared;
static struct item shared_items[N_THREADS][N_ITEMS];
static atomic_uint n_got, n_taken_back, n_disorder;
static atomic_uchar seen[N_THREADS][N_ITEMS];

static void *produce(void *arg)
{
	struct item *items = arg;

	for (unsigned i = 0; i < N_ITEMS; i++) {
		items[i].number = i;
		queue_put(shared, &items[i].node);
		if (i % 16 == 0 && queue_take_back(shared, &items[i].node)) {
			atomic_fetch_add(&n_taken_back, 1);
			atomic_fetch_add(&seen[items[i].producer][i], 1);
		}
	}
	return NULL;
}

static void *consume(void *arg)
{
	int64_t last[N_THREADS] = { -1, -1, -1, -1 };
	struct item *item;

	(void)arg;
	while ((item = item_get(shared))) {
		if ((int64_t)item->number <= last[item->producer])
			atomic_fetch_add(&n_disorder, 1);
		last[item->producer] = item->number;
		atomic_fetch_add(&seen[item->producer][item->number], 1);
		atomic_fetch_add(&n_got, 1);
	}
	return NULL;
}

static void run_many(size_t max)
{
	pthread_t producers[N_THREADS], consumers[N_THREADS];
	unsigned n_not_once = 0;

	shared = queue_create(max);
	n_got = n_taken_back = n_disorder = 0;
	for (unsigned i = 0; i < N_THREADS; i++) {
		for (unsigned j = 0; j < N_ITEMS; j++) {
			shared_items[i][j].producer = i;
			seen[i][j] = 0;
		}
		check(pthread_create(&producers[i], NULL, produce, shared_items[i]) == 0);
		check(pthread_create(&consumers[i], NULL, consume, NULL) == 0);
	}
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(producers[i], NULL);
	queue_set_blocking(shared, false);
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(consumers[i], NULL);
	for (unsigned i = 0; i < N_THREADS; i++)
		for (unsigned j = 0; j < N_ITEMS; j++)
			n_not_once += seen[i][j] != 1;
	is_int(n_got + n_taken_back, N_THREADS * N_ITEMS);
	is_int(n_not_once, 0);
	is_int(n_disorder, 0);
	is_int(queue_len(shared), 0);
	queue_destroy(shared);
}

static void many_producers_and_consumers_lose_and_double_nothing(void)
{
	run_many(SIZE_MAX);
}

static void many_producers_wait_for_room(void)
{
	run_many(3);
}

int main(void)
{
	TEST(what_is_put_first_comes_first);
	TEST(a_queue_that_does_not_block_is_empty_at_once);
	TEST(the_bound_holds_until_the_queue_stops_blocking);
	TEST(what_waits_can_be_taken_back_once);
	TEST(take_back_does_not_stand_behind_a_getter_that_waits);
	TEST(those_who_wait_are_woken_when_the_queue_stops_blocking);
	TEST(many_producers_and_consumers_lose_and_double_nothing);
	TEST(many_producers_wait_for_room);
	return tap_done();
}
