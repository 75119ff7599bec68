/* server/request_cache.c: looking, waiting, answering with what was kept. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/cache/answer.h"
#include "server/conn_body.h"
#include "server/http/conditional.h"
#include "server/http/range.h"
#include "server/http/status.h"
#include "server/policy/policy.h"
#include "server/precondition.h"
#include "server/request_cache_private.h"
#include <errno.h>
#include <inttypes.h>

enum {
	LOOKS_MAX = 4,   /* then it goes by itself */
	OWN_FIELDS = 4,  /* besides those that were kept */
	WAIT_MS = 30000, /* for an answer that somebody else makes, without a `timeout:` */
	HOST_LEN_MAX = 255,
};

/* ------------------------------------------------------------ keys */

struct str request_cache_origin(struct request *request)
{
	struct str host = str_first(request->head.authority, HOST_LEN_MAX);
	struct buf out;

	buf_init_arena(&out, &request->arena);
	buf_add(&out, request->secure ? STR("https://") : STR("http://"));
	for (size_t i = 0; i < host.len; i++)
		buf_add_char(&out, char_lower(host.ptr[i]));
	return out.error ? STR_NONE : buf_str(&out);
}

int request_cache_uri(struct request *request, const struct http_path *path, struct str query,
		      struct str *ret_key)
{
	struct str origin = request_cache_origin(request);
	struct buf out;

	buf_init_arena(&out, &request->arena);
	buf_add(&out, origin);
	for (size_t i = 0; i < path->n_segments; i++) {
		buf_add_char(&out, '/');
		buf_add(&out, path->raw[i]);
	}
	if (query.ptr) {
		buf_add_char(&out, '?');
		buf_add(&out, query);
	}
	*ret_key = buf_str(&out);
	return out.error || !origin.ptr ? -ENOMEM : 0;
}

int request_cache_key(struct request *request, const struct cache_spec *spec, struct str *ret_key)
{
	struct expr_env *env = flow_run_env(&request->run);

	env->message[0] = '\0';
	return spec->key ? template_eval(spec->key, env, ret_key)
			 : request_cache_uri(request, &request->path, request->head.query, ret_key);
}

/* ------------------------------------------------------------ Cache-Status */

int64_t cache_entry_age(const struct cache_entry *entry, uint64_t now_ns)
{
	return ((int64_t)now_ns - entry->times.born_ns) / (int64_t)NS_PER_S;
}

struct str request_cache_status(const struct request_cache *cache, const struct cache_entry *hit,
				int fwd_status, bool stored)
{
	struct arena *arena = &cache->request->arena;
	int64_t left = 0;
	struct buf out;

	buf_init_arena(&out, arena);
	buf_add(&out, STR("leat"));
	if (hit)
		left = ((int64_t)hit->times.fresh_ns - (int64_t)clock_monotonic_ns()) /
		       (int64_t)NS_PER_S;
	if (hit && !fwd_status)
		buf_add(&out, STR("; hit"));
	else
		buf_printf(&out, "; fwd=%s", cache->why ? cache->why : "bypass");
	if (fwd_status)
		buf_printf(&out, "; fwd-status=%d", fwd_status);
	if (stored)
		buf_add(&out, STR("; stored"));
	if (cache->collapsed)
		buf_add(&out, STR("; collapsed"));
	if (hit)
		buf_printf(&out, "; ttl=%" PRId64, left);
	return out.error ? STR_NONE : buf_str(&out);
}

/* ------------------------------------------------------------ answering */

