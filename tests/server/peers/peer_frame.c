/* tests/server/peers/peer_frame.c */
#include "server/peers/peer_frame.h"
#include "server/peers/address.h"
#include "server/peers/peer_auth.h"
#include "tests/lib/tap.h"

enum { MAX = 1 << 16 };

static struct peer_seal seal_of(char c)
{
	struct peer_seal seal = { .on = true };

	memset(seal.key, c, sizeof(seal.key));
	return seal;
}

static void put(struct buf *out, enum peer_frame_type type, struct str body, struct peer_seal *seal)
{
	size_t begin = peer_frame_begin(out, type);

	buf_add(out, body);
	peer_frame_end(out, begin, seal);
}

/* Three frames, one of them empty. */
static void put_three(struct buf *out, struct peer_seal *seal)
{
	buf_init(out, MAX);
	put(out, PEER_PING, STR("12345678"), seal);
	put(out, PEER_GOODBYE, STR_NONE, seal);
	put(out, PEER_LINK, STR("\0\3abc"), seal);
}

static enum peer_frames_step next(struct peer_frames *frames, struct peer_seal *seal,
				  struct peer_frame *frame)
{
	return peer_frames_next(frames, seal, frame);
}

static void frames_are_the_same_however_they_are_cut(void)
{
	for (unsigned on = 0; on < 2; on++) {
		for (size_t cut = 1; cut < 40; cut++) {
			struct peer_seal out_seal = seal_of('k'), in_seal = seal_of('k');
			struct peer_frames frames;
			struct peer_frame frame;
			struct buf out;
			unsigned n = 0;

			out_seal.on = in_seal.on = on;
			put_three(&out, &out_seal);
			peer_frames_init(&frames, 100);
			for (size_t at = 0; at < out.len; at += cut) {
				peer_frames_add(&frames,
						str_first(str_skip(buf_str(&out), at), cut));
				while (next(&frames, &in_seal, &frame) == PEER_FRAMES_FRAME) {
					static const enum peer_frame_type types[] = { PEER_PING,
										      PEER_GOODBYE,
										      PEER_LINK };

					if (n < 3)
						is_int(frame.type, types[n]);
					n++;
				}
			}
			is_int(n, 3);
			peer_frames_fini(&frames);
			buf_fini(&out);
		}
	}
}

/* How many frames of `bytes` are taken before one is refused, or there are no more. */
static unsigned count(struct str bytes, struct peer_seal seal, enum peer_frames_step *ret_step)
{
	struct peer_frames frames;
	struct peer_frame frame;
	unsigned n = 0;

	peer_frames_init(&frames, 100);
	peer_frames_add(&frames, bytes);
	while ((*ret_step = next(&frames, &seal, &frame)) == PEER_FRAMES_FRAME)
		n++;
	peer_frames_fini(&frames);
	return n;
}

static void a_changed_byte_is_found_wherever_it_is(void)
{
	struct peer_seal seal = seal_of('k');
	enum peer_frames_step step;
	struct buf out;

	put_three(&out, &seal);
	is_int(count(buf_str(&out), seal_of('k'), &step), 3);
	for (size_t i = 0; i < out.len; i++) {
		unsigned n;

		out.data[i] ^= 1;
		n = count(buf_str(&out), seal_of('k'), &step);
		is_true(n < 3);
		out.data[i] ^= 1;
	}
	is_int(count(buf_str(&out), seal_of('x'), &step), 0);
	is_int(step, PEER_FRAMES_BAD);
	buf_fini(&out);
}

static void a_frame_cannot_be_said_again_or_left_out(void)
{
	struct peer_seal seal = seal_of('k');
	size_t first = 4 + 1 + 8 + PEER_SEAL_SIZE;
	enum peer_frames_step step;
	struct buf out, twice;

	put_three(&out, &seal);
	buf_init(&twice, MAX);
	buf_add(&twice, str_first(buf_str(&out), first));
	buf_add(&twice, str_first(buf_str(&out), first));
	is_int(count(buf_str(&twice), seal_of('k'), &step), 1);
	is_int(step, PEER_FRAMES_BAD);
	is_int(count(str_skip(buf_str(&out), first), seal_of('k'), &step), 0);
	is_int(step, PEER_FRAMES_BAD);
	buf_fini(&twice);
	buf_fini(&out);
}

