/* server/admin/jobs.c: what the schedulers of all loops say. */
#include "core/base/memory.h"
#include "server/admin/admin.h"
#include "server/admin/gather.h"
#include "server/server.h"
#include "server/store/store.h"
#include <errno.h>
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

static void jobs_no_such(struct gather *gather)
{
	struct reply reply =
		reply_problem(&gather->request->arena, 404, STR("not_found"), STR_NONE, STR_NONE,
			      arena_printf(&gather->request->arena, "there is no job \"%.*s\"",
					   STR_ARG(gather->name)));

	request_reply(gather->request, &reply);
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
	jobs_no_such(gather);
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

static void jobs_command_done(struct gather *gather)
{
	struct request *request = gather->request;
	struct reply reply;

	for (size_t i = 0; i < gather->n_parts; i++) {
		int result = gather->parts[i].result;

		if (result == -ENOENT)
			continue;
		if (result == 0 || result == -EAGAIN) {
			jobs_wait(request, gather->command,
				  result < 0                       ? 0
				  : gather->command == JOB_RUN_NOW ? 202
								   : 200);
			return;
		}
		reply = reply_problem(
			&request->arena, result == -EBUSY || result == -EOPNOTSUPP ? 409 : 500,
			STR("unavailable"), STR_NONE, STR_NONE,
			result == -EOPNOTSUPP
				? STR("the job runs when messages come from its source, not by "
				      "hand")
				: STR("the job is running, and its overlap: does not allow another "
				      "run now"));
		request_reply(request, &reply);
		return;
	}
	jobs_no_such(gather);
}

static void jobs_command(struct request *request, enum job_command command)
{
	gather_start(request, jobs_ask_command, jobs_command_done, (int)command,
		     request_param(request, STR("name")));
}

void admin_job_run(struct request *request)
{
	jobs_command(request, JOB_RUN_NOW);
}

void admin_job_pause(struct request *request)
{
	jobs_command(request, JOB_PAUSE);
}

void admin_job_resume(struct request *request)
{
	jobs_command(request, JOB_RESUME);
}
