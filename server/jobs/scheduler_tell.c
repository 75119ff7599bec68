/* server/jobs/scheduler_tell.c: what is told of jobs: for the admin API. */
#include "core/base/clock.h"
#include "server/expr/json.h"
#include "server/jobs/consumer.h"
#include "server/jobs/scheduler.h"
#include <inttypes.h>

struct job *scheduler_find(struct scheduler *scheduler, struct str name)
{
	struct job *job = map_find(&scheduler->by_name, name);

	return job && job->spec ? job : NULL;
}

static void job_write(const struct job *job, struct buf *out)
{
	int64_t next_wall_ns = 0;

	if (job->spec->kind != JOB_SOURCE && !job->paused && !job->scheduler->stopped)
		(void)timetable_next(&job->timetable, job->spec, timetable_clock(), &next_wall_ns);
	buf_add(out, STR("{\"name\":"));
	json_write_text(str_of(job->name), out);
	buf_add(out, STR(",\"schedule\":"));
	json_write_text(str_of(job->schedule), out);
	buf_add(out, STR(",\"next\":"));
	history_write_time(next_wall_ns, out);
	buf_printf(out, ",\"paused\":%s,\"running\":%zu,\"waiting\":%zu,\"last\":",
		   job->paused ? "true" : "false", job->n_running, job->n_waiting);
	history_write_last(&job->history, out);
	buf_printf(out, ",\"runs\":%" PRIu64 ",\"failures\":%" PRIu64, job->n_runs,
		   job->n_failures);
	if (job->consumer) {
		buf_add(out, STR(",\"messages\":"));
		consumer_write(job->consumer, out);
	}
	buf_add_char(out, '}');
}

void scheduler_write_list(struct scheduler *scheduler, struct buf *out)
{
	struct job *job;
	bool any = false;

	list_each(job, &scheduler->jobs, struct job, link) {
		if (!job->spec)
			continue;
		if (any)
			buf_add_char(out, ',');
		job_write(job, out);
		any = true;
	}
}

bool scheduler_write_history(struct scheduler *scheduler, struct str name, struct buf *out)
{
	struct job *job = scheduler_find(scheduler, name);

	if (job)
		history_write(&job->history, out);
	return job != NULL;
}
