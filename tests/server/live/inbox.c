/* tests/server/live/inbox.c: frames, fragments, text, inflating: from bytes to messages. */
#include "server/live/inbox.h"
#include "core/base/check.h"
#include "tests/lib/tap.h"
#include <stdlib.h>

enum { TOLD_MAX = 4096, BIG = 1 << 20 };

static struct inbox inbox;
static char told[TOLD_MAX];
static char *wire;
static size_t wire_len;

/* ------------------------------------------------------------ what a client sends */

static void begin(void)
{
	if (!wire)
		wire = malloc(BIG);
	wire_len = 0;
}

/* `first`: FIN, RSV and opcode. */
static void frame(uint8_t first, struct str payload)
{
	const uint8_t mask[4] = { 0x12, 0xa4, 0, 0xff };
	char own[FRAME_OWN_HEAD_MAX];
	size_t n = frame_write_head(own, FRAME_TEXT, true, false, payload.len);

	wire[wire_len] = (char)first;
	memcpy(wire + wire_len + 1, own + 1, n - 1);
	wire[wire_len + 1] = (char)(own[1] | 0x80);
	memcpy(wire + wire_len + n, mask, 4);
	frame_unmask(wire + wire_len + n + 4, payload, mask, 0);
	wire_len += n + 4 + payload.len;
}

static void tell(const char *what, struct str bytes)
{
	size_t len = strlen(told);

	snprintf(told + len, sizeof(told) - len, "%s(%.*s)", what, STR_ARG(str_first(bytes, 60)));
}

static void tell_code(const char *what)
{
	size_t len = strlen(told);

	snprintf(told + len, sizeof(told) - len, "%s%d(%.*s)", what, inbox.code,
		 STR_ARG(inbox_control(&inbox)));
}

static void tell_step(enum inbox_step step)
{
	switch (step) {
	case INBOX_MORE:
	case INBOX_TURN:
		break;
	case INBOX_MESSAGE:
		tell(inbox.text ? "text" : "binary", inbox_message(&inbox));
		break;
	case INBOX_PING:
		tell("ping", inbox_control(&inbox));
		break;
	case INBOX_PONG:
		tell("pong", inbox_control(&inbox));
		break;
	case INBOX_CLOSE:
		tell_code("close");
		break;
	case INBOX_BAD:
		inbox.control_len = inbox.reason_at = 0;
		tell_code("bad");
		break;
	}
}

static const char *read_cut(size_t cut, const struct deflate_terms *terms)
{
	const struct inbox_limits limits = { 1000, 2000 };
	struct arena_budget budget = { .max = SIZE_MAX };
	enum inbox_step step = INBOX_MORE;

	told[0] = '\0';
	inbox_init(&inbox, &limits, terms, &budget);
	for (size_t at = 0; at < wire_len && step != INBOX_BAD; at += cut) {
		struct str in = { wire + at, MIN(cut, wire_len - at) };

		do {
			step = inbox_read(&inbox, &in);
			tell_step(step);
		} while (in.len > 0 && step != INBOX_BAD);
	}
	inbox_fini(&inbox);
	is_int((int64_t)budget.used, 0);
	return told;
}

/* Whole and byte by byte: the same. */
static const char *read_terms(const struct deflate_terms *terms)
{
	char whole[TOLD_MAX];

	snprintf(whole, sizeof(whole), "%s", read_cut(BIG, terms));
	is_text(read_cut(1, terms), whole);
	return told;
}

static const char *read_all(void)
{
	return read_terms(&(struct deflate_terms){ 0 });
}

#define FRAME(first, literal) frame(first, STR(literal))

/* ------------------------------------------------------------ frames and fragments */

static void messages_are_text_or_binary_of_any_size(void)
{
	char large[1000];

	memset(large, 'x', sizeof(large));
	begin();
	FRAME(0x81, "hello");
	FRAME(0x82, "bytes");
	FRAME(0x81, "");
	frame(0x81, (struct str){ large, 125 });
	frame(0x82, (struct str){ large, 126 });
	frame(0x82, (struct str){ large, 1000 });
	read_all();
	is_true(strncmp(told, "text(hello)binary(bytes)text()text(xxx", 38) == 0);
}

