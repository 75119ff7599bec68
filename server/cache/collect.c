/* server/cache/collect.c
 *
 *   COLLECTING --> the source has ended: whole -----------> the client reads the entry
 *        \-------> too large, no memory, or it failed ----> the client reads what there is, then the source
 */
#include "server/cache/collect.h"
#include "core/base/check.h"
#include <errno.h>
#include <stdlib.h>

enum { ROOM_MIN = 16 << 10 };

static struct collect *collect_of(struct body_source *source)
{
	return container_of(source, struct collect, source);
}

static void collect_free_bytes(struct collect *collect)
{
	free(take(&collect->retired));
	free(take(&collect->bytes));
	arena_budget_give_back(collect->budget, collect->room);
	collect->room = collect->len = collect->taken = 0;
}

/* Into a block of that size. What the client is being sent stays where it is until its next read. */
static bool collect_move(struct collect *collect, size_t room)
{
	char *bytes;

	if (!arena_budget_take(collect->budget, room))
		return false;
	bytes = malloc(room);
	if (!bytes) {
		arena_budget_give_back(collect->budget, room);
		return false;
	}
	if (collect->len)
		memcpy(bytes, collect->bytes, collect->len);
	if (collect->lent && !collect->retired)
		collect->retired = collect->bytes;
	else
		free(collect->bytes);
	arena_budget_give_back(collect->budget, collect->room);
	collect->bytes = bytes;
	collect->room = room;
	return true;
}

static bool collect_grow(struct collect *collect, size_t size)
{
	size_t room = MAX(collect->room * 2, (size_t)ROOM_MIN);

	if (collect->inner->size <= collect->max)
		room = (size_t)collect->inner->size;
	return collect_move(collect, MAX(MIN(room, collect->max), size));
}

static bool collect_add(struct collect *collect, struct str piece)
{
	if (piece.len > collect->room - collect->len &&
	    !collect_grow(collect, collect->len + piece.len))
		return false;
	memcpy(collect->bytes + collect->len, piece.ptr, piece.len);
	collect->len += piece.len;
	return true;
}

/* ------------------------------------------------------------ collecting */

static void collect_end(struct collect *collect, bool whole)
{
	uint64_t size = collect->inner->size;

	if (!collect->collecting)
		return;
	collect->collecting = false;
	whole = whole && (size == BODY_SIZE_UNKNOWN || size == collect->len);
	collect->on_done(collect, whole);
}

/* A piece that has no place any more is passed on where it is: it stays until the next read. */
static void collect_overflow(struct collect *collect, struct str piece)
{
	collect->rest = piece;
	collect_end(collect, false);
}

static void collect_pull(struct collect *collect)
{
	while (collect->collecting && !collect->inner_waits) {
		struct str piece;
		int r = body_source_read(collect->inner, &piece);

		if (r == -EAGAIN) {
			collect->inner_waits = true;
		} else if (r <= 0) {
			collect->inner_done = true;
			collect->error = r;
			collect_end(collect, r == 0);
		} else if (collect->len + piece.len > collect->max ||
			   !collect_add(collect, piece)) {
			collect_overflow(collect, piece);
		}
	}
}

static void collect_on_more(struct body_source *inner)
{
	struct collect *collect = inner->taker;

	collect->inner_waits = false;
	collect_pull(collect);
	if (collect->waiting) {
		collect->waiting = false;
		collect->source.on_more(&collect->source);
	}
}

void collect_stop(struct collect *collect)
{
	collect_end(collect, false);
}

/* ------------------------------------------------------------ the client */

static bool collect_read_kept(struct collect *collect, struct str *ret_bytes)
{
	struct str all = collect->entry ? collect->entry->body
					: (struct str){ collect->bytes, collect->len };

	if (collect->taken == all.len)
		return false;
	*ret_bytes = str_skip(all, collect->taken);
	collect->taken = all.len;
	collect->lent = !collect->entry;
	return true;
}

static int collect_read(struct body_source *source, struct str *ret_bytes)
{
	struct collect *collect = collect_of(source);
	int r;

	free(take(&collect->retired));
	collect->lent = false;
	if (collect_read_kept(collect, ret_bytes))
		return 1;
	if (collect->rest.len) {
		*ret_bytes = collect->rest;
		collect->rest = STR_NONE;
		return 1;
	}
	if (collect->inner_done)
		return collect->error;
	if (collect->collecting || collect->inner_waits) {
		collect->waiting = true;
		return -EAGAIN;
	}
	collect_free_bytes(collect);
	r = body_source_read(collect->inner, ret_bytes);
	collect->waiting = collect->inner_waits = r == -EAGAIN;
	return r;
}

/* The request closes it for good when it has nothing to wait for any more. */
static void collect_close(struct body_source *source)
{
	struct collect *collect = collect_of(source);

	collect->waiting = false;
	collect->closed = true;
	if (collect->collecting)
		return;
	body_source_close(take(&collect->inner));
	collect_free_bytes(collect);
	cache_entry_unref(take(&collect->entry));
}

/* ------------------------------------------------------------ making one */

void collect_init(struct collect *collect, struct body_source *inner, size_t max,
		  struct arena_budget *budget, void (*on_done)(struct collect *collect, bool whole),
		  void *owner)
{
	static const struct body_source_ops ops = { .read = collect_read, .close = collect_close };

	*collect = (struct collect){ .source = { .ops = &ops,
						 .size = inner->size,
						 .type = inner->type,
						 .coding = inner->coding },
				     .inner = inner,
				     .budget = budget,
				     .on_done = on_done,
				     .owner = owner,
				     .max = max,
				     .collecting = true };
	inner->on_more = collect_on_more;
	inner->taker = collect;
}

void collect_start(struct collect *collect)
{
	collect_pull(collect);
}

struct cache_entry *collect_entry(struct collect *collect, struct cache_parts *parts)
{
	struct cache_entry *entry;

	if (collect->room - collect->len > collect->len / 4)
		collect_move(collect, MAX(collect->len, (size_t)1));
	parts->own_body = collect->bytes;
	parts->body = (struct str){ collect->bytes, collect->len };
	entry = cache_entry_create(parts);
	if (!entry)
		return NULL;
	collect->entry = cache_entry_ref(entry);
	collect->bytes = NULL;
	arena_budget_give_back(collect->budget, collect->room);
	collect->room = 0;
	return entry;
}
