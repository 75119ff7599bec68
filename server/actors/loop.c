/* server/actors/loop.c: the actors of a process and of each loop: begin, reload, end, and what
 * people are shown of them. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/actors/private.h"
#include "server/expr/json.h"
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>

enum {
	MEMORY_AT_FIRST = 16 << 20, /* of one message, before there is a generation */
	SCAN_MAX = 20000,           /* actors that are looked at for one answer */
};

/* ------------------------------------------------------------ making */

struct actors *actors_create(size_t n_loops, struct arena_budget *budget)
{
	struct actors *actors = mem_zalloc(sizeof(*actors) + n_loops * sizeof(struct actor_loop *));

	for (size_t i = 0; i < ACTOR_SHARDS; i++) {
		lock_init(&actors->shards[i].lock);
		map_init(&actors->shards[i].by_name);
	}
	lock_init(&actors->groups_lock);
	lock_init(&actors->foreigns_lock);
	list_init(&actors->foreigns);
	actor_links_init(&actors->links);
	actors->budget = budget;
	atomic_init(&actors->memory_max, MEMORY_AT_FIRST);
	return actors;
}

struct actor_loop *actors_add_loop(struct actors *actors, const struct actor_host *host)
{
	static const struct actor_section nothing;
	struct actor_loop *loop = mem_zalloc(sizeof(*loop));

	loop->host = *host;
	loop->actors = actors;
	loop->section = &nothing;
	list_init(&loop->selves);
	list_init(&loop->busy);
	list_init(&loop->runs);
	list_init(&loop->works);
	list_init(&loop->laters);
	actors->loops[actors->n_loops++] = loop;
	return loop;
}

struct actor_host *actor_loop_host(struct actor_loop *loop)
{
	return &loop->host;
}

/* ------------------------------------------------------------ the end */

static void shard_end(struct actor_shard *shard)
{
	struct map_slot *slot;

	lock_acquire(&shard->lock);
	for (size_t at = 0; (slot = map_next(&shard->by_name, &at));)
		actor_terminate(slot->value, true);
	lock_release(&shard->lock);
}

static bool actors_turn(struct actors *actors)
{
	bool over = true;

	for (size_t i = 0; i < actors->n_loops; i++) {
		loop_run_once(actors->loops[i]->host.loop, false);
		over &= list_is_empty(&actors->loops[i]->laters);
	}
	return over && atomic_load(&actors->n_live) == 0;
}

void actors_end(struct actors *actors)
{
	if (!actors)
		return;
	atomic_store(&actors->stopping, true);
	for (size_t i = 0; i < actors->n_loops; i++)
		actor_laters_drop(actors->loops[i]);
	for (size_t i = 0; i < ACTOR_SHARDS; i++)
		shard_end(&actors->shards[i]);
	actors_end_foreign(actors);
	while (!actors_turn(actors))
		sched_yield(); /* the pool has its part of it */
	actors_turn(actors);   /* what was posted last */
	actor_links_stop(&actors->links);
}

void actors_destroy(struct actors *actors)
{
	struct actor_group *next;

	if (!actors)
		return;
	for (size_t i = 0; i < ACTOR_SHARDS; i++) {
		map_fini(&actors->shards[i].by_name);
		lock_fini(&actors->shards[i].lock);
	}
	actor_links_fini(&actors->links); /* first: links count in their groups */
	for (; actors->groups; actors->groups = next) {
		next = actors->groups->next;
		free(actors->groups);
	}
	for (size_t i = 0; i < actors->n_loops; i++)
		free(actors->loops[i]);
	lock_fini(&actors->groups_lock);
	lock_fini(&actors->foreigns_lock);
	free(actors);
}

/* ------------------------------------------------------------ generations */

/* One that lives already, and has done its init or is at it, is not woken by a reload. */
static bool self_is_up(struct actor *actor)
{
	const struct actor_self *self = actor_state(actor);

	return self->made && (!self->unready || actor_held(actor));
}

/* An actor without a key lives from the start, so that its init: runs then. */
static void loop_begin_single(struct actor_loop *loop, const struct actor_spec *spec)
{
	struct actors *actors = loop->actors;
	const struct actor_send first = { 0 };
	struct actor_mail *mail;
	struct actor *actor;

	if (spec->foreign || spec->n_keys > 0 || actors_home(actors, spec->name) != loop)
		return;
	if (actors_get(actors, spec, spec->name, &actor) < 0)
		return; /* its first message makes it */
	if (self_is_up(actor)) {
		actor_unref(actor);
		return;
	}
	mail = actor_mail_create(loop, actors_group(actors, spec->name), &first);
	mail->first = true;
	actor_mail_count(mail);
	if (actor_tell(actor, &mail->message) < 0)
		mail->message.release(&mail->message, 0);
	actor_unref(actor);
}

