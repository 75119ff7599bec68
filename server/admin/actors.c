/* server/admin/actors.c: GET /v1/actors (libprocess' /__processes__, from counters: nobody is waited
 * for, and no message or state is shown), GET /help and /help/NAME, and their figures. */
#include "server/actors/foreign.h"
#include "server/admin/gather.h"
#include "server/admin/status.h"
#include "server/expr/json.h"
#include <inttypes.h>

enum { ACTORS_SHOWN_MAX = 1000 }; /* of each loop */

/* ------------------------------------------------------------ /v1/actors */

static void actors_ask(struct gather *gather, struct worker *worker, struct buf *out)
{
	gather->parts[worker->index].result =
		(int)actor_loop_write(worker->actors, gather->name, ACTORS_SHOWN_MAX, out);
}

static void actors_write_figures(const struct actor_figures *figures, struct buf *out)
{
	buf_add(out, STR("{\"name\":"));
	json_write_text(figures->name, out);
	buf_printf(out,
		   ",\"live\":%zu,\"messages\":%zu,\"memory_bytes\":%zu,\"handled\":%" PRIu64
		   ",\"failed\":%" PRIu64 ",\"refused\":%" PRIu64 "}",
		   figures->n_live, figures->n_messages, figures->n_bytes, figures->n_handled,
		   figures->n_failed, figures->n_refused);
}

void admin_write_actors(struct server *server, struct buf *out)
{
	const struct actor_section *section = &server->generation->actors;

	buf_add_char(out, '[');
	for (size_t i = 0; i < section->n_specs; i++) {
		struct actor_figures figures;

		actors_figures(server->actors, section->specs[i].name, &figures);
		if (i)
			buf_add_char(out, ',');
		actors_write_figures(&figures, out);
	}
	buf_add_char(out, ']');
}

/* The actors of all loops, and those of modules. Returns how many these are. */
static size_t actors_write_live(struct gather *gather, struct buf *json)
{
	struct actors *actors = admin_server(gather->request)->actors;
	size_t n = 0, n_before;
	struct buf foreign;

	for (size_t i = 0; i < gather->n_parts; i++) {
		if (n && gather->parts[i].out.len)
			buf_add_char(json, ',');
		buf_add(json, buf_str(&gather->parts[i].out));
		n += (size_t)gather->parts[i].result;
	}
	n_before = n;
	buf_init_arena(&foreign, &gather->request->arena);
	n += actors_write_foreign(actors, gather->name, ACTORS_SHOWN_MAX, &foreign);
	if (n_before && foreign.len)
		buf_add_char(json, ',');
	buf_add(json, buf_str(&foreign));
	return n;
}

/* Of all of them, or of those with that name without keys. */
static size_t actors_count_live(struct server *server, struct str name)
{
	const struct actor_section *section = &server->generation->actors;
	size_t n = 0;

	for (size_t i = 0; i < section->n_specs; i++) {
		struct actor_figures figures;

		actors_figures(server->actors, section->specs[i].name, &figures);
		if (name.len == 0 || str_eq(name, section->specs[i].name))
			n += figures.n_live;
	}
	return n;
}

static void actors_done(struct gather *gather)
{
	struct request *request = gather->request;
	size_t n_shown, n_live;
	struct buf json;

	buf_init_arena(&json, &request->arena);
	buf_add(&json, STR("{\"actors\":"));
	admin_write_actors(admin_server(request), &json);
	buf_add(&json, STR(",\"live\":["));
	n_shown = actors_write_live(gather, &json);
	n_live = actors_count_live(admin_server(request), gather->name);
	buf_printf(&json, "],\"left_out\":%zu}", n_live > n_shown ? n_live - n_shown : 0);
	request_reply_json(request, json.error ? 500 : 200, buf_str(&json));
}

/* `?name=`: that one, as it is shown, or all that are called so without their keys. */
void admin_actors(struct request *request)
{
	gather_start(request, actors_ask, actors_done, 0, request_query(request, STR("name")));
}

