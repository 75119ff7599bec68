/* tests/fuzz/peer_trunk.c: the states of connections to another daemon, against one that says anything at any time, while
 * messages are sent, actors end, time passes, carriers stall and end, and the peer is taken out of the configuration. The
 * input is a sequence of steps (enum act). What holds of whatever goes out is checked by fake_write(), of the peer by
 * mesh_check(); at the end every message that was sent has been answered or has failed. */
#include "core/base/blob.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/io/loop_clock.h"
#include "server/actors/foreign.h"
#include "server/peers/peer_loop.h"
#include "server/peers/trunk.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	FAKES = 3,
	FUTURES = 64,
	ANSWERS = 4096,
	QUEUE_MAX = 8,
	BYTES_MAX = 4096,
	MESSAGE_MAX = 1024
};

/* The other daemon, at the end of one connection. */
struct fake {
	struct trunk trunk;
	struct peer_frames said; /* by the trunk */
	struct peer_seal none;
	uint64_t n_messages, n_received;
	uint8_t answered[ANSWERS / 8];
	size_t unsent;
	bool closed;
};

static struct fake *fakes[FAKES]; /* whose carriers are there */
static size_t n_alive;
static struct peers *peers;
static struct peer_loop *own;
static struct actors *actors;
static struct actor_loop *site;
static struct loop *loop;
static struct actor *echo;
static struct promise kept; /* of the message that is answered later */
static struct future *futures[FUTURES];

/* ------------------------------------------------------------ what goes out */

static struct fake *fake_of(const struct trunk *trunk)
{
	return container_of((struct trunk *)(uintptr_t)trunk, struct fake, trunk);
}

static void fake_check_answer(struct fake *fake, struct str body)
{
	struct peer_answer answer;

	check(peer_answer_read(body, &answer));
	check(answer.id > 0 && answer.id <= fake->trunk.in_id);
	check(answer.value.len <= MESSAGE_MAX);
	if (answer.id >= ANSWERS)
		return;
	check(!(fake->answered[answer.id / 8] & 1 << answer.id % 8)); /* once */
	fake->answered[answer.id / 8] |= (uint8_t)(1 << answer.id % 8);
}

static void fake_check(struct fake *fake, const struct peer_frame *frame)
{
	struct peer_fields fields = { frame->body, false };
	struct peer_message message;
	uint64_t id;

	if (frame->type < PEER_MESSAGE)
		return;
	check(fake->trunk.joined);
	switch ((unsigned)frame->type) {
	case PEER_MESSAGE:
		check(peer_message_read(frame->body, &message));
		check(message.id == ++fake->n_messages);
		check(message.id - fake->trunk.received_id <= PEER_WINDOW);
		break;
	case PEER_RECEIVED:
		id = peer_get(&fields, 8);
		check(id > fake->n_received && id <= fake->trunk.in_id);
		fake->n_received = id;
		break;
	case PEER_ANSWER:
		fake_check_answer(fake, frame->body);
		break;
	case PEER_WITHDRAW:
		check(peer_get(&fields, 8) <= fake->n_messages);
		break;
	default:
		break;
	}
}

static bool fake_write(struct trunk *trunk, struct str bytes)
{
	struct fake *fake = fake_of(trunk);
	struct peer_frame frame;
	enum peer_frames_step step;

	check(!fake->closed && peer_frames_add(&fake->said, bytes));
	while ((step = peer_frames_next(&fake->said, &fake->none, &frame)) == PEER_FRAMES_FRAME)
		fake_check(fake, &frame);
	check(step == PEER_FRAMES_MORE && fake->said.used == fake->said.in.len); /* whole frames */
	return true;
}

static size_t fake_unsent(const struct trunk *trunk)
{
	return fake_of(trunk)->unsent;
}

static void fake_close(struct trunk *trunk, bool failed)
{
	(void)failed;
	check(!fake_of(trunk)->closed);
	fake_of(trunk)->closed = true;
}

static void fake_free(struct trunk *trunk)
{
	struct fake *fake = fake_of(trunk);

	peer_frames_fini(&fake->said);
	free(fake);
	n_alive--;
}

static const struct trunk_carrier fake_carrier = { fake_write, fake_unsent, fake_close, fake_free };

static void fake_create(size_t at, struct fellow *peer)
{
	struct fake *fake = mem_zalloc(sizeof(*fake));

	fake->trunk.carrier = &fake_carrier;
	peer_frames_init(&fake->said, SIZE_MAX / 4);
	fakes[at] = fake;
	n_alive++;
	if (!peer) {
		check(trunk_init_accepted(&fake->trunk, own));
		return;
	}
	trunk_init_dialled(&fake->trunk, own, peer);
	trunk_say_hello(&fake->trunk);
}

/* The trunk may stay for a while; it is not spoken to any more. */
static void fake_end(size_t at)
{
	struct fake *fake = take(&fakes[at]);

	trunk_end(&fake->trunk);
}

