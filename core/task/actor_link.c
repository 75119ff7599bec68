/* core/task/actor_link.c: who is told when an actor has ended.
 *
 * A link is one block in two lists: of those whom its watcher is linked to (out), and of those who
 * watch its target (in); each list has a reference. When the target ends, the reference of `in`
 * goes with the notice to the watcher. When the watcher ends, it takes its links out of their
 * targets' lists. Only one lock is held at a time: what is found in a list is in the hands of
 * whoever took it out. */
#include "core/base/memory.h"
#include "core/task/actor_private.h"
#include <stdlib.h>

enum { WAITERS_KEPT = 8 }; /* then those who wait no more are dropped */

struct link {
	struct actor *from, *to; /* counted */
	struct list out;         /* in from->links; guarded by from->lock */
	struct list notice;      /* in from->notices; guarded by from->lock */
	struct list in;          /* in to->watchers; guarded by to->lock */
	_Atomic uint32_t refs;
	uint8_t end; /* enum actor_end: what the notice says */
};

const char *actor_end_name(enum actor_end end)
{
	static const char *const names[] = {
		[ACTOR_LIVES] = "lives",           [ACTOR_END_NORMAL] = "normal",
		[ACTOR_END_FAILED] = "failed",     [ACTOR_END_KILLED] = "killed",
		[ACTOR_END_NO_ACTOR] = "no_actor", [ACTOR_END_NO_CONNECTION] = "no_connection",
	};

	return names[end];
}

enum actor_end actor_end_of(struct str name)
{
	for (enum actor_end end = ACTOR_END_NORMAL; end <= ACTOR_END_NO_CONNECTION; end++)
		if (str_eq(name, str_of(actor_end_name(end))))
			return end;
	return ACTOR_END_FAILED;
}

static struct link *link_create(struct actor *from, struct actor *to)
{
	struct link *link = mem_zalloc(sizeof(*link));

	link->from = actor_ref(from);
	link->to = actor_ref(to);
	list_init(&link->out);
	list_init(&link->notice);
	list_init(&link->in);
	atomic_init(&link->refs, 2);
	return link;
}

static void link_unref(struct link *link)
{
	if (atomic_fetch_sub_explicit(&link->refs, 1, memory_order_acq_rel) != 1)
		return;
	actor_unref(link->from);
	actor_unref(link->to);
	free(link);
}

/* ------------------------------------------------------------ notices */

/* The reference of `in` is given. */
static void link_notify(struct link *link, enum actor_end end)
{
	struct actor *from = link->from;
	bool ended, wake = false;

	lock_acquire(&from->lock);
	ended = from->state == ACTOR_ENDED;
	if (!ended) {
		link->end = (uint8_t)end;
		list_add(&from->notices, &link->notice);
		wake = actor_must_wake(from);
	}
	lock_release(&from->lock);
	if (ended)
		link_unref(link);
	else if (wake)
		actor_schedule(from, false);
}

/* Taken out of `links`, too: it counts no more. Its two references are link_tell()'s, or one, when
 * it was unlinked meanwhile: then `out` was empty. */
struct link *actor_take_notice(struct actor *actor)
{
	struct list *node = list_pop(&actor->notices);
	struct link *link = node ? container_of(node, struct link, notice) : NULL;

	if (link && list_is_linked(&link->out)) {
		list_remove(&link->out);
		actor->n_links--;
		atomic_fetch_sub_explicit(&link->refs, 1, memory_order_relaxed);
	}
	return link;
}

void link_tell(struct link *link, struct actor *self)
{
	if (self->kind->on_end)
		self->kind->on_end(self, link->to, link->end);
	link_unref(link);
}

/* ------------------------------------------------------------ linking */

static struct link *actor_find_out(struct actor *self, const struct actor *other) HOLDS(self->lock)
{
	struct link *link;

	list_each(link, &self->links, struct link, out)
		if (link->to == other && !list_is_linked(&link->notice))
			return link;
	return NULL;
}

static struct link *actor_find_in(struct actor *other, const struct actor *self) HOLDS(other->lock)
{
	struct link *link;

	list_each(link, &other->watchers, struct link, in)
		if (link->from == self)
			return link;
	return NULL;
}

/* From the watcher's own code, so that what is found stays. Looks through the shorter of the two lists:
 * who is linked to many, and who is watched by many, does not pay for that with each one more. */
