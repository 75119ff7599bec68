/* server/auth/key_source.c
 *
 *   IDLE --(key_source_refresh, key_source_wait)--> FETCHING --(key_source_publish)--> IDLE
 *
 *   FETCHING  a struct key_fetch on the loop of whoever asked first: the call, then reading on the
 *             pool. Its scope is empty when it is over, whatever happened
 *
 * Locking: source.lock guards what changes after key_source_create(). Nobody is called with it held;
 * those who wait are told by a post to their loop. */
#include "server/auth/key_source.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/task/compute.h"
#include "core/thread/lock.h"
#include "server/client/http_call.h"
#include "server/flow/context.h"
#include <stdlib.h>

enum { FETCH_MEMORY_MAX = JWKS_SIZE_MAX + (256 << 10) };

struct key_source {
	atomic_uint refs;
	struct arena arena;
	struct str url, target;
	struct upstream *upstream;
	struct lock lock;
	struct jwks *jwks;             /* NULL until they came */
	uint64_t fetched_ns, tried_ns; /* 0: never */
	bool fetching;
	struct list waits; /* of struct key_wait, while it is being fetched */
};

/* On one loop. */
struct key_fetch {
	struct list link; /* in fetches->list */
	struct key_source *source;
	struct key_fetches *fetches;
	struct detacher *detacher;
	void *generation; /* pinned, so that the upstream stays */
	struct arena arena;
	struct scope scope;
	struct http_call call;
	struct compute_task reading;
	bool read;         /* `reading` was begun */
	struct jwks *jwks; /* that came of it; or NULL */
	const char *problem;
	char text[160]; /* of the problem, where it is no constant */
};

/* What the pool reads. */
struct key_reading {
	char *text;
	size_t len;
	struct jwks *jwks;
	struct jwks_report report;
};

struct key_source *key_source_create(struct str url, struct upstream *upstream, struct str target)
{
	struct key_source *source = mem_zalloc(sizeof(*source));

	atomic_init(&source->refs, 1);
	arena_init_required(&source->arena);
	source->url = arena_str(&source->arena, url);
	source->target = arena_str(&source->arena, target);
	source->upstream = upstream_ref(upstream);
	lock_init(&source->lock);
	list_init(&source->waits);
	return source;
}

struct key_source *key_source_ref(struct key_source *source)
{
	atomic_fetch_add_explicit(&source->refs, 1, memory_order_relaxed);
	return source;
}

void key_source_unref(struct key_source *source)
{
	if (!source || atomic_fetch_sub_explicit(&source->refs, 1, memory_order_acq_rel) != 1)
		return;
	check(!source->fetching && list_is_empty(&source->waits));
	jwks_unref(source->jwks);
	upstream_unref(source->upstream);
	lock_fini(&source->lock);
	arena_fini(&source->arena);
	free(source);
}

struct str key_source_url(const struct key_source *source)
{
	return source->url;
}

const struct upstream *key_source_upstream(const struct key_source *source)
{
	return source->upstream;
}

struct jwks *key_source_get(struct key_source *source)
{
	struct jwks *jwks;

	lock_acquire(&source->lock);
	jwks = source->jwks ? jwks_ref(source->jwks) : NULL;
	lock_release(&source->lock);
	return jwks;
}

static bool key_source_has_keys(struct key_source *source)
{
	bool has;

	lock_acquire(&source->lock);
	has = source->jwks != NULL;
	lock_release(&source->lock);
	return has;
}

/* ------------------------------------------------------------ the end of a fetch */

static void key_wait_on_post(struct post *post)
{
	struct key_wait *wait = container_of(post, struct key_wait, post);

	wait->on_keys(wait);
}

