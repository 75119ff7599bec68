/* server/http/grammar.h: which bytes may stand where (RFC 9110 §5.6.2, RFC 9112, RFC 3986). */
#pragma once
#include "core/base/str.h"
#include <endian.h>

enum {
	CHAR_TOKEN = 1,   /* tchar */
	CHAR_PATH = 2,    /* pchar, '/' and '%' */
	CHAR_QUERY = 4,   /* what browsers leave as it is: all that is visible but " # < > */
	CHAR_HOST = 8,    /* of a reg-name, without '%' */
	CHAR_CONTROL = 16 /* below 0x20 but HTAB, and DEL */
};

extern const uint8_t http_chars[256];

static inline bool http_char_is(char c, unsigned kinds)
{
	return (http_chars[(unsigned char)c] & kinds) != 0;
}

/* The first byte of a kind that is not one of `kinds`, or `end`. */
static inline const char *http_skip(const char *at, const char *end, unsigned kinds)
{
	while (at < end && http_char_is(*at, kinds))
		at++;
	return at;
}

/* In the top bit of each byte of the result: is that byte of `x` a control, and not HTAB? No sum
 * carries from one byte into the next, so every bit is exact. */
static inline uint64_t http_controls(uint64_t x)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), low7 = ones * 0x7f, top = ones * 0x80;
	uint64_t below_sp = ~(((x & low7) + ones * 0x60) | x);
	uint64_t tab_or_zero = x ^ (ones * 0x09);
	uint64_t not_tab = ((tab_or_zero & low7) + low7) | tab_or_zero;
	uint64_t del = ((x & low7) + ones) & ~x;

	return ((below_sp & not_tab) | del) & top;
}

/* The first control byte (CR and LF are among them, HTAB is not), or `end`. */
static inline const char *http_find_control(const char *at, const char *end)
{
	while (end - at >= 8) {
		uint64_t eight;

		memcpy(&eight, at, 8);
		eight = http_controls(le64toh(eight));
		if (eight)
			return at + (__builtin_ctzll(eight) >> 3);
		at += 8;
	}
	while (at < end && !http_char_is(*at, CHAR_CONTROL))
		at++;
	return at;
}

/* Without SP and HTAB at both ends; an empty result still points into the text. */
static inline struct str http_trim(const char *from, const char *to)
{
	while (from < to && (*from == ' ' || *from == '\t'))
		from++;
	while (from < to && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	return str_range(from, to);
}