static void a_frame_that_is_too_large_is_refused_by_its_head(void)
{
	enum peer_frames_step step;
	struct peer_seal none = { 0 };

	is_int(count(STR("\0\0\0\x65\x14"), none, &step), 0);
	is_int(step, PEER_FRAMES_BAD);
	is_int(count(STR("\xff\xff\xff\xff"), none, &step), 0);
	is_int(step, PEER_FRAMES_BAD);
	is_int(count(STR("\0\0\0\0"), none, &step), 0);
	is_int(step, PEER_FRAMES_BAD);
	is_int(count(STR("\0\0\0\x05\x14"), seal_of('k'), &step), 0);
	is_int(step, PEER_FRAMES_BAD); /* shorter than its seal */
}

static void messages_and_answers_are_read_as_they_were_written(void)
{
	const struct peer_message message = { .asks = true,
					      .actor = STR("cart/7"),
					      .handler = STR("add"),
					      .sender = STR("me"),
					      .sender_id = STR("id"),
					      .value = STR("{\"n\":1}") };
	const struct peer_answer answer = { .id = UINT64_C(1) << 40,
					    .status = 418,
					    .code = STR("expr_error"),
					    .custom = STR("no_way"),
					    .detail = STR("because"),
					    .value = STR("[]") };
	struct peer_message read;
	struct peer_answer got;
	struct buf out;

	buf_init(&out, MAX);
	peer_message_write(&message, &out);
	peer_message_stamp(out.data, 77, 1500);
	is_true(peer_message_read(buf_str(&out), &read));
	is_int(read.id, 77);
	is_int(read.timeout_ms, 1500);
	is_true(read.asks);
	is_str(read.actor, STR("cart/7"));
	is_str(read.handler, STR("add"));
	is_str(read.sender, STR("me"));
	is_str(read.sender_id, STR("id"));
	is_str(read.value, STR("{\"n\":1}"));
	for (size_t len = 0; len < out.len - message.value.len; len++)
		is_false(peer_message_read(str_first(buf_str(&out), len), &read));
	buf_clear(&out);
	peer_answer_write(&answer, &out);
	is_true(peer_answer_read(buf_str(&out), &got));
	is_true(got.id == answer.id && got.status == 418);
	is_str(got.code, STR("expr_error"));
	is_str(got.custom, STR("no_way"));
	is_str(got.detail, STR("because"));
	is_str(got.value, STR("[]"));
	buf_fini(&out);
}

/* ------------------------------------------------------------ proofs */

static struct peer_auth auth_of(struct str key, char nonces)
{
	struct peer_auth auth = {
		.key = key, .from = STR("alpha"), .to = STR("beta"), .instances = { 1, 2 }
	};

	memset(auth.nonces[0], nonces, PEER_NONCE_SIZE);
	memset(auth.nonces[1], nonces + 1, PEER_NONCE_SIZE);
	return auth;
}

static bool proves(const struct peer_auth *one, enum peer_side side, const struct peer_auth *other,
		   enum peer_side as)
{
	unsigned char proof[PEER_PROOF_SIZE];
	struct peer_auth settled = *other;

	return peer_auth_prove(one, side, proof) &&
	       peer_auth_settle(&settled, as, (struct str){ (const char *)proof, sizeof(proof) });
}

