/* server/verbs/http.c: `get: users:/path` and its like: one HTTP request. */
#include "server/verbs/http.h"
#include <errno.h>

enum error_code http_error_code(enum http_call_error error)
{
	switch (error) {
	case HTTP_CALL_OK:
		return ERROR_NONE;
	case HTTP_CALL_TIMEOUT:
		return ERROR_TIMEOUT;
	case HTTP_CALL_CONNECT_FAILED:
		return ERROR_CONNECT_FAILED;
	case HTTP_CALL_DNS_FAILED:
		return ERROR_DNS_FAILED;
	case HTTP_CALL_TLS_FAILED:
		return ERROR_TLS_FAILED;
	case HTTP_CALL_BAD_RESPONSE:
		return ERROR_BAD_RESPONSE;
	case HTTP_CALL_TOO_LARGE:
		return ERROR_TOO_LARGE;
	case HTTP_CALL_MEMORY:
		return ERROR_MEMORY_LIMIT;
	case HTTP_CALL_POOL_EXHAUSTED:
		return ERROR_POOL_EXHAUSTED;
	case HTTP_CALL_BREAKER_OPEN:
		return ERROR_BREAKER_OPEN;
	case HTTP_CALL_UNAVAILABLE:
		return ERROR_UNAVAILABLE;
	case HTTP_CALL_BODY_LOST:
		return ERROR_ABORTED;
	}
	unreachable();
}

void http_on_answered(struct task *task)
{
	struct http_call *call = container_of(task, struct http_call, task);
	struct http_state *state = container_of(call, struct http_state, call);
	struct upstream *upstream = state->upstream;
	struct step_run *run = state->run;
	struct str detail;

	run->sent = run->sent || call->sent;
	if (call->task.outcome == OUTCOME_OK && http_follow(state))
		return;
	if (call->task.outcome == OUTCOME_OK) {
		http_take_answer(run, state);
	} else if (call->task.outcome == OUTCOME_CANCELLED) {
		step_done(run, ERROR_CANCELLED, STR_NONE);
	} else {
		detail = arena_printf(step_arena(run), "%.*s: %s",
				      STR_ARG(call->request.upstream->name),
				      call->detail ? call->detail : "failed");
		step_done(run, http_error_code(call->error), detail);
	}
	state->upstream = NULL;
	if (upstream)
		upstream_unref(upstream);
}

static void http_start(struct step_run *run)
{
	const struct http_config *config = run->config;
	struct http_state *state = run->state;
	struct client *client = run->run->context->client;
	struct http_call_request request;
	int r = http_make_request(run, config, &request);

	if (r == 0)
		r = http_url_reach(&config->url, client, step_env(run), &state->upstream);
	if (r == -EUSERS) {
		step_done(run, ERROR_UNAVAILABLE, STR("too many hosts are called"));
		return;
	}
	if (r < 0) {
		step_done_errno(run, r);
		return;
	}
	state->run = run;
	state->trail = NULL;
	state->cancelled = false;
	if (state->upstream)
		request.upstream = state->upstream;
	request.trace = run->run->context->trace;
	request.span = run->span;
	http_call_init(&state->call, client, step_arena(run), &request, http_on_answered);
	task_start(&state->call.task, &run->run->scope);
}

static void http_cancel(struct step_run *run)
{
	struct http_state *state = run->state;

	state->cancelled = true;
	state->call.late = run->timed_out;
	task_cancel(&state->call.task);
}

static const char *const http_fields[] = { "body", "text", "status", "headers", NULL };

#define HTTP_VERB(symbol, verb_name, table, text)                                                  \
	const struct verb symbol = {                                                               \
		.name = verb_name,                                                                 \
		.help = text,                                                                      \
		.keys = table,                                                                     \
		.config_size = sizeof(struct http_config),                                         \
		.state_size = sizeof(struct http_state),                                           \
		.fields = http_fields,                                                             \
		.main_field = "body",                                                              \
		.compile = http_compile,                                                           \
		.start = http_start,                                                               \
		.cancel = http_cancel,                                                             \
		.field = http_answer_field,                                                        \
		.source = http_answer_source,                                                      \
	}

HTTP_VERB(verb_get, "get", http_keys, "A GET request to an upstream.");
HTTP_VERB(verb_post, "post", http_keys, "A POST request to an upstream.");
HTTP_VERB(verb_put, "put", http_keys, "A PUT request to an upstream.");
HTTP_VERB(verb_patch, "patch", http_keys, "A PATCH request to an upstream.");
HTTP_VERB(verb_delete, "delete", http_keys, "A DELETE request to an upstream.");
HTTP_VERB(verb_head, "head", http_keys, "A HEAD request to an upstream.");
HTTP_VERB(verb_http, "http", http_method_keys, "A request with any method to an upstream.");
