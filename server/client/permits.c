/* server/client/permits.c
 *
 *   a wait:   WAITING --(permits_give)--> GRANTED --(the post runs)--> on_permit, freed
 *                \--(cancel, pass)--> freed   \--(cancel)--> DROPPED --(the post runs)--> given back, freed
 *
 * Locking: permits.lock guards everything but `n_waiting`, which is written under it and looked at
 * without, and `n_idle`, which its loop writes. Posts are made with it held: loop_post() takes no lock and calls nobody. A wait's state
 * changes to GRANTED under the lock; DROPPED is its own loop's. */
#include "server/client/permits.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include <stdlib.h>

struct permits {
	atomic_uint refs;
	atomic_uint n_waiting;
	struct lock lock;
	unsigned max, waiters_max, n_taken;
	uint64_t n_refused;
	struct list waiting; /* of struct permit_wait, the oldest first */
	struct list holders; /* of struct permit_holder */
};

enum wait_state { WAIT_WAITING, WAIT_GRANTED, WAIT_DROPPED };

struct permit_wait {
	struct list link;
	struct post post;
	struct permits *permits; /* a reference */
	struct loop *loop;
	permit_fn *on_permit;
	void *user;
	uint64_t since_ns;
	enum wait_state state;
};

struct permit_holder {
	struct list link;
	struct post post;
	struct permits *permits; /* a reference */
	struct loop *loop;
	permit_wanted_fn *on_wanted; /* NULL: it was destroyed while the post was under way */
	void *user;
	atomic_uint n_idle; /* its loop's */
	bool posted;        /* guarded by the lock */
};

struct permits *permits_create(void)
{
	struct permits *permits = mem_zalloc(sizeof(*permits));

	atomic_init(&permits->refs, 1);
	lock_init(&permits->lock);
	list_init(&permits->waiting);
	list_init(&permits->holders);
	return permits;
}

struct permits *permits_ref(struct permits *permits)
{
	atomic_fetch_add_explicit(&permits->refs, 1, memory_order_relaxed);
	return permits;
}

void permits_unref(struct permits *permits)
{
	if (!permits || atomic_fetch_sub_explicit(&permits->refs, 1, memory_order_acq_rel) != 1)
		return;
	check(list_is_empty(&permits->waiting) && list_is_empty(&permits->holders));
	lock_fini(&permits->lock);
	free(permits);
}

/* ------------------------------------------------------------ taking and giving */

static bool permits_have_one(const struct permits *permits) HOLDS(permits->lock)
{
	return permits->max == 0 || permits->n_taken < permits->max;
}

static void permits_unlink(struct permits *permits, struct permit_wait *wait) HOLDS(permits->lock)
{
	list_remove(&wait->link);
	atomic_fetch_sub_explicit(&permits->n_waiting, 1, memory_order_relaxed);
}

/* As many as there are, to those who wait longest. */
static void permits_grant(struct permits *permits) HOLDS(permits->lock)
{
	struct permit_wait *wait;

	while (permits_have_one(permits) &&
	       (wait = list_first(&permits->waiting, struct permit_wait, link))) {
		permits_unlink(permits, wait);
		permits->n_taken++;
		wait->state = WAIT_GRANTED;
		loop_post(wait->loop, &wait->post);
	}
}

void permits_set(struct permits *permits, unsigned max, unsigned waiters_max)
{
	lock_acquire(&permits->lock);
	permits->max = max;
	permits->waiters_max = waiters_max;
	permits_grant(permits);
	lock_release(&permits->lock);
}

bool permits_take(struct permits *permits)
{
	bool taken;

	lock_acquire(&permits->lock);
	taken = permits_have_one(permits) && list_is_empty(&permits->waiting);
	permits->n_taken += taken;
	lock_release(&permits->lock);
	return taken;
}

void permits_give(struct permits *permits)
{
	lock_acquire(&permits->lock);
	check(permits->n_taken > 0);
	permits->n_taken--;
	permits_grant(permits);
	lock_release(&permits->lock);
}

bool permits_are_wanted(const struct permits *permits)
{
	return atomic_load_explicit(&permits->n_waiting, memory_order_relaxed) > 0;
}

/* ------------------------------------------------------------ waiting */

static void permit_wait_free(struct permit_wait *wait)
{
	permits_unref(wait->permits);
	free(wait);
}

static void permit_wait_on_post(struct post *post)
{
	struct permit_wait *wait = container_of(post, struct permit_wait, post);

	if (wait->state == WAIT_DROPPED)
		permits_give(wait->permits);
	else
		wait->on_permit(wait, wait->user);
	permit_wait_free(wait);
}

static void permits_ask_holder(struct permits *permits, const struct loop *loop)
	HOLDS(permits->lock)
{
	struct permit_holder *holder;

	list_each(holder, &permits->holders, struct permit_holder, link) {
		if (holder->loop == loop || holder->posted || atomic_load(&holder->n_idle) == 0)
			continue;
		holder->posted = true;
		loop_post(holder->loop, &holder->post);
		return;
	}
}

