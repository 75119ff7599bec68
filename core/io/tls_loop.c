/* core/io/tls_loop.c */
#include "core/io/tls_loop.h"
#include "core/io/tls_session.h"
#include <stdlib.h>

static void tls_loop_turn(struct ready *ready)
{
	struct tls_loop *tls_loop = container_of(ready, struct tls_loop, turn);
	struct list *next = list_pop(&tls_loop->begun);

	if (!next)
		next = list_pop(&tls_loop->fresh);
	if (!list_is_empty(&tls_loop->begun) || !list_is_empty(&tls_loop->fresh))
		loop_ready_next(tls_loop->loop, ready);
	if (next)
		tls_step(container_of(next, struct tls, turn));
}

struct tls_loop *tls_loop_of(struct loop *loop)
{
	struct tls_loop *tls_loop = loop_tls(loop);

	if (likely(tls_loop))
		return tls_loop;
	tls_loop = malloc(sizeof(*tls_loop));
	if (!tls_loop)
		return NULL;
	tls_loop->loop = loop;
	ready_init(&tls_loop->turn, tls_loop_turn);
	list_init(&tls_loop->begun);
	list_init(&tls_loop->fresh);
	tls_loop->in_at = tls_loop->in_len = tls_loop->out_len = 0;
	loop_set_tls(loop, tls_loop);
	return tls_loop;
}

void tls_loop_destroy(struct tls_loop *tls_loop)
{
	if (!tls_loop)
		return;
	check(list_is_empty(&tls_loop->begun) && list_is_empty(&tls_loop->fresh));
	free(tls_loop);
}

void tls_loop_queue(struct tls_loop *tls_loop, struct tls *tls)
{
	if (list_is_linked(&tls->turn))
		return;
	list_add(tls->ssl ? &tls_loop->begun : &tls_loop->fresh, &tls->turn);
	loop_ready_next(tls_loop->loop, &tls_loop->turn);
}
