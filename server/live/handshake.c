/* server/live/handshake.c */
#include "server/live/handshake.h"
#include "core/base/base64.h"
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>

enum { KEY_LEN = 24 };

/* ------------------------------------------------------------ the key */

void handshake_accept(struct str key, char out[HANDSHAKE_ACCEPT_LEN])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[KEY_LEN + sizeof(guid) - 1];
	unsigned char hash[SHA_DIGEST_LENGTH], digits[HANDSHAKE_ACCEPT_LEN + 1];

	check(key.len == KEY_LEN);
	memcpy(text, key.ptr, KEY_LEN);
	memcpy(text + KEY_LEN, guid, sizeof(guid) - 1);
	SHA1((const unsigned char *)text, sizeof(text), hash);
	EVP_EncodeBlock(digits, hash, sizeof(hash));
	memcpy(out, digits, HANDSHAKE_ACCEPT_LEN);
}

/* The only field of that name; NULL: there is none, or several. */
static const struct http_field *handshake_sole(const struct http_head *head, struct str name)
{
	const struct http_field *found = NULL;

	for (size_t i = 0; i < head->n_fields; i++) {
		if (!str_eq_nocase(head->fields[i].name, name))
			continue;
		if (found)
			return NULL;
		found = &head->fields[i];
	}
	return found;
}

/* 16 bytes in base64. */
static bool handshake_key_is_good(struct str key)
{
	char bytes[18];

	return key.len == KEY_LEN && base64_strip_padding(&key) && base64_size(key.len) == 16 &&
	       base64_decode(key, BASE64_STANDARD, bytes);
}

/* ------------------------------------------------------------ the origin */

static struct str origin_without_port(struct str authority, struct str port)
{
	return str_ends_with(authority, port) ? str_first(authority, authority.len - port.len)
					      : authority;
}

/* A page of the same host and port, as the router reads them. Whether it came by https is compared only where it is known: TLS
 * may end before leat. */
static bool origin_is_own(const struct http_head *head, bool secure, struct str origin)
{
	bool is_https = str_starts_with(origin, STR("https://"));
	struct str authority = str_skip(origin, is_https ? 8 : 7), own;

	if (!(is_https || (!secure && str_starts_with(origin, STR("http://")))))
		return false;
	own = origin_without_port(head->authority, is_https ? STR(":443") : STR(":80"));
	return own.len > 0 &&
	       str_eq_nocase(origin_without_port(authority, is_https ? STR(":443") : STR(":80")),
			     own);
}

bool handshake_origin_is_good(const struct http_head *head, const struct handshake_rules *rules,
			      struct str origin)
{
	for (size_t i = 0; i < rules->n_origins; i++)
		if (str_eq(rules->origins[i], STR("*")) || str_eq_nocase(rules->origins[i], origin))
			return true;
	return rules->n_origins == 0 && origin_is_own(head, rules->secure, origin);
}

/* Who sends none is no browser, whose cookies others could use. */
static bool handshake_origin(const struct http_head *head, const struct handshake_rules *rules)
{
	const struct http_field *field = http_head_find(head, STR("origin"));

	if (!field)
		return true;
	field = handshake_sole(head, STR("origin"));
	return field && handshake_origin_is_good(head, rules, field->value);
}

/* ------------------------------------------------------------ lists */

/* A token, or one in quotes; that may have a backslash before each of its characters. */
static bool extension_value_is_good(struct str value)
{
	bool in_quotes = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';
	size_t n = 0;

	if (!in_quotes)
		return http_is_token(value);
	for (size_t i = 1; i < value.len - 1; i++, n++) {
		if (value.ptr[i] == '\\' && ++i == value.len - 1)
			return false;
		if (!http_is_token((struct str){ value.ptr + i, 1 }))
			return false;
	}
	return n > 0;
}

/* name, or name=value. */
static bool extension_parameter_is_good(struct str text)
{
	ptrdiff_t equals = str_find_char(text, '=');

	if (equals < 0)
		return http_is_token(text);
	return http_is_token(str_trim(str_first(text, (size_t)equals))) &&
	       extension_value_is_good(str_trim(str_skip(text, (size_t)equals + 1)));
}

