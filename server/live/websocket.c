/* server/live/websocket.c: one connection, from its handshake to its end.
 *
 *   websocket_serve() --> OPEN --> CLOSING --> OVER --> (the connection has gone, on_close) --> freed
 *                           \____________________/ (the client closes first, a protocol error, its end)
 *
 *   OPEN     messages are read, and answered
 *   CLOSING  our close frame is out; what comes until the client's is dropped; a timer runs
 *   OVER     nothing is read any more; what is queued goes out, then the connection ends
 *
 * The connection gives bytes by the intake, and takes frames by the outbox, which is the answer's source.
 * What cannot be used at once (a handler runs, the queue is full) is kept, and the connection is paused:
 * one read at most. Everything that may go on does so in websocket_on_turn(), from the loop's ready
 * list; only there is the block freed. */
#include "server/live/websocket.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/expr/json.h"
#include "server/live/outbox.h"
#include "server/live/websocket_spec.h"
#include "server/worker.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

enum websocket_state { WEBSOCKET_OPEN, WEBSOCKET_CLOSING, WEBSOCKET_OVER };

enum {
	TURN_MESSAGES = 64,               /* then others have their turn */
	DEFLATE_MIN = 64,                 /* bytes; smaller ones are not compressed */
	EMPTY_COST_NS = 10 * 1000 * 1000, /* of a control frame, or one that brings nothing */
	EMPTY_BURST_NS = 1000 * 1000 * 1000,
	CODE_NORMAL = 1000,
	CODE_GOING = 1001,
	CODE_GONE = 1006, /* never sent: the connection ended without a close frame */
	CODE_POLICY = 1008,
	CODE_ERROR = 1011,
};

struct websocket {
	struct live live;
	const struct websocket_spec *spec;
	struct request *request; /* NULL: it has gone, and the connection with it */
	struct body_intake intake;
	struct outbox outbox;
	struct inbox inbox;
	struct deflater *deflater; /* NULL until one is needed */
	struct deflate_terms deflate;
	struct timer timer; /* ping, pong; then of the close handshake */
	struct ready turn;
	char *rest; /* that was read and not used; rest_size bytes */
	size_t rest_at, rest_len, rest_size;
	uint64_t heard_ns;   /* when bytes came last */
	uint64_t asked_ns;   /* when it was pinged; 0: it is not waited for */
	uint64_t empties_ns; /* until then it has used up what frames without content may cost */
	uint64_t n_empty;    /* of inbox.n_empty: those that were counted */
	unsigned turn_messages;
	uint8_t state;      /* enum websocket_state */
	bool paused;        /* the connection reads nothing */
	bool opened, ended; /* on_open, on_close have run, or there is none */
};

static struct websocket *websocket_of(struct live *live)
{
	return container_of(live, struct websocket, live);
}

static struct arena_budget *websocket_budget(const struct websocket *ws)
{
	return ws->live.arena.budget;
}

static void websocket_go_on(struct websocket *ws)
{
	loop_ready(ws->live.worker->loop, &ws->turn);
}

/* ------------------------------------------------------------ what goes to the client */

/* Behind what is queued the connection ends. */
static void websocket_over(struct websocket *ws)
{
	ws->state = WEBSOCKET_OVER;
	timer_stop(&ws->timer);
	outbox_end(&ws->outbox);
	websocket_go_on(ws);
}

static bool websocket_put(struct websocket *ws, enum frame_opcode opcode, bool compressed,
			  struct str payload)
{
	struct packet *packet =
		packet_create_frame(websocket_budget(ws), opcode, compressed, payload);

	return outbox_put(&ws->outbox, packet, false);
}

/* Our close frame. 1005: one without a code. */
static void websocket_put_close(struct websocket *ws, uint16_t code, struct str reason)
{
	char payload[FRAME_CONTROL_MAX];

	payload[0] = (char)(code >> 8);
	payload[1] = (char)code;
	if (reason.len)
		memcpy(payload + 2, reason.ptr, reason.len);
	websocket_put(ws, FRAME_CLOSE, false,
		      (struct str){ payload, code == INBOX_NO_CODE ? 0 : 2 + reason.len });
}

/* The connection has failed (RFC 6455 §7.1.7): the client is told, and not waited for. */
static void websocket_fail(struct websocket *ws, uint16_t code, const char *detail)
{
	log_info("websocket failed route=%s code=%u detail=%s id=%.*s",
		 LOG_QUOTE(ws->live.route->pattern.text), code, LOG_QUOTE(str_of(detail)),
		 STR_ARG(ws->live.id));
	live_close_as(&ws->live, code, str_of(detail));
	if (ws->state == WEBSOCKET_OPEN)
		websocket_put_close(ws, code, str_of(detail));
	websocket_over(ws);
}

