/* server/actors/foreign.c: actors that are not written in YAML. Locking: actors->foreigns_lock guards the
 * list; with it held an actor's own may be taken, and nobody is called back. */
#include "server/actors/foreign.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/actors/private.h"
#include "server/expr/json.h"
#include <inttypes.h>
#include <stdlib.h>

/* ------------------------------------------------------------ places and memory */

struct actor_loop *actors_place(struct actors *actors, struct str name)
{
	if (name.len)
		return actors_home(actors, name);
	return actors->loops[atomic_fetch_add(&actors->n_placed, 1) % actors->n_loops];
}

struct loop *actor_loop_loop(const struct actor_loop *loop)
{
	return loop->host.loop;
}

bool actors_admit(struct actors *actors, struct str group, size_t size)
{
	struct actor_group *own = actors_group(actors, group);

	if (atomic_load(&actors->stopping) || !actors_count(actors, own, size))
		return false;
	atomic_fetch_add(&own->n_live, 1);
	atomic_fetch_add(&actors->n_live, 1);
	return true;
}

void actors_enter(struct actors *actors)
{
	atomic_fetch_add(&actors->n_live, 1);
}

void actors_leave(struct actors *actors)
{
	atomic_fetch_sub(&actors->n_live, 1);
}

bool actors_take_memory(struct actors *actors, size_t size)
{
	return arena_budget_take(actors->budget, size);
}

void actors_give_memory(struct actors *actors, size_t size)
{
	arena_budget_give_back(actors->budget, size);
}

bool actors_are_stopping(const struct actors *actors)
{
	return atomic_load(&actors->stopping) || atomic_load(&actors->cancelled);
}

size_t actors_memory_max(const struct actors *actors)
{
	return atomic_load_explicit(&actors->memory_max, memory_order_relaxed);
}

struct arena_budget *actors_budget(const struct actors *actors)
{
	return actors->budget;
}

/* ------------------------------------------------------------ life */

void actor_foreign_begin(struct actor_foreign *foreign, struct actors *actors, struct str group)
{
	foreign->actors = actors;
	foreign->group = actors_group(actors, group);
	list_init(&foreign->link);
	lock_acquire(&actors->foreigns_lock);
	list_add(&actors->foreigns, &foreign->link);
	lock_release(&actors->foreigns_lock);
}

/* What those that are linked to it are told, on a loop. */
struct foreign_news {
	struct post post;
	struct actor_loop *loop;
	struct str group, name; /* behind it */
	const char *reason;
};

static void foreign_tell(struct post *post)
{
	struct foreign_news *news = container_of(post, struct foreign_news, post);

	actor_tell_linked(news->loop, news->group, news->name, str_of(news->reason));
	free(news);
}

static void foreign_post_news(const struct actor_foreign *foreign, enum actor_end end)
{
	struct foreign_news *news =
		mem_zalloc(sizeof(*news) + foreign->name.len + foreign->group->name.len + 1);
	char *at = (char *)(news + 1);

	memcpy(at, foreign->name.ptr, foreign->name.len);
	news->name = (struct str){ at, foreign->name.len };
	news->group = foreign->group->name; /* which stays */
	news->reason = actor_end_name(end);
	news->loop = foreign->home;
	news->post.run = foreign_tell;
	loop_post(foreign->home->host.loop, &news->post);
}

void actor_foreign_unname(struct actor_foreign *foreign, enum actor_end end)
{
	actor_links_tell(foreign->actors, NULL, foreign->name, end);
}

void actor_foreign_end(struct actor_foreign *foreign, enum actor_end end)
{
	struct actors *actors = foreign->actors;

	actor_links_drop_foreign(foreign);
	if (foreign->name.len && !atomic_load(&actors->stopping))
		foreign_post_news(foreign, end);
	lock_acquire(&actors->foreigns_lock);
	list_remove(&foreign->link);
	lock_release(&actors->foreigns_lock);
	actors_uncount(actors, foreign->group, foreign->size);
	atomic_fetch_sub(&foreign->group->n_live, 1);
	atomic_fetch_sub(&actors->n_live, 1);
}

void actors_end_foreign(struct actors *actors)
{
	struct actor_foreign *foreign;

	lock_acquire(&actors->foreigns_lock);
	list_each(foreign, &actors->foreigns, struct actor_foreign, link)
		actor_terminate(foreign->actor, true);
	lock_release(&actors->foreigns_lock);
}

void actor_foreign_count(struct actor_foreign *foreign, bool failed)
{
	struct actor_group *group = foreign->group;

	atomic_fetch_add_explicit(&group->n_handled, 1, memory_order_relaxed);
	if (!failed)
		return;
	atomic_fetch_add_explicit(&group->n_failed, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&foreign->n_failed, 1, memory_order_relaxed);
}

/* ------------------------------------------------------------ one message in work */

void actor_work_begin(struct actor_work *work, struct actor_loop *loop,
		      struct actor_ground *ret_ground)
{
	*ret_ground = (struct actor_ground){ .context = loop->host.context,
					     .natives = loop->section->natives,
					     .compute = loop->section->compute,
					     .memory_max = loop->memory_max,
					     .budget = loop->budget };
	ret_ground->context.generation = loop->generation;
	ret_ground->context.actors = loop;
	ret_ground->context.detacher->begin(ret_ground->context.detacher, loop->generation);
	list_init(&work->link);
	list_add(&loop->works, &work->link);
}

void actor_work_end(struct actor_work *work)
{
	list_remove(&work->link);
}

void actor_ground_leave(const struct context *context)
{
	context->detacher->end(context->detacher, context->generation);
}

/* ------------------------------------------------------------ what people are shown */

static struct str foreign_shown_name(const struct actor_foreign *foreign)
{
	return foreign->name.len ? foreign->name : foreign->group->name;
}

static void foreign_write(struct actor_foreign *foreign, struct buf *out)
{
	struct actor_stats stats;

	actor_stats(foreign->actor, &stats);
	buf_add(out, STR("{\"name\":"));
	json_write_text(foreign_shown_name(foreign), out);
	buf_printf(out,
		   ",\"mailbox\":%zu,\"mailbox_bytes\":%zu,\"oldest_ms\":%" PRIu64
		   ",\"handled\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"refused\":%" PRIu64
		   ",\"state_bytes\":null,\"in_work\":%s,\"pause_ms\":0,\"stopped\":false,"
		   "\"links\":%zu}",
		   stats.n_messages, stats.n_bytes, stats.oldest_ns / NS_PER_MS, stats.n_handled,
		   atomic_load_explicit(&foreign->n_failed, memory_order_relaxed), stats.n_refused,
		   stats.in_work ? "true" : "false", actor_links_count_foreign(foreign));
}

size_t actors_write_foreign(struct actors *actors, struct str name, size_t n_max, struct buf *out)
{
	struct actor_foreign *foreign;
	size_t n = 0;

	lock_acquire(&actors->foreigns_lock);
	list_each(foreign, &actors->foreigns, struct actor_foreign, link) {
		if (!actor_name_is(foreign_shown_name(foreign), name) || ++n > n_max)
			continue;
		if (n > 1)
			buf_add_char(out, ',');
		foreign_write(foreign, out);
	}
	lock_release(&actors->foreigns_lock);
	return n > n_max ? n_max : n;
}
