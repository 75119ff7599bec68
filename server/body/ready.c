/* server/body/ready.c
 *
 *     body_ready() --> small: here ----------------> request_go_on() | request_refuse_body()
 *                 \--> large, or dear: the pool --> post --/
 *
 * The request waits for the pool (request->native) and is there even when its client has left: so
 * the pool may work in its arena, which nobody else touches meanwhile. */
#include "server/body/body.h"
#include "server/body/form_data.h"
#include "server/body/receive.h"
#include "server/expr/json.h"
#include "server/request.h"
#include "server/request_query.h"
#include "server/schema/schema.h"
#include "server/server.h"
#include <errno.h>

enum { POOL_SIZE = 64 << 10 }; /* bytes of JSON that a loop does not check itself */

struct ready_job {
	struct work work;
	struct post post;
	struct request *request;
	const struct schema *schema; /* or NULL */
	bool json;                   /* `body` has to be read as JSON */
	int error;                   /* of reading: 0, -EINVAL, -ENOMEM */
	struct json_error json_error;
	struct value value; /* what the schema is asked about, when it has been read */
	enum schema_verdict verdict;
	struct schema_report report;
};

/* ------------------------------------------------------------ refusing */

static void ready_refuse(struct request *request, const struct body_refusal *refusal)
{
	request_refuse_body(request, body_refuse(request, refusal));
}

static void ready_refuse_memory(struct request *request)
{
	request_refuse_body(request, body_refuse_memory(request, request->body.len));
}

static void ready_refuse_json(struct request *request, const struct json_error *error)
{
	ready_refuse(request, &(struct body_refusal){
				      .status = 400,
				      .detail = arena_printf(&request->arena,
							     "the body is not JSON: %s at byte %zu",
							     error->what, error->offset + 1) });
}

/* [{pointer, keyword, detail}, …]; NULL without memory. */
static const struct value *ready_faults(struct arena *arena, const struct schema_report *report)
{
	struct value *list = arena_alloc(arena, sizeof(*list));
	struct value *items = arena_alloc_array(arena, report->n_faults + 1, sizeof(*items));
	struct member *members =
		arena_alloc_array(arena, 3 * report->n_faults + 1, sizeof(*members));

	if (!list || !items || !members)
		return NULL;
	for (size_t i = 0; i < report->n_faults; i++) {
		const struct schema_fault *fault = &report->faults[i];
		struct member *of = members + 3 * i;

		of[0] = (struct member){ value_text(STR("pointer")), value_text(fault->pointer) };
		of[1] = (struct member){ value_text(STR("keyword")), value_text(fault->keyword) };
		of[2] = (struct member){ value_text(STR("detail")), value_text(fault->sentence) };
		items[i] = value_object(of, 3);
	}
	*list = value_list(items, report->n_faults);
	return list;
}

static void ready_refuse_schema(struct request *request, const struct schema_report *report)
{
	struct body_refusal refusal = { .status = 422,
					.detail = STR("the body does not fit its schema"),
					.faults = ready_faults(&request->arena, report) };

	if (report->more)
		refusal.detail =
			STR("the body does not fit its schema; the first faults are listed");
	ready_refuse(request, &refusal);
}

/* ------------------------------------------------------------ checking; on any thread */

/* The text stays what it is: JSON that is passed on is its own bytes. What is read for the schema is
 * kept for the expressions. */
static void ready_read(struct ready_job *job)
{
	struct request *request = job->request;
	struct arena *arena = &request->arena;
	struct value *body = &request->body_value;

	job->json = false;
	if (job->schema)
		job->error = json_read(request->body, arena, &job->value, &job->json_error);
	else
		job->error = json_check(request->body, &job->json_error) ? 0 : -EINVAL;
	if (job->error == 0)
		job->error = value_json(body, arena, request->body);
	if (job->error == 0 && job->schema && body->kind == VALUE_JSON) {
		body->json->root = job->value;
		body->json->read = true;
	}
}

static void ready_ask(struct ready_job *job, uint64_t steps)
{
	job->verdict = SCHEMA_VALID;
	if (job->schema)
		job->verdict = schema_ask(job->schema, job->value, steps, &job->request->arena,
					  &job->report);
}

