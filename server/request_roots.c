/* server/request_roots.c
 *
 * Nothing is prepared: a root is read out of the head when an expression asks for it, since most
 * requests ask for one or two. A whole root (`${headers}`) is made into an object then. */
#include "server/request_roots.h"
#include "server/async/async.h"
#include "server/auth/identity.h"
#include "server/request_pairs.h"
#include "server/request_query.h"
#include "server/tls_info.h"
#include "server/trace/trace.h"
#include <errno.h>

/* ------------------------------------------------------------ path, headers, cookies */

static int request_rest(struct request *request, struct str *ret)
{
	const struct http_path *path = &request->path;
	struct buf out;

	buf_init_arena(&out, &request->arena);
	for (size_t i = request->match.rest_from; i < path->n_segments; i++) {
		if (i > request->match.rest_from)
			buf_add_char(&out, '/');
		buf_add(&out, path->segments[i]);
	}
	*ret = buf_str(&out);
	return out.error ? -ENOMEM : 0;
}

static int request_path_param(struct request *request, size_t at, struct value *ret)
{
	const struct route_pattern *pattern = &request->route->pattern;
	struct str text = request->match.params[at];

	if (pattern->has_rest && at + 1 == pattern->n_params) {
		int r = request_rest(request, &text);

		if (r < 0)
			return r;
	}
	*ret = value_text(text);
	return 0;
}

static int request_root_path(struct request *request, struct str key, struct value *ret)
{
	const struct route_pattern *pattern = &request->route->pattern;
	struct pairs pairs = { .arena = &request->arena };

	*ret = value_null();
	for (size_t i = 0; i < pattern->n_params; i++) {
		struct value value;
		int r;

		if (key.ptr && !str_eq(pattern->params[i], key))
			continue;
		r = request_path_param(request, i, &value);
		if (r < 0 || key.ptr) {
			*ret = r < 0 ? value_null() : value;
			return r;
		}
		r = pairs_add(&pairs, pattern->params[i], value);
		if (r < 0)
			return r;
	}
	if (!key.ptr)
		*ret = pairs_object(&pairs);
	return 0;
}

static int request_lower(struct arena *arena, struct str text, struct str *ret)
{
	char *copy = arena_alloc(arena, text.len + 1);

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < text.len; i++)
		copy[i] = char_lower(text.ptr[i]);
	*ret = (struct str){ copy, text.len };
	return 0;
}

static int request_root_headers(struct request *request, struct str key, struct value *ret)
{
	struct pairs pairs = { .arena = &request->arena };

	if (key.ptr) {
		const struct http_field *field = http_head_find(&request->head, key);

		*ret = field ? value_text(field->value) : value_null();
		return 0;
	}
	for (size_t i = 0; i < request->head.n_fields; i++) {
		struct str name;
		int r = request_lower(&request->arena, request->head.fields[i].name, &name);

		if (r == 0 && !pairs_find(&pairs, name))
			r = pairs_add(&pairs, name, value_text(request->head.fields[i].value));
		if (r < 0)
			return r;
	}
	*ret = pairs_object(&pairs);
	return 0;
}

/* RFC 6265 §4.2.1: pairs between "; "; of two of one name the first counts. */
static int request_root_cookies(struct request *request, struct str key, struct value *ret)
{
	const struct http_field *field = http_head_find(&request->head, STR("cookie"));
	struct str rest = field ? field->value : STR_NONE, part;
	struct pairs pairs = { .arena = &request->arena };

	*ret = value_null();
	while (str_next_part(&rest, ';', &part)) {
		struct str name, value;
		ptrdiff_t equals;
		int r;

		part = str_trim(part);
		equals = str_find_char(part, '=');
		if (equals <= 0)
			continue;
		name = str_first(part, (size_t)equals);
		value = str_skip(part, (size_t)equals + 1);
		if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
			value = (struct str){ value.ptr + 1, value.len - 2 };
		if (key.ptr && str_eq(name, key)) {
			*ret = value_text(value);
			return 0;
		}
		r = key.ptr || pairs_find(&pairs, name)
			    ? 0
			    : pairs_add(&pairs, name, value_text(value));
		if (r < 0)
			return r;
	}
	if (!key.ptr)
		*ret = pairs_object(&pairs);
	return 0;
}

/* ------------------------------------------------------------ request and client */

struct named_text {
	struct str name, text;
	bool missing; /* null */
};

static int request_named(struct arena *arena, const struct named_text *texts, size_t n_texts,
			 struct str key, struct value *ret)
{
	struct pairs pairs = { .arena = arena };