static void fake_say(struct fake *fake, unsigned type, struct str body)
{
	struct peer_seal none = { 0 };
	struct buf out;
	size_t begin;

	buf_init(&out, 1 << 20);
	begin = peer_frame_begin(&out, (enum peer_frame_type)type);
	buf_add(&out, body);
	peer_frame_end(&out, begin, &none);
	trunk_on_bytes(&fake->trunk, buf_str(&out));
	buf_fini(&out);
}

/* What gets it up. */
static void fake_shake(struct fake *fake)
{
	static const char hello[] = "\1"
				    "0123456789abcdef0123456789abcdef"
				    "instance"
				    "\1b"
				    "\1a";
	static const char challenge[32 + 8 + 64];

	if (fake->trunk.dialled) {
		fake_say(fake, PEER_CHALLENGE, (struct str){ challenge, sizeof(challenge) });
	} else {
		fake_say(fake, PEER_HELLO, (struct str){ hello, sizeof(hello) - 1 });
		fake_say(fake, PEER_PROOF, (struct str){ challenge, PEER_PROOF_SIZE });
	}
	loop_settle(loop);
	fake_say(fake, PEER_WELCOME, (struct str){ "\0\0\4\0", 4 });
}

static void fake_message(struct fake *fake, uint8_t how)
{
	static const char *const names[] = { "echo", "echo/1", "nobody", "echo@x" };
	static const char *const handlers[] = { "now", "later", "never", "" };
	const struct peer_message message = { .id = fake->trunk.in_id + 1,
					      .asks = how & 1,
					      .timeout_ms = how & 2 ? 30 : 0,
					      .actor = str_of(names[how >> 2 & 3]),
					      .handler = str_of(handlers[how >> 4 & 3]),
					      .sender = str_of(how & 64 ? "me" : ""),
					      .value = str_of(how & 128 ? "[1]" : "") };
	struct buf body;

	buf_init(&body, 4096);
	peer_message_write(&message, &body);
	fake_say(fake, PEER_MESSAGE, buf_str(&body));
	buf_fini(&body);
}

/* ------------------------------------------------------------ actors */

static struct actor *echo_find(const struct actor_foreign_kind *kind, struct str name)
{
	(void)kind;
	return str_eq(name, STR("echo")) ? actor_ref(echo) : NULL;
}

static void echo_handle(struct message *message, struct actor *self)
{
	struct actor_mail *mail = container_of(message, struct actor_mail, message);

	(void)self;
	if (str_eq(mail->handler, STR("now")))
		actor_mail_answer(mail, blob_ref(mail->value));
	else if (str_eq(mail->handler, STR("later")) && message->reply.future && !kept.future)
		promise_move(&kept, &message->reply);
}

static void answer_kept(void)
{
	const struct failure failure = { .code = ERROR_CUSTOM,
					 .custom_code = STR("late"),
					 .status = 418 };

	if (kept.future)
		promise_set(&kept, actor_answer_create(&failure, NULL), actor_answer_free);
}

static void send_one(struct fellow *peer, uint8_t how)
{
	char bytes[600] = "\"";
	size_t len = 2 + (how & 3) * (size_t)190;
	const struct actor_send send = {
		.name = STR("x"),
		.handler = STR("y"),
		.deadline_ns = how & 4 ? clock_monotonic_ns() + 20 * NS_PER_MS : 0,
		.value = NULL
	};
	struct actor_send full = send;
	enum error_code code;
	const char *detail;
	size_t at = how >> 3;

	memset(bytes + 1, 'x', len - 2);
	bytes[len - 1] = '"';
	full.value = blob_create((struct str){ bytes, len });
	if (futures[at]) {
		future_discard(futures[at]);
		future_unref(futures[at]);
	}
	futures[at] = peer->form->send(peer, site, &full, how & 1, &code, &detail);
	check(futures[at] || (code != ERROR_NONE && detail));
	blob_unref(full.value);
}

/* ------------------------------------------------------------ one input */

static struct fellow *fellow_make(uint8_t how)
{
	struct fellow *peer = mem_zalloc(sizeof(*peer));

	atomic_init(&peer->refs, 1);
	arena_init_required(&peer->arena);
	peer->form = &peer_leat;
	peer->conf = (struct peer_conf){ .name = STR("b"),
					 .as = STR("a"),
					 .auth = PEER_AUTH_NONE,
					 .reach = { .few = how & 1 },
					 .connect_ms = 100,
					 .heartbeat_ms = 50,
					 .grace_ms = how & 2 ? 20 : 0,
					 .queue_max = QUEUE_MAX,
					 .bytes_max = BYTES_MAX,
					 .message_max = MESSAGE_MAX };
	if (how & 4) { /* the lesser name */
		peer->conf.name = STR("a");
		peer->conf.as = STR("b");
	}
	peer->own = peer->form->init(peer);
	return peer;
}

