/* server/peers/trunk.c: the states, the turns, and the end. */
#include "server/peers/trunk.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/peers/peer_loop.h"
#include <stdlib.h>

enum { LAST_WORDS_MS = 2000 }; /* less than those who wait for a WELCOME have */

/* ------------------------------------------------------------ the end */

static void trunk_maybe_free(struct trunk *trunk)
{
	struct fellow *peer = trunk->peer;

	if (trunk->state != TRUNK_CLOSED || trunk->carried || atomic_load(&trunk->woken))
		return;
	loop_ready_cancel(&trunk->turn);
	list_remove(&trunk->link);
	peer_frames_fini(&trunk->frames);
	buf_fini(&trunk->out);
	trunk->carrier->free(trunk);
	fellow_unref(peer);
}

static void trunk_log_end(const struct trunk *trunk, uint8_t state)
{
	if (state == TRUNK_UP)
		log_info("peer disconnected name=%.*s reason=%s", STR_ARG(trunk->peer->conf.name),
			 LOG_QUOTE(str_of(trunk->problem)));
	else if (trunk->peer && trunk->failed)
		log_warning("peer not connected name=%.*s reason=%s",
			    STR_ARG(trunk->peer->conf.name), LOG_QUOTE(str_of(trunk->problem)));
}

/* False: what was to go out did not, and nothing may go out behind it. */
static bool trunk_flush(struct trunk *trunk)
{
	bool ok = !trunk->out.error;

	if (trunk->out.len && trunk->carried && ok)
		ok = trunk->carrier->write(trunk, buf_str(&trunk->out));
	buf_clear(&trunk->out);
	return ok;
}

void trunk_close(struct trunk *trunk, const char *problem)
{
	uint8_t state = trunk->state;

	if (state == TRUNK_CLOSED)
		return;
	trunk->state = TRUNK_CLOSED;
	trunk->problem = problem;
	timer_stop(&trunk->timer);
	loop_ready_cancel(&trunk->turn);
	if (!trunk->dialled && state <= TRUNK_PROOF_WAITED)
		trunk->loop->n_shaking--;
	trunk_drop_works(trunk);
	trunk_log_end(trunk, state);
	if (trunk->joined || state == TRUNK_TURN_WAITED)
		mesh_part(mesh_of(trunk->peer), trunk);
	else if (trunk->dialled)
		mesh_on_dial_failed(mesh_of(trunk->peer), problem, trunk->refused);
	trunk_flush(trunk);
	if (trunk->carried)
		trunk->carrier->close(trunk, trunk->failed);
}

void trunk_fail(struct trunk *trunk, const char *problem)
{
	trunk->failed = true;
	trunk_close(trunk, problem);
}

void trunk_end(struct trunk *trunk)
{
	trunk_close(trunk, "the connection has ended");
	trunk->carried = false;
	trunk_maybe_free(trunk);
}

/* ------------------------------------------------------------ frames that go out */

void trunk_put(struct trunk *trunk, enum peer_frame_type type, struct str body)
{
	size_t begin = peer_frame_begin(&trunk->out, type);

	buf_add(&trunk->out, body);
	peer_frame_end(&trunk->out, begin, &trunk->out_seal);
	loop_ready(trunk->loop->loop, &trunk->turn);
}

void trunk_put_number(struct trunk *trunk, enum peer_frame_type type, uint64_t number,
		      unsigned n_bytes)
{
	char bytes[8];
	struct buf body = { .data = bytes, .cap = sizeof(bytes), .max = sizeof(bytes) };

	peer_put(&body, number, n_bytes);
	trunk_put(trunk, type, buf_str(&body));
}

size_t trunk_unsent(const struct trunk *trunk)
{
	return trunk->out.len + trunk->carrier->unsent(trunk);
}

/* ------------------------------------------------------------ a turn */

static size_t trunk_window(const struct trunk *trunk)
{
	if (trunk->last_id - trunk->received_id >= PEER_WINDOW)
		return 0;
	if (trunk->unreceived_bytes == 0)
		return SIZE_MAX; /* one is always let through */
	return trunk->unreceived_bytes < PEER_WINDOW_BYTES
		       ? PEER_WINDOW_BYTES - trunk->unreceived_bytes
		       : 0;
}

/* It is in doubt for nobody: it was not sent. */
static void trunk_refuse_large(struct trunk *trunk, uint64_t id)
{
	const struct peer_answer answer = { .id = id,
					    .code = STR("too_large"),
					    .detail = STR("that host takes no message so large") };

	mesh_on_answer(mesh_of(trunk->peer), trunk, &answer);
}

static bool trunk_send_one(struct trunk *trunk)
{
	size_t begin = trunk->out.len, size;
	uint64_t id = trunk->last_id + 1;

	peer_frame_begin(&trunk->out, PEER_MESSAGE);
	if (!mesh_take(mesh_of(trunk->peer), trunk, id, trunk_window(trunk), &trunk->out, &size)) {
		trunk->out.len = begin;
		return false;
	}
	if (size > trunk->peer_message_max + PEER_OVERHEAD_MAX / 2) {
		trunk->out.len = begin;
		trunk_refuse_large(trunk, id);
		return true;
	}
	peer_frame_end(&trunk->out, begin, &trunk->out_seal);
	trunk->last_id = id;
	trunk->sizes[id % PEER_WINDOW] = (uint32_t)size;
	trunk->unreceived_bytes += size;
	return true;
}

static void trunk_send_notices(struct trunk *trunk)
{
	enum peer_frame_type type;
	struct buf body;

	buf_init(&body, 64 << 10);
	while (trunk_unsent(trunk) < TRUNK_OUT_MAX &&
	       (mesh_take_notice(mesh_of(trunk->peer), trunk, &body, &type) ||
		(trunk->watches && mesh_take_watch(mesh_of(trunk->peer), trunk, &body, &type)))) {
		trunk_put(trunk, type, buf_str(&body));
		buf_clear(&body);
	}
	buf_fini(&body);
}

