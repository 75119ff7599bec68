/* server/async/record.c */
#include "server/async/record.h"
#include "server/auth/identity.h"
#include "server/request.h"
#include "server/tls_info.h"
#include <errno.h>

/* Another layout has another one. */
#define RECORD_VERSION STR("1")

/* ------------------------------------------------------------ writing */

static void record_add(struct buf *out, struct str text)
{
	buf_add_u64(out, text.len);
	buf_add_char(out, ':');
	buf_add(out, text);
	buf_add_char(out, ',');
}

static void record_add_bool(struct buf *out, bool yes)
{
	record_add(out, yes ? STR("1") : STR("0"));
}

static void record_add_value(struct buf *out, struct arena *arena, int r, struct value value)
{
	struct buf json;

	if (r == 0 && value_is_null(value)) {
		record_add(out, STR(""));
		return;
	}
	buf_init_arena(&json, arena);
	value_write_json(value, &json);
	if (r < 0 || json.error)
		out->error = -ENOMEM;
	record_add(out, buf_str(&json));
}

static bool record_is_one_of(struct str name, const char *const *names)
{
	for (; *names; names++)
		if (str_eq_nocase(name, str_of(*names)))
			return true;
	return false;
}

static bool record_keeps(const struct request *request, const struct http_field *field)
{
	static const char *const never[] = { "if-match",
					     "if-none-match",
					     "if-modified-since",
					     "if-unmodified-since",
					     "if-range",
					     "range",
					     "expect",
					     "connection",
					     NULL };
	static const char *const always[] = { "content-type", "traceparent", "tracestate", NULL };
	uint64_t roots = request->route->roots;

	if (record_is_one_of(field->name, never))
		return false;
	return roots & ROOT_BIT(ROOT_HEADERS) || record_is_one_of(field->name, always) ||
	       (roots & ROOT_BIT(ROOT_COOKIES) && str_eq_nocase(field->name, STR("cookie")));
}

static void record_add_fields(struct buf *out, const struct request *request)
{
	const struct http_head *head = &request->head;

	for (size_t i = 0; i < head->n_fields; i++) {
		if (!record_keeps(request, &head->fields[i]))
			continue;
		record_add(out, head->fields[i].name);
		record_add(out, head->fields[i].value);
	}
}

void record_write(struct request *request, struct buf *out)
{
	const struct http_head *head = &request->head;
	struct arena *arena = &request->arena;
	uint64_t roots = request->route->roots;
	struct value auth = value_null(), tls = value_null();
	int auth_r = 0, tls_r = 0;

	if (roots & ROOT_BIT(ROOT_AUTH) && request->identity)
		auth_r = identity_root(request->identity, arena, STR_NONE, &auth);
	if (roots & ROOT_BIT(ROOT_TLS))
		tls_r = tls_info_value(request->tls, arena, STR_NONE, &tls);
	record_add(out, RECORD_VERSION);
	record_add(out, head->method);
	record_add(out, head->target);
	record_add(out, head->path);
	record_add_bool(out, head->query.ptr != NULL);
	record_add(out, head->query);
	record_add(out, head->host);
	record_add_bool(out, head->minor);
	record_add_bool(out, request->secure);
	record_add_bool(out, request->by_proxy);
	record_add_bool(out, request->is_form);
	record_add(out, request->client_addr);
	record_add(out, request->peer_addr);
	record_add(out, request->context.id);
	record_add_value(out, arena, auth_r, auth);
	record_add_value(out, arena, tls_r, tls);
	record_add(out, request->body);
	record_add_fields(out, request);
}

/* ------------------------------------------------------------ reading */

/* Once something is wrong, nothing is right behind it. */
struct record_reader {
	struct str rest;
	bool wrong;
};

static struct str record_next(struct record_reader *reader)
{
	ptrdiff_t colon = str_find_char(str_first(reader->rest, 20), ':');
	struct str text;
	uint64_t len;

	if (reader->wrong || colon <= 0 ||
	    str_to_u64(str_first(reader->rest, (size_t)colon), &len) < 0) {
		reader->wrong = true;
		return STR("");
	}
	reader->rest = str_skip(reader->rest, (size_t)colon + 1);
	if (len >= reader->rest.len || reader->rest.ptr[len] != ',') {
		reader->wrong = true;
		return STR("");
	}
	text = str_first(reader->rest, (size_t)len);
	reader->rest = str_skip(reader->rest, (size_t)len + 1);
	return text;
}

static bool record_next_bool(struct record_reader *reader)
{
	struct str text = record_next(reader);

	reader->wrong |= !str_eq(text, STR("0")) && !str_eq(text, STR("1"));
	return str_eq(text, STR("1"));
}

static void record_read_fields(struct record_reader *reader, struct async_record *ret)
{
	ret->n_fields = 0;
	while (!reader->wrong && reader->rest.len && ret->n_fields < HTTP_FIELDS_MAX) {
		struct http_field *field = &ret->fields[ret->n_fields++];

		field->name = record_next(reader);
		field->value = record_next(reader);
	}
	reader->wrong |= reader->rest.len > 0;
}

bool record_read(struct str bytes, struct async_record *ret)
{
	struct record_reader reader = { .rest = bytes };
	bool has_query;

	reader.wrong = !str_eq(record_next(&reader), RECORD_VERSION);
	ret->method = record_next(&reader);
	ret->target = record_next(&reader);
	ret->path = record_next(&reader);
	has_query = record_next_bool(&reader);
	ret->query = record_next(&reader);
	if (!has_query)
		ret->query = STR_NONE;
	ret->host = record_next(&reader);
	ret->minor = record_next_bool(&reader);
	ret->secure = record_next_bool(&reader);
	ret->by_proxy = record_next_bool(&reader);
	ret->is_form = record_next_bool(&reader);
	ret->client_addr = record_next(&reader);
	ret->peer_addr = record_next(&reader);
	ret->id = record_next(&reader);
	ret->auth = record_next(&reader);
	ret->tls = record_next(&reader);
	ret->body = record_next(&reader);
	record_read_fields(&reader, ret);
	return !reader.wrong;
}
