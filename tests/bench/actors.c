/* tests/bench/actors.c: nanoseconds of messages, bytes of actors. Each figure is the best of
 * several rounds: the machine's noise only ever adds. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/task/actor.h"
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5, N_MESSAGES = 1000000, N_TRIPS = 200000, N_ACTORS = 1000000, BURST = 500 };

static struct loop *loops[2]; /* the second one runs in a thread of its own */
static struct actor *actors[2];
static struct message messages[BURST];
static size_t n_left, n_burst;
static struct pool *pool;
static struct pool_queue *queue;

typedef void round_fn(void);

static double best_of(round_fn *round, size_t n_items)
{
	double best = 1e18;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t start_ns = clock_monotonic_ns();

		round();
		best = MIN(best, (double)(clock_monotonic_ns() - start_ns) / (double)n_items);
	}
	return best;
}

static void print_ns(const char *what, double ns, unsigned max_ns)
{
	printf("%-52s %8.1f ns   (to reach: %u)%s\n", what, ns, max_ns,
	       ns > max_ns ? "  MISSED" : "");
}

static const struct actor_kind kind = { .name = "bench", .state_size = 64 };

/* ------------------------------------------------------------ within a loop */

static void nothing(struct message *message, struct actor *self)
{
	(void)message;
	(void)self;
}

static void release_in_burst(struct message *message, int error)
{
	(void)message;
	check(error == 0);
	n_burst--;
}

static void burst(struct ready *ready)
{
	if (n_burst > 0) { /* the last ones are still to be handled */
		loop_ready_next(loops[0], ready);
		return;
	}
	if (n_left == 0) {
		loop_stop(loops[0]);
		return;
	}
	for (n_burst = 0; n_burst < BURST; n_burst++) {
		message_init(&messages[n_burst], nothing, release_in_burst, 64);
		check(actor_dispatch(actors[0], &messages[n_burst]) == 0);
	}
	n_left -= BURST;
	loop_ready_next(loops[0], ready);
}

static void round_dispatch(void)
{
	struct ready ready;

	n_left = N_MESSAGES;
	ready_init(&ready, burst);
	loop_ready(loops[0], &ready);
	loop_run(loops[0]);
}

/* ------------------------------------------------------------ there and back */

static void pass_on(struct message *message, struct actor *self)
{
	(void)message;
	(void)self;
}

static void release_to_other(struct message *message, int error)
{
	check(error == 0);
	if (--n_left == 0)
		loop_stop(loops[0]);
	else
		check(actor_dispatch(actors[n_left % 2], message) == 0);
}

static void round_ping_pong(void)
{
	n_left = N_TRIPS * 2;
	message_init(&messages[0], pass_on, release_to_other, 64);
	check(actor_dispatch(actors[0], &messages[0]) == 0);
	loop_run(loops[0]);
}

/* ------------------------------------------------------------ to another loop, as fast as it goes */

struct mail {
	struct message message;
};

static atomic_size_t n_far;

static void release_far(struct message *message, int error)
{
	(void)error;
	free(container_of(message, struct mail, message));
	if (atomic_fetch_sub_explicit(&n_far, 1, memory_order_relaxed) == 1)
		loop_stop(loops[0]);
}

static void round_far(void)
{
	atomic_store(&n_far, N_MESSAGES);
	for (size_t i = 0; i < N_MESSAGES; i++) {
		struct mail *mail = mem_alloc(sizeof(*mail));

		message_init(&mail->message, nothing, release_far, 64);
		check(actor_dispatch(actors[1], &mail->message) >= 0);
	}
	loop_run(loops[0]);
}

/* ------------------------------------------------------------ bytes */

static size_t bytes_idle(void)
{
	struct actor **all = mem_alloc(N_ACTORS * sizeof(struct actor *));
	size_t before = mallinfo2().uordblks, after;

	for (size_t i = 0; i < N_ACTORS; i++)
		all[i] = actor_spawn(&kind, NULL, loops[0], NULL);
	after = mallinfo2().uordblks;
	for (size_t i = 0; i < N_ACTORS; i++) {
		actor_terminate(all[i], false);
		actor_unref(all[i]);
	}
	while (!loop_is_settled(loops[0]))
		loop_run_once(loops[0], false);
	free(all);
	return (after - before) / N_ACTORS;
}

/* ------------------------------------------------------------ */

static void *run_loop(void *loop)
{
	loop_run(loop);
	return NULL;
}

static void spawn(struct loop *second, struct pool_queue *second_queue)
{
	const struct mailbox_limits limits = { .n_max = N_MESSAGES };

	actors[0] = actor_spawn(&kind, NULL, loops[0], NULL);
	actors[1] = actor_spawn(&kind, NULL, second, second_queue);
	actor_set_limits(actors[1], &limits);
}

/* The other loop's, or the pool's, ends by itself. */
static void end(void)
{
	for (unsigned i = 0; i < 2; i++)
		actor_terminate(actors[i], false);
	while (actor_end(actors[0]) == ACTOR_LIVES || actor_end(actors[1]) == ACTOR_LIVES)
		loop_run_once(loops[0], false);
	actor_unref(actors[0]);
	actor_unref(actors[1]);
}

int main(void)
{
	pthread_t thread;

	check(loop_create(&loops[0]) == 0 && loop_create(&loops[1]) == 0);
	check(pool_create(&pool, "bench", 1) == 0);
	queue = pool_queue_open(pool, STR("bench"), &(struct pool_limits){ 0 });
	check(pthread_create(&thread, NULL, run_loop, loops[1]) == 0);
	spawn(loops[0], NULL);
	print_ns("actor: a message, same loop", best_of(round_dispatch, N_MESSAGES), 150);
	print_ns("actor: there and back, same loop", best_of(round_ping_pong, N_TRIPS), 300);
	end();
	spawn(loops[1], NULL);
	print_ns("actor: a message to another loop, under load", best_of(round_far, N_MESSAGES),
		 1000);
	end();
	spawn(loops[0], queue);
	print_ns("actor: a message to one on the pool, under load", best_of(round_far, N_MESSAGES),
		 1000);
	end();
	printf("%-52s %8zu bytes\n", "actor: idle, of a million, with 64 bytes of state",
	       bytes_idle());
	loop_stop(loops[1]);
	pthread_join(thread, NULL);
	pool_queue_close(queue);
	pool_destroy(pool);
	loop_destroy(loops[0]);
	loop_destroy(loops[1]);
	return 0;
}