/* name; parameter; ... */
static bool extension_is_good(struct str extension)
{
	struct str part;

	if (!str_next_part(&extension, ';', &part) || !http_is_token(str_trim(part)))
		return false;
	while (str_next_part(&extension, ';', &part))
		if (!extension_parameter_is_good(str_trim(part)))
			return false;
	return true;
}

/* Each element of the field(s) `name` is one; empty ones are none (RFC 9110 §5.6.1). Values have no comma
 * in their quotes, so that what is good may be cut at commas. */
static bool handshake_list_is_good(const struct http_head *head, struct str name,
				   bool (*is_good)(struct str element))
{
	for (size_t i = 0; i < head->n_fields; i++) {
		struct str rest = head->fields[i].value, part;

		if (!str_eq_nocase(head->fields[i].name, name))
			continue;
		while (str_next_part(&rest, ',', &part))
			if (str_trim(part).len > 0 && !is_good(str_trim(part)))
				return false;
	}
	return true;
}

/* ------------------------------------------------------------ subprotocols */

/* The first that the client names and the rules have. */
static struct str handshake_protocol(const struct http_head *head,
				     const struct handshake_rules *rules)
{
	for (size_t i = 0; i < head->n_fields; i++) {
		struct str rest = head->fields[i].value, part;

		if (!str_eq_nocase(head->fields[i].name, STR("sec-websocket-protocol")))
			continue;
		while (str_next_part(&rest, ',', &part))
			for (size_t j = 0; j < rules->n_protocols; j++)
				if (str_eq(str_trim(part), rules->protocols[j]))
					return rules->protocols[j];
	}
	return STR_NONE;
}

/* ------------------------------------------------------------ permessage-deflate */

/* 8 to 15, without a zero in front (RFC 7692 §7.1.2). */
static bool deflate_bits(struct str value, uint64_t *ret_bits)
{
	if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
		value = (struct str){ value.ptr + 1, value.len - 2 };
	return value.len > 0 && value.ptr[0] != '0' && str_to_u64(value, ret_bits) == 0 &&
	       *ret_bits >= 8 && *ret_bits <= DEFLATE_BITS_MAX;
}

/* One parameter of an offer. False: it cannot be taken. */
static bool deflate_parameter(struct str text, unsigned *seen, struct deflate_terms *terms)
{
	static const char *const names[] = { "server_no_context_takeover",
					     "client_no_context_takeover", "server_max_window_bits",
					     "client_max_window_bits" };
	ptrdiff_t equals = str_find_char(text, '=');
	struct str name = str_trim(equals < 0 ? text : str_first(text, (size_t)equals));
	struct str value = equals < 0 ? STR_NONE : str_trim(str_skip(text, (size_t)equals + 1));
	uint64_t bits = DEFLATE_BITS_MAX;
	unsigned at = 0;

	while (at < ARRAY_LEN(names) && !str_eq_nocase(name, str_of(names[at])))
		at++;
	if (at == ARRAY_LEN(names) || *seen & 1U << at)
		return false;
	*seen |= 1U << at;
	if (at < 2) {
		*(at == 0 ? &terms->own_takeover : &terms->peer_takeover) = false;
		return equals < 0;
	}
	if (equals < 0)
		return at == 3;
	if (!deflate_bits(value, &bits))
		return false;
	if (at == 2) {
		terms->own_bits = (uint8_t)bits;
		terms->says_own_bits = true;
	}
	return at == 3 || bits >= DEFLATE_BITS_MIN;
}

/* One of the extensions that a client names, and what it would have of them. */
static bool deflate_offer(struct str offer, bool takeover, struct deflate_terms *ret_terms)
{
	struct deflate_terms terms = { .on = true,
				       .own_takeover = takeover,
				       .peer_takeover = takeover,
				       .own_bits = DEFLATE_BITS_MAX };
	unsigned seen = 0;
	struct str part;

	if (!str_next_part(&offer, ';', &part) ||
	    !str_eq_nocase(str_trim(part), STR("permessage-deflate")))
		return false;
	while (str_next_part(&offer, ';', &part))
		if (!deflate_parameter(str_trim(part), &seen, &terms))
			return false;
	*ret_terms = terms;
	return true;
}