/* One range of a whole body; several, or one that If-Range does not let hold, give the whole. */
static void cache_serve_range(struct request *request, struct reply *reply)
{
	const struct http_field *range = http_head_find(&request->head, STR("range"));
	struct http_validators now = precondition_validators(reply);
	struct http_range ranges[HTTP_RANGES_MAX];
	size_t n_ranges = 0, size = reply->body.len;
	struct str value;

	if (!range || request->head.method_id != HTTP_GET || reply->status != 200 ||
	    http_condition_check(&request->head, &now) != HTTP_CONDITION_HOLDS ||
	    !http_if_range_holds(&request->head, &now))
		return;
	switch (http_range_read(range->value, size, ranges, &n_ranges)) {
	case HTTP_RANGE_WHOLE:
		return;
	case HTTP_RANGE_UNSATISFIABLE:
		value = arena_printf(&request->arena, "bytes */%zu", size);
		break;
	case HTTP_RANGE_PARTIAL:
		if (n_ranges != 1)
			return;
		value = arena_printf(&request->arena, "bytes %" PRIu64 "-%" PRIu64 "/%zu",
				     ranges[0].from, ranges[0].from + ranges[0].len - 1, size);
		break;
	}
	if (!value.ptr)
		return;
	reply->status = n_ranges ? 206 : 416;
	reply->body = n_ranges ? str_first(str_skip(reply->body, (size_t)ranges[0].from),
					   (size_t)ranges[0].len)
			       : STR_NONE;
	reply->fields[reply->n_fields++] = (struct http_field){ STR("Content-Range"), value };
}

static void cache_add_field(struct reply *reply, struct str name, struct str value)
{
	if (value.ptr)
		reply->fields[reply->n_fields++] = (struct http_field){ name, value };
}

void request_cache_serve(struct request_cache *cache, struct cache_entry *entry, int fwd_status)
{
	struct request *request = cache->request;
	struct reply *reply = arena_zalloc(&request->arena, sizeof(*reply));
	int64_t age = cache_entry_age(entry, clock_monotonic_ns());

	cache_entry_unref(request->kept);
	request->kept = entry;
	cache->answered = true;
	if (reply)
		reply->fields =
			cache_answer_fields(entry, &request->arena, OWN_FIELDS, &reply->n_fields);
	if (!reply || !reply->fields) {
		request->native = NULL;
		request->on_cancel = NULL;
		request_fail(request, &(struct failure){ .code = ERROR_MEMORY_LIMIT });
		return;
	}
	reply->status = entry->status;
	reply->body = entry->body;
	cache_serve_range(request, reply);
	cache_add_field(reply, STR("Age"),
			arena_printf(&request->arena, "%" PRId64, MAX(age, INT64_C(0))));
	cache_add_field(reply, STR("Cache-Status"),
			request_cache_status(cache, entry, fwd_status, fwd_status != 0));
	request_reply(request, reply);
}

static void cache_refuse(struct request_cache *cache, int status, struct str detail)
{
	struct request *request = cache->request;
	struct reply reply = reply_problem(&request->arena, status, STR_NONE, STR_NONE,
					   request->context.id, detail);

	request_reply(request, &reply);
}

/* ------------------------------------------------------------ waiting */

static void cache_look(struct request_cache *cache);

static void cache_wait_over(struct request_cache *cache)
{
	timer_stop(&cache->limit);
	cache->wait = NULL;
	cache->request->native = NULL;
	cache->request->on_cancel = NULL;
}

static void cache_go_alone(struct request_cache *cache, const char *why)
{
	cache_count(&cache->spec->cache->counts.bypassed);
	cache->why = why;
	cache->go(cache->request);
}

static void cache_fail(struct request_cache *cache, const struct cache_failure *told)
{
	struct arena *arena = &cache->request->arena;
	const struct failure failure = {
		.code = (enum error_code)told->code,
		.status = told->status,
		.upstream_status = told->upstream_status,
		.custom_code = arena_str(arena, str_of(told->custom)),
		.task = arena_str(arena, str_of(told->task)),
		.detail = arena_str(arena, str_of(told->detail)),
	};

	request_fail(cache->request, &failure); /* or what is old: request_cache_rescue() */
}

static void cache_on_wait_end(struct cache_wait *wait)
{
	struct request_cache *cache = wait->owner;

	cache_wait_over(cache);
	switch (wait->end) {
	case CACHE_END_ENTRY:
		if (str_eq(wait->entry->key, cache->full))
			request_cache_serve(cache, take(&wait->entry), 0);
		else
			cache_look(cache); /* it turned out to be another's variant */
		return;
	case CACHE_END_FAILED:
		cache_fail(cache, &wait->failure);
		return;
	case CACHE_END_ALONE:
		cache_go_alone(cache, "uri-miss");
		return;
	}
	unreachable();
}

