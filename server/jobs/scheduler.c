/* server/jobs/scheduler.c: which job runs now; the diagram is in scheduler.h. */
#include "server/jobs/scheduler.h"
#include "conf/units.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/expr/json.h"
#include "server/jobs/consumer.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ASK_AGAIN_MS = 1000, /* when the store does not work */
	ASKS_MAX = 30,
};

static void job_destroy(struct job *job);

/* ------------------------------------------------------------ runs that are due */

static void job_start(struct job *job, struct job_run *run)
{
	list_add(&job->runs, &run->link);
	job->n_running++;
	job->scheduler->n_running++;
	job->n_runs++;
	job_run_start(run);
}

void job_wait(struct job *job, struct job_run *run)
{
	run->entry = history_add_waiting(&job->history, run->planned_wall_ns, run->id);
	run->has_entry = true;
	record_entry(job, run->entry);
	list_add(&job->waiting, &run->link);
	job->n_waiting++;
}

static struct job_run *job_take_waiting(struct job *job)
{
	struct list *link = list_pop(&job->waiting);

	if (!link)
		return NULL;
	job->n_waiting--;
	return container_of(link, struct job_run, link);
}

/* At the end of the process they stay in the record as they are: the next one finds them. */
static void job_drop_waiting(struct job *job)
{
	struct job_run *run;

	while ((run = job_take_waiting(job))) {
		if (!job->scheduler->stopped) {
			history_end(&job->history, run->entry, 0, "cancelled", STR(""));
			record_entry(job, run->entry);
		}
		job_run_destroy(run);
	}
}

void job_skip(struct job *job, int64_t planned_wall_ns, const char *outcome, const char *why)
{
	if (history_skip(&job->history, planned_wall_ns, outcome, why))
		log_info("job run skipped name=%s why=%s", job->name, why);
	record_entry(job, job->history.n_added - 1);
}

void job_check_idle(struct job *job)
{
	struct job_run *run;

	if (job->n_running > 0 || (job->consumer && consumer_is_busy(job->consumer)))
		return;
	if (!job->spec)
		job_destroy(job);
	else if ((run = job_take_waiting(job)))
		job_start(job, run);
}

/* Those that are PAUSING, or all. The job may be gone afterwards. */
static void job_cancel_runs(struct job *job, bool all)
{
	struct job_run *run;

	job->n_running++; /* it is not idle while its list is walked */
	list_each(run, &job->runs, struct job_run, link)
		if (all || run->state == JOB_RUN_PAUSING)
			job_run_cancel(run);
	job->n_running--;
	job_check_idle(job);
}

/* A run is due while others are not over: NULL when it starts or waits, or why it does neither. */
static const char *job_overlap(struct job *job, struct job_run *run)
{
	switch (job->spec->overlap) {
	case OVERLAP_SKIP:
		return "overlap";
	case OVERLAP_QUEUE:
		if (job->n_waiting >= JOB_WAITING_MAX)
			return "queue_full";
		job_wait(job, run);
		return NULL;
	case OVERLAP_PARALLEL:
		if (job->n_running >= JOB_PARALLEL_MAX)
			return "overlap";
		job_start(job, run);
		return NULL;
	case OVERLAP_CANCEL_PREVIOUS: /* it starts when what it cancels has ended */
		job_drop_waiting(job);
		job_wait(job, run);
		job_cancel_runs(job, true);
		return NULL;
	}
	unreachable();
}

/* Whether a run that is asked for now would be. */
static bool job_is_refused(const struct job *job)
{
	if (job->n_running == 0)
		return false;
	switch (job->spec->overlap) {
	case OVERLAP_SKIP:
		return true;
	case OVERLAP_QUEUE:
		return job->n_waiting >= JOB_WAITING_MAX;
	case OVERLAP_PARALLEL:
		return job->n_running >= JOB_PARALLEL_MAX;
	case OVERLAP_CANCEL_PREVIOUS:
		return false;
	}
	unreachable();
}