static void fragments_are_put_together_and_control_frames_come_between(void)
{
	begin();
	FRAME(0x01, "frag");
	FRAME(0x89, "who");
	FRAME(0x00, "");
	FRAME(0x00, "men");
	FRAME(0x8a, "");
	FRAME(0x80, "ted");
	FRAME(0x81, "next");
	is_text(read_all(), "ping(who)pong()text(fragmented)text(next)");
}

static void a_fragment_out_of_its_order_fails(void)
{
	begin();
	FRAME(0x80, "no message");
	is_text(read_all(), "bad1002()");
	begin();
	FRAME(0x01, "a");
	FRAME(0x81, "b");
	is_text(read_all(), "bad1002()");
	begin();
	FRAME(0x81, "a");
	FRAME(0x00, "b");
	is_text(read_all(), "text(a)bad1002()");
}

static void reserved_bits_and_opcodes_fail(void)
{
	static const uint8_t firsts[] = { 0xc1, 0xa1, 0x91, 0xf1, 0x83, 0x84, 0x87,
					  0x8b, 0x8f, 0x09, 0x08, 0x0a, 0xc9 };

	for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
		begin();
		frame(firsts[i], STR("x"));
		is_text(read_all(), "bad1002()");
	}
}

static void read_raw(struct str bytes, const char *want)
{
	begin();
	memcpy(wire, bytes.ptr, bytes.len);
	wire_len = bytes.len;
	is_text(read_all(), want);
}

static void heads_that_the_rfc_forbids_fail_at_the_byte_that_makes_it_so(void)
{
	read_raw(STR("\x81\x05"), "bad1002()");         /* not masked */
	read_raw(STR("\x89\xfe"), "bad1002()");         /* a control frame of 126 */
	read_raw(STR("\x81\xfe\x00\x7d"), "bad1002()"); /* 125 in two bytes */
	read_raw(STR("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff"), "bad1002()"); /* 65535 in eight */
	read_raw(STR("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00"), "bad1002()"); /* negative */
}

static void what_is_too_large_fails_before_it_comes(void)
{
	read_raw(STR("\x82\xfe\x07\xd1zzzz"), "bad1009()"); /* a frame of 2001 */
	begin();
	frame(0x02, (struct str){ wire + BIG / 2, 900 });
	frame(0x80, (struct str){ wire + BIG / 2, 101 });
	is_text(read_all(), "bad1009()");
}

/* ------------------------------------------------------------ closing */

static void close_frames_have_a_code_that_may_be_sent_and_a_reason_in_utf8(void)
{
	begin();
	FRAME(0x88, "\x03\xe8 bye");
	is_text(read_all(), "close1000( bye)");
	begin();
	FRAME(0x88, "");
	is_text(read_all(), "close1005()");
	begin();
	FRAME(0x88, "\x03");
	is_text(read_all(), "bad1002()");
	begin();
	FRAME(0x88, "\x03\xe8\xff");
	is_text(read_all(), "bad1007()");
}

