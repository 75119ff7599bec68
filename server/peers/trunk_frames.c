/* server/peers/trunk_frames.c: what each frame does that comes. */
#include "server/expr/json.h"
#include "server/flow/step.h"
#include "server/peers/peer_loop.h"
#include "server/peers/trunk.h"

static void trunk_on_received(struct trunk *trunk, uint64_t id)
{
	if (id <= trunk->received_id || id > trunk->last_id) {
		trunk_fail(trunk, "a frame is not right");
		return;
	}
	atomic_fetch_add(&trunk->peer->stats.acked, id - trunk->received_id);
	while (trunk->received_id < id)
		trunk->unreceived_bytes -= trunk->sizes[++trunk->received_id % PEER_WINDOW];
}

static void trunk_on_answer(struct trunk *trunk, struct str body)
{
	struct peer_answer answer;

	if (!peer_answer_read(body, &answer) || answer.id > trunk->last_id ||
	    (answer.value.len && !json_check(answer.value, &(struct json_error){ 0 })))
		trunk_fail(trunk, "an answer is not right");
	else
		mesh_on_answer(mesh_of(trunk->peer), trunk, &answer);
}

static void trunk_on_link(struct trunk *trunk, struct str name, bool linked)
{
	struct mesh *mesh = mesh_of(trunk->peer);

	if (!name_is_valid(name))
		trunk_fail(trunk, "a frame is not right");
	else if (!mesh_set_linked(mesh, name, linked))
		trunk_fail(trunk, "it is linked to too many actors");
	else if (linked && (!actor_loop_knows(trunk->loop->actors, name) ||
			    !peer_may_reach(&trunk->peer->conf.reach, name)))
		mesh_tell_ended(mesh, name, name, str_of(actor_end_name(ACTOR_END_NO_ACTOR)));
}

static void trunk_on_watch(struct trunk *trunk, struct peer_fields *fields, bool on)
{
	struct mesh *mesh = mesh_of(trunk->peer);
	struct str name = peer_get_text(fields, 2);

	if (!peer_fields_end(fields) || !actor_name_is_canonical(name) || (on && name.len == 0))
		trunk_fail(trunk, "a frame is not right");
	else if (!mesh_set_watched(mesh, trunk, name, on))
		trunk_fail(trunk, "it is linked to too many actors");
	else if (on && (!peer_may_reach(&trunk->peer->conf.reach, name) ||
			!actor_loop_has(trunk->loop->actors, name)))
		mesh_tell_down(mesh, name, ACTOR_END_NO_ACTOR);
}

static void trunk_on_ping(struct trunk *trunk, struct str body)
{
	trunk_put(trunk, PEER_PONG, str_first(body, 8));
	if (body.len > 8)
		trunk->watches |= body.ptr[8] & PEER_KNOWS_WATCH;
}

/* What the other side has sent before it has answered says what it knows. */
static void trunk_on_pong(struct trunk *trunk, uint64_t stamp)
{
	uint64_t now_ns = loop_now_ns(trunk->loop->loop);

	if (!trunk->watches)
		mesh_on_old(mesh_of(trunk->peer), trunk);
	if (stamp == TRUNK_GOODBYE_STAMP)
		trunk->left = trunk->said_goodbye;
	else if (stamp <= now_ns)
		atomic_store(&trunk->peer->stats.rtt_ns, MAX(now_ns - stamp, UINT64_C(1)));
}

static void trunk_on_ended(struct trunk *trunk, struct peer_fields *fields)
{
	uint64_t id = peer_get(fields, 8);
	struct str actor = peer_get_text(fields, 2), name = peer_get_text(fields, 2);
	struct str reason = peer_get_text(fields, 1);

	if (!peer_fields_end(fields) || !actor_name_is_canonical(name) || !str_is_utf8(reason)) {
		trunk_fail(trunk, "a frame is not right");
		return;
	}
	trunk->noting_id = MAX(trunk->noting_id, id);
	if (mesh_hear_end(mesh_of(trunk->peer), trunk, id))
		peer_loop_tell(trunk->loop, trunk->peer, actor, name, reason);
}

static void trunk_on_down(struct trunk *trunk, struct peer_fields *fields)
{
	uint64_t id = peer_get(fields, 8);
	struct str name = peer_get_text(fields, 2), reason = peer_get_text(fields, 1);

	if (!peer_fields_end(fields) || !actor_name_is_canonical(name)) {
		trunk_fail(trunk, "a frame is not right");
		return;
	}
	trunk->noting_id = MAX(trunk->noting_id, id);
	if (mesh_hear_end(mesh_of(trunk->peer), trunk, id))
		actor_loop_tell_end(trunk->loop->actors, trunk->peer, name, actor_end_of(reason));
}