/* 0, -EBUSY when overlap refuses it; else it was started, put to wait, or recorded as not done. */
static int job_due(struct job *job, int64_t planned_wall_ns)
{
	struct job_run *run = job_run_create(job, planned_wall_ns);
	int r = run ? job_run_when(run) : -ENOMEM;
	const char *refused = NULL;

	if (r > 0 && job->n_running == 0)
		job_start(job, run);
	else if (r > 0)
		refused = job_overlap(job, run);
	else if (r == 0)
		job_skip(job, planned_wall_ns, "skipped", "when");
	else
		job_skip(job, planned_wall_ns, "failed",
			 error_code_name(r == -ENOMEM ? ERROR_MEMORY_LIMIT : ERROR_EXPR_ERROR));
	if (refused)
		job_skip(job, planned_wall_ns, "skipped", refused);
	job->n_failures += r < 0;
	if (run && (r <= 0 || refused))
		job_run_destroy(run);
	return refused ? -EBUSY : 0;
}

/* ------------------------------------------------------------ the clock */

void job_arm(struct job *job)
{
	uint64_t wake_ns = UINT64_MAX;
	bool lives = job->spec && !job->scheduler->stopped;

	if (lives && job->asks_again)
		wake_ns = loop_now_ns(job->scheduler->loop) + ASK_AGAIN_MS * NS_PER_MS;
	else if (lives && job->spec->kind != JOB_SOURCE && !job->paused && !job->record)
		wake_ns = timetable_wake_ns(&job->timetable, job->spec, timetable_clock());
	if (wake_ns == UINT64_MAX)
		timer_stop(&job->timer);
	else
		timer_start_at(&job->timer, wake_ns);
}

static void job_take_due(struct job *job)
{
	int64_t planned_wall_ns;
	enum timetable_due due =
		timetable_take(&job->timetable, job->spec, timetable_clock(), &planned_wall_ns);

	if (due != TIMETABLE_WAIT)
		job->after_wall_ns = planned_wall_ns;
	switch (due) {
	case TIMETABLE_WAIT:
		break;
	case TIMETABLE_RUN:
		(void)job_due(job, planned_wall_ns);
		break;
	case TIMETABLE_MISSED:
		job_skip(job, planned_wall_ns, "skipped", "missed");
		break;
	}
}

bool job_ask_later(struct job *job)
{
	job->asks_again = ++job->n_asked < ASKS_MAX;
	if (job->n_asked == 1)
		log_warning("what the store knows of a job cannot be read name=%s, asking again; "
			    "nothing of it runs meanwhile",
			    job->name);
	if (!job->asks_again)
		log_warning("job is not known to the store name=%s, going on without its record",
			    job->name);
	return job->asks_again;
}

static void job_ask(struct job *job)
{
	job->asks_again = false;
	job->record = record_ask(job);
	if (!job->record && !job_ask_later(job) && job->consumer)
		consumer_set(job->consumer);
}

static void job_on_timer(struct timer *timer)
{
	struct job *job = container_of(timer, struct job, timer);

	if (job->asks_again)
		job_ask(job);
	else
		job_take_due(job);
	job_arm(job);
}

/* ------------------------------------------------------------ jobs */

/* The schedule as text: what is shown, and by which a job knows that it was changed. */
static char *job_describe(const struct job_spec *spec)
{
	char text[32];

	switch (spec->kind) {
	case JOB_EVERY:
		return mem_printf("every %s", units_write_duration(text, spec->every_ms));
	case JOB_DELAY:
		return mem_printf("delay %s", units_write_duration(text, spec->delay_ms));
	case JOB_CRON:
		return mem_printf("cron %.*s, %.*s", STR_ARG(spec->cron_text),
				  STR_ARG(spec->timezone));
	case JOB_SOURCE:
		return mem_printf("%.*s", STR_ARG(spec->source_text));
	}
	unreachable();
}

