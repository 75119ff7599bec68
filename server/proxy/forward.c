/* server/proxy/forward.c: the head of a request, as it goes on to an upstream.
 *
 * What the client said of itself in X-Forwarded-* and Forwarded goes on only when it comes from one
 * of the listener's trusted proxies; leat adds what it knows (RFC 7239 §4). Nor does a name that the
 * upstream may take for one of those that leat writes (X_Forwarded_For). */
#include "server/conn_body.h"
#include "server/http/fields.h"
#include "server/proxy/passing.h"
#include "server/request_cache.h"
#include <errno.h>
#include <stdio.h>

enum { OWN_FIELDS = 10 };

/* ------------------------------------------------------------ the target */

static void forward_write_path(const struct request *request, size_t from, struct buf *out)
{
	const struct http_path *path = &request->path;

	for (size_t i = from; i < path->n_segments; i++) {
		if (i > from)
			buf_add_char(out, '/');
		buf_add(out, path->raw[i]);
	}
}

/* What stands in the URL, then the path or the rest of it as it came, then the query. */
static int forward_target(struct passing *passing, struct str *ret_target)
{
	const struct proxy *proxy = passing->proxy;
	struct request *request = passing->request;
	struct str query = request->head.query, base;
	size_t from = proxy->place.has_rest ? request->match.rest_from : 0;
	struct buf out;
	int r = template_eval(proxy->url.target, flow_run_env(&request->run), &base);

	if (r < 0)
		return r;
	buf_init_arena(&out, &request->arena);
	buf_add(&out, base);
	if (proxy->appends)
		forward_write_path(request, from, &out);
	if (query.ptr) {
		buf_add_char(&out, str_has(base, '?') ? '&' : '?');
		buf_add(&out, query);
	}
	*ret_target = buf_str(&out);
	return out.error ? -ENOMEM : 0;
}

/* ------------------------------------------------------------ fields */

struct forward {
	struct passing *passing;
	struct http_field *fields;
	size_t n_fields;
	int error;
};

static void forward_add(struct forward *forward, struct str name, struct str value)
{
	if (!value.ptr)
		forward->error = -ENOMEM;
	else if (!http_is_field_value(value))
		forward->error = -EBADMSG;
	else
		forward->fields[forward->n_fields++] = (struct http_field){ name, value };
}

static bool forward_is_replaced(const struct proxy *proxy, struct str name)
{
	for (size_t i = 0; i < proxy->n_headers; i++)
		if (http_names_alike(proxy->headers[i].name, name))
			return true;
	return false;
}

/* What is asked for one client alone: an answer that is to be kept is asked for whole. */
static bool forward_is_for_one(const struct passing *passing, struct str name)
{
	static const struct str names[] = {
		STR_INIT("range"),         STR_INIT("if-range"),
		STR_INIT("if-none-match"), STR_INIT("if-modified-since"),
		STR_INIT("if-match"),      STR_INIT("if-unmodified-since"),
	};

	for (size_t i = 0; passing->cached && i < ARRAY_LEN(names); i++)
		if (str_eq_nocase(name, names[i]))
			return true;
	return false;
}

static bool forward_is_trace(const struct passing *passing, struct str name)
{
	return passing->request->context.trace &&
	       (str_eq_nocase(name, STR("traceparent")) || str_eq_nocase(name, STR("tracestate")));
}

/* What leat writes itself. */
static bool forward_is_ours(const struct passing *passing, struct str name)
{
	static const struct str ours[] = {
		STR_INIT("host"),
		STR_INIT("via"),
		STR_INIT("x-request-id"),
		STR_INIT("x-forwarded-for"),
		STR_INIT("x-forwarded-proto"),
		STR_INIT("x-forwarded-host"),
		STR_INIT("forwarded"),
	};
	size_t n = passing->proxy->forwarded == FORWARDED_OFF ? 3 : ARRAY_LEN(ours);

	for (size_t i = 0; i < n; i++)
		if (http_names_alike(name, ours[i]))
			return true;
	return forward_is_trace(passing, name);
}

bool passing_writes(const struct passing *passing, struct str name)
{
	return !str_eq_nocase(name, STR("host")) &&
	       (forward_is_replaced(passing->proxy, name) || forward_is_ours(passing, name));
}

/* Values of one name that came, joined as RFC 9110 §5.3 has it; then `more`. */
static struct str forward_joined(struct forward *forward, struct str name, struct str more)
{
	const struct request *request = forward->passing->request;
	struct buf out;

	buf_init_arena(&out, &forward->passing->request->arena);
	for (size_t i = 0; i < request->head.n_fields; i++) {
		if (!str_eq_nocase(request->head.fields[i].name, name))
			continue;
		buf_add(&out, request->head.fields[i].value);
		buf_add(&out, STR(", "));
	}
	buf_add(&out, more);
	return out.error ? STR_NONE : buf_str(&out);
}