/* Tells everybody; `jwks` (may be NULL) is the source's from now on. */
static void key_source_publish(struct key_source *source, struct jwks *jwks)
{
	struct jwks *before = NULL;
	struct list waits, *link;

	list_init(&waits);
	lock_acquire(&source->lock);
	source->fetching = false;
	source->tried_ns = clock_monotonic_ns();
	if (jwks) {
		before = source->jwks;
		source->jwks = jwks;
		source->fetched_ns = source->tried_ns;
	}
	list_move_all(&waits, &source->waits);
	for (link = waits.next; link != &waits; link = link->next)
		container_of(link, struct key_wait, link)->told = true;
	lock_release(&source->lock);
	jwks_unref(before);
	while ((link = list_pop(&waits))) {
		struct key_wait *wait = container_of(link, struct key_wait, link);

		wait->post.run = key_wait_on_post;
		loop_post(wait->loop, &wait->post);
	}
}

static void key_fetch_log(const struct key_fetch *fetch, bool has_keys)
{
	struct str url = fetch->source->url;
	ptrdiff_t query = str_find_char(url, '?');

	if (query >= 0) /* it may have a key of its own in it */
		url = str_first(url, (size_t)query);
	if (fetch->jwks)
		log_info("keys fetched url=%s keys=%zu", LOG_QUOTE(url), fetch->jwks->n_keys);
	else if (!fetch->fetches->stopped)
		log_warning("keys not fetched url=%s reason=%s; %s", LOG_QUOTE(url),
			    LOG_QUOTE(str_of(fetch->problem)),
			    has_keys ? "going on with those there are"
				     : "answering 503 until they come");
}

static void key_fetch_on_empty(struct scope *scope)
{
	struct key_fetch *fetch = container_of(scope, struct key_fetch, scope);
	struct detacher *detacher = fetch->detacher;
	void *generation = fetch->generation;

	scope_fini(scope);
	key_fetch_log(fetch, key_source_has_keys(fetch->source));
	key_source_publish(fetch->source, fetch->jwks);
	list_remove(&fetch->link);
	if (fetch->read)
		compute_fini(&fetch->reading);
	key_source_unref(fetch->source);
	arena_fini(&fetch->arena);
	free(fetch);
	detacher->end(detacher, generation);
}

/* ------------------------------------------------------------ reading what came */

static void key_reading_run(void *data)
{
	struct key_reading *reading = data;

	reading->jwks = jwks_read((struct str){ reading->text, reading->len }, &reading->report);
}

static void key_reading_release(void *data)
{
	struct key_reading *reading = data;

	jwks_unref(reading->jwks);
	free(reading->text);
}

static void key_fetch_on_read(struct task *task)
{
	struct key_fetch *fetch = container_of(task, struct key_fetch, reading.task);
	struct key_reading *reading;

	if (task->outcome != OUTCOME_OK) {
		fetch->problem = "no thread to read them";
		return;
	}
	reading = offload_data(fetch->reading.offload);
	fetch->jwks = take(&reading->jwks);
	if (!fetch->jwks)
		snprintf(fetch->text, sizeof(fetch->text), "%s", reading->report.problem);
}

static void key_fetch_read(struct key_fetch *fetch, struct str text)
{
	struct offload *offload =
		offload_create(sizeof(struct key_reading), key_reading_run, key_reading_release);
	struct key_reading *reading = offload_data(offload);

	reading->text = mem_strndup(text.ptr ? text.ptr : "", text.len);
	reading->len = text.len;
	fetch->read = true;
	fetch->problem = fetch->text;
	compute_init(&fetch->reading, fetch->fetches->pool, offload,
		     &(struct compute){ .wait_ms = KEY_SOURCE_FETCH_MS }, key_fetch_on_read);
	task_start(&fetch->reading.task, &fetch->scope);
}

static void key_fetch_on_answer(struct task *task)
{
	struct key_fetch *fetch = container_of(task, struct key_fetch, call.task);
	const struct http_call *call = &fetch->call;

	if (task->outcome != OUTCOME_OK) {
		fetch->problem = call->detail ? call->detail : "no answer";
	} else if (call->response.status != 200) {
		snprintf(fetch->text, sizeof(fetch->text), "its status is %d",
			 call->response.status);
		fetch->problem = fetch->text;
	} else {
		key_fetch_read(fetch, call->response.body);
	}
}

