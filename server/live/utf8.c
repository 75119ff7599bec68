/* server/live/utf8.c */
#include "server/live/utf8.h"

/* The first byte of a character of several: how many follow, and what the first of them may be, so
 * that nothing is overlong, a surrogate, or past U+10FFFF. */
static bool utf8_begin(struct utf8 *utf8, uint8_t byte)
{
	utf8->low = 0x80;
	utf8->high = 0xbf;
	if (byte >= 0xc2 && byte <= 0xdf) {
		utf8->n_left = 1;
		return true;
	}
	if (byte >= 0xe0 && byte <= 0xef) {
		utf8->n_left = 2;
		if (byte == 0xe0)
			utf8->low = 0xa0;
		if (byte == 0xed)
			utf8->high = 0x9f;
		return true;
	}
	if (byte >= 0xf0 && byte <= 0xf4) {
		utf8->n_left = 3;
		if (byte == 0xf0)
			utf8->low = 0x90;
		if (byte == 0xf4)
			utf8->high = 0x8f;
		return true;
	}
	return false;
}

static bool utf8_go_on(struct utf8 *utf8, uint8_t byte)
{
	if (byte < utf8->low || byte > utf8->high)
		return false;
	utf8->low = 0x80;
	utf8->high = 0xbf;
	utf8->n_left--;
	return true;
}

/* How many bytes in front are ASCII, as far as whole words show it. */
static size_t utf8_skip_ascii(const char *at, size_t len)
{
	size_t n = 0;
	uint64_t word;

	while (len - n >= sizeof(word)) {
		memcpy(&word, at + n, sizeof(word));
		if (word & UINT64_C(0x8080808080808080))
			break;
		n += sizeof(word);
	}
	return n;
}

bool utf8_add(struct utf8 *utf8, struct str bytes)
{
	size_t at = 0;

	while (at < bytes.len) {
		uint8_t byte;

		if (utf8->n_left == 0)
			at += utf8_skip_ascii(bytes.ptr + at, bytes.len - at);
		if (at == bytes.len)
			break;
		byte = (uint8_t)bytes.ptr[at++];
		if (utf8->n_left > 0 ? !utf8_go_on(utf8, byte)
				     : byte >= 0x80 && !utf8_begin(utf8, byte))
			return false;
	}
	return true;
}