/* The first offer that can be taken; without one messages are not compressed. */
static void handshake_deflate(const struct http_head *head, bool takeover,
			      struct deflate_terms *ret_terms)
{
	for (size_t i = 0; i < head->n_fields; i++) {
		struct str rest = head->fields[i].value, part;

		if (!str_eq_nocase(head->fields[i].name, STR("sec-websocket-extensions")))
			continue;
		while (str_next_part(&rest, ',', &part))
			if (deflate_offer(str_trim(part), takeover, ret_terms))
				return;
	}
}

struct str handshake_extension(const struct deflate_terms *terms, char out[HANDSHAKE_EXTENSION_MAX])
{
	int len = snprintf(out, HANDSHAKE_EXTENSION_MAX, "permessage-deflate%s%s",
			   terms->own_takeover ? "" : "; server_no_context_takeover",
			   terms->peer_takeover ? "" : "; client_no_context_takeover");

	if (terms->says_own_bits) /* also when it is the usual one (RFC 7692 §7.1.2.1) */
		len += snprintf(out + len, HANDSHAKE_EXTENSION_MAX - (size_t)len,
				"; server_max_window_bits=%d", terms->own_bits);
	return (struct str){ out, (size_t)len };
}

/* ------------------------------------------------------------ the whole */

static void handshake_refuse(struct handshake *handshake, int status, const char *detail)
{
	handshake->status = status;
	handshake->detail = detail;
}

/* A request for a WebSocket (RFC 6455 §4.2.1, 1 to 4), whatever else it says. */
static bool handshake_asks(const struct http_head *head)
{
	return head->method_id == HTTP_GET && head->minor > 0 && head->upgrade.ptr &&
	       http_head_has_token(head, STR("upgrade"), STR("websocket"));
}

/* Of a request for a WebSocket: what is wrong with it; true when nothing is. */
static bool handshake_check(const struct http_head *head, const struct handshake_rules *rules,
			    struct handshake *ret)
{
	const struct http_field *key = handshake_sole(head, STR("sec-websocket-key"));
	const struct http_field *version = handshake_sole(head, STR("sec-websocket-version"));

	if (!version || !str_eq(version->value, STR("13")))
		handshake_refuse(ret, version ? 426 : 400, "Sec-WebSocket-Version has to be 13");
	else if (!key || !handshake_key_is_good(key->value))
		handshake_refuse(ret, 400, "Sec-WebSocket-Key has to be 16 bytes in base64, once");
	else if (head->chunked || (head->has_length && head->length > 0))
		handshake_refuse(ret, 400, "a handshake has no body");
	else if (!handshake_list_is_good(head, STR("sec-websocket-protocol"), http_is_token))
		handshake_refuse(ret, 400, "Sec-WebSocket-Protocol is a list of tokens");
	else if (!handshake_list_is_good(head, STR("sec-websocket-extensions"), extension_is_good))
		handshake_refuse(ret, 400, "Sec-WebSocket-Extensions cannot be read");
	else if (!handshake_origin(head, rules))
		handshake_refuse(ret, 403, "pages of that origin may not connect");
	else
		return true;
	return false;
}

void handshake_read(const struct http_head *head, const struct handshake_rules *rules,
		    struct handshake *ret_handshake)
{
	*ret_handshake = (struct handshake){ .status = 101 };
	if (!handshake_asks(head)) {
		handshake_refuse(ret_handshake, 426, "this route speaks WebSocket");
		return;
	}
	if (!handshake_check(head, rules, ret_handshake))
		return;
	handshake_accept(handshake_sole(head, STR("sec-websocket-key"))->value,
			 ret_handshake->accept);
	ret_handshake->protocol = handshake_protocol(head, rules);
	if (rules->deflate)
		handshake_deflate(head, rules->takeover, &ret_handshake->deflate);
}