static void cache_on_limit(struct timer *timer)
{
	struct request_cache *cache = container_of(timer, struct request_cache, limit);

	cache_wait_leave(take(&cache->wait));
	cache_wait_over(cache);
	request_fail(cache->request,
		     &(struct failure){ .code = ERROR_TIMEOUT,
					.detail = STR("another request did not make it in time") });
}

static void cache_on_leave(struct request *request)
{
	struct request_cache *cache = request->native;

	cache_wait_leave(take(&cache->wait));
	cache_wait_over(cache);
	request_destroy(request);
}

static void cache_wait(struct request_cache *cache)
{
	struct request *request = cache->request;
	uint64_t limit_ms = request->route->timeout_ms ? request->route->timeout_ms : WAIT_MS;

	cache->collapsed = true;
	cache_count(&cache->spec->cache->counts.coalesced);
	request->native = cache;
	request->on_cancel = cache_on_leave;
	timer_init(&cache->limit, request->worker->loop, cache_on_limit);
	timer_start_at(&cache->limit, request->started_ns + limit_ms * NS_PER_MS);
}

/* ------------------------------------------------------------ looking */

static enum cache_begin cache_begin(struct request_cache *cache, bool waits)
{
	const struct cache_ask ask = { .key = cache->full,
				       .seen = cache->spec->redis ? NULL : cache->old,
				       .loop = cache->request->worker->loop,
				       .on_end = waits ? cache_on_wait_end : NULL,
				       .owner = cache };

	return cache_fill_begin(cache->spec->cache->store, &ask, &cache->fill, &cache->wait);
}

static void cache_make(struct request_cache *cache)
{
	cache->why = cache->old && cache_entry_is_answer(cache->old) ? "stale" : "uri-miss";
	if (cache->control.only_if_cached) {
		cache_refuse(cache, 504, STR("it is not kept"));
		return;
	}
	switch (cache_begin(cache, true)) {
	case CACHE_LEADS:
		cache_count(&cache->spec->cache->counts.misses);
		cache->go(cache->request);
		return;
	case CACHE_WAITS:
		cache_wait(cache);
		return;
	case CACHE_CHANGED:
		cache_look(cache);
		return;
	case CACHE_BUSY:
	case CACHE_FULL:
		cache_go_alone(cache, cache->why);
		return;
	}
	unreachable();
}

/* The entry of the variant that the request would get; *ret_full is its key. */
static struct cache_entry *cache_find(struct request_cache *cache)
{
	struct cache_store *store = cache->spec->cache->store;
	struct cache_entry *entry = cache_store_find(store, cache->key);
	const struct http_head *head = &cache->request->head;

	cache->full = cache->key;
	if (!entry || entry->kind != CACHE_VARIES)
		return entry;
	cache->full = cache_variant_key(cache->key, entry->head, head->fields, head->n_fields,
					&cache->request->arena);
	cache_entry_unref(entry);
	return cache->full.ptr ? cache_store_find(store, cache->full) : NULL;
}

static enum http_reuse cache_may_reuse(const struct request_cache *cache,
				       const struct cache_entry *entry, uint64_t now)
{
	const struct cache_times *times = &entry->times;
	const struct http_lifetime lifetime = {
		.fresh = ((int64_t)times->fresh_ns - times->born_ns) / (int64_t)NS_PER_S,
		.while_revalidate = (int64_t)((times->revalidate_ns - times->fresh_ns) / NS_PER_S),
		.strict = entry->kind == CACHE_STRICT_ANSWER,
	};

	if (cache->by_rules)
		return http_may_reuse(&cache->control, cache_entry_age(entry, now), &lifetime);
	return now < times->fresh_ns        ? HTTP_REUSE_FRESH
	       : now < times->revalidate_ns ? HTTP_REUSE_STALE
					    : HTTP_REUSE_VALIDATE;
}

/* What asks for a part, or says that nothing may be kept, is for itself: it may have what is there,
 * and no more. */
static bool cache_asks_for_itself(const struct request_cache *cache)
{
	const struct http_head *head = &cache->request->head;

	return cache->by_rules && (head->method_id != HTTP_GET ||
				   http_head_find(head, STR("range")) || cache->control.no_store);
}

