/* server/cache/remote.c
 *
 *   "leat1" kind (1) status (2) born, fresh, revalidate, error (8 each: ms since 1970) head length (4) head body
 */
#include "server/cache/remote.h"
#include "core/base/base64.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/cache/answer.h"
#include "server/redis/redis_pool.h"
#include <stdlib.h>

#define MAGIC STR("leat1")
enum { HEAD_LEN = 5 + 1 + 2 + 4 * 8 + 4 };

/* ------------------------------------------------------------ the form */

static void put_number(struct buf *out, uint64_t number, int n_bytes)
{
	for (int i = 0; i < n_bytes; i++)
		buf_add_char(out, (char)(number >> (8 * i) & 0xff));
}

static uint64_t get_number(struct str *rest, int n_bytes)
{
	uint64_t number = 0;

	for (int i = 0; i < n_bytes; i++)
		number |= (uint64_t)(unsigned char)rest->ptr[i] << (8 * i);
	*rest = str_skip(*rest, (size_t)n_bytes);
	return number;
}

/* Between the clock of this process and that of all. */
static int64_t wall_ms(int64_t monotonic_ns)
{
	return (clock_wall_ns() + (monotonic_ns - (int64_t)clock_monotonic_ns())) /
	       (int64_t)NS_PER_MS;
}

static int64_t monotonic_of(uint64_t ms)
{
	int64_t now_ms = clock_wall_ns() / (int64_t)NS_PER_MS, most = INT64_C(400) * 86400000;
	int64_t left_ms = (int64_t)ms - now_ms;

	left_ms = MAX(MIN(left_ms, most), -most); /* no clock is that wrong */
	return (int64_t)clock_monotonic_ns() + left_ms * (int64_t)NS_PER_MS;
}

static void put_time(struct buf *out, uint64_t ns)
{
	put_number(out, (uint64_t)wall_ms((int64_t)MIN(ns, (uint64_t)INT64_MAX / 4)), 8);
}

static uint64_t get_time(struct str *rest)
{
	int64_t ns = monotonic_of(get_number(rest, 8));

	return ns > 0 ? (uint64_t)ns : 0;
}

void cache_remote_write(const struct cache_entry *entry, struct buf *out)
{
	buf_add(out, MAGIC);
	buf_add_char(out, (char)entry->kind);
	put_number(out, entry->status, 2);
	put_number(out, (uint64_t)wall_ms(entry->times.born_ns), 8);
	put_time(out, entry->times.fresh_ns);
	put_time(out, entry->times.revalidate_ns);
	put_time(out, entry->times.error_ns);
	put_number(out, entry->head.len, 4);
	buf_add(out, entry->head);
	buf_add(out, entry->body);
}

struct cache_entry *cache_remote_read(struct str bytes, struct str key, struct arena_budget *budget)
{
	struct cache_parts parts = { .key = key, .budget = budget };
	size_t head_len;

	if (bytes.len < HEAD_LEN || !str_starts_with(bytes, MAGIC))
		return NULL;
	bytes = str_skip(bytes, MAGIC.len);
	parts.kind = (uint8_t)get_number(&bytes, 1);
	parts.status = (uint16_t)get_number(&bytes, 2);
	parts.times.born_ns = monotonic_of(get_number(&bytes, 8));
	parts.times.fresh_ns = get_time(&bytes);
	parts.times.revalidate_ns = get_time(&bytes);
	parts.times.error_ns = get_time(&bytes);
	head_len = (size_t)get_number(&bytes, 4);
	if (head_len > bytes.len)
		return NULL;
	parts.head = str_first(bytes, head_len);
	parts.body = str_skip(bytes, head_len);
	if (parts.kind == CACHE_ANSWER ? !cache_answer_is_valid(parts.status, parts.head)
				       : parts.kind != CACHE_RESULT || head_len > 0)
		return NULL;
	return cache_entry_create(&parts);
}

/* ------------------------------------------------------------ asking */

struct str cache_remote_key(const struct cache_spec *spec, struct str key, struct arena *arena)
{
	return arena_printf(arena, CACHE_REMOTE_ROOT "%.*s:%.*s", CACHE_DIGEST_LEN,
			    spec->cache->digest, STR_ARG(key));
}

static struct cache_entry *remote_entry(struct cache_remote *remote, struct value value)
{
	struct str digits = value_str(value);
	char *bytes;
	size_t size;

	if (!base64_strip_padding(&digits))
		return NULL;
	size = base64_size(digits.len);
	bytes = arena_alloc(remote->arena, size + 1);
	if (!bytes || !base64_decode(digits, BASE64_STANDARD, bytes))
		return NULL;
	return cache_remote_read((struct str){ bytes, size }, remote->key, remote->arena->budget);
}

