/* server/live/websocket_private.h: what the parts of `websocket:` share: one connection, and what it is
 * compiled to. Internal to server/live. */
#pragma once
#include "server/live/handshake.h"
#include "server/live/inbox.h"
#include "server/live/live.h"
#include "server/live/outbox.h"
#include "server/live/websocket.h"

struct websocket_spec {
	/* as the keys say */
	struct setting_texts protocols, origins;
	const struct node *on_open_node, *on_message_node, *on_close_node;
	const struct node *subscribe_node;
	int slow; /* enum live_slow */
	uint64_t max, max_frame, queue;
	uint64_t ping_ms, pong_ms, close_ms, arrival_ms;
	const struct node *deflate_node;
	/* compiled */
	struct handshake_rules rules;
	struct live_topics_spec topics;
	struct live_handler on_open, on_message, on_close;
	uint64_t roots_used;
};

enum websocket_state { WEBSOCKET_OPEN, WEBSOCKET_CLOSING, WEBSOCKET_OVER };

enum {
	CODE_GOING = 1001,
	CODE_GONE = 1006, /* never sent: the connection ended without a close frame */
	CODE_POLICY = 1008,
	CODE_ERROR = 1011,
	CODE_SLOW = 1013,
};

struct websocket {
	struct live live;
	const struct websocket_spec *spec;
	struct request *request; /* NULL: it has gone, and the connection with it */
	struct body_intake intake;
	struct outbox outbox;
	struct inbox inbox;
	struct handshake *handshake; /* in the request's arena, until it is answered */
	struct deflater *deflater;   /* NULL until one is needed */
	struct deflate_terms deflate;
	struct timer timer; /* ping, pong; then of the close handshake */
	struct ready turn;
	char *rest; /* that was read and not used; rest_size bytes */
	size_t rest_at, rest_len, rest_size;
	uint64_t heard_ns;  /* when bytes came last */
	uint64_t asked_ns;  /* when it was pinged; 0: it is not waited for */
	int64_t delivered;  /* websocket_delivered() then; INT64_MAX: nothing was before the ping */
	uint64_t began_ns;  /* when the message that is coming began; 0: none is */
	unsigned turn_cost; /* messages and control frames that were taken in this turn */
	uint8_t state;      /* enum websocket_state */
	bool paused;        /* the connection reads nothing */
	bool answered;      /* 101 is out */
	bool opened, ended; /* on_open, on_close have run, or there is none */
};

static inline struct websocket *websocket_of(struct live *live)
{
	return container_of(live, struct websocket, live);
}

static inline struct arena_budget *websocket_budget(const struct websocket *ws)
{
	return ws->live.arena.budget;
}

/* Its turn comes. */
static inline void websocket_go_on(struct websocket *ws)
{
	loop_ready(ws->live.worker->loop, &ws->turn);
}

/* ---- websocket.c */
extern const struct body_intake_ops websocket_intake_ops;
void websocket_on_turn(struct ready *ready);
void websocket_on_timer(struct timer *timer);
void websocket_on_sent(struct outbox *outbox);
void websocket_gone(struct websocket *ws); /* its request has ended, and its connection with it */
void websocket_destroy(struct websocket *ws);

/* ---- websocket_send.c: what goes to the client. False without memory. */
bool websocket_put(struct websocket *ws, enum frame_opcode opcode, bool compressed,
		   struct str payload);
bool websocket_put_message(struct websocket *ws, enum frame_opcode opcode, struct str message);
bool websocket_put_uncounted(struct websocket *ws, enum frame_opcode opcode, struct str payload);
void websocket_put_close(struct websocket *ws, uint16_t code, struct str reason);

/* Behind what is queued the connection ends. */
void websocket_over(struct websocket *ws);

/* The connection has failed (RFC 6455 §7.1.7): the client is told, and not waited for. */
void websocket_fail(struct websocket *ws, uint16_t code, const char *detail);

/* For ops->publish(). */
void websocket_publish(struct live *live, struct live_topic *topic,
		       struct publication *publication);

/* In good order; once. */
void websocket_close(struct websocket *ws, uint16_t code, struct str reason);

/* ---- websocket_handle.c: handlers. */
void websocket_on_run_end(struct live *live);
void websocket_on_message(struct websocket *ws); /* that is in the inbox */
