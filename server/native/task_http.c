/* server/native/task_http.c: HTTP requests of modules, by the client of the loop.
 *
 * Whom a module calls is its own matter: it is trusted as leat is. What it sends is checked, so that
 * no value that it has passed on breaks a line. */
#include "server/native/api_parts.h"
#include "server/native/natives.h"
#include "server/native/tasks.h"
#include "server/verbs/http.h"

/* ------------------------------------------------------------ where to */

static bool url_is_sendable(struct str target)
{
	for (size_t i = 0; i < target.len; i++)
		if ((unsigned char)target.ptr[i] <= ' ' || (unsigned char)target.ptr[i] >= 0x7f ||
		    target.ptr[i] == '#')
			return false;
	return true;
}

static bool url_split(struct str rest, struct str *ret_authority, struct str *ret_target)
{
	size_t end = 0;

	while (end < rest.len && !str_has(STR("/?#"), rest.ptr[end]))
		end++;
	*ret_authority = str_first(rest, end);
	*ret_target = str_skip(rest, end);
	return end > 0;
}

/* The request's upstream, or the task is broken. */
static bool http_find_absolute(struct leat_task *task, struct str rest, bool secure,
			       struct str *ret_target)
{
	struct client *client = task->call->client;
	struct str authority;

	if (url_split(rest, &authority, ret_target))
		task->upstream = secure ? client_secure_upstream(client, authority)
					: client_upstream(client, authority);
	if (task->upstream)
		return true;
	native_task_break(task, ERROR_INVALID_INPUT, "the URL has no host that can be called");
	return false;
}

static bool http_find_named(struct leat_task *task, struct str url, struct upstream **ret_upstream,
			    struct str *ret_target)
{
	ptrdiff_t colon = str_find_char(url, ':');

	if (colon <= 0) {
		native_task_break(task, ERROR_INVALID_INPUT,
				  "a URL is NAME:/path, http://host/path or https://host/path");
		return false;
	}
	*ret_target = str_skip(url, (size_t)colon + 1);
	*ret_upstream = natives_upstream(task->call->natives, str_first(url, (size_t)colon));
	if (*ret_upstream)
		return true;
	native_task_break(task, ERROR_NOT_FOUND, "the section http has no service of that name");
	return false;
}

static bool http_find(struct leat_task *task, const char *url_text, struct http_call_request *call)
{
	struct str url = arena_str(&task->call->arena, str_of(url_text));
	bool secure = str_starts_with(url, STR("https://"));
	bool found;

	if (secure || str_starts_with(url, STR("http://"))) {
		found = http_find_absolute(task, str_skip(url, secure ? 8 : 7), secure,
					   &call->target);
		call->upstream = task->upstream;
	} else {
		found = http_find_named(task, url, &call->upstream, &call->target);
	}
	if (!found)
		return false;
	if (call->target.len == 0 || call->target.ptr[0] != '/')
		call->target = arena_printf(&task->call->arena, "/%.*s", STR_ARG(call->target));
	if (call->target.ptr && url_is_sendable(call->target))
		return true;
	native_task_break(task, ERROR_INVALID_INPUT,
			  "the URL has a character that must be percent-encoded");
	return false;
}

/* ------------------------------------------------------------ what is sent */

static bool http_take_headers(struct leat_task *task, const char *const *headers,
			      struct http_call_request *call)
{
	struct arena *arena = &task->call->arena;
	struct http_field *fields;
	size_t n = 0;

	while (headers && headers[n])
		n++;
	call_check(task->call, n % 2 == 0, "http", "headers are pairs of name and value");
	fields = arena_alloc_array(arena, n / 2 + 1, sizeof(*fields));
	for (size_t i = 0; fields && i < n / 2; i++) {
		fields[i].name = arena_str(arena, str_of(headers[2 * i]));
		fields[i].value = arena_str(arena, str_trim(str_of(headers[2 * i + 1])));
		if (http_is_token(fields[i].name) && !http_name_is_reserved(fields[i].name) &&
		    http_is_field_value(fields[i].value))
			continue;
		native_task_break(task, ERROR_INVALID_INPUT,
				  "a header cannot be sent: its name is none or is leat's, or its "
				  "value has control characters");
		return false;
	}
	call->fields = fields;
	call->n_fields = n / 2;
	if (!fields)
		native_task_break(task, ERROR_MEMORY_LIMIT, "limits.memory is reached");
	return fields != NULL;
}

