/* server/live/events_private.h: what `events:` is compiled to. Internal to server/live. */
#pragma once
#include "server/live/events.h"

struct events_spec {
	/* as the keys say */
	const struct node *subscribe_node;
	int slow; /* enum live_slow */
	uint64_t queue, ping_ms, retry_ms;
	int64_t kept;
	uint64_t kept_bytes, age_ms, keep_ms;
	struct str lost; /* or empty */
	const struct node *on_open_node, *on_close_node;
	/* compiled */
	struct live_topics_spec topics;
	struct topic_terms terms;
	struct live_handler on_open, on_close;
	uint64_t roots_used;
};
