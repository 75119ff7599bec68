/* tests/server/peers/trunk.c: what becomes of messages when a connection to another daemon cannot be written to, or
 * another process is there in the place of the one that it leads to. */
#include "server/peers/trunk.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/io/loop_clock.h"
#include "server/peers/peer_loop.h"
#include "tests/lib/tap.h"
#include <stdlib.h>

/* A connection whose other side this test plays. */
struct line {
	struct trunk trunk;
	bool full; /* nothing can be written */
	size_t n_written;
	bool closed, freed;
};

static struct loop *loop;
static struct peer_loop *own;
static struct actor_loop *site;
static struct fellow *peer;
static struct line line, later; /* `later`: of the process that succeeds */

static struct line *line_of(const struct trunk *trunk)
{
	return container_of((struct trunk *)(uintptr_t)trunk, struct line, trunk);
}

static bool line_write(struct trunk *trunk, struct str bytes)
{
	struct line *to = line_of(trunk);

	if (to->full)
		return false;
	to->n_written += bytes.len;
	return true;
}

static size_t line_unsent(const struct trunk *trunk)
{
	(void)trunk;
	return 0;
}

static void line_close(struct trunk *trunk, bool failed)
{
	(void)failed;
	line_of(trunk)->closed = true;
}

static void line_free(struct trunk *trunk)
{
	line_of(trunk)->freed = true;
}

static const struct trunk_carrier carrier = { line_write, line_unsent, line_close, line_free };

static void say(struct line *by, enum peer_frame_type type, struct str body)
{
	struct peer_seal none = { 0 };
	struct buf out;
	size_t begin;

	buf_init(&out, 1 << 16);
	begin = peer_frame_begin(&out, type);
	buf_add(&out, body);
	peer_frame_end(&out, begin, &none);
	trunk_on_bytes(&by->trunk, buf_str(&out));
	buf_fini(&out);
}

/* Up. */
static void connect_line(void)
{
	static const char challenge[32 + 8 + 64];

	line = (struct line){ .trunk.carrier = &carrier };
	trunk_init_dialled(&line.trunk, own, peer);
	trunk_say_hello(&line.trunk);
	say(&line, PEER_CHALLENGE, (struct str){ challenge, sizeof(challenge) });
	loop_settle(loop);
	say(&line, PEER_WELCOME, (struct str){ "\0\0\4\0", 4 });
	loop_settle(loop);
	is_int(line.trunk.state, TRUNK_UP);
}

/* Up, or it waits for its turn. */
static void connect_later(void)
{
	static const char hello[] = "\1"
				    "01234567890123456789012345678901"
				    "\0\0\0\0\0\0\0\7"
				    "\1b\1a";
	static const char proof[32];

	later = (struct line){ .trunk.carrier = &carrier };
	is_true(trunk_init_accepted(&later.trunk, own));
	say(&later, PEER_HELLO, (struct str){ hello, sizeof(hello) - 1 });
	say(&later, PEER_PROOF, (struct str){ proof, sizeof(proof) });
	loop_settle(loop);
}

static void end(struct line *one)
{
	trunk_end(&one->trunk);
	loop_settle(loop);
	is_true(one->freed);
}

static struct future *ask(void)
{
	const struct actor_send send = { .name = STR("x"), .handler = STR("y") };
	enum error_code code;
	const char *detail;

	return peer->form->send(peer, site, &send, true, &code, &detail);
}

static void what_cannot_be_written_is_in_doubt_and_its_senders_are_told(void)
{
	const struct actor_answer *answer;
	struct future *before, *after;

	connect_line();
	before = ask();
	loop_settle(loop);
	is_int(future_state(before), FUTURE_PENDING);
	line.full = true;
	after = ask();
	loop_settle(loop);
	is_true(line.closed);
	is_int(future_state(before), FUTURE_READY);
	is_int(future_state(after), FUTURE_READY);
	answer = future_value(after);
	is_true(answer && answer->code == ERROR_UNAVAILABLE);
	is_int(atomic_load(&peer->stats.lost), 2);
	future_unref(before);
	future_unref(after);
	end(&line);
}