/* ------------------------------------------------------------ the start of a fetch */

static void key_fetch_call(struct key_fetch *fetch, struct context *context)
{
	static const struct http_field fields[] = {
		{ STR_INIT("Accept"), STR_INIT("application/jwk-set+json, application/json") },
	};
	const struct http_call_request request = {
		.upstream = fetch->source->upstream,
		.method_id = HTTP_GET,
		.method = STR("GET"),
		.target = fetch->source->target,
		.fields = fields,
		.n_fields = ARRAY_LEN(fields),
		.response_max = JWKS_SIZE_MAX,
	};

	http_call_init(&fetch->call, context->client, &fetch->arena, &request, key_fetch_on_answer);
	task_start(&fetch->call.task, &fetch->scope);
}

static void key_fetch_start(struct key_source *source, struct key_fetches *fetches,
			    struct context *context)
{
	struct key_fetch *fetch = mem_zalloc(sizeof(*fetch));

	fetch->source = key_source_ref(source);
	fetch->fetches = fetches;
	fetch->detacher = context->detacher;
	fetch->generation = context->generation;
	fetch->detacher->begin(fetch->detacher, fetch->generation);
	arena_init(&fetch->arena, FETCH_MEMORY_MAX);
	list_add(&fetches->list, &fetch->link);
	scope_init(&fetch->scope, context->loop, key_fetch_on_empty);
	scope_set_deadline(&fetch->scope, clock_monotonic_ns() + KEY_SOURCE_FETCH_MS * NS_PER_MS);
	key_fetch_call(fetch, context);
}

void key_fetches_init(struct key_fetches *fetches)
{
	*fetches = (struct key_fetches){ .stopped = false };
	list_init(&fetches->list);
}

void key_fetches_stop(struct key_fetches *fetches)
{
	struct key_fetch *fetch;

	fetches->stopped = true;
	list_each(fetch, &fetches->list, struct key_fetch, link)
		scope_cancel(&fetch->scope);
}

/* ------------------------------------------------------------ asking */

static bool is_past(uint64_t since_ns, uint64_t ms)
{
	return since_ns == 0 || clock_monotonic_ns() - since_ns >= ms * NS_PER_MS;
}

/* True: this loop fetches them now. */
static bool key_source_claim(struct key_source *source, const struct key_times *times,
			     const struct key_fetches *fetches) HOLDS(source->lock)
{
	if (source->fetching || fetches->stopped || !is_past(source->tried_ns, times->retry_ms))
		return false;
	source->fetching = true;
	return true;
}

void key_source_refresh(struct key_source *source, const struct key_times *times,
			struct key_fetches *fetches, struct context *context)
{
	bool claimed;

	lock_acquire(&source->lock);
	claimed = is_past(source->fetched_ns, times->refresh_ms) &&
		  key_source_claim(source, times, fetches);
	lock_release(&source->lock);
	if (claimed)
		key_fetch_start(source, fetches, context);
}

enum keys key_source_wait(struct key_source *source, const struct jwks *seen, struct key_wait *wait,
			  const struct key_times *times, struct key_fetches *fetches,
			  struct context *context)
{
	enum keys keys = KEYS_SAME;
	bool claimed = false;

	lock_acquire(&source->lock);
	if (source->jwks != seen)
		keys = KEYS_CHANGED;
	else if (source->fetching || (claimed = key_source_claim(source, times, fetches)))
		keys = KEYS_COMING;
	if (keys == KEYS_COMING) {
		wait->told = false;
		wait->loop = context->loop;
		list_add(&source->waits, &wait->link);
	}
	lock_release(&source->lock);
	if (claimed)
		key_fetch_start(source, fetches, context);
	return keys;
}

bool key_wait_leave(struct key_source *source, struct key_wait *wait)
{
	bool told;

	lock_acquire(&source->lock);
	told = wait->told;
	if (!told)
		list_remove(&wait->link);
	lock_release(&source->lock);
	return !told;
}
