/* server/live/websocket_spec.h: what `websocket:` is compiled to. Internal to server/live. */
#pragma once
#include "server/live/handshake.h"
#include "server/live/inbox.h"
#include "server/live/live.h"

struct websocket_spec {
	/* as the keys say */
	struct setting_texts protocols, origins;
	const struct node *on_open_node, *on_message_node, *on_close_node;
	uint64_t max, max_frame, queue;
	uint64_t ping_ms, pong_ms, close_ms;
	const struct node *deflate_node;
	/* compiled */
	struct handshake_rules rules;
	struct live_handler on_open, on_message, on_close;
	uint64_t roots_used;
};