/* ------------------------------------------------------------ /help */

static void help_reply(struct request *request, struct buf *text)
{
	struct reply reply = { .status = 200,
			       .content_type = STR("text/plain; charset=utf-8"),
			       .body = buf_str(text) };

	if (text->error)
		reply = *reply_refusal(500);
	request_reply(request, &reply);
}

void admin_help(struct request *request)
{
	const struct actor_section *section = &admin_server(request)->generation->actors;
	struct buf text;

	buf_init_arena(&text, &request->arena);
	for (size_t i = 0; i < section->n_specs; i++) {
		const struct actor_spec *spec = &section->specs[i];

		buf_printf(&text, "/%-30.*s %.*s\n", STR_ARG(spec->pattern), STR_ARG(spec->help));
	}
	help_reply(request, &text);
}

static void help_write(const struct actor_spec *spec, struct buf *text)
{
	buf_printf(text, "/%.*s%s%.*s\n", STR_ARG(spec->pattern), spec->help.len ? ": " : "",
		   STR_ARG(spec->help));
	for (size_t i = 0; i < spec->n_handlers; i++) {
		const struct actor_handler *handler = &spec->handlers[i];

		buf_printf(text, "  %-4s /%.*s/%.*s%s%s%.*s\n",
			   !handler->exposed ? "-"
			   : handler->gets   ? "GET"
					     : "POST",
			   STR_ARG(spec->pattern), STR_ARG(handler->name),
			   handler->exposed ? "" : " (not exposed)", handler->help.len ? ": " : "",
			   STR_ARG(handler->help));
	}
}

void admin_help_one(struct request *request)
{
	struct str name = request_param(request, STR("name"));
	const struct actor_spec *spec =
		actor_spec_find(&admin_server(request)->generation->actors, name);
	struct reply reply;
	struct buf text;

	if (!spec) {
		reply = reply_problem(
			&request->arena, 404, STR("not_found"), STR_NONE, STR_NONE,
			arena_printf(&request->arena, "there is no actor \"%.*s\"", STR_ARG(name)));
		request_reply(request, &reply);
		return;
	}
	buf_init_arena(&text, &request->arena);
	help_write(spec, &text);
	help_reply(request, &text);
}

/* ------------------------------------------------------------ for Prometheus */

static uint64_t actor_metric(const struct actor_figures *figures, unsigned metric)
{
	const uint64_t numbers[] = { figures->n_live,    figures->n_messages, figures->n_bytes,
				     figures->n_handled, figures->n_failed,   figures->n_refused };

	return numbers[metric];
}

void admin_write_actor_metrics(struct server *server, struct buf *out)
{
	static const char *const metrics[][3] = {
		{ "leat_actors", "gauge", "Actors that live." },
		{ "leat_actor_messages", "gauge", "Messages in their mailboxes, or in work." },
		{ "leat_actor_memory_bytes", "gauge",
		  "What they, their states and their mailboxes take of limits.total_memory." },
		{ "leat_actor_handled_total", "counter", "Messages that were handled." },
		{ "leat_actor_failed_total", "counter", "Those of them whose handler failed." },
		{ "leat_actor_refused_total", "counter",
		  "Messages that found no room, or made room for others." },
	};
	const struct actor_section *section = &server->generation->actors;

	for (unsigned i = 0; section->n_specs && i < ARRAY_LEN(metrics); i++) {
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metrics[i][0], metrics[i][2],
			   metrics[i][0], metrics[i][1]);
		for (size_t j = 0; j < section->n_specs; j++) {
			struct actor_figures figures;

			actors_figures(server->actors, section->specs[j].name, &figures);
			buf_printf(out, "%s{actor=\"%.*s\"} %" PRIu64 "\n", metrics[i][0],
				   STR_ARG(figures.name), actor_metric(&figures, i));
		}
	}
}
