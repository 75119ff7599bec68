/* core/base/diag.c */
#include "core/base/diag.h"
#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/base/memory.h"
#include <stdlib.h>

enum { ENTRIES_MAX = 1000, LINE_SHOWN_MAX = 240 };

void diag_init(struct diag *diag)
{
	*diag = (struct diag){ 0 };
}

void diag_fini(struct diag *diag)
{
	for (size_t i = 0; i < diag->n_entries; i++) {
		free(diag->entries[i].file);
		free(diag->entries[i].message);
		free(diag->entries[i].source_line);
	}
	free(diag->entries);
	diag_init(diag);
}

/* Control characters would let a file's content write to the terminal of its reader. */
static void diag_make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = *text == '\t' ? ' ' : '?';
}

static char *diag_source_line(struct place place)
{
	struct str rest = place.source->text, line = STR_NONE;
	uint32_t at = 0;
	char *copy;

	while (at < place.line && str_next_part(&rest, '\n', &line))
		at++;
	if (at != place.line || place.line == 0 || place.col > LINE_SHOWN_MAX)
		return NULL;
	line = str_first(line, LINE_SHOWN_MAX);
	copy = mem_strndup(line.len ? line.ptr : "", line.len);
	if (line.len && copy[line.len - 1] == '\r')
		copy[line.len - 1] = '\0';
	diag_make_printable(copy);
	return copy;
}

void diag_add(struct diag *diag, enum diag_level level, struct place place, const char *format,
	      va_list args)
{
	struct diag_entry *entry;

	if (level == DIAG_ERROR)
		diag->n_errors++;
	else
		diag->n_warnings++;
	if (diag->n_entries == ENTRIES_MAX)
		return;
	if ((diag->n_entries & (diag->n_entries - 1)) == 0)
		diag->entries = mem_realloc_array(
			diag->entries, MAX(diag->n_entries * 2, (size_t)1), sizeof(*diag->entries));
	entry = &diag->entries[diag->n_entries++];
	*entry = (struct diag_entry){
		.level = level, .line = place.line, .col = place.col, .len = place.len
	};
	check(vasprintf(&entry->message, format, args) >= 0);
	diag_make_printable(entry->message);
	if (place.source) {
		entry->file = mem_strdup(place.source->name);
		entry->source_line = diag_source_line(place);
	}
}

void diag_error(struct diag *diag, struct place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(diag, DIAG_ERROR, place, format, args);
	va_end(args);
}

void diag_warning(struct diag *diag, struct place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(diag, DIAG_WARNING, place, format, args);
	va_end(args);
}

static int diag_order(const struct diag_entry *a, const struct diag_entry *b)
{
	int by_file = str_cmp(str_of(a->file), str_of(b->file));

	if (by_file != 0)
		return by_file;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->col < b->col ? -1 : a->col > b->col;
}

/* An insertion sort: stable, and the entries are few and nearly in order. */
void diag_sort(struct diag *diag)
{
	for (size_t i = 1; i < diag->n_entries; i++) {
		struct diag_entry entry = diag->entries[i];
		size_t j = i;

		for (; j > 0 && diag_order(&diag->entries[j - 1], &entry) > 0; j--)
			diag->entries[j] = diag->entries[j - 1];
		diag->entries[j] = entry;
	}
}

/* A tab was made one space, so that the caret stands below its column. */
static void diag_write_line(const struct diag_entry *entry, struct buf *out)
{
	size_t shown = strlen(entry->source_line);
	uint32_t len = entry->len ? entry->len : 1;

	buf_printf(out, "%6u | %s\n       | ", entry->line, entry->source_line);
	for (uint32_t i = 1; i < entry->col; i++)
		buf_add_char(out, ' ');
	buf_add_char(out, '^');
	for (uint32_t i = 1; i < len && entry->col + i <= shown; i++)
		buf_add_char(out, '~');
	buf_add_char(out, '\n');
}

void diag_write(const struct diag *diag, struct buf *out)
{
	for (size_t i = 0; i < diag->n_entries; i++) {
		const struct diag_entry *entry = &diag->entries[i];

		if (entry->file && entry->line)
			buf_printf(out, "%s:%u:%u: ", entry->file, entry->line, entry->col);
		else if (entry->file)
			buf_printf(out, "%s: ", entry->file);
		buf_printf(out, "%s: %s\n", entry->level == DIAG_ERROR ? "error" : "warning",
			   entry->message);
		if (entry->source_line)
			diag_write_line(entry, out);
	}
	if (diag->n_errors + diag->n_warnings > diag->n_entries)
		buf_printf(out, "and %zu more\n",
			   diag->n_errors + diag->n_warnings - diag->n_entries);
}

void diag_print(const struct diag *diag, FILE *file)
{
	struct buf out;

	buf_init(&out, SIZE_MAX);
	diag_write(diag, &out);
	if (out.len)
		fwrite(out.data, 1, out.len, file);
	buf_fini(&out);
}

const char *diag_nearest(struct str name, const char *const names[])
{
	unsigned best = name.len <= 3 ? 1 : name.len <= 6 ? 2 : 3;
	const char *nearest = NULL;

	for (; *names; names++) {
		unsigned distance = str_distance(name, str_of(*names), best);

		if (distance <= best && distance < strlen(*names)) {
			nearest = *names;
			if (distance == 0)
				break;
			best = distance - 1;
		}
	}
	return nearest;
}
