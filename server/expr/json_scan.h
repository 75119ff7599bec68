/* server/expr/json_scan.h: the tokens of JSON, as the check and the reader both see them. */
#pragma once
#include "core/base/check.h"
#include "core/base/str.h"
#include <endian.h>

struct json_scan {
	const char *at, *end; /* after a failure `at` is the byte that is wrong */
	const char *what;     /* and this says why */
};

struct json_string {
	const char *from, *to; /* between the quotes */
	size_t len;            /* when its escapes are decoded */
};

#define SWAR_ONES UINT64_C(0x0101010101010101)
#define SWAR_HIGHS UINT64_C(0x8080808080808080)

/* A high bit for each byte that ends a run of a string: '"', '\' and controls. The lowest one set
 * is exact; those above it may be false (a borrow), so only the lowest is used. */
static inline uint64_t json_scan_stops(uint64_t eight)
{
	uint64_t quote = eight ^ (SWAR_ONES * '"'), slash = eight ^ (SWAR_ONES * '\\');

	return (((quote - SWAR_ONES) & ~quote) | ((slash - SWAR_ONES) & ~slash) |
		((eight - SWAR_ONES * 0x20) & ~eight)) &
	       SWAR_HIGHS;
}

static inline bool json_scan_is_stop(char c)
{
	return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

/* The first stop at or after `at`, or the end. Bits of the bytes before it are added to *high, to
 * tell whether the run is ASCII. */
static inline const char *json_scan_run(const char *at, const char *end, uint64_t *high)
{
	uint64_t eight, stops;

	while (end - at >= 8) {
		memcpy(&eight, at, 8);
		eight = le64toh(eight);
		stops = json_scan_stops(eight);
		if (stops) {
			unsigned n_bits = (unsigned)__builtin_ctzll(stops) & ~7u;

			*high |= eight & ((UINT64_C(1) << n_bits) - 1);
			return at + n_bits / 8;
		}
		*high |= eight;
		at += 8;
	}
	for (; at < end && !json_scan_is_stop(*at); at++)
		*high |= (unsigned char)*at;
	return at;
}

static inline const char *json_scan_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	return at;
}

/* The rest of a string that has a backslash, a control or a byte past ASCII. */
bool json_scan_string_slow(struct json_scan *scan, const char *at, uint64_t high,
			   struct json_string *ret);

/* `at` is behind the opening quote; scan->at goes behind the closing one. */
static inline bool json_scan_string(struct json_scan *scan, const char *at, struct json_string *ret)
{
	const char *from = at;
	uint64_t high = 0;

	at = json_scan_run(at, scan->end, &high);
	ret->from = from;
	if (likely(at < scan->end && *at == '"' && !(high & SWAR_HIGHS))) {
		ret->to = at;
		ret->len = (size_t)(at - from);
		scan->at = at + 1;
		return true;
	}
	return json_scan_string_slow(scan, at, high, ret);
}

/* Where the number at `at` ends, or NULL. */
const char *json_scan_number(struct json_scan *scan, const char *at);

/* Decodes a string that was scanned; `out` has room for its .len bytes. */
void json_decode(const struct json_string *string, char *out);
