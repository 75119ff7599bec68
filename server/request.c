/* server/request.c
 *
 *     request_create() --> [body comes] --> request_start() --> [flow runs] --> request_answer() --> sink->reply()
 *                                                  \--------(native)-------> request_reply() ---/        |
 *                                                                                            request_destroy()
 *
 * When the client leaves first (request_abandon), `owner` becomes NULL and the request destroys
 * itself where it would have answered. */
#include "server/request.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/async/async.h"
#include "server/body/body.h"
#include "server/files/file.h"
#include "server/files/files.h"
#include "server/live/events.h"
#include "server/live/websocket.h"
#include "server/policy/policy.h"
#include "server/precondition.h"
#include "server/proxy/proxy.h"
#include "server/request_cache.h"
#include "server/request_roots.h"
#include "server/server.h"
#include "server/tls_info.h"
#include "server/trace/trace.h"
#include <errno.h>
#include <stdlib.h>

enum { FREE_REQUESTS_MAX = 64 };

static const struct context_ops request_context_ops = { .root = request_root };

/* ------------------------------------------------------------ making and freeing */

static struct request *request_alloc(struct worker *worker)
{
	struct list *link = list_pop(&worker->requests);
	struct request *request;

	if (link) {
		worker->n_free_requests--;
		request = container_of(link, struct request, link);
		return request;
	}
	request = malloc(sizeof(*request));
	if (request) {
		arena_init(&request->arena, 0);
		/* who looks after leat must be able to when others have used up what there is */
		request->arena.budget = worker->is_main ? NULL : &worker->server->memory;
	}
	return request;
}

/* Moves a slice of the bytes that were read to the same place in their copy. */
static struct str request_rebase(struct str s, struct str from, const char *to)
{
	if (s.ptr && s.ptr >= from.ptr && s.ptr + s.len <= from.ptr + from.len)
		s.ptr = to + (s.ptr - from.ptr);
	return s;
}

static bool request_copy_head(struct request *request, const struct http_head *head,
			      struct str bytes)
{
	struct str copy = arena_str(&request->arena, bytes);
	struct http_field *fields =
		arena_alloc_array(&request->arena, head->n_fields + 1, sizeof(*fields));
	struct http_head *own = &request->head;

	if (!copy.ptr || !fields)
		return false;
	*own = *head;
	own->fields = fields;
	for (size_t i = 0; i < head->n_fields; i++) {
		fields[i].name = request_rebase(head->fields[i].name, bytes, copy.ptr);
		fields[i].value = request_rebase(head->fields[i].value, bytes, copy.ptr);
	}
	own->method = request_rebase(head->method, bytes, copy.ptr);
	own->target = request_rebase(head->target, bytes, copy.ptr);
	own->path = request_rebase(head->path, bytes, copy.ptr);
	own->query = request_rebase(head->query, bytes, copy.ptr);
	own->host = request_rebase(head->host, bytes, copy.ptr);
	own->authority = request_rebase(head->authority, bytes, copy.ptr);
	own->upgrade = request_rebase(head->upgrade, bytes, copy.ptr);
	return true;
}

/* Segments and parameters are in the bytes of the head or in the path's arena: copied, the
 * second kind one by one. */
static bool request_copy_path(struct request *request, const struct http_path *path,
			      const struct router_match *match)
{
	struct arena *arena = &request->arena;
	struct str *segments =
		arena_alloc_array(arena, path->n_segments * 2 + 1, sizeof(*segments));

	if (!segments)
		return false;
	request->path = *path;
	request->path.segments = segments;
	request->path.raw = segments + path->n_segments;
	for (size_t i = 0; i < path->n_segments; i++) {
		segments[i] = arena_str(arena, path->segments[i]);
		request->path.raw[i] = arena_str(arena, path->raw[i]);
		if (!segments[i].ptr || !request->path.raw[i].ptr)
			return false;
	}
	request->match = *match;
	for (size_t i = 0; i < match->n_params; i++) {
		request->match.params[i] = arena_str(arena, match->params[i]);
		if (!request->match.params[i].ptr)
			return false;
	}
	return true;
}