static void remote_on_end(struct redis_call *call)
{
	struct cache_remote *remote = call->owner;
	struct cache_entry *entry = NULL;

	if (call->error == REDIS_OK && call->results && call->results[0].kind == VALUE_TEXT)
		entry = remote_entry(remote, call->results[0]);
	remote->on_end(remote, entry);
}

void cache_remote_get(struct cache_remote *remote, struct context *context,
		      const struct cache_spec *spec, struct str key,
		      void (*on_end)(struct cache_remote *remote, struct cache_entry *entry),
		      void *owner)
{
	struct redis_request request = { .redis = spec->redis,
					 .commands = &remote->command,
					 .n_commands = 1,
					 .reads = true,
					 .base64 = true,
					 .reply_max = spec->entry_bytes * 2 + 4096 };

	*remote = (struct cache_remote){
		.spec = spec, .key = key, .arena = context->arena, .on_end = on_end, .owner = owner
	};
	remote->args[0] = STR("GET");
	remote->args[1] = cache_remote_key(spec, key, context->arena);
	remote->command = (struct redis_command){ command_find(STR("get")), remote->args, 2 };
	remote->call.on_end = remote_on_end;
	remote->call.owner = remote;
	if (!context->redis || !remote->args[1].ptr)
		on_end(remote, NULL);
	else
		redis_call_start(&remote->call, context->redis, context->arena, &request);
}

void cache_remote_cancel(struct cache_remote *remote)
{
	redis_call_cancel(&remote->call);
}

/* ------------------------------------------------------------ keeping */

struct remote_put {
	struct redis_call call;
	struct redis_command command;
	struct str args[5];
	struct arena arena;
	struct detacher *detacher;
	void *generation;
};

static void put_on_end(struct redis_call *call)
{
	struct remote_put *put = call->owner;
	struct detacher *detacher = put->detacher;
	void *generation = put->generation;

	arena_fini(&put->arena);
	free(put);
	if (detacher)
		detacher->end(detacher, generation);
}

/* How long it is of any use, from now. */
static int64_t entry_useful_ms(const struct cache_entry *entry)
{
	const struct cache_times *times = &entry->times;
	uint64_t until = MAX(MAX(times->fresh_ns, times->revalidate_ns), times->error_ns);
	uint64_t now = clock_monotonic_ns();

	return until > now ? (int64_t)((until - now) / NS_PER_MS) : 0;
}

static bool put_make(struct remote_put *put, const struct cache_spec *spec,
		     const struct cache_entry *entry)
{
	struct buf bytes;

	buf_init_arena(&bytes, &put->arena);
	cache_remote_write(entry, &bytes);
	put->args[0] = STR("SET");
	put->args[1] = cache_remote_key(spec, entry->key, &put->arena);
	put->args[2] = buf_str(&bytes);
	put->args[3] = STR("PX");
	put->args[4] = arena_printf(&put->arena, "%lld", (long long)entry_useful_ms(entry));
	put->command = (struct redis_command){ command_find(STR("set")), put->args, 5 };
	return !bytes.error && put->args[1].ptr && put->args[4].ptr;
}

/* NULL: no memory, or nobody to be asked. */
static struct remote_put *put_create(struct context *context, const struct cache_spec *spec)
{
	struct remote_put *put = context->redis ? calloc(1, sizeof(*put)) : NULL;

	if (!put)
		return NULL;
	arena_init(&put->arena, spec->entry_bytes * 4 + (64 << 10));
	put->arena.budget = context->arena->budget;
	put->detacher = context->detacher;
	put->generation = context->generation;
	put->call.on_end = put_on_end;
	put->call.owner = put;
	if (put->detacher)
		put->detacher->begin(put->detacher, put->generation);
	return put;
}

static void put_send(struct remote_put *put, struct context *context, const struct cache_spec *spec,
		     bool made)
{
	const struct redis_request request = { .redis = spec->redis,
					       .commands = &put->command,
					       .n_commands = 1 };

	if (made)
		redis_call_start(&put->call, context->redis, &put->arena, &request);
	else
		put_on_end(&put->call);
}

void cache_remote_put(struct context *context, const struct cache_spec *spec,
		      const struct cache_entry *entry)
{
	struct remote_put *put = entry_useful_ms(entry) > 0 ? put_create(context, spec) : NULL;

	if (put)
		put_send(put, context, spec, put_make(put, spec, entry));
}
