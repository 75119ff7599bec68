/* server/cache/purge.c
 *
 *   LOOKS --> SCANS <--> UNLINKS     as long as a step has found something
 *             |   ^
 *             v   |                  from the end of a server's keys to the next server's
 *            (end)
 *
 * LOOKS is for a cluster whose servers are not known yet. Of whole keys there is UNLINKS alone. */
#include "server/cache/purge.h"
#include "core/base/base64.h"
#include "core/base/memory.h"
#include "server/cache/remote.h"
#include <stdio.h>
#include <stdlib.h>

enum {
	STEP_BYTES = 64 << 20,  /* what a step has found, in all its forms */
	REPLY_BYTES = 16 << 20, /* the same as Redis says it: keys of 16 KiB each */
};

/* ------------------------------------------------------------ the end */

static void purge_fini(struct cache_purge *purge)
{
	arena_fini(&purge->arena);
	free(purge->gone_over);
	redis_unref(purge->redis);
}

static void purge_end(struct cache_purge *purge, const char *detail)
{
	purge->detail = detail;
	purge_fini(purge);
	purge->on_end(purge);
}

void cache_purge_cancel(struct cache_purge *purge)
{
	redis_call_cancel(&purge->call);
	purge_fini(purge);
}

/* ------------------------------------------------------------ commands */

static void purge_send(struct cache_purge *purge, enum purge_step step, struct redis_node *node,
		       size_t n_commands)
{
	const struct redis_request request = { .redis = purge->redis,
					       .commands = purge->commands,
					       .n_commands = n_commands,
					       .reads = step != PURGE_UNLINKS,
					       .base64 = true, /* keys need not be texts */
					       .reply_max = REPLY_BYTES };

	purge->step = step;
	if (node)
		redis_call_start_at(&purge->call, node, &purge->arena, &request);
	else
		redis_call_start(&purge->call, purge->rloop, &purge->arena, &request);
}

static void purge_unlink(struct cache_purge *purge)
{
	size_t n = MIN(purge->n_keys - purge->n_unlinked, (size_t)PURGE_UNLINK);

	for (size_t i = 0; i < n; i++) {
		purge->args[i][0] = STR("UNLINK");
		purge->args[i][1] = purge->keys[purge->n_unlinked + i];
		purge->commands[i] =
			(struct redis_command){ command_find(STR("unlink")), purge->args[i], 2 };
	}
	purge->n_unlinked += n;
	purge_send(purge, PURGE_UNLINKS, NULL, n);
}

static void purge_look(struct cache_purge *purge)
{
	purge->scan_args[0] = STR("PING");
	purge->commands[0] =
		(struct redis_command){ command_find(STR("ping")), purge->scan_args, 1 };
	purge->looked = true;
	purge_send(purge, PURGE_LOOKS, NULL, 1);
}

static void purge_scan(struct cache_purge *purge, struct redis_node *node)
{
	const struct str args[] = { STR("SCAN"),    str_of(purge->cursor), STR("MATCH"),
				    purge->pattern, STR("COUNT"),          STR("1000") };

	memcpy(purge->scan_args, args, sizeof(args));
	purge->commands[0] = (struct redis_command){ command_find(STR("scan")), purge->scan_args,
						     ARRAY_LEN(args) };
	purge->begun = true;
	purge->n_keys = purge->n_unlinked = 0;
	arena_fini(&purge->arena);
	arena_init(&purge->arena, STEP_BYTES);
	purge_send(purge, PURGE_SCANS, node, 1);
}

/* ------------------------------------------------------------ which server */

/* Of a cluster, the one that is gone over, or the next; NULL: there is none any more. */
static struct redis_node *purge_server(struct cache_purge *purge, const struct redis_pool *pool)
{
	bool *gone_over = purge->gone_over;
	size_t slot = 0;

	if (purge->begun && strcmp(purge->cursor, "0") == 0) {
		for (size_t i = 0; i < COMMAND_SLOTS; i++)
			gone_over[i] |= pool->slots[i] == purge->node;
		purge->node = NULL;
	}
	while (slot < COMMAND_SLOTS && gone_over[slot])
		slot++;
	return slot < COMMAND_SLOTS ? pool->slots[slot] : NULL;
}

static void purge_go_over_cluster(struct cache_purge *purge)
{
	struct redis_pool *pool = redis_loop_pool(purge->rloop, purge->redis);
	struct redis_node *node;

	if (!pool->slots) {
		if (purge->looked)
			purge_end(purge, "the servers of the cluster are not known");
		else
			purge_look(purge);
		return;
	}
	node = purge_server(purge, pool);
	if (!node) {
		purge_end(purge, NULL);
		return;
	}
	if (node != purge->node) /* a cursor is of one server */
		strcpy(purge->cursor, "0");
	purge->node = node;
	purge_scan(purge, node);
}

