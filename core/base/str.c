/* core/base/str.c */
#include "core/base/str.h"
#include "core/base/check.h"
#include <errno.h>

bool str_same_nocase(struct str a, struct str b)
{
	for (size_t i = 0; i < a.len; i++)
		if (char_lower(a.ptr[i]) != char_lower(b.ptr[i]))
			return false;
	return true;
}

int str_cmp(struct str a, struct str b)
{
	size_t len = MIN(a.len, b.len);
	int order = len ? memcmp(a.ptr, b.ptr, len) : 0;

	if (order != 0)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}

bool str_starts_with(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq(str_first(s, prefix.len), prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
	return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

bool str_has(struct str s, char c)
{
	return str_find_char(s, c) >= 0;
}

ptrdiff_t str_find_char(struct str s, char c)
{
	const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;

	return at ? at - s.ptr : -1;
}

ptrdiff_t str_find(struct str s, struct str needle)
{
	const char *at;

	if (needle.len == 0)
		return 0;
	at = s.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
	return at ? at - s.ptr : -1;
}

struct str str_skip(struct str s, size_t n)
{
	n = MIN(n, s.len);
	return n ? (struct str){ s.ptr + n, s.len - n } : s;
}

struct str str_first(struct str s, size_t n)
{
	return (struct str){ s.ptr, MIN(n, s.len) };
}

static struct str str_trim_set(struct str s, const char *set)
{
	while (s.len && strchr(set, s.ptr[0]) && s.ptr[0])
		s = str_skip(s, 1);
	while (s.len && strchr(set, s.ptr[s.len - 1]) && s.ptr[s.len - 1])
		s.len--;
	return s;
}

struct str str_trim(struct str s)
{
	return str_trim_set(s, " \t");
}

struct str str_trim_space(struct str s)
{
	return str_trim_set(s, " \t\r\n");
}

bool str_next_part(struct str *rest, char c, struct str *ret_part)
{
	ptrdiff_t at;

	if (!rest->ptr)
		return false;
	at = str_find_char(*rest, c);
	if (at < 0) {
		*ret_part = *rest;
		*rest = STR_NONE;
		return true;
	}
	*ret_part = str_first(*rest, (size_t)at);
	*rest = str_skip(*rest, (size_t)at + 1);
	return true;
}

int str_to_u64(struct str s, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (s.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++)
		if (!char_is_digit(s.ptr[i]))
			return -EINVAL;
	for (size_t i = 0; i < s.len; i++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(s.ptr[i] - '0'), &number))
			return -ERANGE;
	*ret_number = number;
	return 0;
}

int str_to_i64(struct str s, int64_t *ret_number)
{
	bool minus = s.len && s.ptr[0] == '-';
	uint64_t number;
	int r = str_to_u64(minus ? str_skip(s, 1) : s, &number);

	if (r < 0)
		return r;
	if (number > (uint64_t)INT64_MAX + minus)
		return -ERANGE;
	*ret_number = minus ? (int64_t)(0 - number) : (int64_t)number;
	return 0;
}

/* The length of the UTF-8 sequence at `at`, or 0 when it is not one (RFC 3629 §4). */
static size_t str_utf8_len(const unsigned char *at, const unsigned char *end)
{
	size_t left = (size_t)(end - at);
	unsigned char c = at[0];

	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return left >= 2 && (at[1] & 0xc0) == 0x80 ? 2 : 0;
	if (c >= 0xe0 && c <= 0xef) {
		unsigned char low = c == 0xe0 ? 0xa0 : 0x80, high = c == 0xed ? 0x9f : 0xbf;

		return left >= 3 && at[1] >= low && at[1] <= high && (at[2] & 0xc0) == 0x80 ? 3 : 0;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		unsigned char low = c == 0xf0 ? 0x90 : 0x80, high = c == 0xf4 ? 0x8f : 0xbf;

		return left >= 4 && at[1] >= low && at[1] <= high && (at[2] & 0xc0) == 0x80 &&
				       (at[3] & 0xc0) == 0x80
			       ? 4
			       : 0;
	}
	return 0;
}

bool str_is_utf8(struct str s)
{
	const unsigned char *at = (const unsigned char *)s.ptr;
	const unsigned char *end = s.len ? at + s.len : at; /* of nothing there may be no pointer */

	while (at < end) {
		size_t len;
		uint64_t eight;

		if (end - at >= 8) {
			memcpy(&eight, at, 8);
			if (!(eight & UINT64_C(0x8080808080808080))) {
				at += 8;
				continue;
			}
		}
		len = str_utf8_len(at, end);
		if (!len)
			return false;
		at += len;
	}
	return true;
}

unsigned str_distance(struct str a, struct str b, unsigned max)
{
	unsigned row[65];

	if (a.len > 64 || b.len > 64 || MAX(a.len, b.len) - MIN(a.len, b.len) > max)
		return max + 1;
	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned above = row[j];
			unsigned change = corner + (a.ptr[i - 1] != b.ptr[j - 1]);

			row[j] = MIN(change, MIN(above, row[j - 1]) + 1);
			corner = above;
		}
	}
	return MIN(row[b.len], max + 1);
}

int char_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}