/* ------------------------------------------------------------ and then */

static void ready_end(struct ready_job *job)
{
	struct request *request = job->request;

	request->native = NULL;
	if (!request->owner && !request->route->finishes) {
		request_destroy(request);
		return;
	}
	if (job->error == -EINVAL) {
		ready_refuse_json(request, &job->json_error);
		return;
	}
	if (job->error < 0) {
		ready_refuse_memory(request);
		return;
	}
	switch (job->verdict) {
	case SCHEMA_VALID:
		request_go_on(request);
		return;
	case SCHEMA_INVALID:
	case SCHEMA_IMPOSSIBLE:
		ready_refuse_schema(request, &job->report);
		return;
	case SCHEMA_UNDECIDED:
		ready_refuse(request,
			     &(struct body_refusal){
				     .status = 422,
				     .detail = STR("the body takes too long to be compared "
						   "with its schema") });
		return;
	case SCHEMA_NO_MEMORY:
		ready_refuse_memory(request);
		return;
	}
	unreachable();
}

static void ready_run(struct work *work)
{
	struct ready_job *job = container_of(work, struct ready_job, work);

	if (job->json)
		ready_read(job);
	if (job->error == 0)
		ready_ask(job, SCHEMA_STEPS_MAX);
	loop_post(job->request->worker->loop, &job->post);
}

static void ready_on_run(struct post *post)
{
	ready_end(container_of(post, struct ready_job, post));
}

static void ready_submit(struct ready_job *job)
{
	struct request *request = job->request;

	job->work.run = ready_run;
	job->post.run = ready_on_run;
	request->native = job;
	pool_submit(request->worker->server->pool, &job->work);
}

static void ready_check(struct request *request, bool json)
{
	struct ready_job *job;

	if (!json && !request->route->body.schema) {
		request_go_on(request);
		return;
	}
	job = arena_zalloc(&request->arena, sizeof(*job));
	if (!job) {
		ready_refuse_memory(request);
		return;
	}
	job->request = request;
	job->schema = request->route->body.schema;
	job->json = json;
	job->value = request->body_value;
	if (json && request->body.len > POOL_SIZE) {
		ready_submit(job);
		return;
	}
	if (json)
		ready_read(job);
	if (job->error == 0)
		ready_ask(job, SCHEMA_STEPS_LOOP);
	if (job->error == 0 && job->verdict == SCHEMA_UNDECIDED)
		ready_submit(job);
	else
		ready_end(job);
}

/* ------------------------------------------------------------ forms */

static void ready_form(struct request *request)
{
	int r = request_form(request, &request->body_value);

	if (r == 0)
		ready_check(request, false);
	else if (r == -EINVAL)
		ready_refuse(request, &(struct body_refusal){
					      .status = 400,
					      .detail = STR("the form has a malformed escape") });
	else if (r == -E2BIG)
		ready_refuse(request,
			     &(struct body_refusal){
				     .status = 413,
				     .detail = STR("the form has more fields than may be") });
	else
		ready_refuse_memory(request);
}

static void ready_multipart(struct request *request)
{
	if (!request->form)
		ready_refuse(request,
			     &(struct body_refusal){
				     .status = 400,
				     .detail = STR("malformed multipart/form-data: the body "
						   "is empty") });
	else if (request_form(request, &request->body_value) < 0)
		ready_refuse_memory(request);
	else
		ready_check(request, false);
}

void body_ready(struct request *request)
{
	enum body_type type;

	request->body_value = request->body.len ? value_text(request->body) : value_null();
	if (!body_is_read(request->route)) {
		request_go_on(request);
		return;
	}
	type = body_type_of(request);
	if (request->route->body.type == BODY_MULTIPART)
		ready_multipart(request);
	else if (type == BODY_FORM)
		ready_form(request);
	else /* no body at all is null, where the route does not say that it is JSON */
		ready_check(request, type == BODY_JSON && (request->body.len ||
							   request->route->body.type == BODY_JSON));
}
