/* server/jobs/history.c */
#include "server/jobs/history.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/expr/json.h"
#include "server/jobs/civil.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const outcomes[] = { "waiting", "running",   "ok",      "failed",
					"timeout", "cancelled", "skipped", "interrupted" };

const char *history_outcome(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
		if (str_eq(name, str_of(outcomes[i])))
			return outcomes[i];
	return NULL;
}

void history_init(struct history *history, size_t max)
{
	*history = (struct history){ .max = max };
}

void history_fini(struct history *history)
{
	for (size_t i = 0; history->entries && i < history->max; i++)
		free(history->entries[i].log);
	free(history->entries);
}

/* A place for the entry of that number, empty. */
static struct history_entry *history_place(struct history *history, uint64_t number)
{
	struct history_entry *entry;

	if (!history->entries)
		history->entries = mem_zalloc(history->max * sizeof(*history->entries));
	entry = &history->entries[number % history->max];
	free(entry->log);
	*entry = (struct history_entry){ .number = number, .times = 1 };
	if (history->first == history->n_added)
		history->first = number;
	history->n_added = number + 1;
	if (history->n_added - history->first > history->max)
		history->first = history->n_added - history->max;
	return entry;
}

static struct history_entry *history_add(struct history *history)
{
	return history_place(history, history->n_added);
}

void history_restore(struct history *history, const struct history_entry *entry)
{
	*history_place(history, entry->number) = *entry;
}

struct history_entry *history_find(struct history *history, uint64_t number)
{
	struct history_entry *entry;

	if (number >= history->n_added || number < history->first)
		return NULL;
	entry = &history->entries[number % history->max];
	return entry->number == number && entry->outcome ? entry : NULL;
}

void history_resize(struct history *history, size_t max)
{
	struct history before = *history;
	struct history_entry *entry;

	if (max == history->max)
		return;
	history_init(history, max);
	for (uint64_t number = before.first; number < before.n_added; number++) {
		entry = history_find(&before, number);
		if (entry)
			history_restore(history, entry);
	}
	history->n_added = before.n_added;
	free(before.entries); /* their logs have moved, or were pushed out */
}

uint64_t history_add_waiting(struct history *history, int64_t planned_wall_ns, const char *id)
{
	struct history_entry *entry = history_add(history);

	entry->planned_wall_ns = planned_wall_ns;
	entry->outcome = "waiting";
	snprintf(entry->id, sizeof(entry->id), "%s", id);
	return entry->number;
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
	struct history_entry *entry = history_find(history, number);

	if (!entry)
		return;
	entry->ended_wall_ns = ended_wall_ns;
	entry->outcome = outcome;
	history_set_error(entry, error);
}

void history_set_log(struct history *history, uint64_t number, struct str log)
{
	struct history_entry *entry = history_find(history, number);

	if (!entry || log.len == 0)
		return;
	free(entry->log);
	entry->log = mem_strndup(log.ptr, log.len);
}

bool history_skip(struct history *history, int64_t planned_wall_ns, const char *outcome,
		  const char *why)
{
	struct history_entry *entry = history->n_added ? history_find(history, history->n_added - 1)
						       : NULL;
	bool again = entry && entry->attempt == 0 &&
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

/* What only those have that belong to a run. */
static void history_write_more(const struct history_entry *entry, struct buf *out)
{
	struct str rest = str_of(entry->log), line;

	if (!entry->id[0])
		return;
	buf_add(out, STR(",\"id\":"));
	json_write_text(str_of(entry->id), out);
	if (entry->generation)
		buf_printf(out, ",\"generation\":%" PRIu64, entry->generation);
	if (entry->retry_wall_ns) {
		buf_add(out, STR(",\"retry\":"));
		history_write_time(entry->retry_wall_ns, out);
	}
	buf_add(out, STR(",\"log\":["));
	for (bool first = true; rest.len && str_next_part(&rest, '\n', &line); first = false) {
		if (!first)
			buf_add_char(out, ',');
		json_write_text(line, out);
	}
	buf_add_char(out, ']');
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
	history_write_more(entry, out);
	buf_add_char(out, '}');
}

void history_write(const struct history *history, struct buf *out)
{
	bool first = true;

	buf_add_char(out, '[');
	for (uint64_t number = history->n_added; number-- > history->first;) {
		const struct history_entry *entry = &history->entries[number % history->max];

		if (!entry->outcome || entry->number != number)
			continue;
		if (!first)
			buf_add_char(out, ',');
		history_write_entry(entry, out);
		first = false;
	}
	buf_add_char(out, ']');
}

void history_write_last(const struct history *history, struct buf *out)
{
	for (uint64_t number = history->n_added; number-- > history->first;) {
		const struct history_entry *entry = &history->entries[number % history->max];

		if (entry->outcome && entry->number == number && entry->started_wall_ns &&
		    entry->ended_wall_ns) {
			history_write_entry(entry, out);
			return;
		}
	}
	buf_add(out, STR("null"));
}
