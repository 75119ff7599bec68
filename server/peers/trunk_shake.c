/* server/peers/trunk_shake.c: from the first frame to UP. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/peers/peer_loop.h"
#include "server/peers/trunk.h"
#include <stdlib.h>

enum {
	HANDSHAKE_MS = 5000, /* of who is not known yet */
	GOODBYE_MS = 5000,   /* for what is on its way; a heartbeat, when that is less */
};

static void trunk_go_up(struct trunk *trunk)
{
	trunk->state = TRUNK_UP;
	trunk->frames.max = trunk->peer->conf.message_max + PEER_OVERHEAD_MAX;
	trunk->heard_ns = loop_now_ns(trunk->loop->loop);
	timer_start(&trunk->timer, trunk->peer->conf.heartbeat_ms);
	log_info("peer connected name=%.*s by=%s", STR_ARG(trunk->peer->conf.name),
		 trunk->dialled ? "us" : "them");
	trunk_ping(trunk); /* first: it says what we know */
	loop_ready(trunk->loop->loop, &trunk->turn);
	if (trunk->loop->draining)
		trunk_drain(trunk, trunk->loop->cancelled);
}

static void trunk_welcome(struct trunk *trunk)
{
	trunk_put_number(trunk, PEER_WELCOME, trunk->peer->conf.message_max, 4);
}

void trunk_join(struct trunk *trunk)
{
	struct buf why;
	char bytes[64];

	switch (mesh_join(mesh_of(trunk->peer), trunk, trunk->dialled, trunk->instance)) {
	case MESH_JOINED:
		trunk->joined = true;
		trunk->state = TRUNK_WELCOME_WAITED;
		trunk_welcome(trunk);
		return;
	case MESH_LATER:
		return;
	case MESH_REFUSED:
		why = (struct buf){ .data = bytes, .cap = sizeof(bytes), .max = sizeof(bytes) };
		peer_put_text(&why, STR("there is a connection already"), 1);
		trunk_put(trunk, PEER_REFUSED, buf_str(&why));
		trunk_close(trunk, "there is a connection already");
		return;
	}
}

static bool trunk_take_names(struct trunk *trunk, struct str from, struct str to)
{
	if (from.len == 0 || to.len == 0)
		return false;
	memcpy(trunk->names[0], from.ptr, from.len);
	memcpy(trunk->names[1], to.ptr, to.len);
	trunk->auth.from = (struct str){ trunk->names[0], from.len };
	trunk->auth.to = (struct str){ trunk->names[1], to.len };
	return true;
}

static struct str trunk_no_key(const struct trunk *trunk)
{
	return (struct str){ (const char *)trunk->no_key, sizeof(trunk->no_key) };
}

static void trunk_put_challenge(struct trunk *trunk)
{
	unsigned char proofs[2][PEER_PROOF_SIZE];
	struct peer_auth old = trunk->auth;
	struct buf body;

	old.key = old.old_key.len ? old.old_key : trunk_no_key(trunk);
	if (!peer_auth_prove(&trunk->auth, PEER_ACCEPTS, proofs[0]) ||
	    !peer_auth_prove(&old, PEER_ACCEPTS, proofs[1])) {
		trunk_fail(trunk, "no memory");
		return;
	}
	buf_init(&body, PEER_HANDSHAKE_MAX);
	buf_add(&body, (struct str){ (char *)trunk->auth.nonces[PEER_ACCEPTS], PEER_NONCE_SIZE });
	peer_put(&body, trunk->auth.instances[PEER_ACCEPTS], 8);
	buf_add(&body, (struct str){ (char *)proofs, sizeof(proofs) });
	trunk_put(trunk, PEER_CHALLENGE, buf_str(&body));
	buf_fini(&body);
	trunk->state = TRUNK_PROOF_WAITED;
}

