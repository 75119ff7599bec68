/* server/verbs/http_redirect.c: an answer that says to ask elsewhere (RFC 9110 §15.4).
 *
 * Whoever answers chooses where to, so that is bounded: by default to the host of the request, where
 * its port stays the same or http becomes https; else to the hosts that the configuration lists. What
 * tells who asks (Authorization, Cookie, Proxy-Authorization, headers made of a secret) never leaves
 * its origin, and is not taken up again when a later redirect comes back to it. */
#include "server/client/http_stream.h"
#include "server/verbs/http.h"
#include <errno.h>

enum { PORT_HTTP = 80, PORT_HTTPS = 443 };

/* Where a call has been. */
struct http_trail {
	unsigned n_steps;
	struct http_hop {
		struct location location;
		struct str method;
	} steps[];
};

static const struct upstream_follow *follow_settings(const struct http_config *config)
{
	if (config->follow_node)
		return &config->follow;
	return config->url.upstream ? &config->url.upstream->follow : NULL;
}

static const struct http_field *follow_field(const struct http_call *call)
{
	static const int statuses[] = { 301, 302, 303, 307, 308 };
	const struct http_call_response *response = &call->response;
	bool redirects = false;

	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		redirects |= response->status == statuses[i];
	for (size_t i = 0; redirects && i < response->n_fields; i++)
		if (str_eq_nocase(response->fields[i].name, STR("location")))
			return &response->fields[i];
	return NULL;
}

static struct location follow_origin(const struct upstream *upstream)
{
	return (struct location){ .secure = upstream->tls != NULL,
				  .authority = upstream->authority };
}

/* The URL of a request. */
static int follow_base(struct arena *arena, const struct http_call_request *request,
		       struct location *ret)
{
	*ret = follow_origin(request->upstream);
	ret->target = request->whole_target
			      ? request->target
			      : arena_printf(arena, "%.*s%.*s", STR_ARG(request->upstream->prefix),
					     STR_ARG(request->target));
	return ret->target.ptr ? 0 : -ENOMEM;
}

/* ------------------------------------------------------------ whether */

static bool follow_is_listed(const struct location *to, const struct str *hosts, size_t n_hosts)
{
	for (size_t i = 0; i < n_hosts; i++)
		if (location_is_at(to, hosts[i]))
			return true;
	return false;
}

/* Why not; NULL: it may. */
static const char *follow_refuses(const struct http_config *config, const struct location *from,
				  const struct location *to)
{
	const struct upstream_follow *follow = follow_settings(config);
	const struct setting_texts *hosts = &config->url.hosts;

	if (from->secure && !to->secure && !follow->allow_http)
		return "which is not https; say follow: {allow_http: true} to allow it";
	if (location_is_same_origin(from, to))
		return NULL;
	if (config->url.upstream && config->url.upstream->via)
		return "which its proxy (via) would not be asked for";
	if (location_is_same_host(from, to) && !from->secure && to->secure &&
	    location_port(from) == PORT_HTTP && location_port(to) == PORT_HTTPS)
		return NULL;
	if (follow_is_listed(to, follow->hosts, follow->n_hosts) ||
	    follow_is_listed(to, hosts->texts, hosts->n_texts))
		return NULL;
	return "which is another host; list it in follow: {allow_hosts: […]} to allow it";
}

/* The same request once more would be answered the same. */
static bool follow_goes_round(const struct http_trail *trail, const struct location *to,
			      struct str method)
{
	for (unsigned i = 0; i < trail->n_steps; i++)
		if (str_eq(trail->steps[i].method, method) &&
		    str_eq(trail->steps[i].location.target, to->target) &&
		    location_is_same_origin(&trail->steps[i].location, to))
			return true;
	return false;
}

/* ------------------------------------------------------------ the next request */

static bool follow_is_about_body(struct str name)
{
	return name.len > 8 && str_eq_nocase(str_first(name, 8), STR("content-"));
}

static bool follow_tells_who(const struct http_config *config, struct str name)
{
	static const char *const names[] = { "authorization", "cookie", "proxy-authorization" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_nocase(name, str_of(names[i])))
			return true;
	for (size_t i = 0; i < config->headers.n_pairs; i++)
		if (config->headers.pairs[i].secret &&
		    str_eq_nocase(name, config->headers.pairs[i].name))
			return true;
	return false;
}

static int follow_filter(struct arena *arena, const struct http_config *config, bool leaves,
			 struct http_call_request *request)
{
	struct http_field *fields =
		arena_alloc_array(arena, request->n_fields + 1, sizeof(*fields));
	size_t n_fields = 0;

	if (!fields)
		return -ENOMEM;
	for (size_t i = 0; i < request->n_fields; i++) {
		struct str name = request->fields[i].name;

		if ((leaves && follow_tells_who(config, name)) ||
		    (!request->has_body && follow_is_about_body(name)))
			continue;
		fields[n_fields++] = request->fields[i];
	}
	request->fields = fields;
	request->n_fields = n_fields;
	return 0;
}

