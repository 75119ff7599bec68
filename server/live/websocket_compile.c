/* server/live/websocket_compile.c: the keys of `websocket:`. */
#include "server/http/head.h"
#include "server/live/websocket_private.h"

struct deflate_config {
	bool takeover;
};

static const struct setting deflate_keys[] = {
	{ "takeover", SETTING_BOOL, offsetof(struct deflate_config, takeover), "false",
	  "Whether a message may refer to those before it: smaller, for 70 KiB a connection." },
	SETTINGS_END
};

#define AT(field) offsetof(struct websocket_spec, field)
const struct setting websocket_keys[] = {
	{ "on_open", SETTING_MAP, AT(on_open_node),
	  .help = "What to do when a client has connected, before its first message.",
	  .keys = live_handler_keys },
	{ "on_message", SETTING_MAP, AT(on_message_node),
	  .help = "What to do with each message, one at a time, in order: ${message.text}, "
		  "${message.json}, ${message.base64} of a binary one.",
	  .keys = live_handler_keys },
	{ "on_close", SETTING_MAP, AT(on_close_node),
	  .help = "What to do when the connection has ended, however it did: ${conn.code}, "
		  "${conn.reason}.",
	  .keys = live_handler_keys },
	{ "origins", SETTING_TEXTS, AT(origins),
	  .help = "The pages that may connect, as https://app.example.org, or \"*\"; without it, "
		  "those of "
		  "the same host and port. A client that sends no Origin is no browser, and may." },
	{ "protocols", SETTING_TEXTS, AT(protocols), .help = "Subprotocols that are spoken." },
	{ "max", SETTING_SIZE, AT(max), "1m",
	  "The size of a message; a larger one closes with 1009.", .min = 1,
	  .max = INT64_C(1) << 30 },
	{ "max_frame", SETTING_SIZE, AT(max_frame), NULL,
	  "The size of a frame as it comes; as max, when not said.", .min = 125,
	  .max = INT64_C(1) << 30 },
	{ "subscribe", SETTING_NODE, AT(subscribe_node),
	  .help = "The topics whose publications are sent: a name or a list, with ${path.…} and "
		  "the like." },
	{ "slow", SETTING_CHOICE, AT(slow), "disconnect",
	  "What happens to a client that does not read, when publications have filled `queue`: it "
	  "loses "
	  "the oldest, or is closed with 1013.",
	  .choices = live_slow_choices },
	{ "queue", SETTING_SIZE, AT(queue), "256k",
	  "What may wait for a client that does not read; past it nothing is read from it.",
	  .min = 1024, .max = INT64_C(1) << 30 },
	{ "ping", SETTING_DURATION, AT(ping_ms), "30s",
	  "How long a client may be silent until it is asked whether it is there.", .min = 10,
	  .max = INT64_C(86400000) },
	{ "pong", SETTING_DURATION, AT(pong_ms), "10s",
	  "How long it then has to answer; else the connection ends.", .min = 10,
	  .max = INT64_C(86400000) },
	{ "close", SETTING_DURATION, AT(close_ms), "5s",
	  "How long leat waits for the client's close frame behind its own.", .min = 10,
	  .max = INT64_C(600000) },
	{ "arrival", SETTING_DURATION, AT(arrival_ms), "1m",
	  "How long a message may take from its first frame to its last; then the connection is "
	  "closed with 1008.",
	  .min = 10, .max = INT64_C(86400000) },
	{ "deflate", SETTING_NODE, AT(deflate_node),
	  .help = "true: compresses messages (permessage-deflate) with clients that can; or a map "
		  "with "
		  "takeover.",
	  .keys = deflate_keys },
	SETTINGS_END
};
#undef AT

static bool websocket_compile_deflate(struct flow_compiler *compiler, struct websocket_spec *spec)
{
	const struct node *node = spec->deflate_node;
	struct deflate_config config = { 0 };
	const struct settings_part part = { deflate_keys, &config };

	if (!node)
		return true;
	if (node->kind == NODE_BOOL) {
		spec->rules.deflate = node->boolean;
		return true;
	}
	spec->rules.deflate = true;
	if (settings_read(&part, 1, node, "deflate", compiler->arena, compiler->diag) > 0)
		return false;
	spec->rules.takeover = config.takeover;
	return true;
}

/* scheme://host[:port], as browsers send it; or "*". */
static bool origin_is_valid(struct str origin)
{
	ptrdiff_t scheme = str_find(origin, STR("://"));

	if (str_eq(origin, STR("*")) || str_eq(origin, STR("null")))
		return true;
	return scheme > 0 && http_is_host(str_skip(origin, (size_t)scheme + 3));
}

static bool websocket_check_texts(struct flow_compiler *compiler, const struct websocket_spec *spec)
{
	bool ok = true;

	for (size_t i = 0; i < spec->origins.n_texts; i++)
		if (!origin_is_valid(spec->origins.texts[i])) {
			diag_error(
				compiler->diag, spec->origins.nodes[i]->place,
				"an origin is written https://host or https://host:port, without a "
				"path");
			ok = false;
		}
	for (size_t i = 0; i < spec->protocols.n_texts; i++)
		if (!http_is_token(spec->protocols.texts[i])) {
			diag_error(compiler->diag, spec->protocols.nodes[i]->place,
				   "a subprotocol is a token: letters, digits, - . _");
			ok = false;
		}
	return ok;
}

static bool websocket_compile_handlers(struct flow_compiler *compiler,
				       const struct live_place *place, struct websocket_spec *spec)
{
	struct live_compiler live = { compiler, place, &spec->roots_used };
	bool ok =
		live_handler_compile(&live, spec->on_open_node, "on_open", 0, true, &spec->on_open);

	ok &= live_handler_compile(&live, spec->on_message_node, "on_message",
				   ROOT_BIT(ROOT_MESSAGE), true, &spec->on_message);
	ok &= live_handler_compile(&live, spec->on_close_node, "on_close", 0, false,
				   &spec->on_close);
	return ok;
}

const struct websocket_spec *websocket_compile(struct flow_compiler *compiler,
					       struct expr_compiler *expr, const struct node *node,
					       const struct live_place *place)
{
	struct websocket_spec *spec = arena_zalloc(compiler->arena, sizeof(*spec));
	const struct settings_part part = { websocket_keys, spec };

	if (settings_read(&part, 1, node, "a websocket", compiler->arena, compiler->diag) > 0)
		return NULL;
	if (!spec->max_frame)
		spec->max_frame = MAX(spec->max, (uint64_t)FRAME_CONTROL_MAX);
	spec->rules.protocols = spec->protocols.texts;
	spec->rules.n_protocols = spec->protocols.n_texts;
	spec->rules.origins = spec->origins.texts;
	spec->rules.n_origins = spec->origins.n_texts;
	return websocket_compile_deflate(compiler, spec) & websocket_check_texts(compiler, spec) &
			       live_topics_compile(expr, spec->subscribe_node, &spec->topics) &
			       websocket_compile_handlers(compiler, place, spec)
		       ? spec
		       : NULL;
}

struct live_view websocket_view(const struct websocket_spec *spec)
{
	struct live_view view = { .subscribe = spec->subscribe_node };

	live_view_add(&view, "on_open", &spec->on_open);
	live_view_add(&view, "on_message", &spec->on_message);
	live_view_add(&view, "on_close", &spec->on_close);
	return view;
}
