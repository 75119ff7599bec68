/* server/redis/resp.c
 *
 *   TYPE --> LINE --> TYPE ...                      integers, simple texts, errors, heads of lists
 *              \----> TEXT --> TEXT_END --> TYPE    texts of known length
 *
 * The lists that an element stands in are levels; when an element ends, so do the levels that it
 * was the last of. */
#include "server/redis/resp.h"
#include <errno.h>

enum {
	FIRST_ROOM = 16,         /* elements of a list for which room is made at first */
	LINE_END_MAX = 64 << 10, /* a line without an end is not RESP */
};

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void resp_begin(struct resp_reader *reader, const struct resp_want *want)
{
	reader->want = *want;
	reader->state = RESP_TYPE;
	reader->status = RESP_OK;
	reader->used = 0;
	reader->depth = 0;
	reader->error_len = 0;
	reader->value = value_null();
}

void resp_skip(struct resp_reader *reader)
{
	reader->want.arena = NULL;
	reader->text = NULL;
}

/* From now on nothing is kept. The first reason counts, but for the size, so that it does not matter
 * how the bytes were cut: what is too large is not looked at. */
static void resp_fail(struct resp_reader *reader, enum resp_status status)
{
	if (reader->status == RESP_OK || (status == RESP_TOO_LARGE && reader->status != RESP_ERROR))
		reader->status = status;
	resp_skip(reader);
}

/* ------------------------------------------------------------ elements */

static bool resp_make_room(struct resp_reader *reader, struct resp_level *level)
{
	uint64_t wanted = (uint64_t)level->n_items + level->n_left;
	uint64_t room = MIN(wanted, level->n_room ? 2 * (uint64_t)level->n_room : FIRST_ROOM);
	struct value *items;

	if (level->n_items < level->n_room)
		return true;
	items = room > UINT32_MAX ? NULL
				  : arena_alloc_array(reader->want.arena, room, sizeof(*items));
	if (!items)
		return false;
	if (level->n_items)
		memcpy(items, level->items, level->n_items * sizeof(*items));
	level->items = items;
	level->n_room = (uint32_t)room;
	return true;
}

/* Adds it to the list that it stands in, or makes it the reply. */
static void resp_keep(struct resp_reader *reader, struct value value)
{
	struct resp_level *level = reader->depth ? &reader->levels[reader->depth - 1] : NULL;

	if (!level)
		reader->value = value;
	else if (reader->want.arena && !resp_make_room(reader, level))
		resp_fail(reader, RESP_MEMORY);
	else if (reader->want.arena)
		level->items[level->n_items++] = value;
}

/* An element has ended; true when the reply has. */
static bool resp_end_element(struct resp_reader *reader, struct value value)
{
	resp_keep(reader, value);
	reader->state = RESP_TYPE;
	while (reader->depth > 0) {
		struct resp_level *level = &reader->levels[reader->depth - 1];

		if (--level->n_left > 0)
			return false;
		reader->depth--;
		resp_keep(reader, value_list(level->items, level->n_items));
	}
	return true;
}

/* ------------------------------------------------------------ texts */

static bool resp_end_text(struct resp_reader *reader)
{
	struct str text = { reader->text, reader->text_len };
	char *out, *at;

	if (!reader->text)
		return resp_end_element(reader, value_null());
	if (!reader->want.base64) {
		if (!str_is_utf8(text))
			resp_fail(reader, RESP_BINARY);
		return resp_end_element(reader, value_text(text));
	}
	at = out = arena_alloc(reader->want.arena, (text.len + 2) / 3 * 4 + 1);
	if (!out) {
		resp_fail(reader, RESP_MEMORY);
		return resp_end_element(reader, value_null());
	}
	for (size_t i = 0; i < text.len; i += 3) {
		size_t n = MIN(text.len - i, (size_t)3);
		uint32_t bits = (uint32_t)(unsigned char)text.ptr[i] << 16;

		if (n > 1)
			bits |= (uint32_t)(unsigned char)text.ptr[i + 1] << 8;
		if (n > 2)
			bits |= (unsigned char)text.ptr[i + 2];
		*at++ = digits[bits >> 18];
		*at++ = digits[bits >> 12 & 63];
		*at++ = n > 1 ? digits[bits >> 6 & 63] : '=';
		*at++ = n > 2 ? digits[bits & 63] : '=';
	}
	return resp_end_element(reader, value_text(str_range(out, at)));
}

static void resp_begin_text(struct resp_reader *reader, uint64_t size)
{
	reader->text_left = size;
	reader->text_len = 0;
	reader->text = NULL;
	reader->state = size ? RESP_TEXT : RESP_TEXT_END;
	reader->cr = false;
	if (reader->used > reader->want.max || size > reader->want.max - reader->used)
		resp_fail(reader, RESP_TOO_LARGE);
	if (!reader->want.arena)
		return;
	reader->text = size < UINT32_MAX / 2 ? arena_alloc(reader->want.arena, size + 1) : NULL;
	if (!reader->text)
		resp_fail(reader, RESP_MEMORY);
}

static size_t resp_read_text(struct resp_reader *reader, struct str bytes)
{
	size_t size = (size_t)MIN(reader->text_left, (uint64_t)bytes.len);

	if (reader->text) {
		memcpy(reader->text + reader->text_len, bytes.ptr, size);
		reader->text_len += (uint32_t)size;
	}
	reader->text_left -= size;
	if (reader->text_left == 0)
		reader->state = RESP_TEXT_END;
	return size;
}

/* ------------------------------------------------------------ lines */

/* What was kept lacks its end. */
static bool resp_line_is_long(const struct resp_reader *reader)
{
	return reader->line_total > RESP_LINE_MAX;
}

