/* core/base/base64.c */
#include "core/base/base64.h"

static int base64_value(char c, enum base64_digits kind)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (char_is_digit(c))
		return c - '0' + 52;
	if ((kind & BASE64_STANDARD && c == '+') || (kind & BASE64_URL && c == '-'))
		return 62;
	if ((kind & BASE64_STANDARD && c == '/') || (kind & BASE64_URL && c == '_'))
		return 63;
	return -1;
}

bool base64_strip_padding(struct str *text)
{
	size_t len = text->len;

	while (text->len && len - text->len < 2 && text->ptr[text->len - 1] == '=')
		text->len--;
	return len == text->len || len % 4 == 0;
}

bool base64_decode(struct str digits, enum base64_digits kind, char *out)
{
	uint32_t bits = 0;
	unsigned n_bits = 0;

	if (digits.len % 4 == 1)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		int value = base64_value(digits.ptr[i], kind);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		n_bits += 6;
		if (n_bits < 8)
			continue;
		n_bits -= 8;
		*out++ = (char)(bits >> n_bits & 0xff);
	}
	return (bits & ((1u << n_bits) - 1)) == 0;
}

static const char encoding[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64_group(const unsigned char *in, size_t n_in, char *out)
{
	uint32_t bits = (uint32_t)in[0] << 16;

	if (n_in > 1)
		bits |= (uint32_t)in[1] << 8;
	if (n_in > 2)
		bits |= in[2];
	out[0] = encoding[bits >> 18];
	out[1] = encoding[bits >> 12 & 63];
	out[2] = n_in > 1 ? encoding[bits >> 6 & 63] : '=';
	out[3] = n_in > 2 ? encoding[bits & 63] : '=';
}

void base64_encode(struct str bytes, char *out)
{
	for (size_t i = 0; i < bytes.len; i += 3, out += 4)
		base64_group((const unsigned char *)bytes.ptr + i, bytes.len - i, out);
}