static struct job *job_create(struct scheduler *scheduler, struct str name)
{
	struct job *job = mem_zalloc(sizeof(*job));

	job->scheduler = scheduler;
	job->name = mem_strndup(name.len ? name.ptr : "", name.len);
	list_init(&job->link);
	list_init(&job->runs);
	list_init(&job->waiting);
	timer_init(&job->timer, scheduler->loop, job_on_timer);
	map_set(&scheduler->by_name, str_of(job->name), job);
	return job;
}

static void job_destroy(struct job *job)
{
	check_that(job->n_running == 0, "n_running=%zu", job->n_running);
	timer_stop(&job->timer);
	consumer_destroy(job->consumer);
	job_drop_waiting(job);
	map_remove(&job->scheduler->by_name, str_of(job->name));
	list_remove(&job->link);
	history_fini(&job->history);
	free(job->schedule);
	free(job->name);
	free(job);
}

static void job_plan(struct job *job)
{
	const struct timetable_now now = timetable_clock();

	if (job->spec->kind != JOB_SOURCE)
		timetable_init(&job->timetable, job->spec, now);
	job->after_wall_ns = now.wall_ns;
	record_state(job);
}

static void job_set(struct job *job, const struct job_spec *spec, void *generation)
{
	char *schedule = job_describe(spec);
	bool changed = !job->spec || strcmp(job->schedule, schedule) != 0;

	free(job->schedule);
	job->schedule = schedule;
	job->spec = spec;
	job->generation = generation;
	if (job->history.max == 0)
		history_init(&job->history, spec->history_max);
	history_resize(&job->history, spec->history_max);
	if (changed)
		job_plan(job);
	if (!job->recorded && !job_is_unknown(job) && job->scheduler->store &&
	    job->history.n_added == 0)
		job_ask(job);
	if (spec->kind == JOB_SOURCE && !job->consumer)
		job->consumer = consumer_create(job);
	if (job->consumer)
		consumer_set(job->consumer);
	job_arm(job);
}

/* It is no more in the configuration. */
static void job_leave(struct job *job)
{
	free(job->schedule);
	job->schedule = mem_strdup(""); /* what is due until it is back it has not missed */
	record_state(job);
	job->spec = NULL;
	if (job->consumer)
		consumer_set(job->consumer);
	job->generation = NULL;
	job_arm(job);
	job_drop_waiting(job);
	job_check_idle(job);
}

void job_on_run_over(struct job_run *run, bool failed)
{
	struct job *job = run->job;

	list_remove(&run->link);
	job->n_running--;
	job->scheduler->n_running--;
	job->n_failures += failed;
	job_run_destroy(run);
	job_check_idle(job);
}

/* ------------------------------------------------------------ the scheduler */

struct scheduler *scheduler_create(struct loop *loop, struct client *client,
				   struct detacher *detacher, size_t memory_max)
{
	struct scheduler *scheduler = mem_zalloc(sizeof(*scheduler));

	scheduler->loop = loop;
	scheduler->client = client;
	scheduler->detacher = detacher;
	scheduler->memory_max = memory_max;
	map_init(&scheduler->by_name);
	list_init(&scheduler->jobs);
	return scheduler;
}

void scheduler_destroy(struct scheduler *scheduler)
{
	struct job *job;

	if (!scheduler)
		return;
	for (unsigned lane = 0; lane < N_LANES; lane++)
		agenda_destroy(scheduler->own[lane]);
	while ((job = list_first(&scheduler->jobs, struct job, link)))
		job_destroy(job);
	map_fini(&scheduler->by_name);
	free(scheduler);
}

