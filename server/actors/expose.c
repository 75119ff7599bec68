/* server/actors/expose.c: a handler that is exposed is a route that nobody has to write:
 *
 * 	POST /cart/{user}/add:
 * 	  tasks: { answer: { ask: "cart/${path.user}", handler: add, message: "${body}" } }
 * 	  reply: { json: "${answer}" }
 *
 * So all that holds for routes holds for it: policies, limits, deadlines, the access log. */
#include "server/actors/actors.h"

static struct node *expose_node(struct arena *arena, enum node_kind kind, struct place place)
{
	struct node *node = arena_zalloc(arena, sizeof(*node));

	node->kind = kind;
	node->place = place;
	return node;
}

static struct node *expose_text(struct arena *arena, struct place place, struct str text)
{
	struct node *node = expose_node(arena, NODE_TEXT, place);

	node->text = text;
	return node;
}

static struct node *expose_map(struct arena *arena, struct place place, size_t n_max)
{
	struct node *node = expose_node(arena, NODE_MAP, place);

	node->entries = arena_alloc_array(arena, n_max, sizeof(*node->entries));
	return node;
}

static void expose_put(struct node *map, const char *key, struct node *value)
{
	map->entries[map->n_entries++] = (struct node_entry){ str_of(key), value->place, value };
}

static struct str expose_key(const struct actor_spec *spec, const struct actor_handler *handler,
			     struct arena *arena)
{
	return arena_printf(arena, "%s /%s/%s", handler->gets ? "GET" : "POST", spec->pattern.ptr,
			    handler->name.ptr);
}

static struct node *expose_task(const struct actor_spec *spec, const struct actor_handler *handler,
				struct arena *arena)
{
	struct node *task = expose_map(arena, spec->place, 3);
	struct str name = spec->name;

	for (size_t i = 0; i < spec->n_keys; i++)
		name = arena_printf(arena, "%s/${path.%s}", name.ptr, spec->keys[i]);
	expose_put(task, "ask", expose_text(arena, spec->place, name));
	expose_put(task, "handler", expose_text(arena, spec->place, handler->name));
	expose_put(
		task, "message",
		expose_text(arena, spec->place, handler->gets ? STR("${query}") : STR("${body}")));
	return task;
}

struct node_entry *actor_route(const struct actor_spec *spec, const struct actor_handler *handler,
			       struct arena *arena)
{
	struct node_entry *entry;
	struct node *route, *tasks, *reply;

	if (!handler->exposed)
		return NULL;
	entry = arena_zalloc(arena, sizeof(*entry));
	route = expose_map(arena, spec->place, 2);
	tasks = expose_map(arena, spec->place, 1);
	reply = expose_map(arena, spec->place, 2);
	expose_put(tasks, "answer", expose_task(spec, handler, arena));
	expose_put(route, "tasks", tasks);
	if (handler->status.len)
		expose_put(reply, "status", expose_text(arena, spec->place, handler->status));
	if (handler->reply || handler->text || handler->answers)
		expose_put(reply, handler->text ? "text" : "json",
			   expose_text(arena, spec->place, STR("${answer}")));
	if (reply->n_entries)
		expose_put(route, "reply", reply);
	*entry = (struct node_entry){ expose_key(spec, handler, arena), spec->place, route };
	return entry;
}