static bool http_take_method(struct leat_task *task, const char *method,
			     struct http_call_request *call)
{
	call->method = arena_str(&task->call->arena, str_of(method ? method : "GET"));
	call->method_id = http_method_find(call->method);
	if (http_is_token(call->method) && call->method_id != HTTP_CONNECT)
		return true;
	native_task_break(task, ERROR_INVALID_INPUT, "the method is none that can be sent");
	return false;
}

static bool http_take_body(struct leat_task *task, const struct leat_request *request,
			   struct http_call_request *call)
{
	struct str body = { request->body, request->body_size };

	call->response_max = request->body_max;
	call->has_body = request->body || call->method_id == HTTP_POST ||
			 call->method_id == HTTP_PUT || call->method_id == HTTP_PATCH;
	if (!request->body)
		return true;
	call->body = arena_str(&task->call->arena, body);
	if (!call->body.ptr)
		native_task_break(task, ERROR_MEMORY_LIMIT, "limits.memory is reached");
	return call->body.ptr != NULL;
}

/* ------------------------------------------------------------ the task */

static void http_on_end(struct task *core)
{
	struct native_http *http = container_of(core, struct native_http, call.task);
	struct leat_task *task = container_of(http, struct leat_task, http);

	if (core->outcome == OUTCOME_FAILED || core->outcome == OUTCOME_TIMED_OUT)
		task->failure = (struct failure){ .code = http_error_code(http->call.error),
						  .detail = str_of(http->call.detail) };
	native_task_end(task);
}

struct leat_task *native_http(struct leat_call *call, const struct leat_request *request,
			      leat_task_fn *on_end)
{
	struct leat_task *task = native_task_make(call, "http", NATIVE_HTTP, on_end);
	struct http_call_request own = { 0 };

	call_check(call, request && request->url && (request->body || !request->body_size), "http",
		   "a request has a URL, and a body when it has a size");
	if (task->kind == NATIVE_SPARE || !http_take_method(task, request->method, &own) ||
	    !http_find(task, request->url, &own) ||
	    !http_take_headers(task, request->headers, &own) ||
	    !http_take_body(task, request, &own))
		return task;
	own.trace = call->run->run->context->trace;
	own.span = call->run->span;
	http_call_init(&task->http.call, call->client, &call->arena, &own, http_on_end);
	task->task = &task->http.call.task;
	return task;
}

void native_http_fini(struct leat_task *task)
{
	if (task->upstream)
		upstream_unref(task->upstream);
}

/* ------------------------------------------------------------ the response */

static const struct http_call_response *http_response(const struct leat_task *task,
						      const char *function)
{
	if (!native_task_enter_kind(task, NATIVE_HTTP, function, "the task is an HTTP request"))
		return NULL;
	if (task->state != NATIVE_ENDED || task->task->outcome != OUTCOME_OK)
		return NULL;
	return &task->http.call.response;
}

int native_http_status(const struct leat_task *http)
{
	const struct http_call_response *response = http_response(http, "http_status");

	return response ? response->status : 0;
}

struct leat_text native_http_header(const struct leat_task *http, const char *name)
{
	const struct http_call_response *response = http_response(http, "http_header");

	for (size_t i = 0; response && i < response->n_fields; i++)
		if (str_eq_nocase(response->fields[i].name, str_of(name)))
			return (struct leat_text){ response->fields[i].value.ptr,
						   response->fields[i].value.len };
	return (struct leat_text){ NULL, 0 };
}

struct leat_text native_http_body(const struct leat_task *http)
{
	const struct http_call_response *response = http_response(http, "http_body");

	if (!response)
		return (struct leat_text){ NULL, 0 };
	return (struct leat_text){ response->body.ptr, response->body.len };
}