void scheduler_set(struct scheduler *scheduler, void *generation, struct job_spec *const specs[],
		   size_t n_specs)
{
	struct list before = LIST_INIT(before);
	struct job *job;

	scheduler->generation = generation;
	list_move_all(&before, &scheduler->jobs);
	for (size_t i = 0; i < n_specs; i++) {
		job = map_find(&scheduler->by_name, specs[i]->name);
		if (!job)
			job = job_create(scheduler, specs[i]->name);
		list_remove(&job->link);
		list_add(&scheduler->jobs, &job->link);
		job_set(job, specs[i], generation);
	}
	while ((job = list_first(&before, struct job, link))) {
		list_remove(&job->link);
		list_add(&scheduler->jobs, &job->link);
		job_leave(job);
	}
	for (unsigned lane = 0; lane < N_LANES; lane++)
		if (scheduler->own[lane])
			agenda_start(scheduler->own[lane]);
}

void scheduler_stop(struct scheduler *scheduler, bool cancel)
{
	struct job *job;

	scheduler->stopped = true;
	for (unsigned lane = 0; lane < N_LANES; lane++)
		if (scheduler->own[lane])
			agenda_stop(scheduler->own[lane], cancel);
	list_each(job, &scheduler->jobs, struct job, link) {
		job_drop_waiting(job);
		timer_stop(&job->timer);
		if (job->consumer)
			consumer_stop(job->consumer, cancel);
		job_cancel_runs(job, cancel);
	}
}

size_t scheduler_n_running(const struct scheduler *scheduler)
{
	size_t n_running = scheduler->n_running;

	for (unsigned lane = 0; lane < N_LANES; lane++)
		if (scheduler->own[lane])
			n_running += agenda_n_running(scheduler->own[lane]);
	return n_running;
}

/* ------------------------------------------------------------ for the admin API */

int scheduler_run_once(struct scheduler *scheduler, struct str name, struct todo_run *todo,
		       struct str args)
{
	struct job *job = scheduler_find(scheduler, name);
	struct job_run *run;

	if (!job || job->spec->kind == JOB_SOURCE)
		return -ENOENT;
	if (job_is_unknown(job) || job->n_waiting >= JOB_WAITING_MAX)
		return -EAGAIN;
	run = job_run_create(job, clock_wall_ns());
	if (!run)
		return -ENOMEM;
	snprintf(run->id, sizeof(run->id), "%s#%" PRId64, job->name, todo_id(todo));
	run->context.id = str_of(run->id);
	run->args = args.len ? mem_strndup(args.ptr, args.len) : NULL;
	run->todo = todo;
	if (job->n_running == 0)
		job_start(job, run);
	else if (job->spec->overlap == OVERLAP_SKIP || job_overlap(job, run))
		job_wait(job, run); /* it was promised */
	return 0;
}

static void job_set_paused(struct job *job, bool paused)
{
	if (job->paused == paused)
		return;
	job->paused = paused;
	if (!paused && job->spec->kind != JOB_SOURCE) {
		timetable_skip(&job->timetable, job->spec, timetable_clock());
		job->after_wall_ns = MAX(job->after_wall_ns, clock_wall_ns());
	}
	if (job->consumer)
		consumer_set(job->consumer);
	record_state(job);
	job_arm(job);
	log_info("job %s name=%s", paused ? "paused" : "resumed", job->name);
}

int scheduler_command(struct scheduler *scheduler, struct str name, enum job_command command)
{
	struct job *job = scheduler_find(scheduler, name);

	if (!job)
		return -ENOENT;
	if (job_is_unknown(job))
		return job->record ? -EAGAIN : -EIO;
	switch (command) {
	case JOB_MAY_RUN:
		if (job->spec->kind == JOB_SOURCE)
			return -EOPNOTSUPP;
		return scheduler->stopped || job_is_refused(job) ? -EBUSY : 0;
	case JOB_RUN_NOW:
		if (job->spec->kind == JOB_SOURCE)
			return -EOPNOTSUPP;
		return scheduler->stopped ? -EBUSY : job_due(job, clock_wall_ns());
	case JOB_PAUSE:
	case JOB_RESUME:
		job_set_paused(job, command == JOB_PAUSE);
		return 0;
	}
	unreachable();
}
