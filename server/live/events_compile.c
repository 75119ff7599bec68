/* server/live/events_compile.c: the keys of `events:`. */
#include "server/live/events_private.h"

#define AT(field) offsetof(struct events_spec, field)
const struct setting events_keys[] = {
	{ "subscribe", SETTING_NODE, AT(subscribe_node),
	  .help = "The topics whose publications are sent: a name or a list, with ${path.…} and "
		  "the like.",
	  .required = true },
	{ "slow", SETTING_CHOICE, AT(slow), "disconnect",
	  "What happens to a client that does not read, when `queue` is full.",
	  .choices = live_slow_choices },
	{ "queue", SETTING_SIZE, AT(queue), "256k",
	  "What may wait for a client that does not read.", .min = 1024, .max = INT64_C(1) << 30 },
	{ "ping", SETTING_DURATION, AT(ping_ms), "15s",
	  "How long nothing is sent until a comment is, so that nobody on the way gives the "
	  "connection up.",
	  .min = 10, .max = INT64_C(86400000) },
	{ "retry", SETTING_DURATION, AT(retry_ms), "3s",
	  "How long browsers wait before they connect again.", .min = 1, .max = INT64_C(86400000) },
	{ "history", SETTING_INT, AT(kept), "100",
	  "How many publications of a topic are kept for those who come again.", .min = 0,
	  .max = 10000 },
	{ "history_max", SETTING_SIZE, AT(kept_bytes), "256k", "The same in bytes.", .min = 0,
	  .max = INT64_C(16) << 20 },
	{ "history_age", SETTING_DURATION, AT(age_ms), "1d", "The same in time.", .min = 1,
	  .max = INT64_C(365) * 86400000 },
	{ "keep", SETTING_DURATION, AT(keep_ms), "1m",
	  "How long they are kept when nobody subscribes to the topic any more.", .min = 0,
	  .max = INT64_C(86400000) },
	{ "lost", SETTING_TEXT, AT(lost),
	  .help = "The name of an event that tells a client that it may have missed some, as "
		  "`history` or `slow`; without it, nothing tells." },
	{ "on_open", SETTING_MAP, AT(on_open_node),
	  .help = "What to do when a client has connected; `reply` is the first event.",
	  .keys = live_handler_keys },
	{ "on_close", SETTING_MAP, AT(on_close_node),
	  .help = "What to do when the connection has ended.", .keys = live_handler_keys },
	SETTINGS_END
};
#undef AT

const struct events_spec *events_compile(struct flow_compiler *compiler, struct expr_compiler *expr,
					 const struct node *node, const struct live_place *place)
{
	struct events_spec *spec = arena_zalloc(compiler->arena, sizeof(*spec));
	const struct settings_part part = { events_keys, spec };
	struct live_compiler live = { compiler, place, &spec->roots_used };
	bool ok;

	if (node->kind != NODE_MAP) {
		settings_defaults(events_keys, spec, compiler->arena);
		spec->subscribe_node = node;
	} else if (settings_read(&part, 1, node, "events", compiler->arena, compiler->diag) > 0) {
		return NULL;
	}
	spec->terms = (struct topic_terms){ .n_kept = (uint32_t)spec->kept,
					    .kept_bytes = spec->kept_bytes,
					    .age_ms = spec->age_ms,
					    .keep_ms = spec->keep_ms };
	if (!str_is_utf8(spec->lost) || str_has(spec->lost, '\n') || str_has(spec->lost, '\r')) {
		diag_error(compiler->diag, node->place,
			   "the name of the event `lost` is one line of UTF-8");
		return NULL;
	}
	ok = live_topics_compile(expr, spec->subscribe_node, &spec->topics);
	ok &= live_handler_compile(&live, spec->on_open_node, "on_open", 0, true, &spec->on_open);
	ok &= live_handler_compile(&live, spec->on_close_node, "on_close", 0, false,
				   &spec->on_close);
	return ok ? spec : NULL;
}

struct live_view events_view(const struct events_spec *spec)
{
	struct live_view view = { .subscribe = spec->subscribe_node };

	live_view_add(&view, "on_open", &spec->on_open);
	live_view_add(&view, "on_close", &spec->on_close);
	return view;
}