struct request *request_create(struct worker *worker, const struct route *route,
			       const struct http_head *head, struct str head_bytes,
			       const struct http_path *path, const struct router_match *match)
{
	struct request *request;
	struct arena arena;

	if (server_is_short_of_memory(worker->server) && !worker->is_main)
		return NULL;
	request = request_alloc(worker);
	if (!request)
		return NULL;
	arena = request->arena;
	*request = (struct request){ .worker = worker, .route = route, .arena = arena };
	request->arena.max = worker->generation->settings.memory;
	request->generation = worker->generation;
	request->started_ns = clock_monotonic_ns();
	request->context = (struct context){
		.ops = &request_context_ops,
		.loop = worker->loop,
		.client = worker->client,
		.redis = worker->redis,
		.arena = &request->arena,
		.generation = request->generation,
		.detacher = &worker->detacher,
		.processes = &worker->processes,
		.files = worker_file_io(worker),
		.jq = worker->server->jq,
		.homes = worker->server->homes,
		.actors = worker->actors,
		.store = worker->server->store,
		.agendas = worker->server->agendas,
		.topics = worker->is_main ? NULL : worker->server->topics,
	};
	list_add(&worker->live, &request->link);
	worker_pin(worker, request->generation);
	atomic_fetch_add_explicit(&worker->stats.n_busy, 1, memory_order_relaxed);
	if (!request_copy_head(request, head, head_bytes) ||
	    !request_copy_path(request, path, match)) {
		request_destroy(request);
		return NULL;
	}
	request->context.id = arena_str(&request->arena, worker_make_id(worker, (char[32]){ 0 }));
	return request;
}

void request_destroy(struct request *request)
{
	struct worker *worker;

	if (!request || (request->cache && request_cache_stays(request)))
		return;
	worker = request->worker;
	check(!request->running);
	list_remove(&request->link);
	trace_end_request(request);
	policy_end(request);
	body_source_close(take(&request->source));
	if (request->cache)
		request_cache_release(request);
	context_close(&request->context);
	if (request->intake)
		request->intake->ops->close(take(&request->intake));
	file_unref(take(&request->file));
	tls_info_unref(take(&request->tls));
	worker_unpin(worker, request->generation);
	atomic_fetch_sub_explicit(&worker->stats.n_busy, 1, memory_order_relaxed);
	if (worker->n_free_requests < FREE_REQUESTS_MAX) {
		arena_reset(&request->arena);
		list_add_first(&worker->requests, &request->link);
		worker->n_free_requests++;
	} else {
		arena_fini(&request->arena);
		free(request);
	}
	worker_check_drained(worker);
}

/* ------------------------------------------------------------ answering */

static void request_send(struct request *request, const struct reply *reply)
{
	check(!request->replied);
	request->replied = true;
	if (request->cache)
		reply = request_cache_finish(request, reply);
	reply = policy_finish(request, precondition_apply(request, reply));
	if (request->context.trace && request->owner)
		request->context.trace->status = reply->status;
	if (request->started && request->route->tally && !request->replays)
		tally_time(request->route->tally, clock_monotonic_ns() - request->started_ns);
	request->source = reply->source;
	context_close(&request->context); /* what the answer does not pass on */
	if (request->owner)
		request->sink->reply(request, reply);
	else
		request_destroy(request);
}

static struct reply request_problem(struct request *request, const struct failure *failure)
{
	struct reply reply = reply_problem(&request->arena, failure_status(failure),
					   failure_code(failure), failure->task,
					   request->context.id, STR_NONE);
	static struct http_field retry = { STR_INIT("Retry-After"), STR_INIT("1") };

	if (reply.status == 503) {
		reply.fields = &retry;
		reply.n_fields = 1;
	}
	return reply;
}

static void request_log_failure(struct request *request, const struct failure *failure)
{
	struct str code = failure_code(failure), trace = trace_id(request->context.trace);

	if (failure->code == ERROR_CANCELLED && !request->owner)
		return; /* the client left: the access line says 499 */
	log_write(failure_status(failure) >= 500 ? LOG_WARNING : LOG_INFO,
		  "request failed route=%s task=%s code=%.*s detail=%s id=%.*s%s%.*s",
		  LOG_QUOTE(request->route->pattern.text), LOG_QUOTE(failure->task), STR_ARG(code),
		  LOG_QUOTE(failure->detail), STR_ARG(request->context.id),
		  trace.len ? " trace=" : "", STR_ARG(trace));
}

static struct failure request_errno_failure(int error, struct str detail)
{
	return (struct failure){ .code = error_of_evaluation(error),
				 .task = STR("reply"),
				 .detail = detail };
}

void request_fail(struct request *request, const struct failure *failure)
{
	const struct reply_spec *rule = route_error_reply(request->route, failure);
	struct reply reply;

	request_count_failure(request);
	request_log_failure(request, failure);
	if (request->cache && request_cache_rescue(request, failure))
		return;
	request->run.failure = *failure; /* what ${error} reads */
	if (!rule || failure->code == ERROR_CANCELLED ||
	    reply_render(rule, flow_run_env(&request->run), &reply) < 0)
		reply = request_problem(request, failure);
	request_send(request, &reply);
}

