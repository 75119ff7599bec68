/* server/live/websocket_open.c: from a request to a connection. */
#include "server/live/websocket_private.h"
#include "server/worker.h"
#include <errno.h>
#include <stdlib.h>

static void websocket_refuse(struct request *request, const struct handshake *handshake)
{
	static struct http_field upgrade[] = {
		{ STR_INIT("Upgrade"), STR_INIT("websocket") },
		{ STR_INIT("Connection"), STR_INIT("Upgrade") },
		{ STR_INIT("Sec-WebSocket-Version"), STR_INIT("13") },
	};
	struct reply reply = reply_problem(&request->arena, handshake->status, STR_NONE, STR_NONE,
					   request->context.id, str_of(handshake->detail));

	if (handshake->status == 426) {
		reply.fields = upgrade;
		reply.n_fields = ARRAY_LEN(upgrade);
	}
	request_count_failure(request);
	request_reply(request, &reply);
}

static void reply_add(struct reply *reply, struct str name, struct str value)
{
	reply->fields[reply->n_fields++] = (struct http_field){ name, value };
}

/* 101. False without memory. */
static bool websocket_make_reply(struct websocket *ws, const struct handshake *handshake,
				 struct reply *ret_reply)
{
	struct arena *arena = &ws->request->arena;
	char extension[HANDSHAKE_EXTENSION_MAX];
	struct str accept =
		arena_str(arena, (struct str){ handshake->accept, sizeof(handshake->accept) });
	struct str deflate = arena_str(
		arena, handshake->deflate.on ? handshake_extension(&handshake->deflate, extension)
					     : STR_NONE);

	*ret_reply =
		(struct reply){ .status = 101,
				.source = &ws->outbox.source,
				.switches = true,
				.fields = arena_alloc_array(arena, 5, sizeof(struct http_field)) };
	if (!accept.ptr || !deflate.ptr || !ret_reply->fields)
		return false;
	reply_add(ret_reply, STR("Connection"), STR("Upgrade"));
	reply_add(ret_reply, STR("Upgrade"), STR("websocket"));
	reply_add(ret_reply, STR("Sec-WebSocket-Accept"), accept);
	if (handshake->protocol.len)
		reply_add(ret_reply, STR("Sec-WebSocket-Protocol"), handshake->protocol);
	if (handshake->deflate.on)
		reply_add(ret_reply, STR("Sec-WebSocket-Extensions"), deflate);
	return true;
}

static void websocket_end_live(struct live *live)
{
	websocket_close(websocket_of(live), CODE_GOING, STR_NONE);
}

static void websocket_expire(struct live *live)
{
	websocket_close(websocket_of(live), CODE_POLICY, STR("the token has expired"));
}

/* It gets what is published from here on: now it may be told that it is there. */
static void websocket_joined(struct live *live)
{
	struct websocket *ws = websocket_of(live);
	struct request *request = ws->request;
	struct reply reply;

	if (!request)
		return;
	if (!websocket_make_reply(ws, ws->handshake, &reply)) {
		request->native = NULL;
		request->on_cancel = NULL;
		websocket_gone(ws);
		request_fail_errno(request, -ENOMEM);
		return;
	}
	ws->answered = true;
	request->intake = &ws->intake;
	if (ws->state == WEBSOCKET_OPEN) /* else it is closing already */
		timer_start(&ws->timer, ws->spec->ping_ms);
	websocket_go_on(ws);
	request_reply(request, &reply);
}

static struct websocket *websocket_create(const struct websocket_spec *spec,
					  struct request *request, struct handshake *handshake)
{
	static const struct live_ops ops = { websocket_end_live, websocket_expire, websocket_joined,
					     websocket_publish };
	const struct inbox_limits limits = { spec->max, spec->max_frame };
	struct websocket *ws = calloc(1, sizeof(*ws));

	if (!ws || !live_init(&ws->live, &ops, request, spec->roots_used)) {
		free(ws);
		return NULL;
	}
	ws->spec = spec;
	ws->request = request;
	ws->intake.ops = &websocket_intake_ops;
	ws->handshake = handshake;
	ws->deflate = handshake->deflate;
	ws->live.protocol = handshake->protocol;
	ws->heard_ns = loop_now_ns(request->worker->loop);
	outbox_init(&ws->outbox, request->worker->loop, request->arena.budget);
	ws->outbox.round = &request->worker->round;
	ws->outbox.on_sent = websocket_on_sent;
	if (spec->on_open
		    .reply) /* which is first: no state that is older than a publication before it */
		outbox_hold(&ws->outbox);
	inbox_init(&ws->inbox, &limits, &ws->deflate, request->arena.budget);
	timer_init(&ws->timer, request->worker->loop, websocket_on_timer);
	ready_init(&ws->turn, websocket_on_turn);
	atomic_fetch_add(&request->worker->stats.n_websockets, 1);
	return ws;
}

/* The client has left before it had an answer. */
static void websocket_on_cancel(struct request *request)
{
	struct websocket *ws = request->native;

	request->native = NULL;
	websocket_gone(ws);
	request_destroy(request);
}

/* Subscribes, then answers. */
static void websocket_begin(struct websocket *ws)
{
	struct request *request = ws->request;
	struct expr_env *env = flow_run_env(&request->run);
	const struct live_following following = { 0 };
	int r = live_follow(&ws->live, &ws->spec->topics, env, &following);

	if (r < 0) {
		websocket_destroy(ws);
		request_fail_errno(request, r);
		return;
	}
	request->native = ws;
	request->on_cancel = websocket_on_cancel;
	if (ws->live.n_topics == 0)
		websocket_joined(&ws->live);
}

void websocket_serve(const struct websocket_spec *spec, struct request *request)
{
	struct handshake *handshake = arena_alloc(&request->arena, sizeof(*handshake));
	struct handshake_rules rules = spec->rules;
	struct websocket *ws;

	flow_run_init(&request->run, request->route->flow, &request->context, NULL);
	if (!handshake) {
		request_fail_errno(request, -ENOMEM);
		return;
	}
	rules.secure = request->secure;
	handshake_read(&request->head, &rules, handshake);
	if (handshake->status != 101) {
		websocket_refuse(request, handshake);
		return;
	}
	ws = websocket_create(spec, request, handshake);
	if (ws)
		websocket_begin(ws);
	else
		request_fail_errno(request, -ENOMEM);
}