static void mesh_check(struct fellow *peer)
{
	struct mesh *mesh = mesh_of(peer);

	check(mesh->n_waiting + mesh->n_sent <= QUEUE_MAX && mesh->n_bytes <= BYTES_MAX);
	check(mesh->n_notices <= MESH_NOTICES_MAX && mesh->n_linked <= MESH_LINKED_MAX);
	check(!mesh->trunk || (mesh->trunk != mesh->next && mesh->trunk != mesh->left));
	check(!mesh->next || mesh->trunk);
}

enum act {
	SAY,
	RAW,
	SHAKE,
	MESSAGE,
	SEND,
	TURN,
	TIME,
	STALL,
	END,
	OPEN,
	DIAL,
	ANSWER,
	ENDED,
	DRAIN,
	STEPS
};

static void take_step(struct fellow *peer, enum act step, size_t at, struct str *rest)
{
	struct fake *fake = fakes[at];
	uint8_t how = rest->len ? (uint8_t)rest->ptr[0] : 0;
	struct str bytes = str_first(str_skip(*rest, 1), how & 127);

	if (step == OPEN || step == DIAL) {
		if (!fake)
			fake_create(at, step == DIAL ? peer : NULL);
		return;
	}
	*rest = str_skip(*rest, 1);
	if (step == SEND)
		send_one(peer, how);
	else if (step == TURN)
		loop_settle(loop);
	else if (step == TIME)
		loop_advance(loop, (how & 127) * NS_PER_MS);
	else if (step == ANSWER)
		answer_kept();
	else if (step == ENDED)
		peers_remote.on_end(site, STR("echo"), STR("echo"), STR("failed"));
	else if (step == DRAIN && how > 200)
		peer_loop_drain(own, how > 230);
	else if (!fake)
		return;
	else if (step == STALL)
		fake->unsent = how & 1 ? (size_t)how << 15 : 0;
	else if (step == END)
		fake_end(at);
	else if (step == SHAKE)
		fake_shake(fake);
	else if (step == MESSAGE)
		fake_message(fake, how);
	else if (step == RAW)
		trunk_on_bytes(&fake->trunk, bytes);
	else if (bytes.len)
		fake_say(fake, (uint8_t)bytes.ptr[0], str_skip(bytes, 1));
	if (step == RAW || step == SAY)
		*rest = str_skip(*rest, bytes.len);
}

static void run_input(struct fellow *peer, struct str rest)
{
	while (rest.len) {
		uint8_t byte = (uint8_t)rest.ptr[0];

		rest = str_skip(rest, 1);
		take_step(peer, (enum act)(byte % 16 % STEPS), byte / 16 % FAKES, &rest);
		mesh_check(peer);
	}
}

static void check_futures(void)
{
	for (size_t i = 0; i < FUTURES; i++) {
		if (!futures[i])
			continue;
		check(future_state(futures[i]) != FUTURE_PENDING);
		future_unref(take(&futures[i]));
	}
}

static void end_all(void)
{
	static const struct peer_section nothing;
	static const struct actor_section no_actors;

	loop_settle(loop);
	for (size_t i = 0; i < FAKES; i++)
		if (fakes[i])
			fake_end(i);
	peers_apply(peers, &nothing, &no_actors);
	loop_settle(loop);
	check(n_alive == 0);
	check_futures();
	promise_drop(&kept);
	actor_terminate(echo, true);
	actors_end(actors);
	loop_settle(loop);
	actor_unref(echo);
	peers_destroy(peers);
	actors_destroy(actors);
	loop_settle(loop);
	loop_destroy(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct actor_foreign_kind kind = { echo_find, echo_handle };
	static const struct actor_kind echo_kind = { .name = "echo" };
	static struct actor_link link = { .actor = STR_INIT("x@b"),
					  .handler = STR_INIT("told"),
					  .peer = STR_INIT("b"),
					  .remote = STR_INIT("x") };
	static struct actor_spec spec = {
		.name = STR_INIT("echo"), .foreign = &kind, .n_links = 1, .links = &link
	};
	static const char *names[] = { "echo", NULL };
	static const struct actor_section section = { .n_specs = 1,
						      .specs = &spec,
						      .names = names };
	struct fellow *peer = fellow_make(size ? data[0] : 0);
	struct fellow *list[] = { peer };
	const struct peer_section hosts = { .n_peers = 1, .peers = list };
	struct actor_host host = { .remote = &peers_remote };

	log_set_level(LOG_ERROR);
	clock_freeze(NS_PER_S * 1000, 0);
	check(loop_create(&loop) == 0);
	host.loop = loop;
	peers = peers_create(1);
	actors = actors_create(1, NULL);
	site = actors_add_loop(actors, &host);
	own = peers_add_loop(peers, loop, NULL, site, NULL);
	actor_loop_host(site)->peers = own;
	echo = actor_spawn(&echo_kind, NULL, loop, NULL);
	actor_loop_set(site, NULL, 1, &section, 1 << 20, NULL);
	peer_loop_set(own, &hosts);
	peers_apply(peers, &hosts, &section);
	run_input(peer, str_skip((struct str){ (const char *)data, size }, 1));
	end_all();
	fellow_unref(peer);
	clock_thaw();
	return 0;
}
