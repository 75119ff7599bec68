/* server/proxy/proxy.c: the life of a request that is passed on.
 *
 *   proxy_serve() --> [the call: connects, sends while the body comes] --+--> its answer, whose body follows
 *                                                                       \--> a failure, by on_error:
 *
 * The call is a task in a scope of its own. When it has ended well, the connection to the upstream is
 * the answer's source; request_destroy() closes it, and the pipe behind it. */
#include "server/proxy/proxy.h"
#include "core/base/clock.h"
#include "server/client/http_stream.h"
#include "server/http/fields.h"
#include "server/proxy/passing.h"
#include "server/request_cache.h"
#include "server/verbs/http.h"
#include <errno.h>

static struct passing *passing_of(struct scope *scope)
{
	return container_of(scope, struct passing, scope);
}

/* ------------------------------------------------------------ the end of the call */

static void passing_fail(struct passing *passing, enum error_code code, struct str detail)
{
	const struct failure failure = { .code = code, .task = STR("proxy"), .detail = detail };

	pipe_stop(passing->pipe);
	passing->request->native = NULL;
	passing->request->on_cancel = NULL;
	request_fail(passing->request, &failure);
}

static void passing_fail_errno(struct passing *passing, int error)
{
	struct str message = str_of(flow_run_env(&passing->request->run)->message);

	if (error == -EUSERS)
		passing_fail(passing, ERROR_UNAVAILABLE, STR("too many hosts are called"));
	else
		passing_fail(passing, error_of_evaluation(error), message);
}

static void passing_on_tunnel(struct timer *timer)
{
	struct passing *passing = container_of(timer, struct passing, tunnel);
	struct http_stream *stream = passing->call.stream;
	uint64_t progress = http_stream_progress(stream);

	if (progress == passing->progress) {
		http_stream_give_up(stream);
		return;
	}
	passing->progress = progress;
	timer_start(timer, passing->proxy->tunnel_ms);
}

static void passing_on_pipe_close(void *owner)
{
	struct passing *passing = owner;

	timer_stop(&passing->tunnel);
}

static void passing_watch_tunnel(struct passing *passing)
{
	passing->progress = http_stream_progress(passing->call.stream);
	timer_init(&passing->tunnel, passing->request->worker->loop, passing_on_tunnel);
	timer_start(&passing->tunnel, passing->proxy->tunnel_ms);
	passing->pipe->on_close = passing_on_pipe_close;
	passing->pipe->owner = passing;
}

static bool passing_writes_field(const struct passing *passing, struct str name)
{
	return passing_writes(passing, name);
}

/* The client has sent it for leat alone. */
static bool passing_drops_field(const struct passing *passing, struct str name)
{
	const struct http_head *head = &passing->request->head;
	struct hop_names hop;

	return hop_names_read(head->fields, head->n_fields, &hop) && hop_names_name(&hop, name);
}

/* Whether Vary names such a field. */
static bool passing_varies_by(const struct passing *passing,
			      bool (*is_such)(const struct passing *passing, struct str name))
{
	const struct http_call_response *response = &passing->call.response;

	for (size_t i = 0; i < response->n_fields; i++) {
		struct str rest = response->fields[i].value, name;

		if (!str_eq_nocase(response->fields[i].name, STR("vary")))
			continue;
		while (http_list_next(&rest, &name))
			if (is_such(passing, name))
				return true;
	}
	return false;
}

/* An answer that was chosen by what leat has written cannot be chosen by what a client sends. Nor is
 * one that the upstream has made without a field, since Connection names it, for those who send that
 * field; and a client who asks that way is for himself: others go on to wait for one another. */
static void passing_doubt(struct passing *passing)
{
	struct request_cache *cache = passing->request->cache;

	if (passing_varies_by(passing, passing_writes_field))
		cache->may_keep = false;
	/* the key of the spec may name it; our own has the origin that leat knows */
	if (passing_varies_by(passing, passing_drops_field) ||
	    (!cache->spec->key && passing_tells_other_origin(passing))) {
		cache->may_keep = false;
		cache->control.no_store = true;
	}
}

/* True: it is answered with what was kept. */
static bool passing_knows(struct passing *passing)
{
	const struct http_call_response *response = &passing->call.response;
	struct request *request = passing->request;
	struct http_field *fields =
		arena_alloc_array(&request->arena, response->n_fields + 1, sizeof(*fields));
	struct hop_names hop;
	size_t n = 0;

	if (!passing->cached || !fields ||
	    !hop_names_read(response->fields, response->n_fields, &hop))
		return false;
	for (size_t i = 0; i < response->n_fields; i++)
		if (!hop_names_have(&hop, response->fields[i].name, false))
			fields[n++] = response->fields[i];
	/* one that is not passed on is closed first: the request may be gone behind it */
	if (!request_cache_wants(request, response->status))
		body_source_close(&passing->call.stream->source);
	if (request_cache_on_head(request, response->status, fields, n))
		return true;
	passing_doubt(passing);
	return false;
}

