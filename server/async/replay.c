/* server/async/replay.c: a request that was kept runs: as one that has no client, whose answer goes
 * to the store.
 *
 * The row's texts stay until the run has been told as over, so the request's head and body are
 * slices of them. Its policies were asked when it came. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/async/async.h"
#include "server/async/record.h"
#include "server/auth/identity.h"
#include "server/body/body.h"
#include "server/expr/json.h"
#include "server/jobs/agenda_private.h"
#include "server/request.h"
#include "server/trace/trace.h"
#include <errno.h>
#include <inttypes.h>

enum { SHORT_OF_MEMORY_MS = 1000 };

/* ------------------------------------------------------------ its end */

static struct str replay_field_name(size_t at, const struct reply *reply)
{
	return at ? reply->fields[at - 1].name : STR("Content-Type");
}

static struct str replay_field_value(size_t at, const struct reply *reply)
{
	return at ? reply->fields[at - 1].value : reply->content_type;
}

/* False: it is larger than may be kept. */
static bool replay_keep_answer(struct todo_run *run, const struct reply *reply, uint64_t max)
{
	bool first = true;

	if (reply->body.len > max)
		return false;
	buf_add_char(&run->fields, '{');
	for (size_t i = reply->content_type.len ? 0 : 1; i <= reply->n_fields; i++) {
		buf_add(&run->fields, first ? STR("") : STR(","));
		json_write_text(replay_field_name(i, reply), &run->fields);
		buf_add_char(&run->fields, ':');
		json_write_text(replay_field_value(i, reply), &run->fields);
		first = false;
	}
	buf_add_char(&run->fields, '}');
	buf_add(&run->body, reply->body);
	run->status = reply->status;
	return !run->fields.error && !run->body.error;
}

static void replay_log(const struct todo_run *run, const struct request *request, struct str error,
		       uint64_t took_ns)
{
	log_write(error.len ? LOG_WARNING : LOG_INFO,
		  "async run ended route=%s status=%d error=%s took_ms=%" PRIu64 " try=%" PRId64
		  " id=%.*s",
		  LOG_QUOTE(str_of(run->row.target)), run->status, LOG_QUOTE(error),
		  took_ns / NS_PER_MS, run->row.starts, STR_ARG(request->context.id));
}

/* What its flow, or the check of its body, has come to; empty: it is well. */
static struct str replay_error(const struct request *request, bool fits)
{
	if (!request->run.flow)
		return STR("invalid_input"); /* the route wants another body by now */
	if (request->run.failure.code != ERROR_NONE)
		return failure_code(&request->run.failure);
	return fits ? STR("") : STR("too_large");
}

static void replay_end(struct todo_run *run, const struct request *request, struct str error,
		       bool fits)
{
	bool cancelled = request->run.failure.code == ERROR_CANCELLED;

	if (cancelled && run->cancelled) {
		todo_end(run, TODO_CANCELLED, STR(""));
	} else if (cancelled && run->agenda->stopped) {
		run->due_wall_ns = clock_wall_ns();
		todo_end(run, TODO_AGAIN, STR("interrupted"));
	} else if (error.len == 0) {
		todo_end(run, TODO_OK, error);
	} else if (!fits || !request->run.flow) {
		todo_end(run, TODO_DEAD, error); /* it would be the same again */
	} else {
		todo_fail(run, error);
	}
}

static void replay_reply(struct request *request, const struct reply *reply)
{
	struct todo_run *run = request->owner;
	const struct async_spec *spec = request->route->async;
	uint64_t took_ns = clock_monotonic_ns() - request->started_ns;
	bool fits = replay_keep_answer(run, reply, spec->max);
	struct str error = replay_error(request, fits);

	if (!fits)
		run->status = 0;
	tally_leave(spec->tally);
	tally_add(spec->tally, took_ns, error.len > 0);
	replay_log(run, request, error, took_ns);
	run->request = NULL;
	run->agenda->n_flows--;
	replay_end(run, request, error, fits);
	request_destroy(request); /* last: the worker may be done with it */
}

/* It has come in already, and its body is whole; nobody is there to be told anything before its answer. */
static void replay_never(struct request *request)
{
	(void)request;
	unreachable();
}

static void replay_interim(struct request *request, int status, const struct http_field *fields,
			   size_t n_fields)
{
	(void)request;
	(void)status;
	(void)fields;
	(void)n_fields;
}

static size_t replay_unsent(const struct request *request)
{
	(void)request;
	return 0; /* nobody reads it */
}

static const struct request_sink replay_sink = {
	.reply = replay_reply,
	.admitted = replay_never,
	.resume_body = replay_never,
	.unsent = replay_unsent,
	.interim = replay_interim,
};

/* ------------------------------------------------------------ its start */

static struct str replay_text(struct value object, const char *key)
{
	struct value value;

	return value_member(object, str_of(key), &value) && value.kind == VALUE_TEXT
		       ? value_str(value)
		       : STR_NONE;
}

