/* server/gpu/gpu_log.c */
#include "server/gpu/gpu_log.h"
#include "core/base/check.h"

enum { LOG_ENTRIES_MAX = 50 };

struct log_entry {
	bool is_error, is_warning;
	uint32_t line, col;
	struct str message;
};

/* ":LINE:COL:" from `at` on: the length, or 0. */
static size_t log_position(struct str text, size_t at, struct log_entry *entry)
{
	uint64_t numbers[2] = { 0 };
	size_t i = at;

	for (unsigned n = 0; n < 2; n++) {
		size_t start = ++i; /* behind the colon */

		while (i < text.len && i - start < 9 && char_is_digit(text.ptr[i]))
			numbers[n] = numbers[n] * 10 + (uint64_t)(text.ptr[i++] - '0');
		if (i == start || i >= text.len || text.ptr[i] != ':')
			return 0;
	}
	entry->line = (uint32_t)numbers[0];
	entry->col = (uint32_t)numbers[1];
	return i + 1 - at;
}

/* Takes "error: " and the like off the front. */
static bool log_take_level(struct str *text, struct log_entry *entry)
{
	static const struct {
		struct str word;
		bool is_error, is_warning;
	} levels[] = {
		{ STR_INIT("fatal error: "), true, false },
		{ STR_INIT("error: "), true, false },
		{ STR_INIT("warning: "), false, true },
		{ STR_INIT("note: "), false, false },
	};

	for (unsigned i = 0; i < ARRAY_LEN(levels); i++) {
		if (!str_starts_with(*text, levels[i].word))
			continue;
		*text = str_skip(*text, levels[i].word.len);
		entry->is_error = levels[i].is_error;
		entry->is_warning = levels[i].is_warning;
		return true;
	}
	return false;
}

static bool log_read_line(struct str line, struct log_entry *entry)
{
	bool has_level;

	*entry = (struct log_entry){ 0 };
	line = str_trim_space(line);
	has_level = log_take_level(&line, entry);
	for (size_t i = 0; i < line.len; i++) {
		size_t len = line.ptr[i] == ':' ? log_position(line, i, entry) : 0;

		if (!len)
			continue;
		entry->message = str_trim(str_skip(line, i + len));
		return log_take_level(&entry->message, entry) || has_level;
	}
	return false;
}

/* A line that the source does not have is told of the file as a whole. */
static struct place log_place(const struct source *source, const struct log_entry *entry)
{
	struct str rest = source->text, line = STR_NONE;
	uint32_t n = 0;

	while (n < entry->line && str_next_part(&rest, '\n', &line))
		n++;
	if (n < entry->line || n == 0)
		return (struct place){ source, 1, 1, 0 };
	return (struct place){ source, n, MAX(1U, MIN(entry->col, (uint32_t)line.len + 1)), 0 };
}

size_t gpu_log_read(struct str log, const struct source *source, struct diag *diag)
{
	size_t n_errors = 0, n_entries = 0;
	struct log_entry entry;
	struct str line;

	while (n_entries < LOG_ENTRIES_MAX && str_next_part(&log, '\n', &line)) {
		if (!log_read_line(line, &entry) || (!entry.is_error && !entry.is_warning))
			continue;
		if (entry.is_error)
			diag_error(diag, log_place(source, &entry), "%.*s",
				   STR_ARG(str_first(entry.message, 300)));
		else
			diag_warning(diag, log_place(source, &entry), "%.*s",
				     STR_ARG(str_first(entry.message, 300)));
		n_errors += entry.is_error;
		n_entries++;
	}
	return n_errors;
}