void actor_loop_set(struct actor_loop *loop, void *generation, uint64_t number,
		    const struct actor_section *section, size_t memory_max,
		    struct arena_budget *budget)
{
	struct actor_self *self;

	loop->generation = generation;
	loop->generation_number = number;
	loop->section = section;
	loop->memory_max = memory_max;
	atomic_store_explicit(&loop->actors->memory_max, memory_max, memory_order_relaxed);
	loop->budget = budget;
	list_each(self, &loop->selves, struct actor_self, link)
		actor_self_on_generation(self);
	list_each(self, &loop->busy, struct actor_self, link)
		actor_self_on_generation(self);
	actor_links_sweep(loop);
	for (size_t i = 0; i < section->n_specs; i++)
		loop_begin_single(loop, &section->specs[i]);
}

bool actor_loop_is_quiet(const struct actor_loop *loop)
{
	return atomic_load(&loop->n_messages) == 0;
}

/* Those whose pause would outlast the shutdown. */
static void loop_end_pauses(struct actor_loop *loop)
{
	struct actor_self *self;

	list_each(self, &loop->busy, struct actor_self, link)
		if (timer_is_running(&self->pause))
			timer_start(&self->pause, 0);
}

void actor_loop_drain(struct actor_loop *loop, bool cancel)
{
	struct actor_run *run;
	struct actor_work *work;

	loop->draining = true;
	actor_laters_drop(loop);
	if (!cancel)
		return;
	loop->cancelled = true;
	atomic_store(&loop->actors->cancelled, true);
	loop_end_pauses(loop);
	list_each(run, &loop->runs, struct actor_run, link)
		flow_run_cancel(&run->flow);
	list_each(work, &loop->works, struct actor_work, link)
		work->cancel(work);
}

/* ------------------------------------------------------------ what people are shown */

static void self_write(const struct actor_self *self, struct buf *out)
{
	const uint64_t now_ns = clock_monotonic_ns();
	struct actor_stats stats;

	actor_stats(self->actor, &stats);
	buf_add(out, STR("{\"name\":"));
	json_write_text(self->name, out);
	buf_printf(out,
		   ",\"mailbox\":%zu,\"mailbox_bytes\":%zu,\"oldest_ms\":%" PRIu64
		   ",\"handled\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"refused\":%" PRIu64
		   ",\"state_bytes\":%zu,\"in_work\":%s,\"pause_ms\":%" PRIu64
		   ",\"stopped\":%s,\"links\":%zu}",
		   stats.n_messages, stats.n_bytes, stats.oldest_ns / NS_PER_MS, self->n_handled,
		   self->n_failed, stats.n_refused, blob_str(self->state).len,
		   actor_held(self->actor) ? "true" : "false",
		   self->ready_ns > now_ns ? (self->ready_ns - now_ns) / NS_PER_MS : 0,
		   self->stopped ? "true" : "false",
		   actor_links_count(self->loop->actors, self->name));
}

/* Of the first SCAN_MAX of the list: a loop must not stand still for a million actors. */
static size_t loop_write_list(const struct list *selves, struct str name, size_t n_max, bool first,
			      struct buf *out)
{
	struct actor_self *self;
	size_t n = 0, n_seen = 0;

	list_each(self, selves, struct actor_self, link) {
		if (n == n_max || n_seen++ == SCAN_MAX)
			break;
		if (!actor_name_is(self->name, name))
			continue;
		if (n++ || !first)
			buf_add_char(out, ',');
		self_write(self, out);
	}
	return n;
}

static size_t loop_write_one(struct actor_loop *loop, struct actor *actor, struct buf *out)
{
	const struct actor_self *self = actor_state(actor);

	if (self->loop != loop || !self->begun || actor_end(actor) != ACTOR_LIVES)
		return 0;
	self_write(self, out);
	return 1;
}

size_t actor_loop_write(struct actor_loop *loop, struct str name, size_t n_max, struct buf *out)
{
	struct actor *actor = name.len ? actors_find(loop->actors, name) : NULL;
	size_t n;

	if (actor) {
		n = loop_write_one(loop, actor, out);
		actor_unref(actor);
		return n;
	}
	n = loop_write_list(&loop->busy, name, n_max, true, out);
	return n + loop_write_list(&loop->selves, name, n_max - n, n == 0, out);
}