static void a_proof_is_of_one_key_one_side_and_one_connection(void)
{
	struct peer_auth right = auth_of(STR("0123456789abcdef"), 'a');
	struct peer_auth other_key = auth_of(STR("0123456789abcdeg"), 'a');
	struct peer_auth other_nonce = auth_of(STR("0123456789abcdef"), 'b');
	struct peer_auth other_name = right;

	other_name.to = STR("gamma");
	for (int side = 0; side < 2; side++) {
		is_true(proves(&right, side, &right, side));
		is_false(proves(&right, side, &right, 1 - side)); /* sent back */
		is_false(proves(&other_key, side, &right, side));
		is_false(proves(&other_nonce, side, &right, side)); /* said again */
		is_false(proves(&other_name, side, &right, side));
	}
	is_false(peer_auth_settle(&right, PEER_ACCEPTS, STR("")));
	is_false(peer_auth_settle(&right, PEER_ACCEPTS, STR("short")));
}

/* Of the two proofs of who accepts, the other side may know either, or both. */
static void of_two_keys_the_one_that_both_have_is_taken(void)
{
	static const char *const keys[] = { "one: 0123456789a", "two: 0123456789a",
					    "three: 012345678" };

	for (size_t i = 0; i < 9; i++) {
		struct peer_auth one = auth_of(str_of(keys[0]), 'a'), old = one;
		struct peer_auth other = auth_of(str_of(keys[i / 3]), 'a');
		unsigned char proofs[2][PEER_PROOF_SIZE];

		old.key = str_of(keys[1]);
		other.old_key = str_of(keys[i % 3]);
		is_true(peer_auth_prove(&one, PEER_ACCEPTS, proofs[0]));
		is_true(peer_auth_prove(&old, PEER_ACCEPTS, proofs[1]));
		is_int(peer_auth_settle(&other, PEER_ACCEPTS,
					(struct str){ (const char *)proofs, sizeof(proofs) }),
		       i != 8);
		is_str(other.key, str_of(keys[i / 3 < 2 ? i / 3 : i % 3]));
	}
}

static void each_direction_has_a_key_of_its_own(void)
{
	struct peer_auth auth = auth_of(STR("0123456789abcdef"), 'a');
	struct peer_seal seals[2];

	is_true(peer_auth_seal(&auth, PEER_CONNECTS, &seals[0]));
	is_true(peer_auth_seal(&auth, PEER_ACCEPTS, &seals[1]));
	is_true(seals[0].on && memcmp(seals[0].key, seals[1].key, 32) != 0);
}

/* ------------------------------------------------------------ addresses */

static void addresses_have_one_normal_form(void)
{
	static const char *const same[][2] = {
		{ "10.0.0.2:8080", "10.0.0.2:8080" },
		{ "Host.Example:80", "host.example:80" },
		{ "[::1]:8080", "[::1]:8080" },
		{ "[0:0::0:1]:8080", "[::1]:8080" },
		{ "host", "" },
		{ "host:", "" },
		{ "::1:80", "" },
		{ "host:99999", "" },
		{ "a b:80", "" },
		{ "", "" },
	};
	char text[PEER_HOST_MAX];

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		is_str(peer_address_normal(str_of(same[i][0]), text), str_of(same[i][1]));
}

static void an_address_is_split_at_its_first_at(void)
{
	struct str actor, host;

	is_true(peer_address_split(STR("cart/42@[::1]:80"), &actor, &host));
	is_str(actor, STR("cart/42"));
	is_str(host, STR("[::1]:80"));
	is_false(peer_address_split(STR("cart/42"), &actor, &host));
	is_true(peer_address_split(STR("a@b@c"), &actor, &host));
	is_str(host, STR("b@c"));
}

int main(void)
{
	TEST(frames_are_the_same_however_they_are_cut);
	TEST(a_changed_byte_is_found_wherever_it_is);
	TEST(a_frame_cannot_be_said_again_or_left_out);
	TEST(a_frame_that_is_too_large_is_refused_by_its_head);
	TEST(messages_and_answers_are_read_as_they_were_written);
	TEST(a_proof_is_of_one_key_one_side_and_one_connection);
	TEST(of_two_keys_the_one_that_both_have_is_taken);
	TEST(each_direction_has_a_key_of_its_own);
	TEST(addresses_have_one_normal_form);
	TEST(an_address_is_split_at_its_first_at);
	return tap_done();
}
