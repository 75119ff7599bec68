/* server/sql/sql_job.c */
#include "server/sql/sql_job.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include <stdio.h>
#include <stdlib.h>

enum sql_job_state {
	SQL_JOB_RUNNING, /* or it waits: the driver has it */
	SQL_JOB_DONE,    /* it is on its way to its loop */
	SQL_JOB_LEFT,    /* nobody wants it any more */
};

static void job_on_post(struct post *post)
{
	struct sql_job *job = container_of(post, struct sql_job, post);

	if (job->on_done)
		job->on_done(job);
	sql_job_free(job);
}

struct sql_job *sql_job_create(struct loop *loop, size_t memory_max, struct arena_budget *budget,
			       size_t n_statements)
{
	struct sql_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	list_init(&job->link);
	job->post.run = job_on_post;
	job->loop = loop;
	atomic_init(&job->state, SQL_JOB_RUNNING);
	arena_init(&job->arena, memory_max);
	job->arena.budget = budget;
	job->n_statements = n_statements;
	job->statements = arena_zalloc(&job->arena, n_statements * sizeof(struct sql_statement));
	buf_init(&job->out, SIZE_MAX);
	if (job->statements)
		return job;
	sql_job_free(job);
	return NULL;
}

void sql_job_free(struct sql_job *job)
{
	if (!job)
		return;
	buf_fini(&job->out);
	arena_fini(&job->arena);
	free(job);
}

void sql_job_fail(struct sql_job *job, enum error_code code, const char *sqlstate,
		  const char *format, ...)
{
	va_list args;

	if (job->code != ERROR_NONE)
		return;
	job->code = code;
	snprintf(job->sqlstate, sizeof(job->sqlstate), "%s", sqlstate ? sqlstate : "");
	va_start(args, format);
	vsnprintf(job->message, sizeof(job->message), format, args);
	va_end(args);
}

bool sql_job_is_over(struct sql_job *job)
{
	if (atomic_load(&job->cancelled))
		sql_job_fail(job, ERROR_CANCELLED, NULL, "cancelled");
	else if (clock_monotonic_ns() >= job->deadline_ns)
		sql_job_fail(job, ERROR_TIMEOUT, NULL, "the timeout of the database passed");
	else
		return false;
	return true;
}

struct sql_value sql_job_arg(const struct sql_job *job, const struct sql_value *arg)
{
	if (arg->kind != SQL_KEPT)
		return *arg;
	return job->statements[arg->statement].kept[arg->kept].value;
}

void sql_job_finish(struct sql_job *job)
{
	if (atomic_exchange(&job->state, SQL_JOB_DONE) == SQL_JOB_LEFT)
		sql_job_free(job);
	else
		loop_post(job->loop, &job->post);
}

bool sql_job_leave_running(struct sql_job *job)
{
	int running = SQL_JOB_RUNNING;

	job->on_done = NULL;
	return atomic_compare_exchange_strong(&job->state, &running, SQL_JOB_LEFT);
}