/* With what was found, whose reference it takes. */
static void cache_use(struct request_cache *cache, struct cache_entry *entry)
{
	struct cache_counts *counts = &cache->spec->cache->counts;
	enum http_reuse reuse = HTTP_REUSE_VALIDATE;

	cache_entry_unref(take(&cache->old));
	if (entry && entry->kind == CACHE_PASS && clock_monotonic_ns() < entry->times.fresh_ns) {
		cache_entry_unref(entry);
		cache_go_alone(cache, "uri-miss");
		return;
	}
	if (entry && cache_entry_is_answer(entry))
		reuse = cache_may_reuse(cache, entry, clock_monotonic_ns());
	if (reuse == HTTP_REUSE_FRESH) {
		cache_count(&counts->hits);
		request_cache_serve(cache, entry, 0);
	} else if (reuse == HTTP_REUSE_STALE) {
		cache_count(&counts->stale);
		cache->old = cache_entry_ref(entry);
		cache->revalidates = true;
		request_cache_serve(cache, entry, 0);
	} else if (!cache->full.ptr || cache->n_looks++ >= LOOKS_MAX) {
		cache_entry_unref(entry);
		cache_go_alone(cache, "uri-miss");
	} else {
		cache->old = entry;
		if (cache_asks_for_itself(cache) && !cache->control.only_if_cached)
			cache_go_alone(cache, "request");
		else
			cache_make(cache);
	}
}

static void cache_on_found(struct cache_remote *remote, struct cache_entry *entry)
{
	struct request_cache *cache = remote->owner;

	cache->request->native = NULL;
	cache->request->on_cancel = NULL;
	if (entry && entry->kind != CACHE_ANSWER) {
		cache_entry_unref(entry);
		entry = NULL;
	}
	cache_use(cache, entry);
}

static void cache_on_leave_remote(struct request *request)
{
	struct request_cache *cache = request->native;

	cache_remote_cancel(&cache->remote);
	request->native = NULL;
	request->on_cancel = NULL;
	request_destroy(request);
}

static void cache_look(struct request_cache *cache)
{
	struct request *request = cache->request;

	if (!cache->spec->redis) {
		cache_use(cache, cache_find(cache));
		return;
	}
	cache->full = cache->key;
	request->native = cache;
	request->on_cancel = cache_on_leave_remote;
	cache_remote_get(&cache->remote, &request->context, cache->spec, cache->key, cache_on_found,
			 cache);
}

void request_cache_begin(struct request *request, const struct cache_spec *spec, bool by_rules,
			 request_go_fn *go)
{
	const struct http_head *head = &request->head;
	struct request_cache *cache;
	int r;

	if ((head->method_id != HTTP_GET && head->method_id != HTTP_HEAD) || conn_has_body(head) ||
	    head->upgrade.len) {
		go(request);
		return;
	}
	cache = arena_zalloc(&request->arena, sizeof(*cache));
	request->cache = cache;
	if (!cache) {
		go(request);
		return;
	}
	cache->request = request;
	cache->spec = spec;
	cache->by_rules = by_rules;
	cache->go = go;
	if (by_rules)
		http_request_control_read(head->fields, head->n_fields, &cache->control);
	r = request_cache_key(request, spec, &cache->key);
	if (r < 0 || cache->key.len > CACHE_KEY_MAX || str_has(cache->key, '\0'))
		cache_go_alone(cache, "bypass");
	else
		cache_look(cache);
}

/* ------------------------------------------------------------ a new one behind the answer */

static void cache_revalidate(struct request_cache *cache)
{
	struct request *request = cache->request;

	policy_end(request);
	request->policies = NULL;
	request->owner = NULL;
	request->replied = false;
	cache->answered = cache->collapsed = false;
	cache->why = "stale";
	cache->go(request);
}

bool request_cache_stays(struct request *request)
{
	struct request_cache *cache = request->cache;

	if (cache->collects && cache->collect.collecting) {
		request->owner = NULL;
		cache->lingers = true;
		body_source_close(take(&request->source));
		return true;
	}
	if (!cache->revalidates || cache->cancelled)
		return false;
	cache->revalidates = false;
	if (cache_begin(cache, false) != CACHE_LEADS)
		return false;
	cache_revalidate(cache);
	return true;
}
