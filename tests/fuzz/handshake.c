/* tests/fuzz/handshake.c: lines, the first byte of each chooses the field that the rest is the value of; the
 * first byte of all chooses the rules. Whatever a client says, what is agreed on is what leat can do; and who
 * offers what leat has answered gets the same again. */
#include "server/live/handshake.h"
#include "core/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_FIELDS_MAX = 16 };

static const struct str protocols[] = { STR_INIT("chat.v2"), STR_INIT("a") };
static const struct str origins[] = { STR_INIT("https://a.test") };

static struct str handshake_name(uint8_t byte)
{
	static const struct str names[] = {
		STR_INIT("Sec-WebSocket-Extensions"),
		STR_INIT("Sec-WebSocket-Protocol"),
		STR_INIT("Origin"),
		STR_INIT("Sec-WebSocket-Key"),
		STR_INIT("Sec-WebSocket-Version"),
		STR_INIT("Upgrade"),
	};

	return names[byte % ARRAY_LEN(names)];
}

/* As the reader of heads gives them: without white space around, and without what no field may have. */
static size_t handshake_fields(struct str lines, struct http_field fields[N_FIELDS_MAX])
{
	size_t n = 0;
	struct str line;

	while (n < N_FIELDS_MAX && str_next_part(&lines, '\n', &line))
		if (line.len > 0 && http_is_field_value(str_skip(line, 1)))
			fields[n++] = (struct http_field){ handshake_name((uint8_t)line.ptr[0]),
							   str_trim(str_skip(line, 1)) };
	return n;
}

static void handshake_check_protocol(struct str protocol)
{
	bool is_ours = protocol.len == 0;

	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		is_ours |= str_eq(protocol, protocols[i]);
	check(is_ours);
}

static void handshake_check_terms(struct http_head head, const struct handshake_rules *rules,
				  const struct deflate_terms *terms)
{
	char text[HANDSHAKE_EXTENSION_MAX];
	struct http_field fields[] = {
		{ STR("Upgrade"), STR("websocket") },
		{ STR("Sec-WebSocket-Key"), STR("dGhlIHNhbXBsZSBub25jZQ==") },
		{ STR("Sec-WebSocket-Version"), STR("13") },
		{ STR("Sec-WebSocket-Extensions"), handshake_extension(terms, text) },
	};
	struct handshake again;

	check(fields[3].value.len <= sizeof(text));
	check(terms->own_bits >= DEFLATE_BITS_MIN && terms->own_bits <= DEFLATE_BITS_MAX);
	check(rules->takeover || (!terms->own_takeover && !terms->peer_takeover));
	head.fields = fields;
	head.n_fields = ARRAY_LEN(fields);
	handshake_read(&head, rules, &again);
	check(again.status == 101 && again.deflate.on);
	check(again.deflate.own_takeover == terms->own_takeover);
	check(again.deflate.peer_takeover == terms->peer_takeover);
	check(again.deflate.own_bits == terms->own_bits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_field fields[N_FIELDS_MAX];
	struct http_head head = { .minor = 1,
				  .upgrade = STR("websocket"),
				  .authority = STR("leat.test:80"),
				  .fields = fields };
	struct handshake_rules rules = { .protocols = protocols,
					 .n_protocols = ARRAY_LEN(protocols),
					 .origins = origins };
	struct handshake handshake;

	if (size == 0)
		return 0;
	rules.deflate = data[0] & 1;
	rules.takeover = data[0] & 2;
	rules.secure = data[0] & 4;
	rules.n_origins = data[0] & 8 ? 1 : 0;
	head.n_fields = handshake_fields((struct str){ (const char *)data + 1, size - 1 }, fields);
	handshake_read(&head, &rules, &handshake);
	check(handshake.status == 101 || handshake.detail);
	check(handshake.status == 101 || (!handshake.deflate.on && handshake.protocol.len == 0));
	check(!handshake.deflate.on || rules.deflate);
	handshake_check_protocol(handshake.protocol);
	if (handshake.deflate.on)
		handshake_check_terms(head, &rules, &handshake.deflate);
	return 0;
}
