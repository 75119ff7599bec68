/* server/expr/json_write.c: values as JSON text. */
#include "server/expr/json.h"
#include "server/expr/json_scan.h"
#include "server/expr/number.h"
#include "server/expr/value_walk.h"
#include <errno.h>

static void write_escape(unsigned char c, struct buf *out)
{
	static const char letters[] = "\bb\ff\nn\rr\tt";
	static const char hex[] = "0123456789abcdef";

	buf_add_char(out, '\\');
	if (c == '"' || c == '\\') {
		buf_add_char(out, (char)c);
		return;
	}
	for (size_t i = 0; i + 1 < sizeof(letters) - 1; i += 2) {
		if ((unsigned char)letters[i] != c)
			continue;
		buf_add_char(out, letters[i + 1]);
		return;
	}
	buf_add(out, STR("u00"));
	buf_add_char(out, hex[c >> 4]);
	buf_add_char(out, hex[c & 15]);
}

/* The run of UTF-8 at `text`; when it is empty its first byte is wrong. */
static struct str utf8_run(struct str text)
{
	size_t done = 0;

	while (done < text.len) {
		struct str rest = str_skip(text, done);
		size_t len = 1;

		while (len <= 4 && len <= rest.len && !str_is_utf8(str_first(rest, len)))
			len++;
		if (len > 4 || len > rest.len)
			break;
		done += len;
	}
	return str_first(text, done);
}

static void write_utf8(struct str text, struct buf *out)
{
	const char *at = text.ptr, *end = text.ptr + text.len;
	uint64_t high = 0;

	while (at < end) {
		const char *stop = json_scan_run(at, end, &high);

		buf_add(out, str_range(at, stop));
		if (stop < end)
			write_escape((unsigned char)*stop++, out);
		at = stop;
	}
}

void json_write_text(struct str text, struct buf *out)
{
	buf_add_char(out, '"');
	if (text.len && str_is_utf8(text)) {
		write_utf8(text, out);
		text.len = 0;
	}
	while (text.len) {
		struct str run = utf8_run(text);

		write_utf8(run, out);
		text = str_skip(text, run.len);
		if (text.len)
			buf_add(out, STR("\xef\xbf\xbd"));
		text = str_skip(text, 1);
	}
	buf_add_char(out, '"');
}

static void write_scalar(const struct value *value, struct buf *out)
{
	char number[NUMBER_TEXT_MAX];

	switch ((enum value_kind)value->kind) {
	case VALUE_NULL:
		buf_add(out, STR("null"));
		break;
	case VALUE_BOOL:
		buf_add(out, value->boolean ? STR("true") : STR("false"));
		break;
	case VALUE_INT:
	case VALUE_REAL:
		buf_add(out, number_write(*value, number));
		break;
	case VALUE_NUMBER:
		buf_add(out, value_str(*value));
		break;
	case VALUE_TEXT:
		json_write_text(value_str(*value), out);
		break;
	case VALUE_LIST:
		buf_add(out, STR("[]")); /* others are opened by value_write_json() */
		break;
	case VALUE_OBJECT:
		buf_add(out, STR("{}"));
		break;
	case VALUE_JSON:
		buf_add(out, value->json->text);
		break;
	}
}

struct write_frame {
	struct value_frame left;
	bool object, first, key; /* key: the next child is one */
};

/* What stands before the next child. */
static void write_between(struct write_frame *frame, struct buf *out)
{
	if (frame->object && !frame->key)
		buf_add_char(out, ':');
	else if (!frame->first)
		buf_add_char(out, ',');
	frame->first = false;
	frame->key = !frame->key;
}

void value_write_json(struct value value, struct buf *out)
{
	struct write_frame frames[VALUE_DEPTH_MAX], *top;
	const struct value *at = &value;
	size_t depth = 0;

	while (!out->error) {
		bool object = at->kind == VALUE_OBJECT;

		if (!value_n_children(at)) {
			write_scalar(at, out);
		} else if (depth == VALUE_DEPTH_MAX) {
			out->error = -EMSGSIZE;
			return;
		} else {
			buf_add_char(out, object ? '{' : '[');
			frames[depth++] =
				(struct write_frame){ value_frame(at), object, true, true };
		}
		for (; depth && frames[depth - 1].left.at == frames[depth - 1].left.end; depth--)
			buf_add_char(out, frames[depth - 1].object ? '}' : ']');
		if (!depth)
			return;
		top = &frames[depth - 1];
		write_between(top, out);
		at = top->left.at++;
	}
}

void value_write_text(struct value value, struct buf *out)
{
	if (value.kind == VALUE_TEXT)
		buf_add(out, value_str(value));
	else if (value.kind != VALUE_NULL)
		value_write_json(value, out);
}
