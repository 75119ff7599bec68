/* server/request_cache_keep.c: what was made is kept, or not. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/cache/answer.h"
#include "server/http/fields.h"
#include "server/request_cache_private.h"
#include <errno.h>
#include <stdio.h>

enum { PASS_MS = 10000 };

/* ------------------------------------------------------------ ending a fill */

void request_cache_end(struct request_cache *cache, const struct cache_result *result)
{
	if (cache->fill)
		cache_fill_end(take(&cache->fill), result);
}

static void cache_end_alone(struct request_cache *cache)
{
	request_cache_end(cache, &(struct cache_result){ .end = CACHE_END_ALONE });
}

/* Those who come next need not wait for one another. Not by what is for one who has shown himself. */
static void cache_mark_pass(struct request_cache *cache)
{
	struct cache_parts parts = { .key = cache->full,
				     .kind = CACHE_PASS,
				     .budget = cache->request->arena.budget };
	struct cache_entry *entry;

	if (!cache->by_rules || !cache->fill || cache->control.no_store ||
	    (cache->old && cache_entry_is_answer(cache->old)) ||
	    http_head_find(&cache->request->head, STR("authorization")))
		return;
	parts.times = cache_times_from(clock_monotonic_ns(), PASS_MS, 0, 0);
	entry = cache_entry_create(&parts);
	if (entry)
		cache_store_add(cache->spec->cache->store, entry);
	cache_entry_unref(entry);
}

static void failure_pack(const struct failure *failure, struct cache_failure *ret)
{
	*ret = (struct cache_failure){ .code = (int)failure->code,
				       .status = failure->status,
				       .upstream_status = failure->upstream_status };
	snprintf(ret->custom, sizeof(ret->custom), "%.*s", STR_ARG(failure->custom_code));
	snprintf(ret->task, sizeof(ret->task), "%.*s", STR_ARG(failure->task));
	snprintf(ret->detail, sizeof(ret->detail), "%.*s", STR_ARG(failure->detail));
}

static bool cache_may_use_old(const struct request_cache *cache)
{
	return cache->old && clock_monotonic_ns() < cache->old->times.error_ns;
}

static void cache_serve_old(struct request_cache *cache, int fwd_status)
{
	cache_count(&cache->spec->cache->counts.stale);
	cache->why = "stale";
	request_cache_serve(cache, take(&cache->old), fwd_status);
}

bool request_cache_rescue(struct request *request, const struct failure *failure)
{
	struct request_cache *cache = request->cache;
	struct cache_failure told;

	if (cache->answered)
		return false;
	failure_pack(failure, &told);
	request_cache_end(cache,
			  &(struct cache_result){ .end = CACHE_END_FAILED, .failure = &told });
	cache->may_keep = false;
	if (failure_status(failure) < 500 || failure->code == ERROR_CANCELLED ||
	    !cache_may_use_old(cache))
		return false;
	cache_serve_old(cache, 0);
	return true;
}

/* ------------------------------------------------------------ what may be kept */

/* By what the spec says: an answer that was made here. */
static bool reply_may_be_kept(const struct request_cache *cache, const struct reply *reply)
{
	struct http_cache_control control;

	http_cache_control_read(reply->fields, reply->n_fields, &control);
	return (reply->status < 400 || reply->status == 404 || reply->status == 410) &&
	       reply->status >= 200 && reply->status != 206 && reply->status != 304 &&
	       !reply->file && !reply->close && !reply->switches && !control.no_store &&
	       !control.is_private && !cache->request->context.degraded &&
	       !http_fields_find(reply->fields, reply->n_fields, STR("set-cookie"));
}

static uint64_t times_at(int64_t born_ns, int64_t seconds)
{
	int64_t at = born_ns + seconds * (int64_t)NS_PER_S;

	return at > 0 ? (uint64_t)at : 0;
}

static struct cache_times times_of(const struct http_lifetime *lifetime)
{
	struct cache_times times;
	uint64_t now = clock_monotonic_ns();

