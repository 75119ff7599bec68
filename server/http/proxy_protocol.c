/* server/http/proxy_protocol.c
 *
 *     version 1: PROXY TCP4 192.0.2.1 198.51.100.1 51000 443\r\n      (at most 107 bytes)
 *     version 2: 12 bytes of signature, version and command, family and protocol, length (2), then
 *                that many bytes: source, destination, their ports, TLVs */
#include "server/http/proxy_protocol.h"
#include <errno.h>

enum {
	V1_MAX = 107,
	V2_HEAD = 16,
	V2_LOCAL = 0x20,
	V2_PROXY = 0x21,
};

static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";
#define V2_SIGNATURE ((struct str){ v2_signature, sizeof(v2_signature) - 1 })

/* ------------------------------------------------------------ version 1 */

/* One word up to a single space; empty ones are refused by their readers. */
static struct str v1_word(struct str *rest)
{
	struct str word = STR_NONE;

	str_next_part(rest, ' ', &word);
	return word;
}

static bool v1_port(struct str text, uint16_t *ret_port)
{
	uint64_t port;

	if (text.len > 5 || (text.len > 1 && text.ptr[0] == '0') || str_to_u64(text, &port) < 0 ||
	    port > UINT16_MAX)
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

static bool v1_ip(struct str text, bool v6, struct ip *ret_ip)
{
	return str_has(text, ':') == v6 && ip_parse(text, ret_ip) == 0;
}

/* The line behind "PROXY ", without its end. */
static bool v1_line(struct str line, struct proxy_source *source)
{
	struct str family = v1_word(&line);
	bool v6 = str_eq(family, STR("TCP6"));
	uint16_t to_port;
	struct ip to;

	*source = (struct proxy_source){ 0 };
	if (str_eq(family, STR("UNKNOWN")))
		return true; /* whatever stands behind it */
	if (!v6 && !str_eq(family, STR("TCP4")))
		return false;
	source->known = true;
	return v1_ip(v1_word(&line), v6, &source->ip) && v1_ip(v1_word(&line), v6, &to) &&
	       v1_port(v1_word(&line), &source->port) && v1_port(line, &to_port);
}

static enum proxy_step v1_read(struct str bytes, size_t *ret_size, struct proxy_source *ret_source)
{
	ptrdiff_t end;

	bytes = str_first(bytes, V1_MAX);
	end = str_find_char(bytes, '\r');
	if (str_has(end < 0 ? bytes : str_first(bytes, (size_t)end), '\n'))
		return PROXY_BAD;
	if (end < 0 || (size_t)end + 1 == bytes.len)
		return bytes.len < V1_MAX ? PROXY_MORE : PROXY_BAD;
	if (bytes.ptr[end + 1] != '\n' ||
	    !v1_line(str_skip(str_first(bytes, (size_t)end), 6), ret_source))
		return PROXY_BAD;
	*ret_size = (size_t)end + 2;
	return PROXY_WHOLE;
}

/* ------------------------------------------------------------ version 2 */

static unsigned v2_number(const char *at)
{
	return (unsigned)(unsigned char)at[0] << 8 | (unsigned char)at[1];
}

/* How long the addresses of a family are; 0: not known, or none. */
static size_t v2_addresses(unsigned family)
{
	switch (family) {
	case 1:
		return 12;
	case 2:
		return 36;
	case 3:
		return 216;
	default:
		return 0;
	}
}

static void v2_source(const char *at, unsigned family, struct proxy_source *source)
{
	*source = (struct proxy_source){ .known = family == 1 || family == 2 };
	if (family == 1) {
		source->ip = ip_of_v4(at);
		source->port = (uint16_t)v2_number(at + 8);
	} else if (family == 2) {
		memcpy(source->ip.bytes, at, 16);
		source->port = (uint16_t)v2_number(at + 32);
	}
}

static enum proxy_step v2_read(struct str bytes, size_t *ret_size, struct proxy_source *ret_source)
{
	unsigned command, family, protocol;
	size_t size;

	if (bytes.len < V2_HEAD)
		return bytes.len > 12 && (bytes.ptr[12] & 0xfe) != V2_LOCAL ? PROXY_BAD
									    : PROXY_MORE;
	command = (unsigned char)bytes.ptr[12];
	family = (unsigned char)bytes.ptr[13] >> 4;
	protocol = (unsigned char)bytes.ptr[13] & 15;
	size = V2_HEAD + v2_number(bytes.ptr + 14);
	if ((command != V2_LOCAL && command != V2_PROXY) || size > PROXY_HEADER_MAX)
		return PROXY_BAD;
	if (command == V2_PROXY &&
	    (family > 3 || protocol > 2 || size < V2_HEAD + v2_addresses(family)))
		return PROXY_BAD;
	if (bytes.len < size)
		return PROXY_MORE;
	v2_source(bytes.ptr + V2_HEAD, command == V2_PROXY && protocol == 1 ? family : 0,
		  ret_source);
	*ret_size = size;
	return PROXY_WHOLE;
}

/* ------------------------------------------------------------ */

enum proxy_step proxy_header_read(struct str bytes, size_t *ret_size,
				  struct proxy_source *ret_source)
{
	struct str one = STR("PROXY "), two = V2_SIGNATURE;

	if (str_starts_with(bytes, one))
		return v1_read(bytes, ret_size, ret_source);
	if (str_starts_with(bytes, two))
		return v2_read(bytes, ret_size, ret_source);
	return str_starts_with(one, bytes) || str_starts_with(two, bytes) ? PROXY_MORE : PROXY_BAD;
}
