/* tests/server/live/handshake.c: subprotocols and permessage-deflate; the rest is in tests/e2e. */
#include "server/live/handshake.h"
#include "core/base/check.h"
#include "tests/lib/tap.h"

static struct handshake handshake;

static struct http_field fields[] = {
	{ STR_INIT("Upgrade"), STR_INIT("WebSocket") },
	{ STR_INIT("Sec-WebSocket-Key"), STR_INIT("dGhlIHNhbXBsZSBub25jZQ==") },
	{ STR_INIT("Sec-WebSocket-Version"), STR_INIT("13") },
	{ STR_INIT("X"), STR_INIT("") },
};
static const struct http_head good = { .minor = 1,
				       .upgrade = STR_INIT("WebSocket"),
				       .authority = STR_INIT("leat.test"),
				       .n_fields = ARRAY_LEN(fields),
				       .fields = fields };

static int status_of(const struct http_head *head, const char *name, const char *value)
{
	const struct handshake_rules rules = { .deflate = true };

	fields[3] = (struct http_field){ str_of(name), str_of(value) };
	handshake_read(head, &rules, &handshake);
	return handshake.status;
}

static const char *shake(const char *name, const char *value, bool takeover)
{
	static char out[HANDSHAKE_EXTENSION_MAX + 1];
	static const struct str protocols[] = { STR_INIT("b"), STR_INIT("a") };
	const struct handshake_rules rules = {
		.protocols = protocols, .n_protocols = 2, .deflate = true, .takeover = takeover
	};
	struct str text;

	fields[3] = (struct http_field){ str_of(name), str_of(value) };
	handshake_read(&good, &rules, &handshake);
	is_int(handshake.status, 101);
	if (!handshake.deflate.on)
		return "";
	text = handshake_extension(&handshake.deflate, out);
	out[text.len] = '\0';
	return out;
}

static void the_accept_is_that_of_the_rfc(void)
{
	shake("X", "", true);
	is_str(((struct str){ handshake.accept, sizeof(handshake.accept) }),
	       STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

static void the_client_s_first_protocol_that_is_spoken_counts(void)
{
	shake("Sec-WebSocket-Protocol", "x, a , b", true);
	is_str(handshake.protocol, STR("a"));
	shake("Sec-WebSocket-Protocol", "A", true);
	is_int((int64_t)handshake.protocol.len, 0);
}

static const char *offer(const char *value)
{
	return shake("Sec-WebSocket-Extensions", value, true);
}

static void the_first_offer_that_can_be_taken_is(void)
{
	is_text(offer("permessage-deflate"), "permessage-deflate");
	is_text(offer("x-webkit-deflate-frame, permessage-deflate; client_max_window_bits"),
		"permessage-deflate");
	is_text(offer("permessage-deflate; server_max_window_bits=10"),
		"permessage-deflate; server_max_window_bits=10");
	is_text(offer("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover");
	is_text(offer("permessage-deflate; server_max_window_bits=8, permessage-deflate"),
		"permessage-deflate");
	is_text(offer("permessage-deflate; client_max_window_bits=\"9\""), "permessage-deflate");
	is_text(shake("Sec-WebSocket-Extensions", "permessage-deflate", false),
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover");
}

static void an_offer_that_makes_no_sense_is_left(void)
{
	static const char *const bad[] = {
		"",
		"deflate",
		"permessage-deflate; what=1",
		"permessage-deflate; server_max_window_bits",
		"permessage-deflate; server_max_window_bits=7",
		"permessage-deflate; server_max_window_bits=16",
		"permessage-deflate; server_max_window_bits=010",
		"permessage-deflate; client_max_window_bits=\"1\\5\"",
		"permessage-deflate; server_no_context_takeover=1",
		"permessage-deflate; client_max_window_bits; client_max_window_bits",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_text(offer(bad[i]), "");
}

/* RFC 7692 §7.1.2.1: an offer that names a window is accepted by naming one. */
static void a_client_that_names_a_window_is_told_which_it_gets(void)
{
	is_text(offer("permessage-deflate; server_max_window_bits=15"),
		"permessage-deflate; server_max_window_bits=15");
	is_text(offer("permessage-deflate; server_max_window_bits=8, "
		      "permessage-deflate; server_max_window_bits=15; client_max_window_bits"),
		"permessage-deflate; server_max_window_bits=15");
}

/* RFC 6455 §9.1: what does not conform to the ABNF fails. */
static void lists_that_cannot_be_read_are_refused(void)
{
	static const char *const bad[] = {
		"permessage-deflate;",
		"permessage-deflate; ;client_max_window_bits",
		"permessage-deflate; client_max_window_bits=",
		"permessage-deflate; client_max_window_bits=\"\"",
		"permessage-deflate; client_max_window_bits=\"15",
		"permessage-deflate; client_max_window_bits=1 5",
		"permessage-deflate; =15",
		"per message",
		"; client_max_window_bits",
		"x; y=\"a, permessage-deflate, b\"",
		"x; y=\"a; b\"",
		"x; y=\"\\\"",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		is_int(status_of(&good, "Sec-WebSocket-Extensions", bad[i]), 400);
		is_true(!handshake.deflate.on);
	}
	is_int(status_of(&good, "Sec-WebSocket-Extensions", "a, ,b;c;d=e;f=\"g\\h\" ,"), 101);
	is_int(status_of(&good, "Sec-WebSocket-Protocol", "a, ,b,"), 101);
	is_int(status_of(&good, "Sec-WebSocket-Protocol", "a b"), 400);
	is_int(status_of(&good, "Sec-WebSocket-Protocol", "a, \"b\""), 400);
}

/* RFC 6455 §4.2.1: a GET of HTTP/1.1, with version 13. */
static void what_asks_for_something_else_is_told_what_is_spoken(void)
{
	struct http_head head = good;

	is_int(status_of(&head, "X", ""), 101);
	head.method_id = HTTP_HEAD;
	is_int(status_of(&head, "X", ""), 426);
	head.method_id = HTTP_POST;
	is_int(status_of(&head, "X", ""), 426);
	head = good;
	head.minor = 0;
	is_int(status_of(&head, "X", ""), 426);
	fields[2].value = STR("013");
	is_int(status_of(&good, "X", ""), 426);
	fields[2].value = STR("13");
}

/* RFC 9112 §3.2.2: that of an absolute target, whatever Host says; the router goes by it, too. */
static void the_own_origin_is_that_of_the_request_s_authority(void)
{
	struct http_head head = good;

	is_int(status_of(&head, "Origin", "https://leat.test"), 101);
	is_int(status_of(&head, "Origin", "https://evil.test"), 403);
	head.authority = STR("other.test:80");
	is_int(status_of(&head, "Origin", "http://other.test"), 101);
	is_int(status_of(&head, "Origin", "https://other.test"), 403);
	is_int(status_of(&head, "Origin", "http://leat.test"), 403);
	head.authority = STR_NONE;
	is_int(status_of(&head, "Origin", "http://"), 403);
}

int main(void)
{
	TEST(the_accept_is_that_of_the_rfc);
	TEST(the_client_s_first_protocol_that_is_spoken_counts);
	TEST(the_first_offer_that_can_be_taken_is);
	TEST(an_offer_that_makes_no_sense_is_left);
	TEST(a_client_that_names_a_window_is_told_which_it_gets);
	TEST(lists_that_cannot_be_read_are_refused);
	TEST(what_asks_for_something_else_is_told_what_is_spoken);
	TEST(the_own_origin_is_that_of_the_request_s_authority);
	return tap_done();
}