	times.born_ns = (int64_t)now - lifetime->age * (int64_t)NS_PER_S;
	times.fresh_ns = times_at(times.born_ns, lifetime->fresh);
	times.revalidate_ns = times.fresh_ns + (uint64_t)lifetime->while_revalidate * NS_PER_S;
	times.error_ns = times.fresh_ns + (uint64_t)lifetime->if_error * NS_PER_S;
	return times;
}

/* All but the fields and the body. */
static void cache_describe(const struct request_cache *cache, struct cache_parts *parts)
{
	const struct cache_spec *spec = cache->spec;

	*parts = (struct cache_parts){ .key = cache->full,
				       .kind = CACHE_ANSWER,
				       .budget = cache->request->arena.budget };
	if (!cache->by_rules) {
		parts->times = cache_times_from(clock_monotonic_ns(), spec->ttl_ms,
						spec->revalidate_ms, spec->error_ms);
		return;
	}
	parts->times = times_of(&cache->lifetime);
	if (cache->lifetime.strict)
		parts->kind = CACHE_STRICT_ANSWER;
}

/* ------------------------------------------------------------ keeping it */

/* The key of the variant, and that there are variants. False: it cannot be kept. */
static bool cache_vary(struct request_cache *cache, const struct reply *reply)
{
	const struct http_head *head = &cache->request->head;
	char vary[HTTP_VARY_MAX];
	struct cache_parts parts = { .key = cache->key, .kind = CACHE_VARIES };
	struct cache_entry *entry;

	cache->full = cache->key;
	if (!cache->by_rules)
		return true;
	if (!http_vary_read(reply->fields, reply->n_fields, vary, &parts.head.len))
		return false;
	if (parts.head.len == 0)
		return true;
	parts.head.ptr = vary;
	parts.budget = cache->request->arena.budget;
	cache->full = cache_variant_key(cache->key, parts.head, head->fields, head->n_fields,
					&cache->request->arena);
	entry = cache->full.ptr ? cache_entry_create(&parts) : NULL;
	if (!entry)
		return false;
	cache_store_add(cache->spec->cache->store, entry);
	cache_entry_unref(entry);
	return true;
}

/* leat says the one itself, and the other anew each time. */
static bool field_is_of_now(struct str name)
{
	return str_eq_nocase(name, STR("age")) || str_eq_nocase(name, STR("date"));
}

static void write_lasting(const struct http_field *fields, size_t n_fields, struct buf *out)
{
	for (size_t i = 0; i < n_fields; i++)
		if (!field_is_of_now(fields[i].name))
			cache_answer_write(&fields[i], 1, out);
}

static void cache_write_head(const struct reply *reply, struct buf *out)
{
	write_lasting(reply->fields, reply->n_fields, out);
	if (reply->content_type.len)
		cache_answer_write(&(struct http_field){ STR("Content-Type"), reply->content_type },
				   1, out);
}

static void cache_end_with(struct request_cache *cache, struct cache_entry *entry)
{
	if (!entry) {
		cache_end_alone(cache);
		return;
	}
	if (cache->spec->redis)
		cache_remote_put(&cache->request->context, cache->spec, entry);
	request_cache_end(cache, &(struct cache_result){ .end = CACHE_END_ENTRY,
							 .entry = entry,
							 .keep = !cache->spec->redis });
	cache_entry_unref(entry);
}

/* What is known at the head of an answer whose body is collected. */
struct keeping {
	struct request_cache *cache;
	struct cache_parts parts;
};

static void keeping_on_end(struct ready *ready)
{
	request_destroy(container_of(ready, struct request_cache, end)->request);
}

static void keeping_on_done(struct collect *collect, bool whole)
{
	struct keeping *keeping = collect->owner;
	struct request_cache *cache = keeping->cache;

	cache_end_with(cache, whole ? collect_entry(collect, &keeping->parts) : NULL);
	if (cache->lingers)
		loop_ready(cache->request->worker->loop, &cache->end);
}

