/* server/share.c */
#include "server/share.h"

int64_t share_read(struct str text)
{
	ptrdiff_t dot = str_find_char(text, '.');
	struct str digits = dot < 0 ? str_first(text, 0) : str_skip(text, (size_t)dot + 1);
	struct str units = dot < 0 ? text : str_first(text, (size_t)dot);
	int64_t share = 0, part = SHARE_ALL;

	if ((!str_eq(units, STR("0")) && !str_eq(units, STR("1"))) || (dot >= 0 && !digits.len) ||
	    digits.len > 12)
		return -1;
	for (size_t i = 0; i < digits.len; i++) {
		if (!char_is_digit(digits.ptr[i]))
			return -1;
		part /= 10;
		share += part * (digits.ptr[i] - '0');
	}
	if (units.ptr[0] == '1')
		return share ? -1 : SHARE_ALL;
	return share;
}
