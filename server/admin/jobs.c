/* server/admin/jobs.c: what the schedulers of all loops say. */
#include "conf/units.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/admin/admin.h"
#include "server/admin/gather.h"
#include "server/expr/functions.h"
#include "server/expr/json.h"
#include "server/jobs/agenda.h"
#include "server/server.h"
#include "server/store/store.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* The answers of all loops, joined by commas, between `before` and `after`; in the request's
 * arena. */
static void jobs_answer(struct gather *gather, struct str before, struct str after)
{
	struct request *request = gather->request;
	bool first = true;
	struct buf json;

	buf_init_arena(&json, &request->arena);
	buf_add(&json, before);
	for (size_t i = 0; i < gather->n_parts; i++) {
		if (gather->parts[i].out.len == 0)
			continue;
		if (!first)
			buf_add_char(&json, ',');
		buf_add(&json, buf_str(&gather->parts[i].out));
		first = false;
	}
	buf_add(&json, after);
	request_reply_json(request, json.error ? 500 : 200, buf_str(&json));
}

static void jobs_ask_list(struct gather *gather, struct worker *worker, struct buf *out)
{
	(void)gather;
	scheduler_write_list(worker->scheduler, out);
}

static void jobs_list_done(struct gather *gather)
{
	jobs_answer(gather, STR("{\"jobs\":["), STR("]}"));
}

void admin_jobs(struct request *request)
{
	gather_start(request, jobs_ask_list, jobs_list_done, 0, STR_NONE);
}

static void jobs_no_such(struct request *request, struct str name)
{
	struct reply reply = reply_problem(
		&request->arena, 404, STR("not_found"), STR_NONE, STR_NONE,
		arena_printf(&request->arena, "there is no job \"%.*s\"", STR_ARG(name)));

	request_reply(request, &reply);
}

static struct gather_part *jobs_part_of(struct gather *gather, struct worker *worker)
{
	return &gather->parts[worker->index];
}

static void jobs_ask_history(struct gather *gather, struct worker *worker, struct buf *out)
{
	jobs_part_of(gather, worker)->result =
		scheduler_write_history(worker->scheduler, gather->name, out) ? 0 : -ENOENT;
}

static void jobs_history_done(struct gather *gather)
{
	for (size_t i = 0; i < gather->n_parts; i++) {
		if (gather->parts[i].result == 0) {
			jobs_answer(gather, STR("{\"runs\":"), STR("}"));
			return;
		}
	}
	jobs_no_such(gather->request, gather->name);
}

void admin_job_history(struct request *request)
{
	gather_start(request, jobs_ask_history, jobs_history_done, 0,
		     request_param(request, STR("name")));
}

static void jobs_ask_command(struct gather *gather, struct worker *worker, struct buf *out)
{
	(void)out;
	jobs_part_of(gather, worker)->result = scheduler_command(worker->scheduler, gather->name,
								 (enum job_command)gather->command);
}

/* ------------------------------------------------------------ commands
 *
 * What a command has changed is on the disk when it is answered: an op that does nothing comes
 * behind what the job has submitted. The same is waited for when the job does not know yet what
 * the store has of it; then it is asked again. */

struct jobs_wait {
	struct store_op op;
	struct request *request; /* NULL: it has left */
	int command, status;     /* 0: ask again */
};

static void jobs_command(struct request *request, enum job_command command);
static void jobs_add_run(struct request *request);

static int jobs_wait_run(struct store_op *op, struct store_db *db)
{
	(void)op;
	(void)db;
	return 0;
}

static void jobs_waited(struct store_op *op)
{
	struct jobs_wait *wait = container_of(op, struct jobs_wait, op);
	struct request *request = wait->request;

	if (request && wait->status)
		request_reply_json(request, wait->status, STR("{\"ok\":true}"));
	else if (request)
		jobs_command(request, (enum job_command)wait->command);
	free(wait);
}

static void jobs_wait_left(struct request *request)
{
	struct jobs_wait *wait = request->native;

	wait->request = NULL;
	request_destroy(request);
}

static void jobs_wait(struct request *request, int command, int status)
{
	struct jobs_wait *wait = mem_zalloc(sizeof(*wait));

	wait->op.loop = request->worker->loop;
	wait->op.run = jobs_wait_run;
	wait->op.on_done = jobs_waited;
	wait->request = request;
	wait->command = command;
	wait->status = status;
	request->native = wait;
	request->on_cancel = jobs_wait_left;
	if (store_submit(request->worker->server->store, &wait->op, 0) == 0)
		return;
	free(wait);
	request_reply(request, reply_refusal(503));
}