/* 303 asks for another thing; 301 and 302 after a POST are taken so by everybody (RFC 9110 §15.4.2). */
static void follow_set_method(int status, struct http_call_request *request)
{
	bool is_read = request->method_id == HTTP_GET || request->method_id == HTTP_HEAD;

	if (status == 303 ? is_read
			  : status == 307 || status == 308 || request->method_id != HTTP_POST)
		return;
	request->method_id = HTTP_GET;
	request->method = http_method_name(HTTP_GET);
	request->has_body = false;
	request->body = STR_NONE;
}

/* Whom to ask: whoever was asked, the task's own upstream, or the host by its name. A reference in
 * *ret_unnamed, or NULL there. */
static int follow_reach(const struct http_state *state, const struct location *to,
			struct http_call_request *request, struct upstream **ret_unnamed)
{
	const struct http_config *config = state->run->config;
	struct upstream *candidates[] = { request->upstream, config->url.upstream };
	struct client *client = state->run->run->context->client;
	struct location origin;

	*ret_unnamed = NULL;
	for (size_t i = 0; i < ARRAY_LEN(candidates); i++) {
		if (!candidates[i])
			continue;
		origin = follow_origin(candidates[i]);
		if (!location_is_same_origin(&origin, to))
			continue;
		request->upstream = candidates[i];
		if (candidates[i] == state->upstream)
			*ret_unnamed = upstream_ref(state->upstream);
		return 0;
	}
	*ret_unnamed = to->secure ? client_secure_upstream(client, to->authority)
				  : client_upstream(client, to->authority);
	request->upstream = *ret_unnamed;
	return *ret_unnamed ? 0 : -EUSERS;
}

static void follow_go(struct http_state *state, const struct http_call_request *request,
		      struct upstream *unnamed)
{
	struct upstream *before = state->upstream;
	struct step_run *run = state->run;

	state->upstream = unnamed;
	http_call_init(&state->call, run->run->context->client, step_arena(run), request,
		       http_on_answered);
	task_start(&state->call.task, &run->run->scope);
	if (before)
		upstream_unref(before);
}

/* ------------------------------------------------------------ the whole of it */

static int follow_begin_trail(struct http_state *state, const struct location *from, unsigned max)
{
	struct http_trail *trail = state->trail;

	if (!trail) {
		trail = arena_zalloc(step_arena(state->run),
				     sizeof(*trail) + max * sizeof(trail->steps[0]));
		if (!trail)
			return -ENOMEM;
		state->trail = trail;
	}
	if (trail->n_steps < max)
		trail->steps[trail->n_steps++] =
			(struct http_hop){ *from, state->call.request.method };
	else
		return -ELOOP;
	return 0;
}

static void follow_leave(struct http_state *state)
{
	struct upstream *unnamed = take(&state->upstream);

	if (unnamed)
		upstream_unref(unnamed);
}

static void follow_fail(struct http_state *state, const struct location *to, const char *why)
{
	struct step_run *run = state->run;

	step_done(run, ERROR_BAD_RESPONSE,
		  to ? arena_printf(step_arena(run), "%.*s: redirected to %s://%.*s, %s",
				    STR_ARG(state->call.request.upstream->name),
				    to->secure ? "https" : "http",
				    STR_ARG(str_first(to->authority, 80)), why)
		     : arena_printf(step_arena(run), "%.*s: %s",
				    STR_ARG(state->call.request.upstream->name), why));
	follow_leave(state);
}

static void follow_fail_errno(struct http_state *state, int error)
{
	step_done_errno(state->run, error);
	follow_leave(state);
}

static void follow_to(struct http_state *state, const struct location *from,
		      const struct location *to)
{
	const struct http_config *config = state->run->config;
	struct http_call_request request = state->call.request;
	const char *refusal = follow_refuses(config, from, to);
	struct upstream *unnamed;
	int r;

	follow_set_method(state->call.response.status, &request);
	if (!refusal && follow_goes_round(state->trail, to, request.method))
		refusal = "where it was redirected from: that goes round in a circle";
	if (refusal) {
		follow_fail(state, to, refusal);
		return;
	}
	request.target = to->target;
	request.whole_target = true;
	r = follow_filter(step_arena(state->run), config, !location_is_same_origin(from, to),
			  &request);
	if (r == 0)
		r = follow_reach(state, to, &request, &unnamed);
	if (r == -EUSERS)
		follow_fail(state, to, "but too many hosts are called");
	else if (r < 0)
		follow_fail_errno(state, r);
	else
		follow_go(state, &request, unnamed);
}

bool http_follow(struct http_state *state)
{
	const struct upstream_follow *follow = follow_settings(state->run->config);
	struct arena *arena = step_arena(state->run);
	const struct http_field *field;
	struct location from, to;
	int r;

	if (likely(!follow || follow->max == 0))
		return false;
	field = follow_field(&state->call);
	if (!field || state->cancelled)
		return false;
	if (state->call.stream)
		body_source_close(&take(&state->call.stream)->source);
	r = follow_base(arena, &state->call.request, &from);
	if (r == 0)
		r = follow_begin_trail(state, &from, follow->max);
	if (r == 0)
		r = location_resolve(arena, &from, field->value, &to);
	if (r == 0)
		follow_to(state, &from, &to);
	else if (r == -ENOMEM)
		follow_fail_errno(state, r);
	else
		follow_fail(state, NULL,
			    r == -ELOOP ? "redirected too often"
					: "redirected to what is no URL of http or https");
	return true;
}
