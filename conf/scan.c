/* conf/scan.c */
#include "conf/scan.h"
#include "core/base/check.h"

size_t scan_begin(const struct source *source)
{
	return str_starts_with(source->text, STR("\xef\xbb\xbf")) ? 3 : 0;
}

struct str scan_line(struct str text, size_t offset)
{
	size_t start = MIN(offset, text.len), end = start;

	while (start > 0 && text.ptr[start - 1] != '\n')
		start--;
	while (end < text.len && text.ptr[end] != '\n')
		end++;
	if (end > start && text.ptr[end - 1] == '\r')
		end--;
	return (struct str){ text.ptr + start, end - start };
}

struct place scan_place_at(const struct source *source, size_t offset, size_t len)
{
	struct place place = { source, 1, 1, (uint32_t)len };
	size_t line_start = scan_begin(source);
	size_t end = MIN(offset, source->text.len);

	for (size_t i = line_start; i < end; i++) {
		if (source->text.ptr[i] != '\n')
			continue;
		place.line++;
		line_start = i + 1;
	}
	place.col = (uint32_t)(MAX(end, line_start) - line_start) + 1;
	return place;
}

size_t scan_offset(struct place place)
{
	struct str text = place.source ? place.source->text : STR_NONE;
	size_t at = place.source ? scan_begin(place.source) : 0;

	for (uint32_t line = 1; line < place.line; line++) {
		ptrdiff_t end = str_find_char(str_skip(text, at), '\n');

		if (end < 0)
			return text.len;
		at += (size_t)end + 1;
	}
	at += place.col ? place.col - 1 : 0;
	return MIN(at, text.len);
}

/* ------------------------------------------------------------------ bytes */