static void passing_succeed(struct passing *passing)
{
	struct reply *reply = arena_alloc(&passing->request->arena, sizeof(*reply));
	int r;

	if (passing->proxy->cache && passing_knows(passing))
		return;
	r = reply ? passing_answer(passing, reply) : -ENOMEM;
	if (r == 0) {
		if (reply->switches)
			passing_watch_tunnel(passing);
		request_reply(passing->request, reply);
		return;
	}
	body_source_close(&passing->call.stream->source);
	if (r == -EBADMSG)
		passing_fail(passing, ERROR_BAD_RESPONSE, STR("Connection names too many fields"));
	else
		passing_fail(passing, ERROR_MEMORY_LIMIT, STR("no memory for the answer"));
}

static void passing_failed(struct passing *passing)
{
	const struct http_call *call = &passing->call;
	enum error_code code = http_error_code(call->error);
	const char *detail = call->detail ? call->detail : "failed";

	if (call->task.outcome == OUTCOME_CANCELLED) {
		code = passing->scope.timed_out ? ERROR_TIMEOUT : ERROR_CANCELLED;
		detail = passing->scope.timed_out ? "no answer in time" : "cancelled";
	}
	passing_fail(passing, code,
		     arena_printf(&passing->request->arena, "%.*s: %s",
				  STR_ARG(call->request.upstream->name), detail));
}

static void passing_on_empty(struct scope *scope)
{
	struct passing *passing = passing_of(scope);
	struct upstream *unnamed = passing->unnamed;

	scope_fini(scope);
	if (passing->call.task.outcome == OUTCOME_OK)
		passing_succeed(passing);
	else
		passing_failed(passing);
	if (unnamed) /* `passing` may be gone */
		upstream_unref(unnamed);
}

static void passing_on_call_end(struct task *task)
{
	check(task->state == TASK_ENDED);
}

/* ------------------------------------------------------------ meanwhile */

static void passing_on_cancel(struct request *request)
{
	struct passing *passing = request->native;

	if (request_cache_fills(request))
		return; /* others may wait for it */
	pipe_stop(passing->pipe);
	scope_cancel(&passing->scope);
}

/* 100 is for a client that waits for it; others are hints for it. */
static void passing_on_interim(struct http_call *call, const struct http_call_response *response)
{
	struct passing *passing = container_of(call, struct passing, call);
	struct request *request = passing->request;
	struct http_field fields[HTTP_FIELDS_MAX];
	struct hop_names hop;
	size_t n = 0;

	if (!request->owner || (response->status == 100 && !request->head.expects_continue) ||
	    !hop_names_read(response->fields, response->n_fields, &hop))
		return;
	for (size_t i = 0; response->status != 100 && i < response->n_fields; i++)
		if (!hop_names_have(&hop, response->fields[i].name, false))
			fields[n++] = response->fields[i];
	request->sink->interim(request, response->status, fields, n);
}

/* ------------------------------------------------------------ the start */

/* 0, or as template_eval(), -EUSERS. */
static int passing_begin(struct passing *passing)
{
	struct request *request = passing->request;
	struct client *client = request->worker->client;
	struct http_call_request ask;
	int r = passing_ask(passing, &ask);

	if (r == 0)
		r = http_url_reach(&passing->proxy->url, client, flow_run_env(&request->run),
				   &passing->unnamed);
	if (r == 0)
		r = http_url_hash(&passing->proxy->url, flow_run_env(&request->run), &ask.hash);
	if (r < 0)
		return r;
	if (passing->unnamed)
		ask.upstream = passing->unnamed;
	ask.on_interim = passing_on_interim;
	ask.trace = request->context.trace;
	ask.span = request->run.span;
	http_call_init(&passing->call, client, &request->arena, &ask, passing_on_call_end);
	return 0;
}

static void passing_start(struct request *request)
{
	const struct proxy *proxy = request->route->proxy;
	struct passing *passing = arena_zalloc(&request->arena, sizeof(*passing));
	int r;

	if (!passing) {
		request_fail(request, &(struct failure){ .code = ERROR_MEMORY_LIMIT });
		return;
	}
	passing->proxy = proxy;
	passing->request = request;
	passing->cached = request_cache_fills(request);
	r = passing_begin(passing);
	if (r < 0) {
		passing_fail_errno(passing, r);
		return;
	}
	request->native = passing;
	request->on_cancel = passing_on_cancel;
	scope_init(&passing->scope, request->worker->loop, passing_on_empty);
	if (proxy->place.timeout_ms)
		scope_set_deadline(&passing->scope,
				   clock_monotonic_ns() + proxy->place.timeout_ms * NS_PER_MS);
	task_start(&passing->call.task, &passing->scope);
}

const struct cache_spec *proxy_cache(const struct proxy *proxy)
{
	return proxy->cache;
}

void proxy_serve(const struct proxy *proxy, struct request *request)
{
	flow_run_init(&request->run, request->route->flow, &request->context, NULL);
	if (proxy->cache)
		request_cache_begin(request, proxy->cache, true, passing_start);
	else
		passing_start(request);
}