struct permit_wait *permits_wait(struct permits *permits, struct loop *loop, permit_fn *on_permit,
				 void *user)
{
	struct permit_wait *wait = calloc(1, sizeof(*wait));
	bool refused;

	if (!wait)
		return NULL;
	wait->permits = permits_ref(permits);
	wait->loop = loop;
	wait->on_permit = on_permit;
	wait->user = user;
	wait->since_ns = clock_monotonic_ns();
	wait->post.run = permit_wait_on_post;
	list_init(&wait->link);
	lock_acquire(&permits->lock);
	refused = atomic_load_explicit(&permits->n_waiting, memory_order_relaxed) >=
		  permits->waiters_max;
	if (refused) {
		permits->n_refused++;
	} else {
		list_add(&permits->waiting, &wait->link);
		atomic_fetch_add(&permits->n_waiting, 1); /* before it looks at the holders */
		permits_grant(permits); /* one may have come back since permits_take() */
		permits_ask_holder(permits, loop);
	}
	lock_release(&permits->lock);
	if (!refused)
		return wait;
	permit_wait_free(wait);
	return NULL;
}

void permit_wait_cancel(struct permit_wait *wait)
{
	struct permits *permits = wait->permits;
	bool waiting;

	lock_acquire(&permits->lock);
	waiting = wait->state == WAIT_WAITING;
	if (waiting)
		permits_unlink(permits, wait);
	else
		wait->state = WAIT_DROPPED;
	lock_release(&permits->lock);
	if (waiting)
		permit_wait_free(wait);
}

static struct permit_wait *permits_first_of(struct permits *permits, const struct loop *loop)
	HOLDS(permits->lock)
{
	struct permit_wait *wait;

	list_each(wait, &permits->waiting, struct permit_wait, link)
		if (wait->loop == loop)
			return wait;
	return NULL;
}

void *permits_pass(struct permits *permits, struct loop *loop, uint64_t now_ns)
{
	struct permit_wait *own = NULL, *first;
	void *user;

	lock_acquire(&permits->lock);
	first = list_first(&permits->waiting, struct permit_wait, link);
	if (first &&
	    (first->loop == loop || now_ns < first->since_ns + PERMITS_TURN_MS * NS_PER_MS))
		own = permits_first_of(permits, loop);
	if (own)
		permits_unlink(permits, own);
	lock_release(&permits->lock);
	if (!own)
		return NULL;
	user = own->user;
	permit_wait_free(own);
	return user;
}

/* ------------------------------------------------------------ holders */

static void permit_holder_free(struct permit_holder *holder)
{
	permits_unref(holder->permits);
	free(holder);
}

static void permit_holder_on_post(struct post *post)
{
	struct permit_holder *holder = container_of(post, struct permit_holder, post);
	struct permits *permits = holder->permits;

	if (!holder->on_wanted) {
		permit_holder_free(holder);
		return;
	}
	lock_acquire(&permits->lock);
	holder->posted = false;
	lock_release(&permits->lock);
	holder->on_wanted(holder->user);
}

struct permit_holder *permit_holder_create(struct permits *permits, struct loop *loop,
					   permit_wanted_fn *on_wanted, void *user)
{
	struct permit_holder *holder = mem_zalloc(sizeof(*holder));

	holder->permits = permits_ref(permits);
	holder->loop = loop;
	holder->on_wanted = on_wanted;
	holder->user = user;
	holder->post.run = permit_holder_on_post;
	lock_acquire(&permits->lock);
	list_add(&permits->holders, &holder->link);
	lock_release(&permits->lock);
	return holder;
}

/* Who keeps something idle says so, then looks whether somebody waits; who begins to wait says so,
 * then looks who keeps something. One of them sees the other. */
bool permit_holder_set(struct permit_holder *holder, unsigned n_idle)
{
	atomic_store(&holder->n_idle, n_idle);
	return n_idle > 0 && atomic_load(&holder->permits->n_waiting) > 0;
}

void permit_holder_destroy(struct permit_holder *holder)
{
	bool posted;

	if (!holder)
		return;
	lock_acquire(&holder->permits->lock);
	list_remove(&holder->link);
	posted = holder->posted;
	holder->on_wanted = NULL; /* only read on this loop */
	lock_release(&holder->permits->lock);
	if (!posted)
		permit_holder_free(holder);
}

void permits_stats(struct permits *permits, struct permits_stats *ret_stats)
{
	lock_acquire(&permits->lock);
	*ret_stats = (struct permits_stats){
		.max = permits->max,
		.n_taken = permits->n_taken,
		.n_waiting = atomic_load_explicit(&permits->n_waiting, memory_order_relaxed),
		.n_refused = permits->n_refused,
	};
	lock_release(&permits->lock);
}
