/* server/admin/graph.c: a graph of tasks as text, DOT and Mermaid. */
#include "server/admin/admin.h"
#include "server/expr/json.h"
#include "server/live/live.h"
#include <stdio.h>

/* A name in the picture: those of the groups around it in front. */
struct node_id {
	char text[ADMIN_GROUPS_MAX * 68];
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
		if (info.group && !info.calls && depth + 1 < ADMIN_GROUPS_MAX)
			write_edges(out, format, info.group, &id, depth + 1);
	}
}

/* What is shown: of a live route its handlers, which are as groups of tasks that wait for nothing. */
struct picture {
	const struct flow *flow;   /* NULL: there is none of that name */
	const struct route *route; /* whose it is; or NULL */
};

/* "counter.add": a handler of an actor of the file, or its `init`. */
static const struct flow *picture_find_handler(const struct generation *generation, struct str name)
{
	ptrdiff_t dot = str_find_char(name, '.');
	struct str key = dot < 0 ? STR_NONE : str_skip(name, (size_t)dot + 1);
	const struct actor_handler *handler = NULL;
	const struct actor_spec *spec;

	if (dot < 0)
		return NULL;
	spec = actor_spec_find(&generation->actors, str_first(name, (size_t)dot));
	if (spec)
		handler = actor_handler_find(spec, key);
	if (spec && !handler && str_eq(key, STR("init")))
		handler = spec->init;
	return handler ? handler->flow : NULL;
}

static struct picture picture_find(const struct generation *generation, struct str name)
{
	const struct flow *handler = picture_find_handler(generation, name);

	for (size_t i = 0; i < generation->n_routes; i++)
		if (str_eq(generation->routes[i]->pattern.text, name))
			return (struct picture){ generation->routes[i]->flow,
						 generation->routes[i] };
	for (size_t i = 0; i < generation->n_jobs; i++)
		if (str_eq(generation->jobs[i]->name, name))
			return (struct picture){ generation->jobs[i]->flow, NULL };
	return (struct picture){ handler ? handler : map_find(&generation->flows, name), NULL };
}

static struct live_view picture_view(const struct picture *picture)
{
	return picture->route ? admin_live_view(picture->route) : (struct live_view){ 0 };
}

static void write_handler(struct buf *out, enum graph_format format, const char *name,
			  const struct live_handler *handler)
{
	struct node_id id = node_id(NULL, str_of(name));

	buf_printf(out, format == GRAPH_DOT ? "  \"%s\" [label=\"%s\"];\n" : "  %s[\"%s\"]\n",
		   id.text, name);
	write_edges(out, format, handler->flow, &id, 1);
}

static void write_drawing(struct buf *out, enum graph_format format, const struct picture *picture)
{
	struct live_view view = picture_view(picture);

	write_edges(out, format, picture->flow, NULL, 0);
	for (size_t i = 0; i < view.n_handlers; i++)
		write_handler(out, format, view.handlers[i].name, view.handlers[i].handler);
}

bool admin_write_graph(const struct generation *generation, struct str name,
		       enum graph_format format, struct buf *out)
{
	struct picture picture = picture_find(generation, name);

	if (!picture.flow)
		return false;
	switch (format) {
	case GRAPH_TEXT:
		if (flow_n_tasks(picture.flow) == 0 && picture_view(&picture).n_handlers == 0)
			buf_add(out, STR("no tasks\n"));
		admin_write_waves(out, picture.flow, 0);
		if (picture.route)
			admin_write_handlers(out, picture.route);
		break;
	case GRAPH_DOT:
		buf_add(out, STR("digraph tasks {\n  rankdir=LR;\n"));
		write_drawing(out, format, &picture);
		buf_add(out, STR("}\n"));
		break;
	case GRAPH_MERMAID:
		buf_add(out, STR("graph LR\n"));
		write_drawing(out, format, &picture);
		break;
	}
	return true;
}

/* ------------------------------------------------------------ the endpoint */

static void write_graph_json(struct buf *out, struct str name, const struct picture *picture)
{
	struct live_view view = picture_view(picture);

	buf_add(out, STR("{\"name\":"));
	json_write_text(name, out);
	buf_add(out, STR(",\"tasks\":"));
	admin_write_graph_json(picture->flow, 0, out);
	if (view.n_handlers)
		buf_add(out, STR(",\"handlers\":["));
	for (size_t i = 0; i < view.n_handlers; i++) {
		buf_printf(out, "%s{\"name\":\"%s\",\"timeout_ms\":%llu,\"tasks\":", i ? "," : "",
			   view.handlers[i].name,
			   (unsigned long long)view.handlers[i].handler->timeout_ms);
		admin_write_graph_json(view.handlers[i].handler->flow, 1, out);
		buf_add_char(out, '}');
	}
	buf_add(out, view.n_handlers ? STR("]}") : STR("}"));
}

void admin_graph(struct request *request)
{
	struct str name = request_query(request, STR("name")),
		   format = request_query(request, STR("format"));
	enum graph_format as = str_eq(format, STR("dot"))       ? GRAPH_DOT
			       : str_eq(format, STR("mermaid")) ? GRAPH_MERMAID
								: GRAPH_TEXT;
	struct picture picture = picture_find(request->generation, name);
	struct buf out;

	buf_init_arena(&out, &request->arena);
	if (picture.flow && str_eq(format, STR("json"))) {
		write_graph_json(&out, name, &picture);
		request_reply_json(request, out.error ? 500 : 200, buf_str(&out));
		return;
	}
	if (!admin_write_graph(request->generation, name, as, &out))
		admin_reply_text(request, 404, &out);
	else
		admin_reply_text(request, 200, &out);
}