	*ret = value_null();
	for (size_t i = 0; i < n_texts; i++) {
		struct value value = texts[i].missing ? value_null() : value_text(texts[i].text);
		int r;

		if (key.ptr && str_eq(texts[i].name, key)) {
			*ret = value;
			return 0;
		}
		r = key.ptr ? 0 : pairs_add(&pairs, texts[i].name, value);
		if (r < 0)
			return r;
	}
	if (!key.ptr)
		*ret = pairs_object(&pairs);
	return 0;
}

static int request_root_request(struct request *request, struct str key, struct value *ret)
{
	const struct http_head *head = &request->head;
	const struct str trace = trace_id(request->context.trace);
	const struct named_text texts[] = {
		{ STR("id"), request->context.id, false },
		{ STR("trace_id"), trace, trace.len == 0 },
		{ STR("method"), head->method, false },
		{ STR("path"), head->path, false },
		{ STR("query_string"), head->query, !head->query.ptr },
		{ STR("host"), head->host, false },
		{ STR("scheme"), request->secure ? STR("https") : STR("http"), false },
		{ STR("version"), head->minor ? STR("1.1") : STR("1.0"), false },
		{ STR("body"), request->body, false },
	};

	return request_named(&request->arena, texts, ARRAY_LEN(texts), key, ret);
}

static int request_root_client(struct request *request, struct str key, struct value *ret)
{
	struct str address = request->client_addr, ip = address, port = STR_NONE;
	size_t colon = address.len;

	while (colon > 0 && address.ptr[colon - 1] != ':')
		colon--;
	if (colon > 0 && !str_starts_with(address, STR("unix:"))) {
		port = str_skip(address, colon);
		ip = str_first(address, colon - 1);
		if (ip.len > 2 && ip.ptr[0] == '[')
			ip = (struct str){ ip.ptr + 1, ip.len - 2 };
	}
	const struct named_text texts[] = {
		{ STR("ip"), ip, port.len == 0 },
		{ STR("port"), port, port.len == 0 || str_eq(port, STR("0")) },
		{ STR("address"), address, false },
		{ STR("peer"), request->peer_addr, false },
	};

	return request_named(&request->arena, texts, ARRAY_LEN(texts), key, ret);
}

static int request_root_body(struct request *request, struct str key, struct value *ret)
{
	int r;

	*ret = request->body_value;
	if (!key.ptr)
		return 0;
	r = value_open(ret, &request->arena);
	if (r == 0 && ret->kind != VALUE_NULL && ret->kind != VALUE_OBJECT)
		return -EINVAL;
	if (r == 0 && !value_member(*ret, key, ret))
		*ret = value_null();
	return r;
}

int request_root(struct context *context, enum expr_root root, struct str key, struct value *ret)
{
	struct request *request = container_of(context, struct request, context);

	*ret = value_null();
	switch (root) {
	case ROOT_PATH:
		return request_root_path(request, key, ret);
	case ROOT_QUERY:
		return request_root_query(request, request->head.query, false, key, ret);
	case ROOT_QUERY_ALL:
		return request_root_query(request, request->head.query, true, key, ret);
	case ROOT_HEADERS:
		return request_root_headers(request, key, ret);
	case ROOT_COOKIES:
		return request_root_cookies(request, key, ret);
	case ROOT_FORM:
	case ROOT_FORM_ALL:
		return request_root_form(request, root == ROOT_FORM_ALL, key, ret);
	case ROOT_BODY:
		return request_root_body(request, key, ret);
	case ROOT_REQUEST:
		return request_root_request(request, key, ret);
	case ROOT_CLIENT:
		return request_root_client(request, key, ret);
	case ROOT_AUTH:
		return identity_root(request->identity, &request->arena, key, ret);
	case ROOT_TLS:
		if (request->kept_tls)
			return async_root_tls(request, key, ret);
		return tls_info_value(request->tls, &request->arena, key, ret);
	case ROOT_RUN:
	case ROOT_JOB:
	case ROOT_MESSAGE:
	case ROOT_STATE:
	case ROOT_SENDER:
	case ROOT_ITEM:
	case ROOT_INDEX:
	case ROOT_REPEAT:
	case ROOT_ERROR:
	case ROOT_ENV:
	case ROOT_SECRET:
	case ROOT_WITH:
	case ROOT_CONN:
	case ROOT_TOPIC:
	case N_ROOTS:
		return 0; /* refused at load, or the run's own */
	}
	unreachable();
}