/* The other host: what it says, and what its certificate does. */
static bool trunk_is_of(const struct trunk *trunk, const struct fellow *peer)
{
	const struct peer_conf *conf = &peer->conf;

	return peer->form == &peer_leat && str_eq(conf->as, trunk->auth.to) &&
	       (conf->auth != PEER_AUTH_TLS ||
		(conf->subject.len && str_eq(conf->subject, trunk->subject)));
}

/* Who is not known is asked for a proof all the same, so that nobody learns which names there are. */
void trunk_on_hello(struct trunk *trunk, struct peer_fields *fields)
{
	uint64_t version = peer_get(fields, 1);
	struct str nonce = peer_get_bytes(fields, PEER_NONCE_SIZE), from, to;
	struct fellow *peer;

	trunk->instance = peer_get(fields, 8);
	from = peer_get_text(fields, 1);
	to = peer_get_text(fields, 1);
	if (!peer_fields_end(fields) || version != PEER_VERSION ||
	    !trunk_take_names(trunk, from, to)) {
		trunk_fail(trunk, "its first frame is not one of " PEER_PROTOCOL);
		return;
	}
	memcpy(trunk->auth.nonces[PEER_CONNECTS], nonce.ptr, PEER_NONCE_SIZE);
	trunk->auth.instances[PEER_CONNECTS] = trunk->instance;
	trunk->auth.instances[PEER_ACCEPTS] = peers_instance(trunk->loop->peers);
	peer = peer_section_find_name(trunk->loop->section, from);
	if (peer && trunk_is_of(trunk, peer)) {
		trunk->peer = fellow_ref(peer);
		trunk->auth.key = peer->conf.key;
		trunk->auth.old_key = peer->conf.old_key;
	} else {
		trunk->auth.key = trunk_no_key(trunk);
	}
	trunk_put_challenge(trunk);
}

void trunk_on_challenge(struct trunk *trunk, struct peer_fields *fields)
{
	struct str nonce = peer_get_bytes(fields, PEER_NONCE_SIZE), theirs;
	unsigned char proof[PEER_PROOF_SIZE];

	trunk->instance = peer_get(fields, 8);
	theirs = peer_get_bytes(fields, (size_t)2 * PEER_PROOF_SIZE);
	if (!peer_fields_end(fields)) {
		trunk_fail(trunk, "its first frame is not one of " PEER_PROTOCOL);
		return;
	}
	memcpy(trunk->auth.nonces[PEER_ACCEPTS], nonce.ptr, PEER_NONCE_SIZE);
	trunk->auth.instances[PEER_ACCEPTS] = trunk->instance;
	if (!peer_auth_settle(&trunk->auth, PEER_ACCEPTS, theirs)) {
		trunk_fail(trunk, "that host does not have the key, or has no such peer");
		return;
	}
	if (!mesh_prove(mesh_of(trunk->peer))) {
		trunk_close(trunk, "there is a connection already");
		return;
	}
	if (!peer_auth_prove(&trunk->auth, PEER_CONNECTS, proof)) {
		trunk_fail(trunk, "no memory");
		return;
	}
	trunk_put(trunk, PEER_PROOF, (struct str){ (char *)proof, sizeof(proof) });
	if (!peer_auth_seal(&trunk->auth, PEER_CONNECTS, &trunk->out_seal) ||
	    !peer_auth_seal(&trunk->auth, PEER_ACCEPTS, &trunk->in_seal)) {
		trunk_fail(trunk, "no memory");
		return;
	}
	trunk->state = TRUNK_WELCOME_WAITED;
}

