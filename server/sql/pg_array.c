/* server/sql/pg_array.c */
#include "server/sql/pg_array.h"
#include "server/expr/number.h"
#include <errno.h>

enum { ARRAY_DEPTH_MAX = 6 }; /* of the server */

/* ------------------------------------------------------------ reading */

struct array_reader {
	struct str rest;
	pg_array_fn *write;
	void *arg;
	struct buf *scratch, *out;
	unsigned depth;
};

static char array_next(const struct array_reader *reader)
{
	return reader->rest.len ? reader->rest.ptr[0] : '\0';
}

/* "[0:2]={…}": where its numbers begin does not matter. */
static void array_skip_bounds(struct array_reader *reader)
{
	ptrdiff_t equals = str_find_char(reader->rest, '=');

	if (array_next(reader) == '[' && equals > 0)
		reader->rest = str_skip(reader->rest, (size_t)equals + 1);
}

static bool array_read_quoted(struct array_reader *reader)
{
	buf_clear(reader->scratch);
	reader->rest = str_skip(reader->rest, 1);
	for (; reader->rest.len; reader->rest = str_skip(reader->rest, 1)) {
		if (reader->rest.ptr[0] == '"') {
			reader->rest = str_skip(reader->rest, 1);
			reader->write(reader->arg, buf_str(reader->scratch), reader->out);
			return true;
		}
		if (reader->rest.ptr[0] == '\\')
			reader->rest = str_skip(reader->rest, 1);
		if (reader->rest.len)
			buf_add_char(reader->scratch, reader->rest.ptr[0]);
	}
	return false;
}

static bool array_read_plain(struct array_reader *reader)
{
	size_t len = 0;
	struct str element;

	while (len < reader->rest.len && reader->rest.ptr[len] != ',' &&
	       reader->rest.ptr[len] != '}' && reader->rest.ptr[len] != '{')
		len++;
	element = str_first(reader->rest, len);
	reader->rest = str_skip(reader->rest, len);
	if (str_eq(element, STR("NULL")))
		buf_add(reader->out, STR("null"));
	else
		reader->write(reader->arg, element, reader->out);
	return len > 0;
}

/* What follows an element: the ends of lists, then a comma, or the end of all. */
static bool array_read_behind(struct array_reader *reader)
{
	while (reader->depth > 0 && array_next(reader) == '}') {
		buf_add_char(reader->out, ']');
		reader->depth--;
		reader->rest = str_skip(reader->rest, 1);
	}
	if (reader->depth == 0)
		return reader->rest.len == 0;
	if (array_next(reader) != ',')
		return false;
	buf_add_char(reader->out, ',');
	reader->rest = str_skip(reader->rest, 1);
	return true;
}

static bool array_read_one(struct array_reader *reader)
{
	bool opened = false;

	for (; array_next(reader) == '{'; opened = true) {
		if (reader->depth++ == ARRAY_DEPTH_MAX)
			return false;
		buf_add_char(reader->out, '[');
		reader->rest = str_skip(reader->rest, 1);
	}
	if (reader->depth == 0)
		return false;
	if (array_next(reader) == '}')
		return opened && array_read_behind(reader);
	if (array_next(reader) == '"' ? !array_read_quoted(reader) : !array_read_plain(reader))
		return false;
	return array_read_behind(reader);
}

bool pg_array_read(struct str text, pg_array_fn *write, void *arg, struct buf *scratch,
		   struct buf *out)
{
	struct array_reader reader = { text, write, arg, scratch, out, 0 };

	array_skip_bounds(&reader);
	do
		if (!array_read_one(&reader))
			return false;
	while (reader.depth > 0);
	return true;
}

/* ------------------------------------------------------------ writing */

static int array_write_text(struct str text, struct buf *out)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\0')
			return -EINVAL;
		if (text.ptr[i] == '"' || text.ptr[i] == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, text.ptr[i]);
	}
	buf_add_char(out, '"');
	return 0;
}

static int array_write_json(struct value value, struct arena *arena, struct buf *out)
{
	struct buf json;

	buf_init_arena(&json, arena);
	value_write_json(value, &json);
	return json.error ? json.error : array_write_text(buf_str(&json), out);
}

static int array_write_one(struct value value, struct arena *arena, struct buf *out)
{
	int r = value_open(&value, arena);

	if (r < 0)
		return r;
	if (value.kind == VALUE_LIST)
		return pg_array_write(value, arena, out);
	if (value.kind == VALUE_TEXT)
		return array_write_text(value_str(value), out);
	if (value.kind == VALUE_NULL)
		buf_add(out, STR("NULL"));
	else if (value.kind == VALUE_OBJECT)
		return array_write_json(value, arena, out);
	else
		value_write_json(value, out);
	return 0;
}

int pg_array_write(struct value list, struct arena *arena, struct buf *out)
{
	int r = value_open(&list, arena);

	if (r < 0 || list.kind != VALUE_LIST)
		return r < 0 ? r : -EINVAL;
	buf_add_char(out, '{');
	for (uint32_t i = 0; r == 0 && i < list.len; i++) {
		if (i)
			buf_add_char(out, ',');
		r = array_write_one(list.items[i], arena, out);
	}
	buf_add_char(out, '}');
	return r;
}
