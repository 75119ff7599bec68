/* server/expr/percent.c */
#include "server/expr/percent.h"

bool percent_is_unreserved(char c)
{
	return char_is_alpha(c) || char_is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

void percent_add(char c, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	char code[3] = { '%', hex[(unsigned char)c >> 4], hex[(unsigned char)c & 15] };

	buf_add(out, (struct str){ code, sizeof(code) });
}

void percent_encode(struct str text, struct buf *out)
{
	while (text.len) {
		size_t len = 0;

		while (len < text.len && percent_is_unreserved(text.ptr[len]))
			len++;
		buf_add(out, str_first(text, len));
		if (len < text.len)
			percent_add(text.ptr[len++], out);
		text = str_skip(text, len);
	}
}
