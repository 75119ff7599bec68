/* server/http/grammar.c
 *
 * The table is computed by the compiler from definitions that can be compared with the RFCs. */
#include "server/http/grammar.h"
#include "server/http/fields.h"
#include <arpa/inet.h>

#define ALNUM(c)                                                                                   \
	(((c) >= '0' && (c) <= '9') || (((c) | 32) >= 'a' && ((c) | 32) <= 'z' && (c) < 0x80))
#define UNRESERVED(c) (ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '_' || (c) == '~')
#define SUB_DELIM(c)                                                                               \
	((c) == '!' || (c) == '$' || ((c) >= '&' && (c) <= ',') || (c) == ';' || (c) == '=')
#define TOKEN(c)                                                                                   \
	(ALNUM(c) || (c) == '!' || ((c) >= '#' && (c) <= '\'') || (c) == '*' || (c) == '+' ||      \
	 (c) == '-' || (c) == '.' || (c) == '^' || (c) == '_' || (c) == '`' || (c) == '|' ||       \
	 (c) == '~')
#define PATH(c)                                                                                    \
	(UNRESERVED(c) || SUB_DELIM(c) || (c) == ':' || (c) == '@' || (c) == '/' || (c) == '%')
#define QUERY(c) ((c) > ' ' && (c) < 0x7f && (c) != '"' && (c) != '#' && (c) != '<' && (c) != '>')
#define CONTROL(c) (((c) < ' ' && (c) != '\t') || (c) == 0x7f)

#define KINDS(c)                                                                                   \
	((TOKEN(c) ? CHAR_TOKEN : 0) | (PATH(c) ? CHAR_PATH : 0) | (QUERY(c) ? CHAR_QUERY : 0) |   \
	 (UNRESERVED(c) || SUB_DELIM(c) ? CHAR_HOST : 0) | (CONTROL(c) ? CHAR_CONTROL : 0))
#define FOUR(c) KINDS(c), KINDS((c) + 1), KINDS((c) + 2), KINDS((c) + 3)
#define SIXTEEN(c) FOUR(c), FOUR((c) + 4), FOUR((c) + 8), FOUR((c) + 12)
#define SIXTY_FOUR(c) SIXTEEN(c), SIXTEEN((c) + 16), SIXTEEN((c) + 32), SIXTEEN((c) + 48)

const uint8_t http_chars[256] = { SIXTY_FOUR(0), SIXTY_FOUR(64), SIXTY_FOUR(128), SIXTY_FOUR(192) };

bool http_is_token(struct str s)
{
	return s.len > 0 && http_skip(s.ptr, s.ptr + s.len, CHAR_TOKEN) == s.ptr + s.len;
}

bool http_is_field_value(struct str s)
{
	return s.len == 0 || http_find_control(s.ptr, s.ptr + s.len) == s.ptr + s.len;
}

/* *( unreserved / pct-encoded / sub-delims ), and not empty: an http URI without host is
 * invalid. */
static bool http_is_reg_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (http_char_is(s.ptr[i], CHAR_HOST))
			continue;
		if (s.ptr[i] != '%' || s.len - i < 3 || char_hex(s.ptr[i + 1]) < 0 ||
		    char_hex(s.ptr[i + 2]) < 0)
			return false;
		i += 2;
	}
	return s.len > 0;
}

/* "[" IPv6address "]". IPvFuture has no meaning yet, and zones have none outside of their
 * machine. */
static bool http_is_ip_literal(struct str s)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (s.len < 4 || s.len - 2 >= sizeof(text) || s.ptr[0] != '[' || s.ptr[s.len - 1] != ']')
		return false;
	memcpy(text, s.ptr + 1, s.len - 2);
	text[s.len - 2] = '\0';
	return strlen(text) == s.len - 2 && inet_pton(AF_INET6, text, &address) == 1;
}

/* Empty, or at most 65535. */
static bool http_is_port(struct str s)
{
	uint64_t port = 0;

	return s.len == 0 || (str_to_u64(s, &port) == 0 && port <= UINT16_MAX);
}

struct str http_host_without_port(struct str s)
{
	size_t len = s.len;

	while (len > 0 && char_is_digit(s.ptr[len - 1]))
		len--;
	return len > 0 && s.ptr[len - 1] == ':' ? str_first(s, len - 1) : s;
}

bool http_is_host(struct str s)
{
	struct str host = http_host_without_port(s);
	struct str port = host.len < s.len ? str_skip(s, host.len + 1) : STR_NONE;

	if (!http_is_port(port))
		return false;
	return host.len > 0 && host.ptr[0] == '[' ? http_is_ip_literal(host)
						  : http_is_reg_name(host);
}
