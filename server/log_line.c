/* server/log_line.c */
#include "server/log_line.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/expr/json.h"
#include <stdio.h>
#include <time.h>

#define ACCESS_PHRASE STR("request done")

enum log_level log_line_level(uint32_t kind)
{
	return kind == LOG_KIND_ACCESS ? LOG_INFO : (enum log_level)kind;
}

static void log_line_add_time(int64_t wall_ns, struct buf *out)
{
	int64_t ms = wall_ns / (int64_t)NS_PER_MS;
	time_t seconds = (time_t)(ms / 1000);
	char text[32];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		return;
	buf_add(out, (struct str){ text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) });
	snprintf(text, sizeof(text), ".%03uZ", (unsigned)(ms % 1000) % 1000);
	buf_add(out, str_of(text));
}

static void log_line_add_priority(enum log_level level, struct buf *out)
{
	static const char *const priorities[] = { "<3>", "<4>", "<6>", "<7>" };

	buf_add(out, str_of(priorities[level]));
}

/* ------------------------------------------------------------ reading a line */

static bool log_line_is_key_char(char c)
{
	return char_is_alpha(c) || char_is_digit(c) || c == '_' || c == '.' || c == '-';
}

/* The length of the key when `text` begins with a pair, else 0. */
static size_t log_line_key_len(struct str text)
{
	size_t n = 0;

	while (n < text.len && log_line_is_key_char(text.ptr[n]))
		n++;
	return n < text.len && text.ptr[n] == '=' ? n : 0;
}

/* The length of a quoted value with its quotes; of one without an end, all that is left. */
static size_t log_line_quoted_len(struct str text)
{
	for (size_t n = 1; n < text.len; n++) {
		if (text.ptr[n] == '"')
			return n + 1;
		if (text.ptr[n] == '\\')
			n++;
	}
	return text.len;
}

static struct str log_line_take_word(struct str *rest)
{
	ptrdiff_t space = str_find_char(*rest, ' ');
	struct str word = space < 0 ? *rest : str_first(*rest, (size_t)space);

	*rest = str_skip(*rest, word.len);
	return word;
}

static struct str log_line_take_value(struct str *rest)
{
	struct str value;

	if (rest->len == 0 || rest->ptr[0] != '"') {
		value = log_line_take_word(rest);
		if (rest->len == 0 || !str_ends_with(value, STR(";")))
			return value;
		*rest = str_range(rest->ptr - 1, rest->ptr + rest->len);
		return str_first(value, value.len - 1); /* "error=EMFILE; retrying in 20 ms" */
	}
	value = str_first(*rest, log_line_quoted_len(*rest));
	*rest = str_skip(*rest, value.len);
	return value;
}

/* ------------------------------------------------------------ writing values */

static bool log_line_is_integer(struct str text)
{
	struct str digits = str_starts_with(text, STR("-")) ? str_skip(text, 1) : text;

	if (digits.len == 0 || digits.len > 18 || (digits.ptr[0] == '0' && text.len > 1))
		return false;
	for (size_t i = 0; i < digits.len; i++)
		if (!char_is_digit(digits.ptr[i]))
			return false;
	return true;
}

/* What one escape of log_quote() stands for; `*at` is behind the backslash and moves past it. */
static char log_line_unescape(struct str text, size_t *at)
{
	int high, low;

	if (text.ptr[*at] == 'n')
		return (*at)++, '\n';
	if (text.ptr[*at] != 'x' || text.len - *at < 3)
		return text.ptr[(*at)++];
	high = char_hex(text.ptr[*at + 1]);
	low = char_hex(text.ptr[*at + 2]);
	if (high < 0 || low < 0)
		return text.ptr[(*at)++];
	*at += 3;
	return (char)(high << 4 | low);
}

struct str log_line_plain(struct str value, char *plain)
{
	struct str text = value.len && value.ptr[0] == '"' ? str_skip(value, 1) : value;
	size_t len = 0;

	if (text.len < value.len && str_ends_with(text, STR("\"")))
		text.len--;
	for (size_t at = 0; at < text.len;) {
		char c = text.ptr[at++];

		plain[len++] = c == '\\' && at < text.len ? log_line_unescape(text, &at) : c;
	}
	return (struct str){ plain, len };
}