static void trunk_send(struct trunk *trunk)
{
	trunk_send_notices(trunk);
	while (trunk_unsent(trunk) < TRUNK_OUT_MAX && trunk_window(trunk) > 0 && !trunk->out.error)
		if (!trunk_send_one(trunk))
			return;
}

/* Nothing of either side is in work. */
static bool trunk_is_done(struct trunk *trunk)
{
	return trunk->left && trunk->n_works == 0 && !trunk->dialled &&
	       mesh_is_quiet(mesh_of(trunk->peer));
}

/* True: it had to end, and did. One that another process succeeds has a moment left (`now`: that is over), for
 * GOODBYE to come or the connection to break: the new process of an upgrade may be there before the old one's last
 * words are read, and with them its messages are not in doubt. */
static bool trunk_end_in_time(struct trunk *trunk, bool now)
{
	const char *reason;
	bool succeeded;

	if (!trunk->joined)
		return false;
	reason = mesh_must_end(mesh_of(trunk->peer), trunk, &succeeded);
	if (reason && succeeded && !now && trunk->state == TRUNK_UP) {
		if (!trunk->succeeded)
			timer_start(&trunk->timer,
				    MIN((uint64_t)LAST_WORDS_MS, trunk->peer->conf.connect_ms / 2));
		trunk->succeeded = true;
		return false;
	}
	if (reason)
		trunk_close(trunk, reason);
	return reason != NULL;
}

static void trunk_on_turn(struct ready *ready)
{
	struct trunk *trunk = container_of(ready, struct trunk, turn);

	if (trunk->state == TRUNK_TURN_WAITED)
		trunk_join(trunk);
	if (trunk_end_in_time(trunk, false))
		return;
	if (trunk->state == TRUNK_UP) {
		if (!trunk->succeeded)
			trunk_send(trunk);
		if (trunk->in_id != trunk->told_id) {
			trunk->told_id = trunk->in_id;
			trunk_put_number(trunk, PEER_RECEIVED, trunk->in_id, 8);
		}
		if (trunk->noting_id != trunk->noted_id) {
			trunk->noted_id = trunk->noting_id;
			trunk_put_number(trunk, PEER_NOTED, trunk->noted_id, 8);
		}
	}
	if (!trunk_flush(trunk)) {
		trunk_fail(trunk, "what is to be sent cannot be written");
		return;
	}
	loop_ready_cancel(&trunk->turn); /* what was put asked for this one */
	if (trunk->state == TRUNK_UP && trunk_is_done(trunk))
		trunk_close(trunk, "this host is stopping");
}

static void trunk_on_wake(struct post *post)
{
	struct trunk *trunk = container_of(post, struct trunk, wake);

	atomic_store(&trunk->woken, false);
	if (trunk->state == TRUNK_CLOSED)
		trunk_maybe_free(trunk);
	else
		loop_ready(trunk->loop->loop, &trunk->turn);
}

void trunk_wake(struct trunk *trunk)
{
	if (!atomic_exchange(&trunk->woken, true))
		loop_post(trunk->loop->loop, &trunk->wake);
}

void trunk_on_sent(struct trunk *trunk)
{
	if (trunk->state == TRUNK_UP)
		loop_ready(trunk->loop->loop, &trunk->turn);
}

/* ------------------------------------------------------------ time */

void trunk_ping(struct trunk *trunk)
{
	char bytes[9];
	struct buf body = { .data = bytes, .cap = sizeof(bytes), .max = sizeof(bytes) };

	peer_put(&body, loop_now_ns(trunk->loop->loop), 8);
	peer_put(&body, PEER_KNOWS_WATCH, 1);
	trunk_put(trunk, PEER_PING, buf_str(&body));
}

static void trunk_beat(struct trunk *trunk)
{
	uint64_t now_ns = loop_now_ns(trunk->loop->loop);
	uint64_t beat_ms = trunk->peer->conf.heartbeat_ms;

	if (now_ns - trunk->heard_ns >= TRUNK_BEATS * beat_ms * NS_PER_MS) {
		trunk_fail(trunk, "there is no sign of life");
		return;
	}
	trunk->left = trunk->said_goodbye; /* it has had its time to hear it */
	mesh_sweep(mesh_of(trunk->peer), trunk);
	trunk_ping(trunk);
	timer_start(&trunk->timer, beat_ms);
}

static void trunk_on_timer(struct timer *timer)
{
	struct trunk *trunk = container_of(timer, struct trunk, timer);

	if (trunk->succeeded && trunk_end_in_time(trunk, true))
		return;
	trunk->succeeded = false;
	if (trunk->state == TRUNK_UP)
		trunk_beat(trunk);
	else
		trunk_fail(trunk, "connecting took too long");
}

/* ------------------------------------------------------------ begin */

void trunk_init(struct trunk *trunk, struct peer_loop *loop)
{
	trunk->loop = loop;
	trunk->carried = true;
	peer_frames_init(&trunk->frames, PEER_HANDSHAKE_MAX);
	buf_init(&trunk->out, SIZE_MAX / 2);
	timer_init(&trunk->timer, loop->loop, trunk_on_timer);
	ready_init(&trunk->turn, trunk_on_turn);
	trunk->wake.run = trunk_on_wake;
	for (size_t i = 0; i < TRUNK_SLOTS; i++)
		list_init(&trunk->works[i]);
	list_init(&trunk->link);
	list_add(&loop->trunks, &trunk->link);
}
