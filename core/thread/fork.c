/* core/thread/fork.c
 *
 * Pieces are taken by counting. A helper that is still queued when none is left is taken back;
 * one that runs is waited for, as it looks at what is on the caller's stack. No lock is held while
 * a piece runs. */
#include "core/thread/fork.h"
#include "core/thread/wait_group.h"
#include <stdatomic.h>

enum { FORK_HELPERS_MAX = 63 };

struct fork {
	fork_fn *piece;
	void *data;
	size_t n_pieces;
	atomic_size_t next;
	struct wait_group helpers;
};

struct fork_helper {
	struct work work;
	struct fork *fork;
};

static void fork_work(struct fork *fork)
{
	size_t index;

	while ((index = atomic_fetch_add(&fork->next, 1)) < fork->n_pieces)
		fork->piece(fork->data, index);
}

static void fork_help(struct work *work)
{
	struct fork_helper *helper = container_of(work, struct fork_helper, work);
	struct fork *fork = helper->fork;

	fork_work(fork);
	wait_group_done(&fork->helpers);
}

unsigned fork_n_threads(struct pool_queue *queue)
{
	unsigned n_threads = pool_n_threads(pool_queue_pool(queue));
	unsigned running_max = pool_queue_running_max(queue);

	if (running_max > 0)
		n_threads = MIN(n_threads, running_max);
	return MIN(n_threads, (unsigned)FORK_HELPERS_MAX + 1);
}

void fork_run(struct pool_queue *queue, size_t n_pieces, fork_fn *piece, void *data)
{
	struct fork fork = { .piece = piece, .data = data, .n_pieces = n_pieces };
	struct fork_helper helpers[FORK_HELPERS_MAX];
	unsigned n_wanted = (unsigned)MIN(n_pieces, (size_t)fork_n_threads(queue)), n_helpers = 0;

	wait_group_init(&fork.helpers, 0);
	while (n_helpers + 1 < n_wanted) {
		struct fork_helper *helper = &helpers[n_helpers];

		*helper = (struct fork_helper){ { .run = fork_help }, &fork };
		wait_group_add(&fork.helpers, 1);
		if (pool_queue_submit(queue, &helper->work) < 0) {
			wait_group_done(&fork.helpers);
			break;
		}
		n_helpers++;
	}
	fork_work(&fork);
	for (unsigned i = 0; i < n_helpers; i++)
		if (pool_take_back(pool_queue_pool(queue), &helpers[i].work))
			wait_group_done(&fork.helpers);
	wait_group_wait(&fork.helpers);
	wait_group_fini(&fork.helpers);
}