static void log_line_add_quoted(struct str quoted, struct buf *out)
{
	char plain[LOG_TEXT_MAX];

	json_write_text(log_line_plain(quoted, plain), out);
}

static void log_line_add_value(struct str value, struct buf *out)
{
	if (value.len > 0 && value.ptr[0] == '"')
		log_line_add_quoted(value, out);
	else if (log_line_is_integer(value))
		buf_add(out, value);
	else
		json_write_text(value, out);
}

/* A key of ours does not come twice. */
static void log_line_add_key(struct str key, struct buf *out)
{
	bool ours = str_eq(key, STR("time")) || str_eq(key, STR("level")) ||
		    str_eq(key, STR("message"));

	buf_add(out, ours ? STR(",\"_") : STR(",\""));
	buf_add(out, key);
	buf_add(out, STR("\":"));
}

/* The words that belong to no pair, those behind the pairs too ("…; retrying in 20 ms"), are the
 * message. */
static struct str log_line_message(struct str text, char *message)
{
	size_t len = 0;

	while ((text = str_trim_space(text)).len > 0) {
		size_t key_len = log_line_key_len(text);
		struct str word = { NULL, 0 };

		if (key_len == 0) {
			word = log_line_take_word(&text);
		} else {
			text = str_skip(text, key_len + 1);
			(void)log_line_take_value(&text);
			continue;
		}
		if (len > 0 && word.ptr[0] != ';' && word.ptr[0] != ',')
			message[len++] = ' ';
		memcpy(message + len, word.ptr, word.len);
		len += word.len;
	}
	return (struct str){ message, len };
}

bool log_line_next_pair(struct str *rest, struct str *ret_key, struct str *ret_value)
{
	while ((*rest = str_trim_space(*rest)).len > 0) {
		size_t key_len = log_line_key_len(*rest);

		if (key_len == 0) {
			(void)log_line_take_word(rest);
			continue;
		}
		*ret_key = str_first(*rest, key_len);
		*rest = str_skip(*rest, key_len + 1);
		*ret_value = log_line_take_value(rest);
		return true;
	}
	return false;
}

static void log_line_add_pairs(struct str text, struct buf *out)
{
	struct str key, value;

	while (log_line_next_pair(&text, &key, &value)) {
		log_line_add_key(key, out);
		log_line_add_value(value, out);
	}
}

/* ------------------------------------------------------------ lines */

static void log_line_write_json(const struct log_record *record, struct str text, struct buf *out)
{
	char words[LOG_TEXT_MAX];
	struct str message = log_line_message(text, words);

	if (message.len == 0 && record->kind == LOG_KIND_ACCESS)
		message = ACCESS_PHRASE;
	buf_add(out, STR("{\"time\":\""));
	log_line_add_time(record->wall_ns, out);
	buf_printf(out, "\",\"level\":\"%s\",\"message\":",
		   log_level_name(log_line_level(record->kind)));
	json_write_text(message, out);
	log_line_add_pairs(text, out);
	buf_add_char(out, '}');
}

static void log_line_write_text(bool journal, const struct log_record *record, struct str text,
				struct buf *out)
{
	if (!journal) {
		log_line_add_time(record->wall_ns, out);
		buf_printf(out, " %s ", log_level_name(log_line_level(record->kind)));
	}
	if (record->kind == LOG_KIND_ACCESS && log_line_key_len(text) > 0) {
		buf_add(out, ACCESS_PHRASE);
		buf_add_char(out, ' ');
	}
	buf_add(out, text);
}

void log_line_write(struct log_style style, const struct log_record *record, struct str text,
		    struct buf *out)
{
	char clean[LOG_TEXT_MAX];
	struct str line = { clean, MIN(text.len, sizeof(clean)) };

	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		clean[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	if (style.journal)
		log_line_add_priority(log_line_level(record->kind), out);
	if (style.json)
		log_line_write_json(record, line, out);
	else
		log_line_write_text(style.journal, record, line, out);
	buf_add_char(out, '\n');
}
