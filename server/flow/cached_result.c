/* server/flow/cached_result.c: the fields of a task's result as bytes, for a cache.
 *
 *   { name length (1), name, kind (1), length (4, little-endian), bytes }…
 *
 * A text is its own bytes, whatever they are; all else is JSON. `kind` is 't' or 'j', in upper case
 * for a secret. The letter behind it, 'u' or 'k', says that the bytes are those of the field
 * before, and are not there again (the text of a body in JSON). A null is left out. */
#include "server/expr/json.h"
#include "server/flow/step.h"
#include <errno.h>

enum { FIELD_HEAD = 6 };

struct field {
	struct str name, bytes;
	bool text, secret;
};

static void field_write_length(struct buf *out, size_t at, size_t len)
{
	for (size_t i = 0; !out->error && i < 4; i++)
		out->data[at + i] = (char)(len >> (8 * i) & 0xff);
}

/* Where the bytes of the field before are. */
struct field_last {
	size_t from, len;
};

static void field_write(struct str name, struct value value, struct buf *out,
			struct field_last *last)
{
	char kind = value.kind == VALUE_TEXT ? 't' : 'j';
	size_t at, from, len;

	buf_add_char(out, (char)name.len);
	buf_add(out, name);
	buf_add_char(out, value.secret ? (char)(kind - 'a' + 'A') : kind);
	at = out->len;
	buf_add(out, STR("0000"));
	from = out->len;
	if (kind == 't')
		buf_add(out, value_str(value));
	else
		value_write_json(value, out);
	if (out->error)
		return;
	len = out->len - from;
	if (len > 0 && len == last->len &&
	    memcmp(out->data + last->from, out->data + from, len) == 0) {
		out->data[at - 1]++;
		out->len = from;
		len = 0;
	} else {
		*last = (struct field_last){ from, len };
	}
	field_write_length(out, at, len);
}

int cached_write(struct flow_run *run, uint32_t index, struct buf *out, bool *ret_secret)
{
	const char *const *fields = run->flow->steps[index].verb->fields;
	struct field_last last = { 0 };

	*ret_secret = false;
	for (; fields && *fields; fields++) {
		struct value value;
		int r = step_field(&run->steps[index], str_of(*fields), &value);

		if (r == -ENOMEM)
			return r;
		if (r < 0 || value_is_null(value))
			continue;
		*ret_secret |= value.secret;
		field_write(str_of(*fields), value, out, &last);
	}
	return out->error;
}

/* False at the end, and where the bytes are not of that form. */
static bool field_next(struct str *rest, struct field *field)
{
	const unsigned char *at = (const unsigned char *)rest->ptr;
	size_t name_len, len = 0;
	char kind;

	if (rest->len < FIELD_HEAD)
		return false;
	name_len = at[0];
	if (rest->len < FIELD_HEAD + name_len)
		return false;
	for (size_t i = 0; i < 4; i++)
		len |= (size_t)at[2 + name_len + i] << (8 * i);
	if (rest->len - FIELD_HEAD - name_len < len)
		return false;
	field->name = str_first(str_skip(*rest, 1), name_len);
	kind = char_lower(rest->ptr[1 + name_len]);
	field->secret = kind != rest->ptr[1 + name_len];
	field->text = kind == 't' || kind == 'u';
	if (kind == 't' || kind == 'j')
		field->bytes = str_first(str_skip(*rest, FIELD_HEAD + name_len), len);
	else if ((kind != 'u' && kind != 'k') || len > 0)
		return false;
	*rest = str_skip(*rest, FIELD_HEAD + name_len + len);
	return true;
}

bool cached_is_valid(struct str bytes)
{
	struct json_error error;
	struct field field = { 0 };

	while (bytes.len > 0) {
		if (!field_next(&bytes, &field))
			return false;
		if (field.secret || (!field.text && !json_check(field.bytes, &error)))
			return false;
	}
	return true;
}

int cached_read(struct str bytes, struct str name, struct arena *arena, struct value *ret)
{
	struct field field = { 0 };
	int r = 0;

	*ret = value_null();
	while (field_next(&bytes, &field)) {
		if (!str_eq(field.name, name))
			continue;
		if (field.text)
			*ret = value_text(field.bytes);
		else
			r = value_json(ret, arena, field.bytes);
		ret->secret |= field.secret;
		return r;
	}
	return 0;
}
