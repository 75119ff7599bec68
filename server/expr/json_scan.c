/* server/expr/json_scan.c */
#include "server/expr/json_scan.h"

static bool json_fail(struct json_scan *scan, const char *at, const char *what)
{
	scan->at = at;
	scan->what = at < scan->end ? what : "the text ends too early";
	return false;
}

/* Four hexadecimal digits, or -1. */
static int json_hex4(const char *at, const char *end)
{
	int number = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = char_hex(at[i]);

		if (digit < 0)
			return -1;
		number = number << 4 | digit;
	}
	return number;
}

static bool is_high_surrogate(int unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(int unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

/* `at` is the backslash of \u. How many bytes the escape is long; 0 when it is wrong. */
static size_t json_scan_unicode(struct json_scan *scan, const char *at, size_t *decoded)
{
	int unit = json_hex4(at + 2, scan->end), low;

	if (unit < 0)
		return json_fail(scan, at, "four hexadecimal digits were expected after \\u");
	*decoded = unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
	if (!is_high_surrogate(unit) && !is_low_surrogate(unit))
		return 6;
	low = scan->end - at >= 12 && at[6] == '\\' && at[7] == 'u' ? json_hex4(at + 8, scan->end)
								    : -1;
	if (is_low_surrogate(unit) || !is_low_surrogate(low))
		return json_fail(scan, at, "half of a surrogate pair");
	*decoded = 4;
	return 12;
}

static size_t json_scan_escape(struct json_scan *scan, const char *at, size_t *decoded)
{
	*decoded = 1;
	if (scan->end - at < 2)
		return json_fail(scan, scan->end, "");
	if (at[1] == 'u')
		return json_scan_unicode(scan, at, decoded);
	if (at[1] && strchr("\"\\/bfnrt", at[1]))
		return 2;
	return json_fail(scan, at, "not an escape of JSON");
}

/* The first byte that is not UTF-8; there is one. */
static const char *json_find_bad(const char *at, const char *end)
{
	while (at < end) {
		size_t len = 1;

		while (len <= 4 && !str_is_utf8(str_first(str_range(at, end), len)))
			len++;
		if (len > 4)
			break;
		at += len;
	}
	return at;
}

bool json_scan_string_slow(struct json_scan *scan, const char *at, uint64_t high,
			   struct json_string *ret)
{
	size_t saved = 0, decoded;

	while (at < scan->end && *at == '\\') {
		size_t len = json_scan_escape(scan, at, &decoded);

		if (!len)
			return false;
		saved += len - decoded;
		at = json_scan_run(at + len, scan->end, &high);
	}
	if (at >= scan->end || *at != '"')
		return json_fail(scan, at, "a control character must be escaped in a string");
	if ((high & SWAR_HIGHS) && !str_is_utf8(str_range(ret->from, at)))
		return json_fail(scan, json_find_bad(ret->from, at), "not UTF-8");
	ret->to = at;
	ret->len = (size_t)(at - ret->from) - saved;
	scan->at = at + 1;
	return true;
}

static const char *json_digits(const char *at, const char *end)
{
	while (at < end && char_is_digit(*at))
		at++;
	return at;
}

const char *json_scan_number(struct json_scan *scan, const char *at)
{
	const char *end = scan->end, *from;

	if (at < end && *at == '-')
		at++;
	from = at;
	at = at < end && *at == '0' ? at + 1 : json_digits(at, end);
	if (at > from && at < end && *at == '.') {
		from = at + 1;
		at = json_digits(from, end);
	}
	if (at > from && at < end && (*at == 'e' || *at == 'E')) {
		from = at + 1;
		if (from < end && (*from == '+' || *from == '-'))
			from++;
		at = json_digits(from, end);
	}
	if (at > from)
		return at;
	json_fail(scan, at, "a digit was expected");
	return NULL;
}

static char *json_put_utf8(char *out, uint32_t code)
{
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
	} else if (code < 0x10000) {
		*out++ = (char)(0xe0 | code >> 12);
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
	} else {
		*out++ = (char)(0xf0 | code >> 18);
		*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (code & 0x3f));
	return out;
}

static char json_decode_letter(char letter)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *at = strchr(from, letter);

	return at ? to[at - from] : letter;
}

void json_decode(const struct json_string *string, char *out)
{
	const char *at = string->from, *end = string->to;

	while (at < end) {
		const char *slash = memchr(at, '\\', (size_t)(end - at));
		size_t len = (size_t)((slash ? slash : end) - at);
		uint32_t code;

		memcpy(out, at, len);
		out += len;
		if (!slash)
			break;
		at = slash + 2;
		if (slash[1] != 'u') {
			*out++ = json_decode_letter(slash[1]);
			continue;
		}
		code = (uint32_t)json_hex4(at, end);
		at += 4;
		if (is_high_surrogate((int)code)) {
			uint32_t low = (uint32_t)json_hex4(at + 2, end);

			code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
			at += 6;
		}
		out = json_put_utf8(out, code);
	}
}
