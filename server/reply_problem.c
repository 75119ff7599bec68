/* server/reply_problem.c: answers that tell what is wrong (RFC 9457). */
#include "server/expr/json.h"
#include "server/http/status.h"
#include "server/reply.h"
#include <pthread.h>

static void problem_add(struct buf *out, const char *name, struct str value)
{
	if (value.len == 0)
		return;
	buf_printf(out, ",\"%s\":", name);
	json_write_text(value, out);
}

struct reply reply_problem(struct arena *arena, int status, struct str code, struct str task,
			   struct str request_id, struct str detail)
{
	struct reply reply = { .status = status };
	struct buf out;

	buf_init_arena(&out, arena);
	buf_printf(&out, "{\"status\":%d", status);
	problem_add(&out, "title", http_status_reason(status));
	problem_add(&out, "code", code);
	problem_add(&out, "detail", detail);
	problem_add(&out, "task", task);
	problem_add(&out, "request_id", request_id);
	buf_add_char(&out, '}');
	if (!out.error) {
		reply.content_type = STR("application/problem+json");
		reply.body = buf_str(&out);
	}
	return reply;
}

struct reply reply_problem_of(struct arena *arena, const struct failure *failure,
			      struct str request_id)
{
	struct reply reply = { .status = failure_status(failure) };
	struct buf out;

	buf_init_arena(&out, arena);
	buf_printf(&out, "{\"status\":%d", reply.status);
	problem_add(&out, "title", http_status_reason(reply.status));
	problem_add(&out, "code", failure_code(failure));
	problem_add(&out, "detail", failure->detail);
	problem_add(&out, "request_id", request_id);
	if (failure->faults) {
		buf_add(&out, STR(",\"errors\":"));
		value_write_json(*failure->faults, &out);
	}
	buf_add_char(&out, '}');
	if (!out.error) {
		reply.content_type = STR("application/problem+json");
		reply.body = buf_str(&out);
	}
	return reply;
}

static const int refusals[] = { 400, 403, 404, 405, 408, 411, 413, 414, 415,
				417, 422, 431, 500, 501, 503, 505, 507 };
static struct reply refusal_replies[ARRAY_LEN(refusals)], plain_http_reply;
static pthread_once_t refusals_made = PTHREAD_ONCE_INIT;

static void reply_make_constant(struct arena *arena, struct reply *reply)
{
	struct buf head;

	buf_init_arena(&head, arena);
	reply_write_head(reply, &head);
	reply->head = buf_str(&head);
	reply->constant = true;
}

/* They live as long as the program. */
static void reply_make_refusals(void)
{
	static struct http_field retry = { STR_INIT("Retry-After"), STR_INIT("1") };
	static struct arena arena;

	arena_init_required(&arena);
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct reply reply =
			reply_problem(&arena, refusals[i], STR_NONE, STR_NONE, STR_NONE, STR_NONE);

		if (refusals[i] == 503) {
			reply.fields = &retry;
			reply.n_fields = 1;
		}
		reply_make_constant(&arena, &reply);
		refusal_replies[i] = reply;
	}
	plain_http_reply = (struct reply){
		.status = 400,
		.content_type = STR("text/plain; charset=utf-8"),
		.body = STR("This port speaks HTTPS: ask again with https://\n"),
	};
	reply_make_constant(&arena, &plain_http_reply);
}

const struct reply *reply_refusal(int status)
{
	pthread_once(&refusals_made, reply_make_refusals);
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (refusals[i] == status)
			return &refusal_replies[i];
	return reply_refusal(500);
}

const struct reply *reply_plain_http(void)
{
	pthread_once(&refusals_made, reply_make_refusals);
	return &plain_http_reply;
}