/* "127.0.0.1" of "127.0.0.1:4711", "::1" of "[::1]:4711"; "unix:" has none. */
static struct str forward_address(struct str addr)
{
	size_t colon = addr.len;

	if (str_starts_with(addr, STR("unix:")))
		return STR("unknown");
	while (colon > 0 && addr.ptr[colon - 1] != ':')
		colon--;
	addr = str_first(addr, colon ? colon - 1 : addr.len);
	if (addr.len > 2 && addr.ptr[0] == '[')
		addr = str_first(str_skip(addr, 1), addr.len - 2);
	return addr;
}

static struct str forward_scheme(const struct request *request)
{
	return request->secure ? STR("https") : STR("http");
}

static void forward_add_x(struct forward *forward)
{
	const struct request *request = forward->passing->request;
	struct str peer = forward_address(request->peer_addr);
	struct str name = STR("X-Forwarded-For");
	struct str host = request->head.authority;

	forward_add(forward, name, request->by_proxy ? forward_joined(forward, name, peer) : peer);
	forward_add(forward, STR("X-Forwarded-Proto"), forward_scheme(request));
	if (host.len)
		forward_add(forward, STR("X-Forwarded-Host"), host);
}

bool passing_tells_other_origin(const struct passing *passing)
{
	const struct request *request = passing->request;
	const struct http_head *head = &request->head;

	if (passing->proxy->forwarded != FORWARDED_OFF)
		return false;
	for (size_t i = 0; i < head->n_fields; i++) {
		struct str name = head->fields[i].name, value = head->fields[i].value;

		if (http_names_alike(name, STR("forwarded")) ||
		    (http_names_alike(name, STR("x-forwarded-host")) &&
		     !str_eq_nocase(value, head->authority)) ||
		    (http_names_alike(name, STR("x-forwarded-proto")) &&
		     !str_eq_nocase(value, forward_scheme(request))))
			return true;
	}
	return false;
}

/* RFC 7239 §4: a host with a port, and an address of IPv6, are quoted. */
static void forward_add_rfc7239(struct forward *forward)
{
	struct request *request = forward->passing->request;
	struct str peer = forward_address(request->peer_addr);
	struct str host = request->head.authority, name = STR("Forwarded"), element;
	bool quoted = str_has(peer, ':');

	element = arena_printf(&request->arena, "for=%s%.*s%s;proto=%.*s", quoted ? "\"[" : "",
			       STR_ARG(peer), quoted ? "]\"" : "",
			       STR_ARG(forward_scheme(request)));
	if (host.len && !str_has(host, '"') && !str_has(host, '\\'))
		element = arena_printf(&request->arena, "%.*s;host=\"%.*s\"", STR_ARG(element),
				       STR_ARG(host));
	forward_add(forward, name,
		    request->by_proxy ? forward_joined(forward, name, element) : element);
}

static void forward_add_own(struct forward *forward)
{
	struct passing *passing = forward->passing;
	struct request *request = passing->request;
	int forwarded = passing->proxy->forwarded;

	if (forwarded == FORWARDED_X || forwarded == FORWARDED_BOTH)
		forward_add_x(forward);
	if (forwarded == FORWARDED_RFC7239 || forwarded == FORWARDED_BOTH)
		forward_add_rfc7239(forward);
	forward_add(forward, STR("Via"),
		    forward_joined(forward, STR("Via"),
				   request->head.minor ? STR("1.1 leat") : STR("1.0 leat")));
	forward_add(forward, STR("X-Request-Id"), request->context.id);
}

/* headers: of the proxy. A value that is null, or a whole ${…} that gives nothing, takes the field
 * out. */
static void forward_add_said(struct forward *forward)
{
	const struct proxy *proxy = forward->passing->proxy;
	struct expr_env *env = flow_run_env(&forward->passing->request->run);

	for (size_t i = 0; forward->error == 0 && i < proxy->n_headers; i++) {
		const struct proxy_header *header = &proxy->headers[i];
		struct str text = STR_NONE;

		if (!header->value)
			continue;
		forward->error = template_eval(header->value, env, &text);
		if (forward->error || (text.len == 0 && template_is_whole(header->value)))
			continue;
		forward_add(forward, header->name, str_trim(text));
	}
}

