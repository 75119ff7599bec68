/* server/admin/explain.c: routes and explain: for people who edit, from a file or from the running
 * daemon. */
#include "server/admin/admin.h"
#include "server/expr/json.h"
#include "server/live/events.h"
#include "server/live/websocket.h"
#include "server/peers/peer_loop.h"

/* ------------------------------------------------------------ routes */

static const char *route_ending(const struct route *route)
{
	if (route->files)
		return "files";
	if (route->proxy)
		return "proxy";
	if (route_is_live(route))
		return route->websocket ? "websocket" : "events";
	if (route->native)
		return route->native == peer_accept ? "a connection of a peer" : "runs";
	if (route->async)
		return "async";
	if (!route->reply)
		return "204";
	return route->constant ? "constant reply" : "reply";
}

struct live_view admin_live_view(const struct route *route)
{
	if (!route_is_live(route))
		return (struct live_view){ 0 };
	return route->websocket ? websocket_view(route->websocket) : events_view(route->events);
}

/* Those of its handlers, too. */
static size_t route_n_tasks(const struct route *route)
{
	struct live_view view = admin_live_view(route);
	size_t n_tasks = flow_n_tasks(route->flow);

	for (size_t i = 0; i < view.n_handlers; i++)
		n_tasks += flow_n_tasks(view.handlers[i].handler->flow);
	return n_tasks;
}

void admin_write_routes(const struct generation *generation, struct buf *out)
{
	size_t width = 5;

	for (size_t i = 0; i < generation->n_routes; i++)
		width = MAX(width, generation->routes[i]->pattern.text.len);
	width = MIN(width, (size_t)60);
	for (size_t i = 0; i < generation->n_routes; i++) {
		const struct route *route = generation->routes[i];

		buf_printf(out, "%-*.*s  %3zu %s  %-14s  %s:%u\n", (int)width,
			   STR_ARG(route->pattern.text), route_n_tasks(route),
			   route_n_tasks(route) == 1 ? "task " : "tasks", route_ending(route),
			   route->place.source->name, route->place.line);
	}
}

static void write_json_member(struct buf *out, const char *name, struct str value)
{
	buf_printf(out, "\"%s\":", name);
	json_write_text(value, out);
}

void admin_write_routes_json(const struct generation *generation, struct buf *out)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < generation->n_routes; i++) {
		const struct route *route = generation->routes[i];

		buf_add(out, i ? STR(",{") : STR("{"));
		write_json_member(out, "route", route->pattern.text);
		buf_printf(out, ",\"tasks\":%zu,\"constant\":%s,\"timeout_ms\":%llu,",
			   route_n_tasks(route), route->constant ? "true" : "false",
			   (unsigned long long)route->timeout_ms);
		write_json_member(out, "file", str_of(route->place.source->name));
		buf_printf(out, ",\"line\":%u,\"requests\":%llu,\"failures\":%llu",
			   route->place.line, (unsigned long long)atomic_load(&route->tally->n),
			   (unsigned long long)atomic_load(&route->tally->n_failed));
		admin_write_times(route->tally, out);
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
}

/* ------------------------------------------------------------ tasks */

static size_t flow_n_waves(const struct flow *flow)
{
	size_t n_waves = 0;

	for (size_t i = 0; i < flow_n_tasks(flow); i++) {
		struct flow_task_info info;

		flow_task_info(flow, i, &info);
		n_waves = MAX(n_waves, info.wave + 1);
	}
	return n_waves;
}

static void write_indent(struct buf *out, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		buf_add(out, STR("  "));
}

static void write_task(struct buf *out, const struct flow *flow, const struct flow_task_info *info,
		       unsigned depth)
{
	write_indent(out, depth);
	buf_printf(out, "%.*s: %.*s %.*s", STR_ARG(info->name), STR_ARG(info->verb),
		   STR_ARG(info->summary));
	if (info->n_before) {
		buf_add(out, STR("  after"));
		for (size_t i = 0; i < info->n_before; i++) {
			struct flow_task_info before;

			flow_task_info(flow, info->before[i], &before);
			buf_printf(out, "%s %.*s", i ? "," : "", STR_ARG(before.name));
		}
	}
	if (info->timeout_ms)
		buf_printf(out, "  timeout %llums", (unsigned long long)info->timeout_ms);
	if (info->notes.len)
		buf_printf(out, "  %.*s", STR_ARG(info->notes));
	buf_printf(out, "%s%s%s%s\n", info->guard ? "  guard" : "",
		   info->has_default ? "  default" : "", info->optional ? "  optional" : "",
		   info->detached ? "  detached" : "");
}

void admin_write_waves(struct buf *out, const struct flow *flow, unsigned depth)
{
	size_t n_waves = flow_n_waves(flow);

	for (size_t wave = 0; wave < n_waves; wave++) {
		write_indent(out, depth);
		buf_printf(out, "wave %zu:\n", wave + 1);
		for (size_t i = 0; i < flow_n_tasks(flow); i++) {
			struct flow_task_info info;

			flow_task_info(flow, i, &info);
			if (info.wave != wave)
				continue;
			write_task(out, flow, &info, depth + 1);
			if (info.group && depth < 2 * ADMIN_GROUPS_MAX && !info.calls)
				admin_write_waves(out, info.group, depth + 2);
		}
	}
}

