/* server/jobs/history.c */
#include "server/jobs/history.h"
#include "core/base/clock.h"
#include "server/expr/json.h"
#include "server/jobs/civil.h"
#include <inttypes.h>
#include <stdio.h>

static struct history_entry *history_add(struct history *history)
{
	struct history_entry *entry = &history->entries[history->n_added++ % JOB_HISTORY_MAX];

	*entry = (struct history_entry){ .times = 1 };
	return entry;
}

uint64_t history_begin(struct history *history, int64_t planned_wall_ns, int64_t started_wall_ns,
		       unsigned attempt)
{
	struct history_entry *entry = history_add(history);

	entry->planned_wall_ns = planned_wall_ns;
	entry->started_wall_ns = started_wall_ns;
	entry->outcome = "running";
	entry->attempt = attempt;
	return history->n_added - 1;
}

static void history_set_error(struct history_entry *entry, struct str error)
{
	snprintf(entry->error, sizeof(entry->error), "%.*s",
		 STR_ARG(str_first(error, HISTORY_ERROR_MAX)));
}

void history_end(struct history *history, uint64_t number, int64_t ended_wall_ns,
		 const char *outcome, struct str error)
{
	struct history_entry *entry = &history->entries[number % JOB_HISTORY_MAX];

	if (history->n_added - number > JOB_HISTORY_MAX)
		return;
	entry->ended_wall_ns = ended_wall_ns;
	entry->outcome = outcome;
	history_set_error(entry, error);
}

/* The n-th newest. */
static const struct history_entry *history_at(const struct history *history, uint64_t n)
{
	return &history->entries[(history->n_added - 1 - n) % JOB_HISTORY_MAX];
}

static uint64_t history_len(const struct history *history)
{
	return MIN(history->n_added, (uint64_t)JOB_HISTORY_MAX);
}

bool history_skip(struct history *history, int64_t planned_wall_ns, const char *outcome,
		  const char *why)
{
	struct history_entry *entry = &history->entries[(history->n_added - 1) % JOB_HISTORY_MAX];
	bool again = history->n_added > 0 && entry->attempt == 0 &&
		     str_eq(str_of(entry->outcome), str_of(outcome)) &&
		     str_eq(str_of(entry->error), str_of(why));

	if (!again)
		entry = history_add(history);
	else
		entry->times++;
	entry->planned_wall_ns = planned_wall_ns;
	entry->outcome = outcome;
	history_set_error(entry, str_of(why));
	return !again;
}

/* ------------------------------------------------------------ JSON */

void history_write_time(int64_t wall_ns, struct buf *out)
{
	int64_t ms = floor_div(wall_ns, (int64_t)NS_PER_MS);
	struct civil civil = civil_of(floor_div(ms, 1000));

	if (wall_ns == 0) {
		buf_add(out, STR("null"));
		return;
	}
	buf_printf(out, "\"%04" PRId64 "-%02d-%02dT%02d:%02d:%02d.%03dZ\"", civil.year, civil.month,
		   civil.day, civil.hour, civil.minute, civil.second, (int)floor_mod(ms, 1000));
}

static void history_write_entry(const struct history_entry *entry, struct buf *out)
{
	buf_add(out, STR("{\"planned\":"));
	history_write_time(entry->planned_wall_ns, out);
	buf_add(out, STR(",\"started\":"));
	history_write_time(entry->started_wall_ns, out);
	buf_add(out, STR(",\"ended\":"));
	history_write_time(entry->ended_wall_ns, out);
	if (entry->started_wall_ns && entry->ended_wall_ns)
		buf_printf(out, ",\"took_ms\":%" PRId64,
			   (entry->ended_wall_ns - entry->started_wall_ns) / (int64_t)NS_PER_MS);
	buf_printf(out, ",\"attempt\":%u,\"outcome\":\"%s\",\"error\":", entry->attempt,
		   entry->outcome);
	if (entry->error[0])
		json_write_text(str_of(entry->error), out);
	else
		buf_add(out, STR("null"));
	if (entry->times > 1)
		buf_printf(out, ",\"times\":%" PRIu64, entry->times);
	buf_add_char(out, '}');
}

void history_write(const struct history *history, struct buf *out)
{
	buf_add_char(out, '[');
	for (uint64_t n = 0; n < history_len(history); n++) {
		if (n > 0)
			buf_add_char(out, ',');
		history_write_entry(history_at(history, n), out);
	}
	buf_add_char(out, ']');
}

void history_write_last(const struct history *history, struct buf *out)
{
	for (uint64_t n = 0; n < history_len(history); n++) {
		const struct history_entry *entry = history_at(history, n);

		if (entry->started_wall_ns && entry->ended_wall_ns) {
			history_write_entry(entry, out);
			return;
		}
	}
	buf_add(out, STR("null"));
}
