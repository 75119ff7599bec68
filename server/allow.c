/* server/allow.c: the answers that say which methods a path has: made when first needed, then
 * kept. */
#include "core/base/memory.h"
#include "core/thread/lock.h"
#include "server/server.h"

enum { METHODS_ALL = (1 << HTTP_OTHER) - 1 };

/* Locking: `lock` guards the making; what was made is read without it. */
static struct lock lock = LOCK_INIT;
static struct reply *_Atomic replies[2][METHODS_ALL + 1];
static struct arena arena;

static struct str allow_text(uint32_t methods)
{
	struct buf text;

	buf_init_arena(&text, &arena);
	for (unsigned method = 0; method < HTTP_OTHER; method++) {
		if (!(methods & (1U << method)))
			continue;
		if (text.len)
			buf_add(&text, STR(", "));
		buf_add(&text, http_method_name((enum http_method)method));
	}
	return buf_str(&text);
}

static struct reply *allow_make(uint32_t methods, bool is_options)
{
	struct reply *reply;
	struct buf head;

	if (!arena.required)
		arena_init_required(&arena);
	reply = arena_zalloc(&arena, sizeof(*reply));
	if (is_options)
		reply->status = 204;
	else
		*reply = reply_problem(&arena, 405, STR_NONE, STR_NONE, STR_NONE, STR_NONE);
	reply->fields = arena_zalloc(&arena, sizeof(*reply->fields));
	reply->fields[0] = (struct http_field){ STR("Allow"), allow_text(methods) };
	reply->n_fields = 1;
	buf_init_arena(&head, &arena);
	reply_write_head(reply, &head);
	reply->head = buf_str(&head);
	reply->constant = true;
	return reply;
}

const struct reply *server_allow_reply(uint32_t methods, bool is_options)
{
	uint32_t mask = methods & METHODS_ALL & ~(1U << HTTP_CONNECT);
	struct reply *_Atomic *slot;
	struct reply *reply;

	if (methods == UINT32_MAX)
		mask &= ~(1U << HTTP_TRACE);
	if (mask & (1U << HTTP_GET))
		mask |= 1U << HTTP_HEAD;
	mask |= 1U << HTTP_OPTIONS;
	slot = &replies[is_options][mask];
	reply = atomic_load(slot);
	if (reply)
		return reply;
	lock_acquire(&lock);
	reply = atomic_load(slot);
	if (!reply) {
		reply = allow_make(mask, is_options);
		atomic_store(slot, reply);
	}
	lock_release(&lock);
	return reply;
}

const struct reply *server_no_route_reply(const struct http_head *head, uint32_t allowed)
{
	if (allowed)
		return server_allow_reply(allowed, head->method_id == HTTP_OPTIONS);
	return reply_refusal(head->method_id == HTTP_OTHER ? 501 : 404);
}