void trunk_on_proof(struct trunk *trunk, struct peer_fields *fields)
{
	struct str proof = peer_get_bytes(fields, PEER_PROOF_SIZE);

	if (!peer_fields_end(fields) || !trunk->peer ||
	    !peer_auth_settle(&trunk->auth, PEER_CONNECTS, proof)) {
		if (trunk->peer)
			atomic_fetch_add(&trunk->peer->stats.denied, 1);
		log_warning("peer denied name=%s certificate=%s, it has not proven who it is",
			    LOG_QUOTE(trunk->auth.from), LOG_QUOTE(trunk->subject));
		trunk_close(trunk, "it has not proven who it is");
		return;
	}
	if (!peer_auth_seal(&trunk->auth, PEER_ACCEPTS, &trunk->out_seal) ||
	    !peer_auth_seal(&trunk->auth, PEER_CONNECTS, &trunk->in_seal)) {
		trunk_fail(trunk, "no memory");
		return;
	}
	trunk->loop->n_shaking--;
	trunk->state = TRUNK_TURN_WAITED;
	trunk_join(trunk);
}

void trunk_on_welcome(struct trunk *trunk, struct peer_fields *fields)
{
	trunk->peer_message_max = (size_t)peer_get(fields, 4);
	if (!peer_fields_end(fields)) {
		trunk_fail(trunk, "a frame is not right");
		return;
	}
	if (trunk->dialled) {
		if (mesh_join(mesh_of(trunk->peer), trunk, true, trunk->instance) != MESH_JOINED) {
			trunk_close(trunk, "there is a connection already");
			return;
		}
		trunk->joined = true;
		trunk_welcome(trunk);
	}
	trunk_go_up(trunk);
}

/* ------------------------------------------------------------ begin */

void trunk_init_dialled(struct trunk *trunk, struct peer_loop *loop, struct fellow *peer)
{
	trunk_init(trunk, loop);
	trunk->dialled = true;
	trunk->state = TRUNK_CHALLENGE_WAITED;
	trunk->peer = fellow_ref(peer);
	timer_start(&trunk->timer, peer->conf.connect_ms);
}

void trunk_say_hello(struct trunk *trunk)
{
	const struct peer_conf *conf = &trunk->peer->conf;
	struct peer_auth *auth = &trunk->auth;
	struct buf body;

	auth->key = conf->key;
	auth->old_key = conf->old_key;
	auth->instances[PEER_CONNECTS] = peers_instance(trunk->loop->peers);
	if (!trunk_take_names(trunk, conf->as, conf->name) ||
	    !peer_auth_nonce(auth->nonces[PEER_CONNECTS])) {
		trunk_fail(trunk, "no random numbers");
		return;
	}
	buf_init(&body, PEER_HANDSHAKE_MAX);
	peer_put(&body, PEER_VERSION, 1);
	buf_add(&body, (struct str){ (char *)auth->nonces[PEER_CONNECTS], PEER_NONCE_SIZE });
	peer_put(&body, auth->instances[PEER_CONNECTS], 8);
	peer_put_text(&body, auth->from, 1);
	peer_put_text(&body, auth->to, 1);
	trunk_put(trunk, PEER_HELLO, buf_str(&body));
	buf_fini(&body);
}

bool trunk_init_accepted(struct trunk *trunk, struct peer_loop *loop)
{
	if (!peer_auth_nonce(trunk->auth.nonces[PEER_ACCEPTS]) || !peer_auth_nonce(trunk->no_key))
		return false;
	trunk_init(trunk, loop);
	trunk->state = TRUNK_HELLO_WAITED;
	loop->n_shaking++;
	timer_start(&trunk->timer, HANDSHAKE_MS);
	return true;
}

void trunk_drain(struct trunk *trunk, bool now)
{
	if (trunk->state != TRUNK_UP || now) {
		trunk_close(trunk, "this host is stopping");
		return;
	}
	if (trunk->said_goodbye)
		return;
	trunk->said_goodbye = true;
	trunk_put(trunk, PEER_GOODBYE, STR_NONE);
	trunk_put_number(trunk, PEER_PING, TRUNK_GOODBYE_STAMP, 8);
	timer_start(&trunk->timer, MIN(trunk->peer->conf.heartbeat_ms, (uint64_t)GOODBYE_MS));
}
