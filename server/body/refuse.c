/* server/body/refuse.c: answers to bodies that are not taken. */
#include "core/base/log.h"
#include "server/body/body.h"
#include "server/request.h"

/* Any but the larger ones are the code that a guard would give, with their own status. */
static enum error_code refusal_code(const struct body_refusal *refusal)
{
	if (refusal->code != ERROR_NONE)
		return refusal->code;
	switch (refusal->status) {
	case 413:
		return ERROR_TOO_LARGE;
	case 503:
		return ERROR_UNAVAILABLE;
	case 500:
	case 507:
		return ERROR_IO_ERROR;
	default:
		return ERROR_INVALID_INPUT;
	}
}

static void refusal_log(const struct request *request, const struct failure *failure)
{
	log_write(failure->status >= 500 ? LOG_WARNING : LOG_INFO,
		  "request refused route=%s status=%d code=%.*s detail=%s id=%.*s",
		  LOG_QUOTE(request->route->pattern.text), failure->status,
		  STR_ARG(failure_code(failure)), LOG_QUOTE(failure->detail),
		  STR_ARG(request->context.id));
}

const struct reply *body_refuse(struct request *request, const struct body_refusal *refusal)
{
	struct failure failure = { .code = refusal_code(refusal),
				   .status = refusal->status,
				   .detail = refusal->detail,
				   .faults = refusal->faults };
	const struct reply_spec *rule = route_error_reply(request->route, &failure);
	struct reply *reply = arena_alloc(&request->arena, sizeof(*reply));

	request_count_failure(request);
	refusal_log(request, &failure);
	if (!reply)
		return reply_refusal(refusal->status);
	if (rule) {
		flow_run_init(&request->run, request->route->flow, &request->context, NULL);
		request->run.failure = failure;
		if (reply_render(rule, flow_run_env(&request->run), reply) == 0)
			return reply;
	}
	*reply = reply_problem_of(&request->arena, &failure, request->context.id);
	reply->fields = refusal->fields;
	reply->n_fields = refusal->n_fields;
	return reply;
}

const struct reply *body_refuse_size(struct request *request)
{
	return body_refuse(
		request, &(struct body_refusal){ .status = 413,
						 .detail = STR("the body is larger than may be") });
}

const struct reply *body_refuse_status(struct request *request, int status)
{
	return body_refuse(request, &(struct body_refusal){ .status = status });
}

/* Of two bytes of JSON ("1,") comes a value of sixteen. With that much left of the request's own
 * memory, it is all of leat that has none. */
const struct reply *body_refuse_memory(struct request *request, uint64_t size)
{
	const struct arena *arena = &request->arena;
	const struct body_refusal refusal = {
		.status = 413, .detail = STR("the body takes more memory than a request may")
	};

	if (arena->max - MIN(arena->used, arena->max) < 9 * size)
		return body_refuse(request, &refusal);
	return body_refuse_status(request, 503);
}