static bool cache_collect(struct request_cache *cache, const struct cache_parts *parts,
			  struct reply *reply)
{
	struct keeping *keeping = arena_alloc(&cache->request->arena, sizeof(*keeping));
	size_t max = cache->spec->entry_bytes;

	if (!keeping || (reply->source->size != BODY_SIZE_UNKNOWN && reply->source->size > max))
		return false;
	*keeping = (struct keeping){ cache, *parts };
	ready_init(&cache->end, keeping_on_end);
	collect_init(&cache->collect, reply->source, max, parts->budget, keeping_on_done, keeping);
	cache->collects = true;
	reply->source = &cache->collect.source;
	collect_start(&cache->collect);
	return true;
}

/* True: it is kept, or will be when its body has come. */
static bool cache_keep(struct request_cache *cache, struct reply *reply)
{
	struct cache_parts parts;
	struct buf head;

	if (!(cache->by_rules ? cache->may_keep : reply_may_be_kept(cache, reply)) ||
	    !cache_vary(cache, reply))
		return false;
	cache_describe(cache, &parts);
	parts.status = (uint16_t)reply->status;
	buf_init_arena(&head, &cache->request->arena);
	cache_write_head(reply, &head);
	if (head.error || head.len > cache->spec->entry_bytes)
		return false;
	parts.head = buf_str(&head);
	if (reply->source && reply_has_body(reply->status))
		return cache_collect(cache, &parts, reply);
	parts.body = reply_has_body(reply->status) ? reply->body : STR_NONE;
	if (parts.body.len > cache->spec->entry_bytes)
		return false;
	cache_end_with(cache, cache_entry_create(&parts));
	return true;
}

const struct reply *request_cache_finish(struct request *request, const struct reply *reply)
{
	struct request_cache *cache = request->cache;
	struct reply *copy;
	bool stored;

	if (cache->answered)
		return reply;
	cache->answered = true;
	copy = arena_alloc(&request->arena, sizeof(*copy));
	if (copy) {
		*copy = *reply;
		copy->constant = false;
		copy->fields = arena_alloc_array(&request->arena, reply->n_fields + 1,
						 sizeof(*copy->fields));
	}
	if (!copy || !copy->fields) {
		cache_end_alone(cache);
		return reply;
	}
	if (reply->n_fields)
		memcpy(copy->fields, reply->fields, reply->n_fields * sizeof(*copy->fields));
	stored = cache->fill && cache_keep(cache, copy);
	if (!stored && reply->status < 500)
		cache_mark_pass(cache);
	if (!stored)
		cache_end_alone(cache);
	copy->fields[copy->n_fields] =
		(struct http_field){ STR("Cache-Status"),
				     request_cache_status(cache, NULL, 0, stored) };
	copy->n_fields += copy->fields[copy->n_fields].value.ptr != NULL;
	return copy;
}

/* ------------------------------------------------------------ proxies */

size_t request_cache_validators(struct request *request, struct http_field fields[2])
{
	const struct cache_entry *old = request->cache->old;
	struct http_field *own;
	const struct http_field *tag, *date;
	size_t n = 0, n_own = 0;

	request->cache->asked = clock_wall_ns() / (int64_t)NS_PER_S;
	own = old ? cache_answer_fields(old, &request->arena, 0, &n_own) : NULL;
	if (!own)
		return 0;
	tag = http_fields_find(own, n_own, STR("etag"));
	date = http_fields_find(own, n_own, STR("last-modified"));
	if (tag)
		fields[n++] = (struct http_field){ STR("If-None-Match"), tag->value };
	if (date)
		fields[n++] = (struct http_field){ STR("If-Modified-Since"), date->value };
	return n;
}

static struct http_exchanged cache_exchanged(const struct request_cache *cache, int status,
					     const struct http_field *fields, size_t n_fields)
{
	const struct http_head *head = &cache->request->head;
	int64_t now = clock_wall_ns() / (int64_t)NS_PER_S;

	return (struct http_exchanged){ .method = head->method_id,
					.request = head->fields,
					.n_request = head->n_fields,
					.status = status,
					.response = fields,
					.n_response = n_fields,
					.now = now,
					.delay = MAX(now - cache->asked, INT64_C(0)) };
}

