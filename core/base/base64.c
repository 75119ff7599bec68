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
