/* server/jobs/job_restore.c: what a job finds at its start in the store.
 *
 * Runs that were due while leat was not running are treated as `missed` says. Runs that had begun
 * or waited, and have no end, were cut by it: they run again when `retry` leaves them an attempt, or
 * `missed` wants their planned times to be done; else they stay `interrupted`. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/jobs/consumer.h"
#include <errno.h>
#include <stdio.h>

enum { STARTS_MAX = 5 }; /* of a run that is cut each time, if `retry` does not say more */

/* ------------------------------------------------------------ what was missed */

/* Waits for its turn, whatever `overlap` says: it was not due beside the one before it. */
static void job_wait_for(struct job *job, int64_t planned_wall_ns)
{
	struct job_run *run = job_run_create(job, planned_wall_ns);
	int r = run ? job_run_when(run) : -ENOMEM;

	if (r > 0)
		job_wait(job, run);
	else if (r == 0)
		job_skip(job, planned_wall_ns, "skipped", "when");
	else
		job_skip(job, planned_wall_ns, "failed",
			 error_code_name(r == -ENOMEM ? ERROR_MEMORY_LIMIT : ERROR_EXPR_ERROR));
	if (run && r <= 0)
		job_run_destroy(run);
}

static void job_make_up(struct job *job, int64_t after_wall_ns)
{
	int64_t planned_wall_ns[JOB_WAITING_MAX];
	/* then leat was running, and they are late, not missed */
	bool taken_over = store_has_waited(job->scheduler->store);
	size_t max = job->spec->missed == MISSED_ALL ? JOB_WAITING_MAX : 1;
	size_t n_missed =
		timetable_missed(job->spec, timetable_clock(), after_wall_ns, planned_wall_ns, max);

	if (n_missed == 0)
		return;
	job->after_wall_ns = planned_wall_ns[n_missed - 1];
	if (job->spec->missed == MISSED_SKIP && !taken_over) {
		job_skip(job, planned_wall_ns[0], "skipped", "missed");
		return;
	}
	log_info("job runs were missed while %s name=%s runs_now=%zu",
		 taken_over ? "leat was upgraded" : "leat was not running", job->name, n_missed);
	for (size_t i = 0; i < n_missed; i++)
		job_wait_for(job, planned_wall_ns[i]);
}

/* ------------------------------------------------------------ what was cut */

static bool entry_is(const struct history_entry *entry, const char *outcome)
{
	return str_eq(str_of(entry->outcome), str_of(outcome));
}

static bool job_is_cut(const struct history_entry *entry)
{
	return entry_is(entry, "running") || entry_is(entry, "waiting") || entry->retry_wall_ns;
}

/* A later attempt of the same run is among those behind it. */
static bool job_has_later(const struct record *record, size_t i)
{
	for (size_t j = i + 1; j < record->n_entries; j++)
		if (strcmp(record->entries[j].id, record->entries[i].id) == 0)
			return true;
	return false;
}

static bool job_goes_on(const struct job *job, const struct history_entry *entry)
{
	return entry->attempt <= (uint64_t)job->spec->retry_times
		       ? job->spec->retry_times > 0
		       : job->spec->missed != MISSED_SKIP && entry->attempt < STARTS_MAX;
}

static void job_go_on(struct job *job, const struct history_entry *entry)
{
	struct job_run *run = job->n_waiting < JOB_WAITING_MAX
				      ? job_run_create(job, entry->planned_wall_ns)
				      : NULL;

	if (!run)
		return;
	run->attempt = entry->attempt;
	snprintf(run->id, sizeof(run->id), "%s", entry->id);
	run->context.id = str_of(run->id);
	log_info("job run was cut, and runs again name=%s id=%s attempt=%u", job->name, run->id,
		 run->attempt + 1);
	job_wait(job, run);
}

/* `number` is of the entry as it was restored. */
static void job_mark_cut(struct job *job, uint64_t number)
{
	struct history_entry *entry = history_find(&job->history, number);

	if (!entry)
		return;
	if (entry_is(entry, "running") || entry_is(entry, "waiting"))
		entry->outcome = "interrupted";
	entry->retry_wall_ns = 0;
	record_entry(job, number);
}

static void job_take_up(struct job *job, const struct record *record)
{
	for (size_t i = 0; i < record->n_entries; i++) {
		const struct history_entry *entry = &record->entries[i];

		if (!entry->id[0] || !job_is_cut(entry))
			continue;
		job_mark_cut(job, entry->number);
		if (!strchr(entry->id, '#') /* what was asked for is the agenda's to begin again */
		    && !job_has_later(record, i) && job_goes_on(job, entry))
			job_go_on(job, entry);
	}
}

/* ------------------------------------------------------------ all of it */

static void job_restore(struct job *job, struct record *record)
{
	const struct timetable_now now = timetable_clock();
	bool same = record->is_known && strcmp(record->schedule, job->schedule) == 0;

	for (size_t i = 0; i < record->n_entries; i++) {
		history_restore(&job->history, &record->entries[i]);
		record->entries[i].log = NULL; /* it is the history's now */
	}
	job->paused = record->is_known && record->paused;
	job_take_up(job, record);
	if (same && !job->paused && job->spec->kind != JOB_SOURCE) {
		job->after_wall_ns = MAX(job->after_wall_ns, record->after_wall_ns);
		timetable_resume(&job->timetable, job->spec, now, record->after_wall_ns);
		job_make_up(job, record->after_wall_ns);
	}
	record_state(job);
}

void job_on_record(struct job *job, struct record *record)
{
	if (job->scheduler->stopped || !job->spec)
		return;
	if (record->op.result < 0) {
		(void)job_ask_later(job);
	} else {
		job->recorded = true;
		job_restore(job, record);
	}
	if (job->consumer)
		consumer_set(job->consumer);
	job_arm(job);
	job_check_idle(job);
}