void request_fail_errno(struct request *request, int error)
{
	struct failure failure =
		request_errno_failure(error, str_of(flow_run_env(&request->run)->message));

	request_fail(request, &failure);
}

static void request_answer(struct request *request)
{
	const struct route *route = request->route;
	const struct reply *constant;
	struct reply reply = { .status = 204 };
	struct failure failure;
	int r;

	if (!route->reply) {
		request_send(request, &reply);
		return;
	}
	constant = reply_constant(route->reply);
	if (constant) {
		request_send(request, constant);
		return;
	}
	r = reply_render(route->reply, flow_run_env(&request->run), &reply);
	if (r == 0) {
		request_send(request, &reply);
		return;
	}
	failure = request_errno_failure(r, str_of(flow_run_env(&request->run)->message));
	request_fail(request, &failure);
}

static void request_on_run_end(struct flow_run *run)
{
	struct request *request = container_of(run, struct request, run);
	struct failure failure = run->failure;

	request->running = false;
	if (failure.code == ERROR_NONE)
		request_answer(request);
	else
		request_fail(request, &failure);
}

/* ------------------------------------------------------------ the body */

void request_count_failure(struct request *request)
{
	if (request->route->tally && !request->replays)
		tally_count_failure(request->route->tally);
}

void request_refuse_body(struct request *request, const struct reply *reply)
{
	request_send(request, reply);
}

void request_admitted(struct request *request)
{
	if (request->owner && request_has_no_route(request))
		request_reply(request,
			      server_no_route_reply(&request->head, request->match.allowed));
	else if (request->owner)
		request->sink->admitted(request);
	else
		request_destroy(request);
}

void request_resume_body(struct request *request)
{
	check(request->owner && request->intake);
	request->sink->resume_body(request);
}

size_t request_unsent(const struct request *request)
{
	check(request->owner);
	return request->sink->unsent(request);
}

void request_start(struct request *request)
{
	const struct route *route = request->route;

	check(!request->started);
	request->started = true;
	if (route->tally)
		tally_count(route->tally);
	if (route->native) {
		route->native(request);
		return;
	}
	if (route->files) {
		files_serve(route->files, request);
		return;
	}
	if (route->proxy) {
		proxy_serve(route->proxy, request);
		return;
	}
	if (route->events) {
		events_serve(route->events, request);
		return;
	}
	if (route->websocket) {
		websocket_serve(route->websocket, request);
		return;
	}
	body_ready(request);
}

void request_go_on(struct request *request)
{
	const struct route *route = request->route;

	if (route->async && !request->replays) {
		async_keep(request);
		return;
	}
	flow_run_init(&request->run, route->flow, &request->context, request_on_run_end);
	if (request->replays && async_is_cancelled(request))
		request_fail(request, &(struct failure){ .code = ERROR_CANCELLED });
	else if (route->cache)
		request_cache_begin(request, route->cache, false, request_run);
	else
		request_run(request);
}

/* Again, of one that is run a second time. */
void request_run(struct request *request)
{
	const struct route *route = request->route;

	if (request->run.started)
		flow_run_init(&request->run, route->flow, &request->context, request_on_run_end);
	request->context.degraded = false;
	if (flow_is_empty(route->flow)) {
		request_answer(request);
		return;
	}
	flow_run_set_deadline(&request->run, request->started_ns + route->timeout_ms * NS_PER_MS);
	request->running = true;
	flow_run_start(&request->run);
}

void request_cancel(struct request *request)
{
	if (request->cache)
		request_cache_cancel(request);
	if (request->running)
		flow_run_cancel(&request->run);
}

void request_abandon(struct request *request)
{
	request->owner = NULL;
	if (request->replied)
		request_destroy(request);
	else if (request->running && !request->route->finishes && !request_cache_fills(request))
		flow_run_cancel(&request->run);
	else if (request->on_cancel)
		request->on_cancel(request);
	else if (!request->running && !request->native)
		request_destroy(request);
}

void request_reply(struct request *request, const struct reply *reply)
{
	request->native = NULL;
	request->on_cancel = NULL;
	request_send(request, reply);
}

void request_reply_json(struct request *request, int status, struct str json)
{
	struct reply reply = { .status = status,
			       .content_type = STR("application/json"),
			       .body = json };

	request_reply(request, &reply);
}

struct str request_param(const struct request *request, struct str name)
{
	const struct route_pattern *pattern = &request->route->pattern;

	for (size_t i = 0; i < request->match.n_params; i++)
		if (str_eq(pattern->params[i], name))
			return request->match.params[i];
	return STR_NONE;
}