static void last_words_are_heard_when_the_next_process_is_there_already(void)
{
	static const char answer[] = "\0\0\0\0\0\0\0\1"
				     "\0\0"
				     "\0"
				     "\0\0"
				     "\0\0"
				     "5";
	const struct actor_answer *got;
	struct future *asked, *held;

	connect_line();
	asked = ask();
	loop_settle(loop);
	connect_later();
	held = ask(); /* for the next process */
	loop_settle(loop);
	is_false(line.closed);
	is_int(later.trunk.state, TRUNK_TURN_WAITED);
	say(&line, PEER_GOODBYE, STR_NONE);
	loop_settle(loop);
	is_false(line.closed);
	is_int(later.trunk.state, TRUNK_WELCOME_WAITED);
	say(&line, PEER_ANSWER, (struct str){ answer, sizeof(answer) - 1 });
	loop_settle(loop);
	is_int(future_state(asked), FUTURE_READY);
	got = future_value(asked);
	is_int(got->code, ERROR_NONE);
	is_int(future_state(held), FUTURE_PENDING);
	future_unref(asked);
	future_unref(held);
	end(&line);
	end(&later);
}

static void a_process_that_is_succeeded_without_a_word_has_a_moment_and_no_more(void)
{
	const struct actor_answer *got;
	struct future *asked;

	clock_freeze(clock_monotonic_ns(), 0);
	connect_line();
	asked = ask();
	loop_settle(loop);
	connect_later();
	loop_advance(loop, 1990 * NS_PER_MS);
	is_false(line.closed);
	loop_advance(loop, 20 * NS_PER_MS);
	is_true(line.closed);
	got = future_value(asked);
	is_true(got && got->code == ERROR_UNAVAILABLE);
	is_int(later.trunk.state, TRUNK_WELCOME_WAITED);
	clock_thaw();
	future_unref(asked);
	end(&line);
	end(&later);
}

static struct fellow *fellow_make(void)
{
	struct fellow *made = mem_zalloc(sizeof(*peer));

	atomic_init(&made->refs, 1);
	arena_init_required(&made->arena);
	made->form = &peer_leat;
	made->conf = (struct peer_conf){ .name = STR("b"),
					 .as = STR("a"),
					 .auth = PEER_AUTH_NONE,
					 .connect_ms = 60000,
					 .heartbeat_ms = 60000,
					 .queue_max = 8,
					 .bytes_max = 4096,
					 .message_max = 1024 };
	made->own = made->form->init(made);
	return made;
}

int main(void)
{
	static const char *names[] = { NULL };
	static const struct actor_section section = { .names = names };
	struct peer_section hosts = { .n_peers = 1, .peers = &peer };
	struct actor_host host = { .remote = &peers_remote };
	struct actors *actors = actors_create(1, NULL);
	struct peers *peers = peers_create(1);

	peer = fellow_make();
	log_set_level(LOG_ERROR);
	check(loop_create(&loop) == 0);
	host.loop = loop;
	site = actors_add_loop(actors, &host);
	own = peers_add_loop(peers, loop, NULL, site, NULL);
	actor_loop_host(site)->peers = own;
	actor_loop_set(site, NULL, 1, &section, 1 << 20, NULL);
	peer_loop_set(own, &hosts);
	peers_apply(peers, &hosts, &section);
	TEST(what_cannot_be_written_is_in_doubt_and_its_senders_are_told);
	TEST(last_words_are_heard_when_the_next_process_is_there_already);
	TEST(a_process_that_is_succeeded_without_a_word_has_a_moment_and_no_more);
	actors_end(actors);
	peers_destroy(peers);
	actors_destroy(actors);
	loop_settle(loop);
	loop_destroy(loop);
	fellow_unref(peer);
	return tap_done();
}