static size_t scan_char_len(unsigned char lead)
{
	return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* What is wrong with the ASCII character at `at`, or NULL. */
static const char *scan_ascii_problem(struct str text, size_t at)
{
	char c = text.ptr[at];

	if (c == '\0')
		return "a NUL byte; is this a text file?";
	if (c == '\r' && (at + 1 == text.len || text.ptr[at + 1] != '\n'))
		return "a carriage return that ends no line; end lines with a line feed";
	if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
		return "a control character; remove it, or write it as \"\\x1b\" in double quotes";
	return NULL;
}

/* The same for a longer one of valid UTF-8. */
static const char *scan_wide_problem(struct str bytes)
{
	static const char lines[] =
		"a Unicode line end (U+0085, U+2028 or U+2029); write \\N, \\L or \\P "
		"in double quotes, or a plain line end";

	if (bytes.len == 2 && bytes.ptr[0] == '\xc2' && (unsigned char)bytes.ptr[1] < 0xa0)
		return bytes.ptr[1] == '\x85'
			       ? lines
			       : "a control character; write it as \"\\x9f\" in double quotes";
	if (str_eq(bytes, STR("\xe2\x80\xa8")) || str_eq(bytes, STR("\xe2\x80\xa9")))
		return lines;
	if (str_eq(bytes, STR("\xef\xbb\xbf")))
		return "a byte order mark inside the file; remove it (it is invisible: delete the "
		       "characters around it too, and write them anew)";
	if (str_eq(bytes, STR("\xef\xbf\xbe")) || str_eq(bytes, STR("\xef\xbf\xbf")))
		return "a code point that is no character; remove it";
	return NULL;
}

static bool scan_refuse(const struct source *source, size_t at, const char *problem,
			struct diag *diag)
{
	diag_error(diag, scan_place_at(source, at, 1), "%s", problem);
	return false;
}

static bool scan_refuse_encoding(const struct source *source, size_t at, struct diag *diag)
{
	struct str text = source->text;

	if (at == 0 &&
	    (str_starts_with(text, STR("\xff\xfe")) || str_starts_with(text, STR("\xfe\xff"))))
		return scan_refuse(source, at, "the file is UTF-16; save it as UTF-8", diag);
	diag_error(diag, scan_place_at(source, at, 1),
		   "byte 0x%02x at line %u, column %u is not UTF-8; save the file as UTF-8",
		   (unsigned char)text.ptr[at], scan_place_at(source, at, 1).line,
		   scan_place_at(source, at, 1).col);
	return false;
}

static bool scan_check_bytes(const struct source *source, struct diag *diag)
{
	struct str text = source->text;
	size_t len;

	for (size_t at = scan_begin(source); at < text.len; at += len) {
		unsigned char c = (unsigned char)text.ptr[at];
		const char *problem;

		len = scan_char_len(c);
		if (likely(c >= 0x20 && c < 0x7f))
			continue;
		if (len > text.len - at || !str_is_utf8(str_first(str_skip(text, at), len)))
			return scan_refuse_encoding(source, at, diag);
		problem = len == 1 ? scan_ascii_problem(text, at)
				   : scan_wide_problem(str_first(str_skip(text, at), len));
		if (problem)
			return scan_refuse(source, at, problem, diag);
	}
	return true;
}

/* Directives can only stand before what is content. They have no use here, and libyaml compares
 * each with all the ones before. */
static bool scan_check_head(const struct source *source, struct diag *diag)
{
	struct str rest = str_skip(source->text, scan_begin(source)), line;

	while (rest.len > 0 && str_next_part(&rest, '\n', &line)) {
		struct str trimmed = str_trim_space(line);

		if (str_starts_with(line, STR("%")))
			return scan_refuse(source, (size_t)(line.ptr - source->text.ptr),
					   "a YAML directive (%) has no use here; remove the line",
					   diag);
		if (trimmed.len > 0 && trimmed.ptr[0] != '#')
			return true;
	}
	return true;
}

bool scan_check(const struct source *source, struct diag *diag)
{
	return scan_check_bytes(source, diag) && scan_check_head(source, diag);
}

/* ------------------------------------------------------------------ marks */

void scan_init(struct scan *scan, const struct source *source)
{
	size_t begin = scan_begin(source);

	*scan = (struct scan){ .source = source, .at = begin, .line_start = begin, .line = 1 };
}

static void scan_back(struct scan *scan)
{
	const char *ptr = scan->source->text.ptr;
	size_t begin = scan_begin(scan->source);

	do
		scan->at--;
	while (((unsigned char)ptr[scan->at] & 0xc0) == 0x80);
	scan->index--;
	if (ptr[scan->at] != '\n')
		return;
	scan->line--;
	scan->line_start = scan->at;
	while (scan->line_start > begin && ptr[scan->line_start - 1] != '\n')
		scan->line_start--;
}

static void scan_forward(struct scan *scan)
{
	char c = scan->source->text.ptr[scan->at];

	scan->at += scan_char_len((unsigned char)c);
	scan->index++;
	if (c == '\n') {
		scan->line++;
		scan->line_start = scan->at;
	}
}

size_t scan_seek(struct scan *scan, yaml_mark_t mark)
{
	while (scan->index > mark.index)
		scan_back(scan);
	while (scan->index < mark.index && scan->at < scan->source->text.len)
		scan_forward(scan);
	return scan->at;
}

struct place scan_place(struct scan *scan, yaml_mark_t start, yaml_mark_t end)
{
	struct str text = scan->source->text;
	size_t from = scan_seek(scan, start), to;
	struct place place = { scan->source, scan->line, (uint32_t)(from - scan->line_start) + 1,
			       0 };

	if (end.line == start.line) {
		to = scan_seek(scan, end);
	} else {
		for (to = from; to < text.len && text.ptr[to] != '\n'; to++)
			;
		while (to > from && (text.ptr[to - 1] == ' ' || text.ptr[to - 1] == '\r'))
			to--;
	}
	place.len = (uint32_t)(MAX(to, from) - from);
	return place;
}
