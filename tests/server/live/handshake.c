/* tests/server/live/handshake.c: subprotocols and permessage-deflate; the rest is in tests/e2e. */
#include "server/live/handshake.h"
#include "core/base/check.h"
#include "tests/lib/tap.h"

static struct handshake handshake;

static const char *shake(const char *name, const char *value, bool takeover)
{
	static char out[HANDSHAKE_EXTENSION_MAX + 1];
	static const struct str protocols[] = { STR_INIT("b"), STR_INIT("a") };
	const struct handshake_rules rules = {
		.protocols = protocols, .n_protocols = 2, .deflate = true, .takeover = takeover
	};
	struct http_field fields[] = {
		{ STR("Upgrade"), STR("WebSocket") },
		{ STR("Sec-WebSocket-Key"), STR("dGhlIHNhbXBsZSBub25jZQ==") },
		{ STR("Sec-WebSocket-Version"), STR("13") },
		{ str_of(name), str_of(value) },
	};
	const struct http_head head = { .minor = 1,
					.upgrade = STR("WebSocket"),
					.n_fields = ARRAY_LEN(fields),
					.fields = fields };
	struct str text;

	handshake_read(&head, &rules, &handshake);
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
		"permessage-deflate; client_max_window_bits=",
		"permessage-deflate; server_no_context_takeover=1",
		"permessage-deflate; client_max_window_bits; client_max_window_bits",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_text(offer(bad[i]), "");
}

int main(void)
{
	TEST(the_accept_is_that_of_the_rfc);
	TEST(the_client_s_first_protocol_that_is_spoken_counts);
	TEST(the_first_offer_that_can_be_taken_is);
	TEST(an_offer_that_makes_no_sense_is_left);
	return tap_done();
}