static struct http_heuristics cache_heuristics(const struct cache_spec *spec)
{
	return (struct http_heuristics){ .ttl = (int64_t)(spec->ttl_ms / 1000),
					 .while_revalidate = (int64_t)(spec->revalidate_ms / 1000),
					 .if_error = (int64_t)(spec->error_ms / 1000) };
}

/* RFC 9111 §4.3.4. NULL without memory. */
static struct cache_entry *cache_renewed(struct request_cache *cache,
					 const struct http_field *fields, size_t n_fields)
{
	struct arena *arena = &cache->request->arena;
	const struct http_heuristics heuristics = cache_heuristics(cache->spec);
	struct cache_entry *old = cache->old;
	struct http_exchanged exchanged = cache_exchanged(cache, old->status, fields, n_fields);
	struct cache_parts parts;
	struct buf head;

	buf_init_arena(&head, arena);
	cache_answer_freshen(old, fields, n_fields, arena, &head);
	if (head.error)
		return NULL;
	exchanged.response = cache_answer_fields(&(struct cache_entry){ .head = buf_str(&head) },
						 arena, 0, &exchanged.n_response);
	if (!exchanged.response)
		return NULL;
	http_lifetime_read(&exchanged, &heuristics, &cache->lifetime);
	cache_describe(cache, &parts);
	buf_init_arena(&head, arena);
	write_lasting(exchanged.response, exchanged.n_response, &head);
	if (head.error)
		return NULL;
	parts.key = old->key;
	parts.status = old->status;
	parts.head = buf_str(&head);
	parts.body = old->body;
	return cache_entry_create(&parts);
}

static bool cache_on_unchanged(struct request_cache *cache, const struct http_field *fields,
			       size_t n_fields)
{
	struct cache_entry *entry = cache_renewed(cache, fields, n_fields);

	if (entry)
		cache_end_with(cache, cache_entry_ref(entry));
	else
		entry = cache_entry_ref(cache->old); /* it is as it was */
	request_cache_serve(cache, entry, 304);
	return true;
}

static bool status_is_error(int status)
{
	return status == 500 || (status >= 502 && status <= 504);
}

bool request_cache_wants(const struct request *request, int status)
{
	const struct request_cache *cache = request->cache;

	return !cache->fill ||
	       !((status == 304 && cache->old && cache_entry_is_answer(cache->old)) ||
		 (status_is_error(status) && cache_may_use_old(cache)));
}

bool request_cache_on_head(struct request *request, int status, const struct http_field *fields,
			   size_t n_fields)
{
	struct request_cache *cache = request->cache;
	const struct http_heuristics heuristics = cache_heuristics(cache->spec);
	struct http_exchanged exchanged;

	if (request_cache_wants(request, status)) {
		exchanged = cache_exchanged(cache, status, fields, n_fields);
		cache->may_keep = http_may_keep(&exchanged, &heuristics, &cache->lifetime);
		return false;
	}
	if (status == 304)
		return cache_on_unchanged(cache, fields, n_fields);
	cache_end_alone(cache);
	cache_serve_old(cache, status);
	return true;
}

/* ------------------------------------------------------------ the end */

void request_cache_cancel(struct request *request)
{
	struct request_cache *cache = request->cache;

	cache->cancelled = true;
	if (cache->lingers)
		collect_stop(&cache->collect);
	else if (!request->owner && request->on_cancel)
		request->on_cancel(request);
}

void request_cache_release(struct request *request)
{
	struct request_cache *cache = request->cache;

	cache_end_alone(cache);
	if (cache->collects) {
		loop_ready_cancel(&cache->end);
		body_source_close(&cache->collect.source); /* harmless when it was */
	}
	cache_entry_unref(take(&cache->old));
	cache_entry_unref(take(&request->kept));
	request->cache = NULL;
}