static void websocket_close(struct websocket *ws, uint16_t code, struct str reason)
{
	if (ws->state != WEBSOCKET_OPEN)
		return;
	live_close_as(&ws->live, code, reason);
	websocket_put_close(ws, code, reason);
	ws->state = WEBSOCKET_CLOSING;
	timer_start(&ws->timer, ws->spec->close_ms);
	websocket_go_on(ws);
}

/* NULL: it is not worth it, or there is no memory. */
static struct packet *websocket_deflate(struct websocket *ws, enum frame_opcode opcode,
					struct str message)
{
	struct packet *packet = NULL;
	struct buf out;

	if (!ws->deflate.on || message.len < DEFLATE_MIN)
		return NULL;
	if (!ws->deflater)
		ws->deflater = deflater_create(ws->deflate.own_bits, websocket_budget(ws));
	if (!ws->deflater)
		return NULL;
	buf_init_arena(&out, &ws->live.run_arena);
	if (deflater_message(ws->deflater, message, ws->deflate.own_takeover, &out))
		packet = packet_create_frame(websocket_budget(ws), opcode, true, buf_str(&out));
	if (!packet) /* what it would refer to was never sent */
		deflater_destroy(take(&ws->deflater));
	return packet;
}

static bool websocket_put_message(struct websocket *ws, enum frame_opcode opcode,
				  struct str message)
{
	struct packet *packet = websocket_deflate(ws, opcode, message);

	return packet ? outbox_put(&ws->outbox, packet, false)
		      : websocket_put(ws, opcode, false, message);
}

/* ------------------------------------------------------------ handlers */

static void websocket_answer(struct websocket *ws, const struct answer *answer)
{
	if (ws->state != WEBSOCKET_OPEN || !ws->request)
		return;
	if (answer->has_message && !websocket_put_message(ws, answer->opcode, answer->message))
		websocket_fail(ws, CODE_ERROR, "no memory");
	else if (answer->close)
		websocket_close(ws, answer->close, answer->reason);
}

static void websocket_on_run_end(struct live *live)
{
	struct websocket *ws = websocket_of(live);
	struct answer answer;

	if (live_run_answer(live, &answer))
		websocket_answer(ws, &answer);
	else
		websocket_close(ws, CODE_ERROR, STR_NONE);
	live_run_end(live);
	inbox_forget(&ws->inbox);
	websocket_go_on(ws);
}

/* As JSON, when it is some. */
static int message_json(struct str text, struct arena *arena, struct value *ret)
{
	struct json_error error;

	*ret = value_null();
	return json_check(text, &error) ? value_json(ret, arena, text) : 0;
}

static int message_base64(struct str bytes, struct arena *arena, struct value *ret)
{
	unsigned char *digits = arena_alloc(arena, (bytes.len + 2) / 3 * 4 + 1);
	int len;

	if (!digits)
		return -ENOMEM;
	len = EVP_EncodeBlock(digits, (const unsigned char *)bytes.ptr, (int)bytes.len);
	*ret = value_text((struct str){ (const char *)digits, (size_t)len });
	return 0;
}

/* {type, text, json, base64}: of a binary message the last, of a text the others. */
static int message_value(struct str message, bool text, struct arena *arena, struct value *ret)
{
	struct member *members = arena_alloc_array(arena, 4, sizeof(*members));
	int r;

	if (!members)
		return -ENOMEM;
	members[0] = (struct member){ value_text(STR("type")),
				      value_text(text ? STR("text") : STR("binary")) };
	members[1] = (struct member){ value_text(STR("text")),
				      text ? value_text(message) : value_null() };
	members[2] = (struct member){ value_text(STR("json")), value_null() };
	members[3] = (struct member){ value_text(STR("base64")), value_null() };
	r = text ? message_json(message, arena, &members[2].value)
		 : message_base64(message, arena, &members[3].value);
	*ret = value_object(members, 4);
	return r;
}

static void websocket_on_message(struct websocket *ws)
{
	struct live *live = &ws->live;

	if (ws->state != WEBSOCKET_OPEN || !ws->spec->on_message.flow) {
		inbox_forget(&ws->inbox);
		return;
	}
	if (message_value(inbox_message(&ws->inbox), ws->inbox.text, &live->run_arena,
			  &live->message) < 0) {
		live_run_end(live);
		websocket_fail(ws, CODE_ERROR, "no memory");
		return;
	}
	live_run(live, &ws->spec->on_message, websocket_on_run_end);
}

/* ------------------------------------------------------------ what comes from the client */

