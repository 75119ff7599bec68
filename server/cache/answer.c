/* server/cache/answer.c
 *
 *   { name length (2), value length (4), name, value }…   little-endian
 */
#include "server/cache/answer.h"
#include "server/http/fields.h"
#include "server/reply.h"
#include <errno.h>

enum { FIELD_HEAD = 6 };

static void put_number(struct buf *out, size_t number, int n_bytes)
{
	for (int i = 0; i < n_bytes; i++)
		buf_add_char(out, (char)(number >> (8 * i) & 0xff));
}

static size_t get_number(const char *at, int n_bytes)
{
	size_t number = 0;

	for (int i = 0; i < n_bytes; i++)
		number |= (size_t)(unsigned char)at[i] << (8 * i);
	return number;
}

void cache_answer_write(const struct http_field *fields, size_t n_fields, struct buf *out)
{
	for (size_t i = 0; i < n_fields; i++) {
		put_number(out, fields[i].name.len, 2);
		put_number(out, fields[i].value.len, 4);
		buf_add(out, fields[i].name);
		buf_add(out, fields[i].value);
	}
}

static bool field_next(struct str *rest, struct http_field *ret)
{
	size_t name_len, value_len;

	if (rest->len < FIELD_HEAD)
		return false;
	name_len = get_number(rest->ptr, 2);
	value_len = get_number(rest->ptr + 2, 4);
	check(FIELD_HEAD + name_len + value_len <= rest->len);
	ret->name = str_first(str_skip(*rest, FIELD_HEAD), name_len);
	ret->value = str_first(str_skip(*rest, FIELD_HEAD + name_len), value_len);
	*rest = str_skip(*rest, FIELD_HEAD + name_len + value_len);
	return true;
}

bool cache_answer_is_valid(int status, struct str head)
{
	while (head.len > 0) {
		struct http_field field;
		size_t size;

		if (head.len < FIELD_HEAD)
			return false;
		size = get_number(head.ptr, 2) + get_number(head.ptr + 2, 4);
		if (size > head.len - FIELD_HEAD)
			return false;
		field_next(&head, &field);
		if (!http_is_token(field.name) || !http_is_field_value(field.value) ||
		    reply_header_is_ours(field.name))
			return false;
	}
	return status >= 200 && status <= 599;
}

struct http_field *cache_answer_fields(const struct cache_entry *entry, struct arena *arena,
				       size_t room, size_t *ret_n_fields)
{
	struct str rest = entry->head;
	struct http_field field, *fields;
	size_t n = 0;

	while (field_next(&rest, &field))
		n++;
	fields = arena_alloc_array(arena, n + room, sizeof(*fields));
	if (!fields)
		return NULL;
	rest = entry->head;
	for (n = 0; field_next(&rest, &field);)
		fields[n++] = field;
	*ret_n_fields = n;
	return fields;
}

/* ------------------------------------------------------------ variants */

/* All lines of one name, as one (RFC 9110 §5.3). */
static void write_values(struct str name, const struct http_field *fields, size_t n_fields,
			 struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < n_fields; i++) {
		if (!str_eq_nocase(fields[i].name, name))
			continue;
		if (any)
			buf_add(out, STR(", "));
		buf_add(out, fields[i].value);
		any = true;
	}
	buf_add_char(out, any ? '\n' : '\r'); /* not there, and there but empty, are two */
}

struct str cache_variant_key(struct str key, struct str vary, const struct http_field *fields,
			     size_t n_fields, struct arena *arena)
{
	struct str rest = vary, name;
	struct buf out;

	buf_init_arena(&out, arena);
	buf_add(&out, key);
	buf_add_char(&out, '\0');
	while (rest.len && str_next_part(&rest, ',', &name))
		write_values(name, fields, n_fields, &out);
	return out.error || out.len > CACHE_KEY_MAX ? STR_NONE : buf_str(&out);
}

/* ------------------------------------------------------------ 304 */

/* What says something of the body that is there, or of the message that it came in. */
static bool field_stays(struct str name)
{
	static const struct str stay[] = {
		STR_INIT("content-encoding"), STR_INIT("content-type"), STR_INIT("content-range"),
		STR_INIT("content-length"),   STR_INIT("vary"),         STR_INIT("set-cookie"),
	};

	for (size_t i = 0; i < ARRAY_LEN(stay); i++)
		if (str_eq_nocase(name, stay[i]))
			return true;
	return false;
}

void cache_answer_freshen(const struct cache_entry *entry, const struct http_field *news,
			  size_t n_news, struct arena *arena, struct buf *out)
{
	size_t n = 0;
	struct http_field *fields = cache_answer_fields(entry, arena, 0, &n);

	if (!fields) {
		out->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (field_stays(fields[i].name) || !http_fields_find(news, n_news, fields[i].name))
			cache_answer_write(&fields[i], 1, out);
	for (size_t i = 0; i < n_news; i++)
		if (!field_stays(news[i].name))
			cache_answer_write(&news[i], 1, out);
}
