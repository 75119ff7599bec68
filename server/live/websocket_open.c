/* server/live/websocket_open.c: from a request to a connection. */
#include "server/live/websocket_private.h"
#include "server/worker.h"
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

static struct websocket *websocket_create(const struct websocket_spec *spec,
					  struct request *request,
					  const struct handshake *handshake)
{
	static const struct live_ops ops = { websocket_end_live };
	const struct inbox_limits limits = { spec->max, spec->max_frame };
	struct websocket *ws = calloc(1, sizeof(*ws));

	if (!ws || !live_init(&ws->live, &ops, request, spec->roots_used)) {
		free(ws);
		return NULL;
	}
	ws->spec = spec;
	ws->request = request;
	ws->intake.ops = &websocket_intake_ops;
	ws->deflate = handshake->deflate;
	ws->live.protocol = handshake->protocol;
	ws->heard_ns = loop_now_ns(request->worker->loop);
	outbox_init(&ws->outbox, request->worker->loop, request->arena.budget);
	ws->outbox.on_sent = websocket_on_sent;
	inbox_init(&ws->inbox, &limits, &ws->deflate, request->arena.budget);
	timer_init(&ws->timer, request->worker->loop, websocket_on_timer);
	ready_init(&ws->turn, websocket_on_turn);
	return ws;
}

void websocket_serve(const struct websocket_spec *spec, struct request *request)
{
	struct handshake_rules rules = spec->rules;
	struct handshake handshake;
	struct websocket *ws;
	struct reply reply;

	flow_run_init(&request->run, request->route->flow, &request->context, NULL);
	rules.secure = request->secure;
	handshake_read(&request->head, &rules, &handshake);
	if (handshake.status != 101) {
		websocket_refuse(request, &handshake);
		return;
	}
	ws = websocket_create(spec, request, &handshake);
	if (!ws) {
		request_fail(request, &(struct failure){ .code = ERROR_MEMORY_LIMIT });
		return;
	}
	if (!websocket_make_reply(ws, &handshake, &reply)) {
		websocket_destroy(ws);
		request_fail(request, &(struct failure){ .code = ERROR_MEMORY_LIMIT });
		return;
	}
	request->intake = &ws->intake;
	timer_start(&ws->timer, spec->ping_ms);
	websocket_go_on(ws);
	request_reply(request, &reply);
}
