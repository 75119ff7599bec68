/* server/admin/explain.c: routes, explain and graph: for people who edit, from a file or from
 * the running daemon. */
#include "server/admin/admin.h"
#include "server/expr/json.h"
#include <errno.h>
#include <stdio.h>

/* ------------------------------------------------------------ routes */

static const char *route_ending(const struct route *route)
{
	if (route->files)
		return "files";
	if (route->native)
		return "runs";
	if (route->async)
		return "async";
	if (!route->reply)
		return "204";
	return route->constant ? "constant reply" : "reply";
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
			   STR_ARG(route->pattern.text), flow_n_tasks(route->flow),
			   flow_n_tasks(route->flow) == 1 ? "task " : "tasks", route_ending(route),
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
			   flow_n_tasks(route->flow), route->constant ? "true" : "false",
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

/* Groups in groups, as deep as they are shown. */
enum { GROUPS_SHOWN = 8 };

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

static void write_waves(struct buf *out, const struct flow *flow, unsigned depth)
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
			if (info.group && depth < 2 * GROUPS_SHOWN && !info.calls)
				write_waves(out, info.group, depth + 2);
		}
	}
}

/* ------------------------------------------------------------ explain */

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
		   route->finishes ? "the client's leaving lets the tasks finish"
				   : "the client's leaving cancels the tasks");
	buf_printf(out, "ending   %s\n", route_ending(route));
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
			write_waves(out, ((const struct route *)match.route)->flow, 0);
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

/* ------------------------------------------------------------ graph */

/* A name in the picture: those of the groups around it in front. */
struct node_id {
	char text[GROUPS_SHOWN * 68];
};

static struct node_id node_id(const struct node_id *group, struct str name)
{
	struct node_id id;

	snprintf(id.text, sizeof(id.text), "%.*s%s%.*s", (int)sizeof(id.text) - 68,
		 group ? group->text : "", group ? "__" : "", STR_ARG(str_first(name, 64)));
	return id;
}

/* Between quotes: in DOT they are escaped, in Mermaid written as entities. */
static void write_label(struct buf *out, enum graph_format format, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (format == GRAPH_DOT && (c == '"' || c == '\\'))
			buf_printf(out, "\\%c", c);
		else if (format == GRAPH_MERMAID && (c == '"' || c == '<' || c == '>' || c == '#'))
			buf_printf(out, "#%d;", c);
		else
			buf_add_char(out, c);
	}
}

static void write_node(struct buf *out, enum graph_format format, const struct node_id *id,
		       const struct flow_task_info *info)
{
	bool dot = format == GRAPH_DOT;

	buf_printf(out, dot ? "  \"%s\" [label=\"%.*s\\n%.*s" : "  %s[\"%.*s: %.*s", id->text,
		   STR_ARG(info->name), STR_ARG(info->verb));
	if (info->notes.len) {
		buf_add(out, dot ? STR("\\n") : STR("<br>"));
		write_label(out, format, info->notes);
	}
	buf_add(out, dot ? STR("\"];\n") : STR("\"]\n"));
}

/* `inside`: from a group to one in it that waits for nothing there. */
static void write_edge(struct buf *out, enum graph_format format, const struct node_id *from,
		       const struct node_id *to, bool inside)
{
	if (format == GRAPH_DOT)
		buf_printf(out, "  \"%s\" -> \"%s\"%s;\n", from->text, to->text,
			   inside ? " [style=dashed]" : "");
	else
		buf_printf(out, "  %s %s %s\n", from->text, inside ? "-.->" : "-->", to->text);
}

static void write_edges(struct buf *out, enum graph_format format, const struct flow *flow,
			const struct node_id *group, unsigned depth)
{
	for (size_t i = 0; i < flow_n_tasks(flow); i++) {
		struct flow_task_info info, before;
		struct node_id id, before_id;

		flow_task_info(flow, i, &info);
		id = node_id(group, info.name);
		write_node(out, format, &id, &info);
		for (size_t j = 0; j < info.n_before; j++) {
			flow_task_info(flow, info.before[j], &before);
			before_id = node_id(group, before.name);
			write_edge(out, format, &before_id, &id, false);
		}
		if (group && info.n_before == 0)
			write_edge(out, format, group, &id, true);
		if (info.group && !info.calls && depth + 1 < GROUPS_SHOWN)
			write_edges(out, format, info.group, &id, depth + 1);
	}
}

static const struct flow *graph_find(const struct generation *generation, struct str name)
{
	for (size_t i = 0; i < generation->n_routes; i++)
		if (str_eq(generation->routes[i]->pattern.text, name))
			return generation->routes[i]->flow;
	for (size_t i = 0; i < generation->n_jobs; i++)
		if (str_eq(generation->jobs[i]->name, name))
			return generation->jobs[i]->flow;
	return map_find(&generation->flows, name);
}

bool admin_write_graph(const struct generation *generation, struct str name,
		       enum graph_format format, struct buf *out)
{
	const struct flow *flow = graph_find(generation, name);

	if (!flow)
		return false;
	switch (format) {
	case GRAPH_TEXT:
		if (flow_n_tasks(flow) == 0)
			buf_add(out, STR("no tasks\n"));
		write_waves(out, flow, 0);
		break;
	case GRAPH_DOT:
		buf_add(out, STR("digraph tasks {\n  rankdir=LR;\n"));
		write_edges(out, format, flow, NULL, 0);
		buf_add(out, STR("}\n"));
		break;
	case GRAPH_MERMAID:
		buf_add(out, STR("graph LR\n"));
		write_edges(out, format, flow, NULL, 0);
		break;
	}
	return true;
}

/* ------------------------------------------------------------ endpoints */

static void explain_reply_text(struct request *request, int status, struct buf *out)
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
	explain_reply_text(request, status, &out);
}

void admin_graph(struct request *request)
{
	struct str name = request_query(request, STR("name")),
		   format = request_query(request, STR("format"));
	enum graph_format as = str_eq(format, STR("dot"))       ? GRAPH_DOT
			       : str_eq(format, STR("mermaid")) ? GRAPH_MERMAID
								: GRAPH_TEXT;
	const struct flow *flow = graph_find(request->generation, name);
	struct buf out;

	buf_init_arena(&out, &request->arena);
	if (flow && str_eq(format, STR("json"))) {
		buf_add(&out, STR("{\"name\":"));
		json_write_text(name, &out);
		buf_add(&out, STR(",\"tasks\":"));
		admin_write_graph_json(flow, 0, &out);
		buf_add_char(&out, '}');
		request_reply_json(request, out.error ? 500 : 200, buf_str(&out));
		return;
	}
	if (!admin_write_graph(request->generation, name, as, &out))
		explain_reply_text(request, 404, &out);
	else
		explain_reply_text(request, 200, &out);
}