static void codes_are_valid_as_the_registry_says(void)
{
	static const unsigned good[] = {
		1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 3999, 4999
	};
	static const unsigned bad[] = { 0,    999,  1004, 1005, 1006, 1015,
					1016, 1100, 2000, 2999, 5000, 65535 };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		is_true(frame_close_code_is_valid(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_false(frame_close_code_is_valid(bad[i]));
}

/* ------------------------------------------------------------ text */

static bool utf8_whole(const char *text)
{
	struct utf8 utf8 = { 0 };
	bool whole = utf8_add(&utf8, str_of(text)) && utf8_is_whole(&utf8);
	struct utf8 pieces = { 0 };
	bool ok = true;

	for (; ok && *text; text++)
		ok = utf8_add(&pieces, (struct str){ text, 1 });
	is_int(ok && utf8_is_whole(&pieces), whole);
	return whole;
}

static void text_is_utf8_without_surrogates_and_what_is_overlong(void)
{
	is_true(utf8_whole("κόσμε and a longer text of ASCII, \xf0\x9f\x8e\x89, \xf4\x8f\xbf\xbf"));
	is_true(utf8_whole("\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"));
	is_false(utf8_whole("\xed\xa0\x80"));
	is_false(utf8_whole("\xc0\xaf"));
	is_false(utf8_whole("\xc1\xbf"));
	is_false(utf8_whole("\xe0\x80\xaf"));
	is_false(utf8_whole("\xf0\x80\x80\xaf"));
	is_false(utf8_whole("\xf4\x90\x80\x80"));
	is_false(utf8_whole("\xf8\x88\x80\x80\x80"));
	is_false(utf8_whole("\x80"));
	is_false(utf8_whole("12345678\xce"));
}

static void text_that_cannot_become_valid_fails_before_it_is_whole(void)
{
	begin();
	FRAME(0x01, "\xce\xba\xf4\x90");
	is_text(read_all(), "bad1007()");
	begin();
	FRAME(0x01, "\xce");
	FRAME(0x80, "\xba");
	is_text(read_all(), "text(κ)");
	begin();
	FRAME(0x01, "\xce");
	FRAME(0x80, "");
	is_text(read_all(), "bad1007()");
	begin();
	FRAME(0x82, "\xce\xff");
	is_text(read_all(), "binary(\xce\xff)");
}

/* ------------------------------------------------------------ compressed messages */

static const struct deflate_terms terms = {
	.on = true, .own_takeover = true, .peer_takeover = true, .own_bits = DEFLATE_BITS_MAX
};

static void compressed_messages_are_inflated_and_may_refer_to_those_before(void)
{
	begin();
	FRAME(0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00"); /* RFC 7692 §7.2.3.1: Hello */
	FRAME(0xc1, "\xf2\x00\x11\x00\x00");         /* §7.2.3.2: Hello, from the window */
	FRAME(0xc1, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"); /* §7.2.3.3: stored */
	FRAME(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00");             /* §7.2.3.4: BFINAL */
	FRAME(0xc1,
	      "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"); /* §7.2.3.5: two blocks */
	FRAME(0x41, "\xf2\x48\xcd");                                   /* and in fragments */
	FRAME(0x80, "\xc9\xc9\x07\x00");
	FRAME(0xc1, "\x00"); /* §7.2.3.6: empty */
	FRAME(0x81, "plain");
	is_text(read_terms(&terms),
		"text(Hello)text(Hello)text(Hello)text(Hello)text(Hello)text(Hello)"
		"text()text(plain)");
}

static void what_inflates_to_too_much_or_is_not_deflate_fails(void)
{
	struct arena_budget budget = { .max = SIZE_MAX };
	struct deflater *deflater = deflater_create(DEFLATE_BITS_MAX, &budget);
	struct buf out;
	char *zeros = calloc(1, BIG);

	buf_init(&out, BIG);
	is_true(deflater_message(deflater, (struct str){ zeros, BIG }, false, &out));
	begin();
	frame(0xc2, str_first(buf_str(&out), 1900));
	is_text(read_terms(&terms), "bad1009()");
	buf_clear(&out);
	is_true(deflater_message(deflater, (struct str){ zeros, 1000 }, false, &out));
	begin();
	frame(0xc2, buf_str(&out));
	is_int(strncmp(read_terms(&terms), "binary(", 7), 0);
	buf_clear(&out);
	is_true(deflater_message(deflater, (struct str){ zeros, 1001 }, false, &out));
	begin();
	frame(0xc2, buf_str(&out));
	is_text(read_terms(&terms), "bad1009()");
	begin();
	FRAME(0xc1, "\xff\xff\xff\xff");
	is_text(read_terms(&terms), "bad1002()");
	begin();
	FRAME(0xc1, "\x4a\x02\x00"); /* "1", then \xff stored */
	FRAME(0xc9, "");
	is_true(strstr(read_terms(&terms), "bad1002()") != NULL);
	buf_fini(&out);
	deflater_destroy(deflater);
	free(zeros);
	is_int((int64_t)budget.used, 0);
}

static void what_is_deflated_is_inflated_to_the_same(void)
{
	struct arena_budget budget = { .max = SIZE_MAX };
	struct deflater *deflater = deflater_create(9, &budget);
	struct buf out;
	char text[900];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i * i % 23);
	begin();
	for (size_t len = 0; len < sizeof(text); len += 89) {
		buf_init(&out, BIG);
		is_true(deflater_message(deflater, (struct str){ text, len }, true, &out));
		frame(0xc2, buf_str(&out));
		frame(0x82, (struct str){ text, len });
		buf_fini(&out);
	}
	read_terms(&terms);
	for (const char *at = told; (at = strstr(at, "binary(")); at++) {
		const char *other = strstr(at + 1, "binary(");
		const char *end = other ? strstr(other + 1, "binary(") : NULL;

		is_true(other != NULL);
		if (!end)
			break;
		is_int(memcmp(at, other, (size_t)(end - other)), 0);
		at = other;
	}
	deflater_destroy(deflater);
}

/* Two messages of which the second is cut off at its middle: what the inbox holds at rest after each. */
static void rest_at(bool takeover, size_t ret_used[2])
{
	const struct inbox_limits limits = { 1000, 2000 };
	const struct deflate_terms own = { .on = true,
					   .own_takeover = takeover,
					   .peer_takeover = takeover,
					   .own_bits = DEFLATE_BITS_MAX };
	struct arena_budget budget = { .max = SIZE_MAX };
	struct str in;

	begin();
	FRAME(0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00");
	inbox_init(&inbox, &limits, &own, &budget);
	in = (struct str){ wire, wire_len };
	is_int(inbox_read(&inbox, &in), INBOX_MESSAGE);
	inbox_forget(&inbox);
	inbox_rest(&inbox);
	ret_used[0] = budget.used - inbox.room;
	in = (struct str){ wire, wire_len - 3 };
	is_int(inbox_read(&inbox, &in), INBOX_MORE);
	inbox_rest(&inbox);
	ret_used[1] = budget.used - inbox.room;
	in = (struct str){ wire + wire_len - 3, 3 };
	is_int(inbox_read(&inbox, &in), INBOX_MESSAGE);
	is_int(str_eq(inbox_message(&inbox), STR("Hello")), 1);
	inbox_fini(&inbox);
	is_int((int64_t)budget.used, 0);
}

static void at_rest_no_inflater_is_held_that_nothing_refers_to(void)
{
	size_t used[2];

	rest_at(false, used);
	is_int((int64_t)used[0], 0);
	is_true(used[1] > 0);
	rest_at(true, used);
	is_true(used[0] > 0 && used[1] > 0);
}

int main(void)
{
	TEST(messages_are_text_or_binary_of_any_size);
	TEST(fragments_are_put_together_and_control_frames_come_between);
	TEST(a_fragment_out_of_its_order_fails);
	TEST(reserved_bits_and_opcodes_fail);
	TEST(heads_that_the_rfc_forbids_fail_at_the_byte_that_makes_it_so);
	TEST(what_is_too_large_fails_before_it_comes);
	TEST(close_frames_have_a_code_that_may_be_sent_and_a_reason_in_utf8);
	TEST(codes_are_valid_as_the_registry_says);
	TEST(text_is_utf8_without_surrogates_and_what_is_overlong);
	TEST(text_that_cannot_become_valid_fails_before_it_is_whole);
	TEST(compressed_messages_are_inflated_and_may_refer_to_those_before);
	TEST(what_inflates_to_too_much_or_is_not_deflate_fails);
	TEST(what_is_deflated_is_inflated_to_the_same);
	TEST(at_rest_no_inflater_is_held_that_nothing_refers_to);
	free(wire);
	return tap_done();
}
