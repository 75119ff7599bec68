/* server/jobs/record.c */
#include "server/jobs/record.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/jobs/scheduler.h"
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------ writing */

struct record_write {
	struct store_op op;
	char *name, *schedule;
	int64_t after_wall_ns;
	bool paused, has_entry;
	size_t history_max;
	struct history_entry entry;
};

static int64_t record_write_entry(struct store_db *db, const struct record_write *write)
{
	const struct history_entry *entry = &write->entry;
	struct str job = str_of(write->name);
	int64_t r;

	r = store_write(
		db,
		"insert or replace into job_run (job, number, id, planned, started, ended, retry, "
		"attempt, times, generation, outcome, error, log) values "
		"(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
		STORE_ARGS(store_text(job), store_int((int64_t)entry->number),
			   store_text(str_of(entry->id)), store_int(entry->planned_wall_ns),
			   store_int(entry->started_wall_ns), store_int(entry->ended_wall_ns),
			   store_int(entry->retry_wall_ns), store_int(entry->attempt),
			   store_int((int64_t)entry->times), store_int((int64_t)entry->generation),
			   store_text(str_of(entry->outcome)), store_text(str_of(entry->error)),
			   store_text(str_of(entry->log))));
	if (r < 0)
		return r;
	return store_write(db, "delete from job_run where job = ?1 and number <= ?2",
			   STORE_ARGS(store_text(job), store_int((int64_t)entry->number -
								 (int64_t)write->history_max)));
}

static int record_write_run(struct store_op *op, struct store_db *db)
{
	const struct record_write *write = container_of(op, struct record_write, op);
	int64_t r;

	r = store_write(db,
			"insert or replace into job (name, schedule, paused, after) "
			"values (?1, ?2, ?3, ?4)",
			STORE_ARGS(store_text(str_of(write->name)),
				   store_text(str_of(write->schedule)), store_int(write->paused),
				   store_int(write->after_wall_ns)));
	if (r >= 0 && write->has_entry)
		r = record_write_entry(db, write);
	return (int)MIN(r, INT64_C(0));
}

static void record_write_free(struct record_write *write)
{
	free(write->name);
	free(write->schedule);
	free(write->entry.log);
	free(write);
}

static void record_write_done(struct store_op *op)
{
	record_write_free(container_of(op, struct record_write, op));
}

static void record_submit(struct job *job, const struct history_entry *entry)
{
	struct record_write *write;

	if (!job->scheduler->store || !job->recorded)
		return;
	write = mem_zalloc(sizeof(*write));
	write->op.loop = job->scheduler->loop;
	write->op.run = record_write_run;
	write->op.on_done = record_write_done;
	write->name = mem_strdup(job->name);
	write->schedule = mem_strdup(job->schedule);
	write->after_wall_ns = job->after_wall_ns;
	write->paused = job->paused;
	write->history_max = job->history.max;
	if (entry) {
		write->has_entry = true;
		write->entry = *entry;
		write->entry.log = entry->log ? mem_strdup(entry->log) : NULL;
	}
	if (store_submit(job->scheduler->store, &write->op, sizeof(*write) + HISTORY_LOG_MAX) < 0)
		record_write_free(write); /* the store counts it */
}

void record_entry(struct job *job, uint64_t number)
{
	const struct history_entry *entry = history_find(&job->history, number);

	if (entry)
		record_submit(job, entry);
}

void record_state(struct job *job)
{
	record_submit(job, NULL);
}

/* ------------------------------------------------------------ reading */

static void record_copy(char *out, size_t size, struct str text)
{
	snprintf(out, size, "%.*s", STR_ARG(str_first(text, size - 1)));
}

static void record_read_entry(struct record *record, struct sqlite3_stmt *row)
{
	struct history_entry *entry = &record->entries[record->n_entries];
	struct str log = store_row_text(row, 11);

	*entry = (struct history_entry){
		.number = (uint64_t)store_row_int(row, 0),
		.planned_wall_ns = store_row_int(row, 2),
		.started_wall_ns = store_row_int(row, 3),
		.ended_wall_ns = store_row_int(row, 4),
		.retry_wall_ns = store_row_int(row, 5),
		.attempt = (unsigned)store_row_int(row, 6),
		.times = (uint64_t)store_row_int(row, 7),
		.generation = (uint64_t)store_row_int(row, 8),
		.outcome = history_outcome(store_row_text(row, 9)),
	};
	if (!entry->outcome)
		return;
	record_copy(entry->id, sizeof(entry->id), store_row_text(row, 1));
	record_copy(entry->error, sizeof(entry->error), store_row_text(row, 10));
	entry->log = log.len ? mem_strndup(log.ptr, log.len) : NULL;
	record->n_entries++;
}

static void record_forget(struct record *record)
{
	for (size_t i = 0; i < record->n_entries; i++)
		free(record->entries[i].log);
	record->n_entries = 0;
	free(record->schedule);
	record->schedule = NULL;
	record->is_known = false;
}

static int record_run(struct store_op *op, struct store_db *db)
{
	struct record *record = container_of(op, struct record, op);
	const struct store_arg name = store_text(str_of(record->name));
	struct sqlite3_stmt *row;
	int r;

	record_forget(record);
	row = store_query(db, "select schedule, paused, after from job where name = ?1", &name, 1);
	while ((r = store_row(db, row)) == 1) {
		struct str schedule = store_row_text(row, 0);

		record->is_known = true;
		record->schedule = mem_strndup(schedule.len ? schedule.ptr : "", schedule.len);
		record->paused = store_row_int(row, 1) != 0;
		record->after_wall_ns = store_row_int(row, 2);
	}
	if (r < 0)
		return r;
	row = store_query(
		db,
		"select number, id, planned, started, ended, retry, attempt, times, "
		"generation, outcome, error, log from (select * from job_run where job = ?1 "
		"order by number desc limit ?2) order by number",
		STORE_ARGS(name, store_int((int64_t)record->max)));
	while ((r = store_row(db, row)) == 1)
		record_read_entry(record, row);
	return r;
}

static void record_done(struct store_op *op)
{
	struct record *record = container_of(op, struct record, op);
	struct job *job = map_find(&record->scheduler->by_name, str_of(record->name));

	if (job && job->record == record) { /* else it has left meanwhile */
		job->record = NULL;
		job_on_record(job, record);
	}
	record_free(record);
}

struct record *record_ask(struct job *job)
{
	struct record *record = mem_zalloc(sizeof(*record));

	record->scheduler = job->scheduler;
	record->name = mem_strdup(job->name);
	record->max = job->history.max;
	record->entries = mem_zalloc(record->max * sizeof(*record->entries));
	record->op.loop = job->scheduler->loop;
	record->op.run = record_run;
	record->op.on_done = record_done;
	if (store_submit(job->scheduler->store, &record->op, sizeof(*record)) == 0)
		return record;
	record_free(record);
	return NULL;
}

void record_free(struct record *record)
{
	record_forget(record);
	free(record->entries);
	free(record->name);
	free(record);
}