void admin_write_handlers(struct buf *out, const struct route *route)
{
	struct live_view view = admin_live_view(route);

	for (size_t i = 0; i < view.n_handlers; i++) {
		const struct live_handler *handler = view.handlers[i].handler;

		buf_printf(out, "%s:  timeout %llums%s\n", view.handlers[i].name,
			   (unsigned long long)handler->timeout_ms,
			   handler->reply ? "  replies" : "");
		admin_write_waves(out, handler->flow, 1);
	}
}

/* ------------------------------------------------------------ explain */

static void write_topics(struct buf *out, const struct node *subscribe)
{
	if (!subscribe)
		return;
	buf_printf(out, "topics   %.*s", STR_ARG(subscribe->text));
	for (size_t i = 0; i < subscribe->n_entries; i++)
		buf_printf(out, "%s%.*s", i ? ", " : "",
			   STR_ARG(subscribe->entries[i].value->text));
	buf_add_char(out, '\n');
}

static void write_match(struct buf *out, const struct route *route,
			const struct router_match *match, const struct http_path *path)
{
	buf_printf(out, "route    %.*s\n", STR_ARG(route->pattern.text));
	buf_printf(out, "file     %s:%u\n", route->place.source->name, route->place.line);
	for (size_t i = 0; i < match->n_params; i++) {
		buf_printf(out, "path     %.*s = ", STR_ARG(route->pattern.params[i]));
		if (!route->pattern.has_rest || i + 1 < route->pattern.n_params) {
			buf_add(out, match->params[i]);
		} else {
			for (size_t j = match->rest_from; j < path->n_segments; j++) {
				if (j > match->rest_from)
					buf_add_char(out, '/');
				buf_add(out, path->segments[j]);
			}
		}
		buf_add_char(out, '\n');
	}
	buf_printf(out, "timeout  %llums\n", (unsigned long long)route->timeout_ms);
	buf_printf(out, "leaving  %s\n",
		   route_is_live(route) ? "the client's leaving lets a handler finish"
		   : route->finishes    ? "the client's leaving lets the tasks finish"
					: "the client's leaving cancels the tasks");
	buf_printf(out, "ending   %s\n", route_ending(route));
	write_topics(out, admin_live_view(route).subscribe);
}

static bool explain_path(struct str target, struct arena *arena, struct str segments[],
			 struct str raw[], struct http_path *path)
{
	ptrdiff_t question = str_find_char(target, '?');

	path->segments = segments;
	path->raw = raw;
	return target.len && target.ptr[0] == '/' &&
	       http_path_parse(question < 0 ? target : str_first(target, (size_t)question), arena,
			       path) == 0;
}

bool admin_write_explain(const struct generation *generation, struct str method, struct str target,
			 struct buf *out, int *ret_status)
{
	struct str segments[HTTP_SEGMENTS_MAX], raw[HTTP_SEGMENTS_MAX], host = STR_NONE;
	struct router_match match = { 0 };
	struct http_path path;
	struct arena arena;
	bool found = false;

	if (target.len && target.ptr[0] != '/') { /* HOST/path */
		ptrdiff_t slash = str_find_char(target, '/');

		host = slash < 0 ? target : str_first(target, (size_t)slash);
		target = slash < 0 ? STR("/") : str_skip(target, (size_t)slash);
	}
	arena_init(&arena, 1 << 20);
	if (!explain_path(target, &arena, segments, raw, &path)) {
		*ret_status = 400;
		buf_add(out, STR("400: that is not a path; write explain GET /user/7\n"));
	} else {
		router_find(generation->router, http_method_find(method), method, host, &path,
			    &match);
		found = match.route != NULL;
		*ret_status = found ? 200 : match.allowed ? 405 : 404;
		if (found) {
			write_match(out, match.route, &match, &path);
			policies_explain(generation, match.route, &path, out);
			admin_write_waves(out, ((const struct route *)match.route)->flow, 0);
			admin_write_handlers(out, match.route);
		} else {
			buf_printf(out,
				   match.allowed ? "405: the path has a route, but not for %.*s\n"
						 : "404: no route matches\n",
				   STR_ARG(method));
		}
	}
	arena_fini(&arena);
	return found;
}

/* ------------------------------------------------------------ endpoints */

void admin_reply_text(struct request *request, int status, struct buf *out)
{
	struct reply reply = { .status = out->error ? 500 : status,
			       .content_type = STR("text/plain; charset=utf-8"),
			       .body = buf_str(out) };

	request_reply(request, &reply);
}

void admin_routes(struct request *request)
{
	struct buf out;

	buf_init_arena(&out, &request->arena);
	buf_add(&out, STR("{\"routes\":"));
	admin_write_routes_json(request->generation, &out);
	buf_add_char(&out, '}');
	request_reply_json(request, out.error ? 500 : 200, buf_str(&out));
}

void admin_explain(struct request *request)
{
	struct str method = request_query(request, STR("method")),
		   path = request_query(request, STR("path"));
	struct buf out;
	int status;

	buf_init_arena(&out, &request->arena);
	admin_write_explain(request->generation, method.len ? method : STR("GET"), path, &out,
			    &status);
	admin_reply_text(request, status, &out);
}