/* As identity_root() has told it. */
static bool replay_identity(struct request *request, struct str json)
{
	struct identity *identity = arena_zalloc(&request->arena, sizeof(*identity));
	struct value value;
	struct str kind;

	if (!json.len)
		return true;
	if (!identity || json_read(json, &request->arena, &value, NULL) < 0)
		return false;
	kind = replay_text(value, "kind");
	identity->kind = str_eq(kind, STR("jwt"))     ? IDENTITY_JWT
			 : str_eq(kind, STR("basic")) ? IDENTITY_BASIC
						      : IDENTITY_API_KEY;
	identity->user = replay_text(value, "user");
	identity->key = replay_text(value, "key");
	if (!value_member(value, STR("claims"), &identity->claims))
		identity->claims = value_null();
	request->identity = identity;
	return true;
}

static bool replay_tls(struct request *request, struct str json)
{
	struct value *value = arena_zalloc(&request->arena, sizeof(*value));

	if (!value || (json.len && json_read(json, &request->arena, value, NULL) < 0))
		return false;
	request->kept_tls = value;
	return true;
}

int async_root_tls(const struct request *request, struct str key, struct value *ret)
{
	*ret = *request->kept_tls;
	if (key.ptr && !value_member(*request->kept_tls, key, ret))
		*ret = value_null();
	return 0;
}

static struct http_head replay_head(const struct async_record *record)
{
	return (struct http_head){ .method_id = http_method_find(record->method),
				   .method = record->method,
				   .target = record->target,
				   .path = record->path,
				   .query = record->query,
				   .host = record->host,
				   .minor = record->minor,
				   .has_length = record->body.len > 0,
				   .length = record->body.len,
				   .n_fields = record->n_fields,
				   .fields = record->fields };
}

/* The route that it came by, as it is now: by its name, so that a new one that takes its path does not
 * get it. */
static bool replay_find(struct worker *worker, struct str name, const struct http_head *head,
			struct http_path *path, struct router_match *match)
{
	const struct route *route;

	path->segments = worker->segments;
	path->raw = worker->raw_segments;
	arena_reset(&worker->path_arena);
	if (http_path_parse(head->path, &worker->path_arena, path) < 0)
		return false;
	router_find(worker->generation->router, head->method_id, head->method, head->host, path,
		    match);
	route = match->route;
	return route && route->async && str_eq(route->pattern.text, name);
}

/* NULL without memory. */
static struct request *replay_create(struct worker *worker, const struct async_record *record,
				     const struct http_path *path, const struct router_match *match)
{
	const struct http_head head = replay_head(record);
	struct request *request = request_create(worker, match->route, &head, STR(""), path, match);

	if (!request)
		return NULL;
	request->sink = &replay_sink;
	request->started = true;
	request->context.id = record->id;
	request->client_addr = record->client_addr;
	request->peer_addr = record->peer_addr;
	request->secure = record->secure;
	request->by_proxy = record->by_proxy;
	request->is_form = record->is_form;
	request->body = record->body;
	if (replay_identity(request, record->auth) && replay_tls(request, record->tls) &&
	    trace_begin_request(&worker->tracer, request))
		return request;
	request_destroy(request);
	return NULL;
}

static void replay_start(struct todo_run *run)
{
	struct worker *worker = loop_user(run->agenda->loop);
	struct str name = str_of(run->row.target);
	struct async_record record = { .fields = worker->fields };
	struct router_match match = { 0 };
	struct http_head head;
	struct http_path path;
	struct request *request;

	if (!record_read((struct str){ run->row.args, run->row.args_len }, &record)) {
		todo_end(run, TODO_DEAD, STR("invalid_input"));
		return;
	}
	head = replay_head(&record);
	if (!replay_find(worker, name, &head, &path, &match)) {
		log_warning("async run has no route any more route=%s id=%.*s, given up",
			    LOG_QUOTE(name), STR_ARG(record.id));
		todo_end(run, TODO_DEAD, STR("not_found"));
		return;
	}
	request = replay_create(worker, &record, &path, &match);
	if (!request) {
		run->due_wall_ns = clock_wall_ns() + SHORT_OF_MEMORY_MS * (int64_t)NS_PER_MS;
		todo_end(run, TODO_NOT_BEGUN, STR("memory_limit"));
		return;
	}
	request->owner = request->replays = run;
	run->request = request;
	run->agenda->n_flows++;
	tally_enter(request->route->async->tally);
	body_ready(request);
}

/* Before its tasks have begun there is nothing to cancel: request_go_on() asks then. */
static void replay_cancel(struct todo_run *run)
{
	if (run->request)
		request_cancel(run->request);
}

bool async_is_cancelled(const struct request *request)
{
	const struct todo_run *run = request->replays;

	return run->cancelled || (run->agenda->stopped && request->worker->cancelling);
}

void async_begin(struct agendas *agendas)
{
	static const struct todo_routes routes = { replay_start, replay_cancel };

	agendas->routes = &routes;
}