static void jobs_refuse(struct request *request, int result)
{
	bool busy = result == -EBUSY || result == -EOPNOTSUPP;
	struct reply reply = reply_problem(
		&request->arena, busy ? 409 : 503, STR("unavailable"), STR_NONE, STR_NONE,
		result == -EOPNOTSUPP
			? STR("the job runs when messages come from its source, not by hand")
		: result == -EBUSY
			? STR("the job is running, and its overlap: does not allow another run now")
			: STR("the store does not work: what it knows of the job is not read yet"));

	request_reply(request, &reply);
}

static void jobs_command_done(struct gather *gather)
{
	struct request *request = gather->request;

	for (size_t i = 0; i < gather->n_parts; i++) {
		int result = gather->parts[i].result;

		if (result == -ENOENT)
			continue;
		if (result == 0 && gather->command == JOB_MAY_RUN) {
			jobs_add_run(request);
			return;
		}
		if (result == 0 || result == -EAGAIN) {
			jobs_wait(request, gather->command, result < 0 ? 0 : 200);
			return;
		}
		jobs_refuse(request, result);
		return;
	}
	jobs_no_such(gather->request, gather->name);
}

static void jobs_command(struct request *request, enum job_command command)
{
	gather_start(request, jobs_ask_command, jobs_command_done, (int)command,
		     request_param(request, STR("name")));
}

/* ------------------------------------------------------------ POST /v1/jobs/NAME/runs */

/* What the request asks for. */
struct jobs_run {
	struct todo todo;
	bool plain; /* now, and as overlap says */
};

static bool jobs_member(struct request *request, struct value body, const char *key,
			struct value *ret)
{
	(void)request;
	return value_member(body, str_of(key), ret) && !value_is_null(*ret);
}

/* NULL, or what is wrong with it. */
static const char *jobs_read_text(struct request *request, struct value body, const char *key,
				  struct str *ret_text)
{
	struct value value;

	if (!jobs_member(request, body, key, &value))
		return NULL;
	if (value.kind != VALUE_TEXT || value.len == 0 || value.len > 200)
		return "in, at, key and name are texts of up to 200 bytes";
	*ret_text = value_str(value);
	return NULL;
}

static const char *jobs_read_time(struct request *request, struct value body, struct todo *todo)
{
	struct expr_env env = { .arena = &request->arena };
	struct str in = STR_NONE, at = STR_NONE;
	const char *wrong = jobs_read_text(request, body, "in", &in);
	struct value text, ms;
	uint64_t delay_ms;

	if (!wrong)
		wrong = jobs_read_text(request, body, "at", &at);
	if (wrong || (!in.len && !at.len))
		return wrong;
	if (in.len && at.len)
		return "a run is asked for in a time or at one, not both";
	if (in.len) {
		if (units_duration_ms(in, &delay_ms) < 0)
			return "in is a duration: 200ms, 5s, 10m, 3h or 2d";
		todo->due_wall_ns += (int64_t)(delay_ms * NS_PER_MS);
		return NULL;
	}
	text = value_text(at);
	if (fn_parse_time(&env, &text, 1, &ms) < 0 || ms.integer < 0 ||
	    ms.integer > INT64_MAX / (int64_t)NS_PER_MS)
		return "at is a time as RFC 3339 writes it, up to 2262: 2026-01-31T23:59:59Z";
	todo->due_wall_ns = ms.integer * (int64_t)NS_PER_MS;
	return NULL;
}

static const char *jobs_read_args(struct request *request, struct value body, struct todo *todo)
{
	struct value args;
	struct buf json;

	if (!jobs_member(request, body, "args", &args))
		return NULL;
	if (value_open(&args, &request->arena) < 0 || args.kind != VALUE_OBJECT)
		return "args is an object";
	buf_init_arena(&json, &request->arena);
	value_write_json(args, &json);
	todo->args = json.error ? STR("{}") : buf_str(&json);
	return json.error ? "args is too large" : NULL;
}

static const char *jobs_read_body(struct request *request, struct jobs_run *run)
{
	static const char *const known[] = { "args", "in", "at", "key", "name", NULL };
	struct str text = str_trim_space(request->body);
	const char *wrong;
	struct value body;

	if (text.len == 0)
		return NULL;
	if (json_read(text, &request->arena, &body, NULL) < 0 ||
	    value_open(&body, &request->arena) < 0 || body.kind != VALUE_OBJECT)
		return "the body is a JSON object: args, in, at, key, name";
	for (size_t i = 0; i < body.len; i++) {
		size_t j = 0;

		while (known[j] && !str_eq(str_of(known[j]), value_str(body.members[i].key)))
			j++;
		if (!known[j])
			return "the body has args, in, at, key and name, and nothing else";
	}
	wrong = jobs_read_time(request, body, &run->todo);
	if (!wrong)
		wrong = jobs_read_text(request, body, "key", &run->todo.key);
	if (!wrong)
		wrong = jobs_read_text(request, body, "name", &run->todo.name);
	if (!wrong)
		wrong = jobs_read_args(request, body, &run->todo);
	for (size_t i = 0; i < body.len; i++)
		run->plain &= str_eq(value_str(body.members[i].key), STR("args"));
	return wrong;
}