static void trunk_on_goodbye(struct trunk *trunk)
{
	mesh_leave(mesh_of(trunk->peer), trunk);
	if (trunk->succeeded)
		timer_start(&trunk->timer, trunk->peer->conf.heartbeat_ms);
	trunk->succeeded = false;
}

static void trunk_on_frame_up(struct trunk *trunk, const struct peer_frame *frame)
{
	struct peer_fields fields = { frame->body, false };

	switch ((unsigned)frame->type) {
	case PEER_MESSAGE:
		trunk_on_message(trunk, frame->body);
		return;
	case PEER_ANSWER:
		trunk_on_answer(trunk, frame->body);
		return;
	case PEER_RECEIVED:
		trunk_on_received(trunk, peer_get(&fields, 8));
		return;
	case PEER_WITHDRAW:
		trunk_on_withdraw(trunk, peer_get(&fields, 8));
		return;
	case PEER_PING:
		trunk_on_ping(trunk, frame->body);
		return;
	case PEER_PONG:
		trunk_on_pong(trunk, peer_get(&fields, 8));
		return;
	case PEER_LINK:
	case PEER_UNLINK:
		trunk_on_link(trunk, peer_get_text(&fields, 2), frame->type == PEER_LINK);
		return;
	case PEER_ENDED:
		trunk_on_ended(trunk, &fields);
		return;
	case PEER_WATCH:
	case PEER_UNWATCH:
		trunk_on_watch(trunk, &fields, frame->type == PEER_WATCH);
		return;
	case PEER_DOWN:
		trunk_on_down(trunk, &fields);
		return;
	case PEER_NOTED:
		mesh_on_noted(mesh_of(trunk->peer), trunk, peer_get(&fields, 8));
		return;
	case PEER_GOODBYE:
		trunk_on_goodbye(trunk);
		return;
	default:
		trunk_fail(trunk, "a frame is not one of " PEER_PROTOCOL);
		return;
	}
}

/* The frame that each state waits for; any other is the end. */
static void trunk_on_frame(struct trunk *trunk, const struct peer_frame *frame)
{
	struct peer_fields fields = { frame->body, false };
	void (*on_frame)(struct trunk * trunk, struct peer_fields * fields) = NULL;

	if (trunk->state == TRUNK_UP) {
		trunk_on_frame_up(trunk, frame);
		return;
	}
	if (trunk->dialled && frame->type == PEER_REFUSED) {
		trunk->refused = true;
		trunk_close(trunk, "that host has refused the connection");
		return;
	}
	if (trunk->state == TRUNK_HELLO_WAITED && frame->type == PEER_HELLO)
		on_frame = trunk_on_hello;
	else if (trunk->state == TRUNK_CHALLENGE_WAITED && frame->type == PEER_CHALLENGE)
		on_frame = trunk_on_challenge;
	else if (trunk->state == TRUNK_PROOF_WAITED && frame->type == PEER_PROOF)
		on_frame = trunk_on_proof;
	else if (trunk->state == TRUNK_WELCOME_WAITED && frame->type == PEER_WELCOME)
		on_frame = trunk_on_welcome;
	if (on_frame)
		on_frame(trunk, &fields);
	else
		trunk_fail(trunk, "a frame comes where it may not");
}

void trunk_on_bytes(struct trunk *trunk, struct str bytes)
{
	enum peer_frames_step step = PEER_FRAMES_FRAME;
	struct peer_frame frame;

	if (trunk->state == TRUNK_CLOSED)
		return;
	trunk->heard_ns = loop_now_ns(trunk->loop->loop);
	if (!peer_frames_add(&trunk->frames, bytes))
		step = PEER_FRAMES_BAD;
	while (trunk->state != TRUNK_CLOSED && step == PEER_FRAMES_FRAME) {
		step = peer_frames_next(&trunk->frames, &trunk->in_seal, &frame);
		if (step == PEER_FRAMES_FRAME)
			trunk_on_frame(trunk, &frame);
	}
	if (step == PEER_FRAMES_BAD)
		trunk_fail(trunk,
			   "what comes is not of " PEER_PROTOCOL ", or was changed on its way");
	else if (trunk->state == TRUNK_UP &&
		 trunk_unsent(trunk) > trunk->peer->conf.bytes_max + TRUNK_OUT_MAX * 4)
		trunk_fail(trunk, "it does not read what it is sent");
	if (trunk->state != TRUNK_CLOSED)
		loop_ready(trunk->loop->loop, &trunk->turn);
}