/* A number from -1 up. -EPROTO. */
static int resp_length(struct resp_reader *reader, int64_t *ret_length)
{
	struct str line = { reader->line, reader->line_len };

	if (str_to_i64(line, ret_length) < 0 || *ret_length < -1)
		return -EPROTO;
	return 0;
}

static struct value resp_simple_text(struct resp_reader *reader)
{
	struct str line = { reader->line, reader->line_len };

	if (!reader->want.arena)
		return value_null();
	if (resp_line_is_long(reader))
		resp_fail(reader, RESP_TOO_LARGE);
	else if (!str_is_utf8(line))
		resp_fail(reader, RESP_BINARY);
	else
		line = arena_str(reader->want.arena, line);
	if (reader->want.arena && !line.ptr)
		resp_fail(reader, RESP_MEMORY);
	return reader->want.arena ? value_text(line) : value_null();
}

static void resp_take_error(struct resp_reader *reader)
{
	if (reader->error_len == 0) {
		memcpy(reader->error, reader->line, reader->line_len);
		reader->error_len = reader->line_len;
	}
	if (reader->status != RESP_ERROR)
		reader->status = RESP_ERROR;
	resp_skip(reader);
}

static int resp_begin_list(struct resp_reader *reader, uint64_t n_items)
{
	if (reader->depth == RESP_DEPTH_MAX)
		return -EPROTO;
	reader->levels[reader->depth++] = (struct resp_level){ .n_left = n_items };
	reader->state = RESP_TYPE;
	return 0;
}

/* 1: the reply has ended; 0: it goes on; -EPROTO. */
static int resp_end_line(struct resp_reader *reader)
{
	int64_t number;

	switch (reader->type) {
	case '+':
		return resp_end_element(reader, resp_simple_text(reader));
	case '-':
		resp_take_error(reader);
		return resp_end_element(reader, value_null());
	case ':':
		if (str_to_i64((struct str){ reader->line, reader->line_len }, &number) < 0)
			return -EPROTO;
		return resp_end_element(reader, value_int(number));
	case '$':
		if (resp_length(reader, &number) < 0)
			return -EPROTO;
		if (number < 0)
			return resp_end_element(reader, value_null());
		resp_begin_text(reader, (uint64_t)number);
		return 0;
	case '*':
		if (resp_length(reader, &number) < 0)
			return -EPROTO;
		if (number < 0)
			return resp_end_element(reader, value_null());
		if (number == 0)
			return resp_end_element(reader, value_list(NULL, 0));
		return resp_begin_list(reader, (uint64_t)number);
	default:
		return -EPROTO;
	}
}

/* Takes the line's bytes up to its LF. */
static ptrdiff_t resp_read_line(struct resp_reader *reader, struct str bytes, bool *ret_whole)
{
	ptrdiff_t at = str_find_char(bytes, '\n');
	struct str part = at < 0 ? bytes : str_first(bytes, (size_t)at);
	size_t fits = MIN(part.len, RESP_LINE_MAX - reader->line_len);
	int r;

	if (part.len > 0)
		reader->cr = part.ptr[part.len - 1] == '\r';
	if (fits)
		memcpy(reader->line + reader->line_len, part.ptr, fits);
	reader->line_len += fits;
	reader->line_total += part.len;
	if (reader->line_total > LINE_END_MAX)
		return -EPROTO;
	if (at < 0)
		return (ptrdiff_t)part.len;
	if (!reader->cr)
		return -EPROTO;
	if (!resp_line_is_long(reader))
		reader->line_len--;
	r = resp_end_line(reader);
	if (r < 0)
		return r;
	*ret_whole = r > 0;
	return at + 1;
}

static bool resp_is_type(char c)
{
	return c == '+' || c == '-' || c == ':' || c == '$' || c == '*';
}

static int resp_read_type(struct resp_reader *reader, char type)
{
	if (!resp_is_type(type))
		return -EPROTO;
	reader->type = type;
	reader->state = RESP_LINE;
	reader->line_len = reader->line_total = 0;
	reader->cr = false;
	return 1;
}

/* CR and LF, byte by byte. */
static ptrdiff_t resp_read_text_end(struct resp_reader *reader, char c, bool *ret_whole)
{
	if (c != (reader->cr ? '\n' : '\r'))
		return -EPROTO;
	if (!reader->cr)
		reader->cr = true;
	else
		*ret_whole = resp_end_text(reader);
	return 1;
}

static ptrdiff_t resp_step(struct resp_reader *reader, struct str bytes, bool *ret_whole)
{
	switch (reader->state) {
	case RESP_TYPE:
		return resp_read_type(reader, bytes.ptr[0]);
	case RESP_LINE:
		return resp_read_line(reader, bytes, ret_whole);
	case RESP_TEXT:
		return (ptrdiff_t)resp_read_text(reader, bytes);
	case RESP_TEXT_END:
		return resp_read_text_end(reader, bytes.ptr[0], ret_whole);
	}
	unreachable();
}

ptrdiff_t resp_read(struct resp_reader *reader, struct str bytes, bool *ret_whole)
{
	size_t used = 0;

	*ret_whole = false;
	while (used < bytes.len && !*ret_whole) {
		ptrdiff_t n = resp_step(reader, str_skip(bytes, used), ret_whole);

		if (n < 0)
			return n;
		used += (size_t)n;
		reader->used += (size_t)n;
		if (reader->used > reader->want.max)
			resp_fail(reader, RESP_TOO_LARGE);
	}
	return (ptrdiff_t)used;
}

struct resp_reply resp_reply(const struct resp_reader *reader)
{
	struct resp_reply reply = { .status = reader->status };

	if (reader->status == RESP_OK)
		reply.value = reader->value;
	if (reader->status == RESP_ERROR)
		reply.error = (struct str){ reader->error, reader->error_len };
	return reply;
}
