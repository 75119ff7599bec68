/* tests/core/task/actor_pool.c: an actor that computes. */
#include "core/task/actor.h"
#include "core/thread/wait_group.h"
#include "tests/core/task/probe.h"
#include <stdatomic.h>
#include <stdlib.h>

static struct wait_group group;
static atomic_uint n_inside, n_wrong, n_computed;

static void compute_handle(struct message *message, struct actor *self)
{
	unsigned *next = actor_state(self);

	(void)message;
	if (atomic_fetch_add(&n_inside, 1) != 0)
		atomic_fetch_add(&n_wrong, 1);
	++*next;
	atomic_fetch_add(&n_computed, 1);
	atomic_fetch_sub(&n_inside, 1);
}

static void compute_release(struct message *message, int error)
{
	(void)error;
	free(message);
	wait_group_done(&group);
}

static void who_computes_does_so_one_message_at_a_time(void)
{
	static const struct actor_kind computes = { .name = "computes",
						    .state_size = sizeof(unsigned) };
	struct pool *pool;
	struct pool_queue *queue;
	struct actor *actor;
	struct future *ends;

	check(pool_create(&pool, "test", 3) == 0);
	queue = pool_queue_open(pool, STR("actors"), &(struct pool_limits){ 0 });
	actor = actor_spawn(&computes, NULL, loop, queue);
	wait_group_init(&group, 1000);
	for (unsigned i = 0; i < 1000; i++) {
		struct message *message = calloc(1, sizeof(*message));

		message_init(message, compute_handle, compute_release, 0);
		check(actor_dispatch(actor, message) == 0);
	}
	wait_group_wait(&group);
	wait_group_fini(&group);
	is_int(n_wrong, 0);
	is_int(n_computed, 1000);
	is_int(*(unsigned *)actor_state(actor), 1000);
	ends = actor_wait(actor, loop);
	actor_terminate(actor, false);
	pool_queue_close(queue);
	pool_destroy(pool);
	settle();
	is_int(future_state(ends), FUTURE_READY);
	future_unref(ends);
	actor_unref(actor);
}

int main(void)
{
	TRY(who_computes_does_so_one_message_at_a_time);
	return tap_done();
}