static int forward_fields(struct passing *passing, struct http_call_request *ret)
{
	const struct http_head *head = &passing->request->head;
	size_t room = head->n_fields + OWN_FIELDS + passing->proxy->n_headers;
	struct forward forward = { .passing = passing,
				   .fields = arena_alloc_array(&passing->request->arena, room,
							       sizeof(struct http_field)) };
	struct http_field *out = forward.fields;
	struct hop_names hop;
	size_t n = 0;

	if (!out)
		return -ENOMEM;
	if (!hop_names_read(head->fields, head->n_fields, &hop))
		return -EBADMSG;
	for (size_t i = 0; i < head->n_fields; i++)
		if (!hop_names_have(&hop, head->fields[i].name, head->chunked) &&
		    !forward_is_ours(passing, head->fields[i].name) &&
		    !forward_is_for_one(passing, head->fields[i].name))
			out[n++] = head->fields[i];
	forward.n_fields = n;
	forward_add_own(&forward);
	n = 0;
	for (size_t i = 0; i < forward.n_fields; i++)
		if (!forward_is_replaced(passing->proxy, out[i].name))
			out[n++] = out[i];
	forward.n_fields = n;
	if (passing->cached)
		forward.n_fields += request_cache_validators(passing->request, out + n);
	forward_add_said(&forward);
	ret->fields = out;
	ret->n_fields = forward.n_fields;
	return forward.error;
}

/* ------------------------------------------------------------ trailers */

static bool trailer_passes(const struct http_field *fields, size_t n_fields, struct str name)
{
	struct hop_names hop;

	return http_trailer_may_pass(name) && hop_names_read(fields, n_fields, &hop) &&
	       !hop_names_have(&hop, name, false);
}

/* What does not go on in the head, or is replaced there, does not come in behind it either. */
static bool forward_passes_trailer(void *owner, struct str name)
{
	const struct passing *passing = owner;
	const struct http_head *head = &passing->request->head;

	return trailer_passes(head->fields, head->n_fields, name) &&
	       !forward_is_ours(passing, name) && !forward_is_replaced(passing->proxy, name);
}

static bool forward_passes_answered(const struct http_call_response *response, struct str name)
{
	return trailer_passes(response->fields, response->n_fields, name);
}

bool passing_wants_trailers(const struct passing *passing)
{
	const struct http_head *head = &passing->request->head;

	return head->wants_trailers && head->minor >= 1 && !passing->cached;
}

/* ------------------------------------------------------------ the body */

/* Not to what carries requests of its own (RFC 9113 §3.1, RFC 2817): they would pass by the routes,
 * the policies, and what leat says of the client. Upgrade may always be ignored (RFC 9110 §7.8). */
static bool forward_may_switch(struct str protocols)
{
	static const struct str never[] = { STR_INIT("h2c"), STR_INIT("h2"), STR_INIT("h3"),
					    STR_INIT("http"), STR_INIT("tls") };
	struct str element;

	while (http_list_next(&protocols, &element)) {
		ptrdiff_t slash = str_find_char(element, '/');
		struct str name = str_first(element, slash < 0 ? element.len : (size_t)slash);

		for (size_t i = 0; i < ARRAY_LEN(never); i++)
			if (str_eq_nocase(name, never[i]))
				return false;
	}
	return true;
}

static int forward_body(struct passing *passing, struct http_call_request *ret)
{
	struct request *request = passing->request;
	const struct http_head *head = &request->head;
	uint64_t size = head->chunked ? BODY_SIZE_UNKNOWN : head->length;

	ret->has_body = head->chunked || head->has_length;
	if (!conn_has_body(head) && head->upgrade.len && head->method_id == HTTP_GET &&
	    forward_may_switch(head->upgrade))
		ret->upgrade = head->upgrade;
	else if (!conn_has_body(head))
		return 0;
	passing->pipe = pipe_create(request, ret->upgrade.len ? BODY_SIZE_UNKNOWN : size);
	if (!passing->pipe)
		return -ENOMEM;
	passing->pipe->passes_trailer = forward_passes_trailer;
	passing->pipe->owner = passing;
	ret->body_source = &passing->pipe->source;
	return 0;
}

int passing_ask(struct passing *passing, struct http_call_request *ret_request)
{
	const struct proxy *proxy = passing->proxy;
	const struct http_head *head = &passing->request->head;
	int r;

	*ret_request = (struct http_call_request){ .upstream = proxy->url.upstream,
						   .method_id = head->method_id,
						   .method = head->method,
						   .streams = true };
	if (passing_wants_trailers(passing)) {
		ret_request->wants_trailers = true;
		ret_request->passes_trailer = forward_passes_answered;
	}
	if (proxy->preserve_host)
		ret_request->host = passing->request->head.authority;
	r = forward_target(passing, &ret_request->target);
	if (r == 0)
		r = forward_fields(passing, ret_request);
	return r < 0 ? r : forward_body(passing, ret_request);
}