static void purge_next(struct cache_purge *purge)
{
	if (purge->n_unlinked < purge->n_keys)
		purge_unlink(purge);
	else if (!purge->pattern.ptr)
		purge_end(purge, NULL);
	else if (purge->gone_over)
		purge_go_over_cluster(purge);
	else if (purge->begun && strcmp(purge->cursor, "0") == 0)
		purge_end(purge, NULL);
	else
		purge_scan(purge, NULL);
}

/* ------------------------------------------------------------ replies */

static bool purge_decode(struct cache_purge *purge, struct value value, struct str *ret)
{
	struct str digits = value.kind == VALUE_TEXT ? value_str(value) : STR_NONE;
	char *bytes;

	if (!digits.ptr || !base64_strip_padding(&digits))
		return false;
	bytes = arena_alloc(&purge->arena, base64_size(digits.len) + 1);
	if (!bytes || !base64_decode(digits, BASE64_STANDARD, bytes))
		return false;
	*ret = (struct str){ bytes, base64_size(digits.len) };
	return true;
}

/* The pattern may be wider than what is asked for. */
static bool purge_wants(const struct cache_purge *purge, struct str key)
{
	for (size_t i = 0; i < purge->n_targets; i++)
		if (str_starts_with(key, purge->targets[i]))
			return true;
	return false;
}

/* [cursor, [key, …]] */
static bool purge_take_keys(struct cache_purge *purge, struct value reply)
{
	struct str cursor, *keys;
	struct value list;

	if (reply.kind != VALUE_LIST || reply.len != 2 || reply.items[1].kind != VALUE_LIST ||
	    !purge_decode(purge, reply.items[0], &cursor) || cursor.len == 0 ||
	    cursor.len >= sizeof(purge->cursor))
		return false;
	snprintf(purge->cursor, sizeof(purge->cursor), "%.*s", STR_ARG(cursor));
	list = reply.items[1];
	keys = arena_alloc_array(&purge->arena, list.len + 1, sizeof(*keys));
	if (!keys)
		return false;
	purge->keys = keys;
	for (size_t i = 0; i < list.len; i++) {
		if (!purge_decode(purge, list.items[i], &keys[purge->n_keys]))
			return false;
		purge->n_keys += purge_wants(purge, keys[purge->n_keys]);
	}
	return true;
}

static void purge_on_end(struct redis_call *call)
{
	struct cache_purge *purge = container_of(call, struct cache_purge, call);

	if (call->error != REDIS_OK) {
		purge_end(purge, call->detail);
		return;
	}
	if (purge->step == PURGE_SCANS && !purge_take_keys(purge, call->results[0])) {
		purge_end(purge, "SCAN was replied to with something else");
		return;
	}
	for (size_t i = 0; purge->step == PURGE_UNLINKS && i < call->request.n_commands; i++)
		purge->n_removed += call->results[i].kind == VALUE_INT &&
				    call->results[i].integer > 0;
	purge_next(purge);
}

/* ------------------------------------------------------------ the start */

/* What all targets begin with, and anything behind it. */
static struct str purge_pattern(const struct cache_purge_ask *ask, struct arena *arena)
{
	struct str begin = ask->n_targets == 1 ? ask->targets[0] : STR(CACHE_REMOTE_ROOT);
	struct buf pattern;

	buf_init_arena(&pattern, arena);
	for (size_t i = 0; i < begin.len; i++) {
		if (str_has(STR("*?[]\\^"), begin.ptr[i]))
			buf_add_char(&pattern, '\\');
		buf_add_char(&pattern, begin.ptr[i]);
	}
	buf_add_char(&pattern, '*');
	return pattern.error ? STR_NONE : buf_str(&pattern);
}

void cache_purge_start(struct cache_purge *purge, struct redis_loop *rloop, struct arena *arena,
		       const struct cache_purge_ask *ask)
{
	purge->call.on_end = purge_on_end;
	purge->rloop = rloop;
	purge->redis = redis_ref(ask->redis);
	purge->targets = ask->targets;
	purge->n_targets = ask->n_targets;
	purge->cursor[0] = '0';
	arena_init(&purge->arena, STEP_BYTES);
	if (!ask->prefixes) {
		purge->keys = ask->targets;
		purge->n_keys = ask->n_targets;
	} else {
		purge->pattern = purge_pattern(ask, arena);
		if (ask->redis->mode == REDIS_CLUSTER)
			purge->gone_over = mem_zalloc(COMMAND_SLOTS * sizeof(bool));
	}
	if (ask->prefixes && !purge->pattern.ptr)
		purge_end(purge, "limits.memory is reached");
	else
		purge_next(purge);
}