/* Names of jobs need no escapes. */
static void jobs_accept(struct request *request, const struct todo_ask *ask)
{
	struct arena *arena = &request->arena;
	struct str location = arena_printf(arena, "/v1/jobs/%.*s/runs/%" PRId64,
					   STR_ARG(ask->todo.target), ask->id);
	struct http_field *field = arena_alloc(arena, sizeof(*field));
	struct reply reply = { .status = 202,
			       .content_type = STR("application/json"),
			       .fields = field,
			       .n_fields = 1 };

	reply.body = arena_printf(arena, "{\"ok\":true,\"id\":%" PRId64 ",\"location\":\"%.*s\"}",
				  ask->id, STR_ARG(location));
	if (field)
		*field = (struct http_field){ STR("Location"), location };
	request_reply(request,
		      field && location.ptr && reply.body.ptr ? &reply : reply_refusal(503));
}

static void jobs_added(struct todo_ask *ask)
{
	struct request *request = ask->user;
	struct reply reply;

	if (!request)
		return;
	if (ask->result == 0) {
		jobs_accept(request, ask);
		return;
	}
	reply = reply_problem(&request->arena, ask->result == -EEXIST ? 409 : 503,
			      STR("unavailable"), STR_NONE, STR_NONE,
			      ask->result == -EEXIST ? STR("a run of that name is waiting")
						     : STR("the store does not work"));
	request_reply(request, &reply);
}

static void jobs_added_left(struct request *request)
{
	struct todo_ask *ask = request->native;

	ask->user = NULL;
	request_destroy(request);
}

static struct jobs_run jobs_run_of(struct request *request, const char **ret_wrong)
{
	const struct http_field *idem = http_head_find(&request->head, STR("idempotency-key"));
	struct jobs_run run = {
		.todo = { .kind = TODO_JOB,
			  .target = request_param(request, STR("name")),
			  .due_wall_ns = clock_wall_ns(),
			  .tries = 5,
			  .pause_ms = 10000 },
		.plain = true,
	};

	*ret_wrong = jobs_read_body(request, &run);
	if (idem && idem->value.len > 0) {
		run.todo.idem = arena_printf(&request->arena, "%.*s\n%.*s",
					     STR_ARG(run.todo.target), STR_ARG(idem->value));
		run.plain = false;
	}
	return run;
}

static void jobs_add_run(struct request *request)
{
	const char *wrong;
	struct jobs_run run = jobs_run_of(request, &wrong);
	struct todo_ask *ask = agendas_add(request->worker->server->agendas, &run.todo,
					   request->worker->loop, jobs_added, request);

	if (!ask) {
		request_reply(request, reply_refusal(503));
		return;
	}
	request->native = ask;
	request->on_cancel = jobs_added_left;
}

static const struct job_spec *jobs_find(const struct request *request, struct str name)
{
	const struct generation *generation = request->worker->server->generation;

	for (size_t i = 0; i < generation->n_jobs; i++)
		if (str_eq(generation->jobs[i]->name, name))
			return generation->jobs[i];
	return NULL;
}

void admin_job_run(struct request *request)
{
	const char *wrong;
	struct jobs_run run = jobs_run_of(request, &wrong);
	const struct job_spec *spec = jobs_find(request, run.todo.target);
	struct reply reply;

	if (!spec) {
		jobs_no_such(request, run.todo.target);
	} else if (wrong) {
		reply = reply_problem(&request->arena, 400, STR("invalid_input"), STR_NONE,
				      STR_NONE, str_of(wrong));
		request_reply(request, &reply);
	} else if (run.plain || spec->kind == JOB_SOURCE) { /* which is refused */
		jobs_command(request, JOB_MAY_RUN);         /* then jobs_add_run() */
	} else {
		jobs_add_run(request);
	}
}

void admin_job_pause(struct request *request)
{
	jobs_command(request, JOB_PAUSE);
}

void admin_job_resume(struct request *request)
{
	jobs_command(request, JOB_RESUME);
}