static struct link *actor_find_link(struct actor *self, struct actor *other)
{
	struct link *link = NULL;
	uint32_t n_links;
	bool looked;

	lock_acquire(&self->lock);
	n_links = self->n_links;
	lock_release(&self->lock);
	lock_acquire(&other->lock);
	looked = other->n_watchers <= n_links;
	if (looked)
		link = actor_find_in(other, self);
	lock_release(&other->lock);
	if (looked)
		return link;
	lock_acquire(&self->lock);
	link = actor_find_out(self, other);
	lock_release(&self->lock);
	return link;
}

void actor_link(struct actor *self, struct actor *other)
{
	struct link *link;
	bool ended;

	if (actor_find_link(self, other))
		return;
	link = link_create(self, other);
	lock_acquire(&self->lock);
	list_add(&self->links, &link->out);
	self->n_links++;
	lock_release(&self->lock);
	lock_acquire(&other->lock);
	ended = other->state == ACTOR_ENDED;
	if (!ended) {
		list_add(&other->watchers, &link->in);
		other->n_watchers++;
	}
	lock_release(&other->lock);
	if (ended)
		link_notify(link, ACTOR_END_NO_ACTOR);
}

/* It is in no list of its watcher any more. */
static void link_leave(struct link *link)
{
	bool watched;

	lock_acquire(&link->to->lock);
	watched = list_is_linked(&link->in);
	if (watched) {
		list_remove(&link->in);
		link->to->n_watchers--;
	}
	lock_release(&link->to->lock);
	if (watched)
		link_unref(link);
	link_unref(link);
}

void actor_unlink(struct actor *self, struct actor *other)
{
	struct link *link = actor_find_link(self, other);

	if (!link)
		return;
	lock_acquire(&self->lock);
	list_remove(&link->out);
	self->n_links--;
	lock_release(&self->lock);
	link_leave(link);
}

static struct link *actor_pop_watcher(struct actor *actor)
{
	struct list *node;

	lock_acquire(&actor->lock);
	node = list_pop(&actor->watchers);
	actor->n_watchers -= node != NULL;
	lock_release(&actor->lock);
	return node ? container_of(node, struct link, in) : NULL;
}

/* Nobody but its own thread touches `links` and, as it has ended, `notices`. */
void actor_end_links(struct actor *actor)
{
	struct link *link;
	struct list *node;

	while ((node = list_pop(&actor->notices)))
		link_unref(container_of(node, struct link, notice));
	while ((node = list_pop(&actor->links)))
		link_leave(container_of(node, struct link, out));
	while ((link = actor_pop_watcher(actor)))
		link_notify(link, actor->end);
}

/* ------------------------------------------------------------ waiting */

void actor_end_waiters(struct actor_waiter *waiters)
{
	while (waiters) {
		struct actor_waiter *next = waiters->next;

		promise_set(&waiters->promise, NULL, NULL);
		free(waiters);
		waiters = next;
	}
}

/* Moves those who wait no more to the result; so that who asks again and again, for a while each
 * time, takes no more memory than twice what is waited for. */
static struct actor_waiter *actor_prune_waiters(struct actor *actor) HOLDS(actor->lock)
{
	struct actor_waiter *waiter = take(&actor->waiters), *next, *dropped = NULL;

	actor->n_waiters = 0;
	for (; waiter; waiter = next) {
		bool unwanted = promise_is_discarded(&waiter->promise);
		struct actor_waiter **list = unwanted ? &dropped : &actor->waiters;

		next = waiter->next;
		waiter->next = *list;
		*list = waiter;
		actor->n_waiters += !unwanted;
	}
	actor->prune_waiters_at = actor->n_waiters * 2 + WAITERS_KEPT;
	return dropped;
}

struct future *actor_wait(struct actor *actor, struct loop *loop)
{
	struct actor_waiter *waiter = mem_zalloc(sizeof(*waiter)), *over = NULL;
	struct future *future = promise_init(&waiter->promise, loop);
	bool ended;

	lock_acquire(&actor->lock);
	if (actor->n_waiters >= actor->prune_waiters_at)
		over = actor_prune_waiters(actor);
	ended = actor->state == ACTOR_ENDED;
	if (!ended) {
		waiter->next = actor->waiters;
		actor->waiters = waiter;
		actor->n_waiters++;
	}
	lock_release(&actor->lock);
	actor_end_waiters(over);
	if (ended)
		actor_end_waiters(waiter);
	return future;
}
