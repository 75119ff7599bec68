/* server/compress/coders.c */
#include "server/compress/coders.h"
#include "core/base/clock.h"

static void coders_on_turn(struct ready *ready);

void coders_init(struct coders *coders, struct loop *loop, struct arena_budget *budget)
{
	*coders = (struct coders){ .loop = loop, .budget = budget };
	for (unsigned i = 0; i < N_CODINGS; i++)
		list_init(&coders->kept[i]);
	list_init(&coders->waiting);
	ready_init(&coders->ready, coders_on_turn);
}

static struct coder *coders_pop(struct coders *coders, enum coding coding)
{
	struct list *link = list_pop(&coders->kept[coding]);

	if (!link)
		return NULL;
	coders->n_kept[coding]--;
	return container_of(link, struct coder, link);
}

void coders_fini(struct coders *coders)
{
	struct coder *coder;

	if (!coders->loop)
		return;
	check_that(coders->n_used == 0, "n_used=%zu", coders->n_used);
	check(list_is_empty(&coders->waiting));
	loop_ready_cancel(&coders->ready);
	for (unsigned i = 0; i < N_CODINGS; i++)
		while ((coder = coders_pop(coders, (enum coding)i)))
			coder_destroy(coder);
}

/* ------------------------------------------------------------ coders */

/* One of that level, as long as a configuration has one level; else others give way. */
static struct coder *coders_find(struct coders *coders, enum coding coding, int level)
{
	struct coder *coder = coders_pop(coders, coding);

	if (coder && coder->level != level) {
		coder_destroy(coder);
		coder = NULL;
	}
	return coder ? coder : coder_create(coding, level);
}

struct coder *coders_take(struct coders *coders, enum coding coding, int level, uint64_t size)
{
	size_t charge = coder_size(coding, level);
	struct coder *coder;

	if (!arena_budget_take(coders->budget, charge))
		return NULL;
	coder = coders_find(coders, coding, level);
	if (coder && coder_begin(coder, size)) {
		coders->n_used++;
		return coder;
	}
	coder_destroy(coder);
	arena_budget_give_back(coders->budget, charge);
	return NULL;
}

void coders_give_back(struct coders *coders, struct coder *coder)
{
	enum coding coding = coder_coding(coder);

	check(coders->n_used > 0);
	coders->n_used--;
	arena_budget_give_back(coders->budget, coder_size(coding, coder->level));
	if (coders->n_kept[coding] >= CODERS_KEPT_MAX || !coder_can_be_kept(coder)) {
		coder_destroy(coder);
		return;
	}
	coders->n_kept[coding]++;
	list_add_first(&coders->kept[coding], &coder->link);
}

/* ------------------------------------------------------------ time */

static void coders_on_turn(struct ready *ready)
{
	struct coders *coders = container_of(ready, struct coders, ready);
	struct list *link;

	coders->spent_ns = 0;
	while (coders->spent_ns < CODERS_TURN_NS && (link = list_pop(&coders->waiting))) {
		struct coder_turn *turn = container_of(link, struct coder_turn, link);

		turn->on_turn(turn);
	}
	if (!list_is_empty(&coders->waiting))
		loop_ready_next(coders->loop, &coders->ready);
}

bool coders_may_work(struct coders *coders, struct coder_turn *turn)
{
	if (coders->spent_ns < CODERS_TURN_NS)
		return true;
	if (!list_is_linked(&turn->link))
		list_add(&coders->waiting, &turn->link);
	return false;
}

void coders_worked(struct coders *coders, uint64_t since_ns)
{
	coders->spent_ns += clock_monotonic_ns() - since_ns;
	loop_ready_next(coders->loop, &coders->ready);
}

void coder_turn_init(struct coder_turn *turn, void (*on_turn)(struct coder_turn *turn))
{
	list_init(&turn->link);
	turn->on_turn = on_turn;
}

void coder_turn_cancel(struct coder_turn *turn)
{
	list_remove(&turn->link);
}
