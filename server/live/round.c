/* server/live/round.c */
#include "server/live/round.h"

static void round_on_ready(struct ready *ready)
{
	struct round *round = container_of(ready, struct round, ready);

	list_move_all(&round->now, &round->waiting);
	round->sent = 0;
	while (round->sent < round->max && !list_is_empty(&round->now)) {
		struct ready *next = container_of(list_pop(&round->now), struct ready, link);

		next->run(next);
	}
	if (!list_is_empty(&round->now) || !list_is_empty(&round->waiting))
		loop_ready_next(round->loop, &round->ready);
}

void round_init(struct round *round, struct loop *loop)
{
	*round = (struct round){ .loop = loop, .max = ROUND_MAX };
	list_init(&round->waiting);
	list_init(&round->now);
	ready_init(&round->ready, round_on_ready);
}

void round_add(struct round *round, struct ready *ready)
{
	if (list_is_linked(&ready->link))
		return;
	list_add(&round->waiting, &ready->link);
	loop_ready(round->loop, &round->ready);
}