/* RFC 6455 §5.5.1: who gets a close frame and has sent none answers with the same code; then the
 * server ends the connection. */
static void websocket_on_close_frame(struct websocket *ws)
{
	live_close_as(&ws->live, ws->inbox.code, inbox_control(&ws->inbox));
	if (ws->state == WEBSOCKET_OPEN)
		websocket_put_close(ws, ws->inbox.code, STR_NONE);
	websocket_over(ws);
}

/* Frames that cost work and bring nothing: a hundred a second. */
static bool websocket_is_flooded(struct websocket *ws)
{
	uint64_t now_ns = loop_now_ns(ws->live.worker->loop);

	ws->empties_ns =
		MAX(ws->empties_ns, now_ns) + (ws->inbox.n_empty - ws->n_empty) * EMPTY_COST_NS;
	ws->n_empty = ws->inbox.n_empty;
	return ws->empties_ns > now_ns + EMPTY_BURST_NS;
}

static bool websocket_may_read(const struct websocket *ws)
{
	return ws->opened && ws->state != WEBSOCKET_OVER && !ws->live.running &&
	       ws->turn_messages < TURN_MESSAGES && ws->outbox.size < ws->spec->queue;
}

static void websocket_on_frame(struct websocket *ws, enum inbox_step step)
{
	switch (step) {
	case INBOX_MORE:
	case INBOX_PONG:
		return;
	case INBOX_MESSAGE:
		ws->turn_messages++;
		websocket_on_message(ws);
		return;
	case INBOX_PING:
		if (ws->state == WEBSOCKET_OPEN)
			websocket_put(ws, FRAME_PONG, false, inbox_control(&ws->inbox));
		return;
	case INBOX_CLOSE:
		websocket_on_close_frame(ws);
		return;
	case INBOX_TURN:
		ws->turn_messages = TURN_MESSAGES;
		return;
	case INBOX_BAD:
		websocket_fail(ws, ws->inbox.code, ws->inbox.detail);
		return;
	}
	unreachable();
}

/* Takes from the front as long as that may be. */
static void websocket_read(struct websocket *ws, struct str *in)
{
	while (in->len > 0 && websocket_may_read(ws)) {
		websocket_on_frame(ws, inbox_read(&ws->inbox, in));
		if (ws->state != WEBSOCKET_OVER && websocket_is_flooded(ws))
			websocket_fail(ws, CODE_POLICY, "too many frames without content");
	}
}

static void websocket_forget_rest(struct websocket *ws)
{
	arena_budget_give_back(websocket_budget(ws), ws->rest_size);
	free(take(&ws->rest));
	ws->rest_at = ws->rest_len = ws->rest_size = 0;
}

/* One read of the connection at most: it is paused while there is any. */
static void websocket_keep_rest(struct websocket *ws, struct str rest)
{
	check(!ws->rest);
	if (rest.len == 0 || ws->state == WEBSOCKET_OVER)
		return;
	if (arena_budget_take(websocket_budget(ws), rest.len)) {
		ws->rest = malloc(rest.len);
		ws->rest_size = ws->rest_len = rest.len;
		if (ws->rest) {
			memcpy(ws->rest, rest.ptr, rest.len);
			return;
		}
		websocket_forget_rest(ws);
	}
	websocket_fail(ws, CODE_ERROR, "no memory");
}

static enum intake websocket_data(struct body_intake *intake, struct str bytes)
{
	struct websocket *ws = container_of(intake, struct websocket, intake);

	check(!ws->paused && !ws->rest);
	if (ws->state == WEBSOCKET_OVER)
		return INTAKE_TAKEN; /* the connection is about to end */
	ws->heard_ns = loop_now_ns(ws->live.worker->loop);
	websocket_read(ws, &bytes);
	websocket_keep_rest(ws, bytes);
	ws->paused = ws->state != WEBSOCKET_OVER && (ws->rest || !websocket_may_read(ws));
	if (ws->turn_messages)
		loop_ready_next(ws->live.worker->loop, &ws->turn);
	return ws->paused ? INTAKE_PAUSED : INTAKE_TAKEN;
}

/* The client's side of the connection has ended. */
static enum intake websocket_end(struct body_intake *intake)
{
	struct websocket *ws = container_of(intake, struct websocket, intake);

	if (ws->state != WEBSOCKET_OVER) {
		live_close_as(&ws->live, CODE_GONE, STR_NONE);
		websocket_over(ws);
	}
	return INTAKE_TAKEN;
}

