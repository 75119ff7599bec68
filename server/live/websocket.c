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
#include "core/base/clock.h"
#include "server/live/websocket_private.h"
#include "server/worker.h"
#include <stdlib.h>

/* Messages and control frames, however little is in them; then others have their turn. So a flood of
 * frames without content costs its sender as much as anybody, and need not be told from a client that
 * has much to say: pongs that it does not read fill its queue, and then nothing is read from it. */
enum { TURN_COST = 64 };

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

static bool websocket_may_read(const struct websocket *ws)
{
	return ws->opened && ws->state != WEBSOCKET_OVER && !ws->live.running &&
	       ws->turn_cost < TURN_COST && ws->outbox.size < ws->spec->queue;
}

static void websocket_on_frame(struct websocket *ws, enum inbox_step step)
{
	ws->turn_cost += step != INBOX_MORE;
	switch (step) {
	case INBOX_MORE:
	case INBOX_PONG:
		return;
	case INBOX_MESSAGE:
		ws->began_ns = 0;
		atomic_fetch_add_explicit(&ws->live.worker->stats.live_in, 1, memory_order_relaxed);
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
		ws->turn_cost = TURN_COST;
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
	while (in->len > 0 && websocket_may_read(ws))
		websocket_on_frame(ws, inbox_read(&ws->inbox, in));
	if (ws->inbox.in_message && !ws->began_ns)
		ws->began_ns = loop_now_ns(ws->live.worker->loop);
}

/* Who sends a message octet by octet, or answers pings in the midst of one, is not silent: so that it
 * cannot hold what it has sent for as long as it likes. */
static void websocket_check_arrival(struct websocket *ws)
{
	uint64_t now_ns = loop_now_ns(ws->live.worker->loop);

	if (ws->state == WEBSOCKET_OPEN && ws->began_ns &&
	    (now_ns - ws->began_ns) / NS_PER_MS > ws->spec->arrival_ms)
		websocket_fail(ws, CODE_POLICY, "the message came too slowly");
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
	websocket_check_arrival(ws);
	websocket_keep_rest(ws, bytes);
	ws->paused = ws->state != WEBSOCKET_OVER && (ws->rest || !websocket_may_read(ws));
	if (ws->turn_cost)
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

void websocket_gone(struct websocket *ws)
{
	live_close_as(&ws->live, CODE_GONE, STR_NONE);
	ws->state = WEBSOCKET_OVER;
	ws->request = NULL;
	if (!ws->opened)
		ws->opened = ws->ended = true; /* it was never there */
	timer_stop(&ws->timer);
	live_unfollow(&ws->live);
	websocket_forget_rest(ws);
	websocket_go_on(ws);
}

static void websocket_intake_close(struct body_intake *intake)
{
	struct websocket *ws = container_of(intake, struct websocket, intake);

	websocket_gone(ws);
}

const struct body_intake_ops websocket_intake_ops = { websocket_data, websocket_end,
						      websocket_intake_close };

/* ------------------------------------------------------------ going on */

void websocket_destroy(struct websocket *ws)
{
	loop_ready_cancel(&ws->turn);
	timer_stop(&ws->timer);
	outbox_fini(&ws->outbox);
	inbox_fini(&ws->inbox);
	deflater_destroy(ws->deflater);
	websocket_forget_rest(ws);
	live_unfollow(&ws->live);
	atomic_fetch_sub(&ws->live.worker->stats.n_websockets, 1);
	live_fini(&ws->live);
	free(ws);
}

/* Runs what has to, before the first message and behind the last. */
static void websocket_run_edges(struct websocket *ws)
{
	if (!ws->opened && ws->answered) {
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
	struct str rest;

	if (!ws->rest)
		return;
	rest = (struct str){ ws->rest + ws->rest_at, ws->rest_len };
	websocket_read(ws, &rest);
	ws->rest_at += ws->rest_len - rest.len;
	ws->rest_len = rest.len;
	if (rest.len == 0 || ws->state == WEBSOCKET_OVER)
		websocket_forget_rest(ws);
}

void websocket_on_turn(struct ready *ready)
{
	struct websocket *ws = container_of(ready, struct websocket, turn);

	ws->turn_cost = 0;
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
	if (ws->turn_cost) {
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

void websocket_on_sent(struct outbox *outbox)
{
	struct websocket *ws = container_of(outbox, struct websocket, outbox);

	if (ws->paused)
		websocket_go_on(ws);
}

/* ------------------------------------------------------------ time */

/* It is silent: what no later message refers to need not be kept for it. */
static void websocket_forget_codecs(struct websocket *ws)
{
	if (!ws->deflate.own_takeover)
		deflater_destroy(take(&ws->deflater));
	inbox_rest(&ws->inbox);
}

/* What the client has taken of what was sent; with TLS less than that, by what it adds. It only grows. */
static int64_t websocket_delivered(const struct websocket *ws)
{
	return (int64_t)ws->outbox.taken_size - (int64_t)request_unsent(ws->request);
}

/* A ping comes behind what is on its way already, so that a client which still takes that is there. */
static bool websocket_is_taking(struct websocket *ws)
{
	int64_t delivered = websocket_delivered(ws);

	if (delivered <= ws->delivered)
		return false;
	ws->delivered = delivered;
	return true;
}

static void websocket_ask(struct websocket *ws)
{
	bool is_first = ws->outbox.n_items == 0 && request_unsent(ws->request) == 0;

	ws->asked_ns = loop_now_ns(ws->live.worker->loop);
	ws->delivered = is_first ? INT64_MAX : websocket_delivered(ws);
	websocket_put_uncounted(ws, FRAME_PING, STR_NONE);
	timer_start(&ws->timer, ws->spec->pong_ms);
}

void websocket_on_timer(struct timer *timer)
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
	websocket_forget_codecs(ws);
	if (ws->asked_ns > ws->heard_ns && websocket_is_taking(ws)) {
		timer_start(timer, ws->spec->pong_ms);
		return;
	}
	if (ws->asked_ns > ws->heard_ns) {
		live_close_as(&ws->live, CODE_GONE, STR("no pong in time"));
		websocket_over(ws);
		return;
	}
	websocket_ask(ws);
}