static void websocket_intake_close(struct body_intake *intake)
{
	struct websocket *ws = container_of(intake, struct websocket, intake);

	live_close_as(&ws->live, CODE_GONE, STR_NONE);
	ws->state = WEBSOCKET_OVER;
	ws->request = NULL;
	if (!ws->opened)
		ws->opened = ws->ended = true; /* it was never there */
	timer_stop(&ws->timer);
	websocket_forget_rest(ws);
	websocket_go_on(ws);
}

/* ------------------------------------------------------------ going on */

static void websocket_destroy(struct websocket *ws)
{
	loop_ready_cancel(&ws->turn);
	timer_stop(&ws->timer);
	outbox_fini(&ws->outbox);
	inbox_fini(&ws->inbox);
	deflater_destroy(ws->deflater);
	websocket_forget_rest(ws);
	live_fini(&ws->live);
	free(ws);
}

/* Runs what has to, before the first message and behind the last. */
static void websocket_run_edges(struct websocket *ws)
{
	if (!ws->opened) {
		ws->opened = true;
		if (ws->spec->on_open.flow)
			live_run(&ws->live, &ws->spec->on_open, websocket_on_run_end);
	}
	if (!ws->request && !ws->ended && !ws->live.running) {
		ws->ended = true;
		if (ws->spec->on_close.flow && !ws->live.worker->cancelling)
			live_run(&ws->live, &ws->spec->on_close, websocket_on_run_end);
	}
}

static void websocket_read_rest(struct websocket *ws)
{
	struct str rest = { ws->rest + ws->rest_at, ws->rest_len };

	if (!ws->rest)
		return;
	websocket_read(ws, &rest);
	ws->rest_at += ws->rest_len - rest.len;
	ws->rest_len = rest.len;
	if (rest.len == 0 || ws->state == WEBSOCKET_OVER)
		websocket_forget_rest(ws);
}

static void websocket_on_turn(struct ready *ready)
{
	struct websocket *ws = container_of(ready, struct websocket, turn);

	ws->turn_messages = 0;
	if (!ws->live.running)
		websocket_run_edges(ws);
	if (ws->request)
		websocket_read_rest(ws);
	if (ws->live.running)
		return;
	if (!ws->request && ws->ended) {
		websocket_destroy(ws);
		return;
	}
	if (ws->turn_messages) {
		loop_ready_next(ws->live.worker->loop, &ws->turn);
		return;
	}
	if (!ws->paused || !ws->request || ws->rest ||
	    (ws->state != WEBSOCKET_OVER && !websocket_may_read(ws)))
		return;
	ws->paused = false;
	ws->heard_ns = loop_now_ns(ws->live.worker->loop); /* the pause was ours */
	request_resume_body(ws->request);
}

static void websocket_on_sent(struct outbox *outbox)
{
	struct websocket *ws = container_of(outbox, struct websocket, outbox);

	if (ws->paused)
		websocket_go_on(ws);
}

/* ------------------------------------------------------------ time */

static void websocket_on_timer(struct timer *timer)
{
	struct websocket *ws = container_of(timer, struct websocket, timer);
	uint64_t now_ns = loop_now_ns(ws->live.worker->loop);
	uint64_t silent_ms = (now_ns - ws->heard_ns) / NS_PER_MS;

	if (ws->state == WEBSOCKET_CLOSING) {
		websocket_over(ws);
		return;
	}
	if (ws->paused || silent_ms < ws->spec->ping_ms) { /* not its fault, or it was heard */
		ws->asked_ns = 0;
		timer_start(timer, ws->paused ? ws->spec->ping_ms : ws->spec->ping_ms - silent_ms);
		return;
	}
	if (ws->asked_ns > ws->heard_ns) {
		live_close_as(&ws->live, CODE_GONE, STR("no pong in time"));
		websocket_over(ws);
		return;
	}
	ws->asked_ns = now_ns;
	websocket_put(ws, FRAME_PING, false, STR_NONE);
	timer_start(timer, ws->spec->pong_ms);
}

static void websocket_end_live(struct live *live)
{
	websocket_close(websocket_of(live), CODE_GOING, STR_NONE);
}

/* ------------------------------------------------------------ the handshake */

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

static struct websocket *websocket_create(const struct websocket_spec *spec,
					  struct request *request,
					  const struct handshake *handshake)
{
	static const struct live_ops ops = { websocket_end_live };
	static const struct body_intake_ops intake_ops = { websocket_data, websocket_end,
							   websocket_intake_close };
	const struct inbox_limits limits = { spec->max, spec->max_frame };
	struct websocket *ws = calloc(1, sizeof(*ws));

	if (!ws || !live_init(&ws->live, &ops, request, spec->roots_used)) {
		free(ws);
		return NULL;
	}
	ws->spec = spec;
	ws->request = request;
	ws->intake.ops = &intake_ops;
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
