/* server/schema/pointer.c */
#include "server/schema/pointer.h"
#include "core/base/check.h"

void pointer_add_key(struct buf *out, struct str key)
{
	size_t len = MIN(key.len, (size_t)POINTER_KEY_MAX);

	while (len < key.len && len > 0 && ((unsigned char)key.ptr[len] & 0xc0) == 0x80)
		len--; /* not within a character */
	buf_add_char(out, '/');
	for (size_t i = 0; i < len; i++) {
		if (key.ptr[i] == '~')
			buf_add(out, STR("~0"));
		else if (key.ptr[i] == '/')
			buf_add(out, STR("~1"));
		else
			buf_add_char(out, key.ptr[i]);
	}
	if (len < key.len)
		buf_add(out, STR("…"));
}

void pointer_add_index(struct buf *out, size_t index)
{
	buf_add_char(out, '/');
	buf_add_u64(out, index);
}

static bool pointer_unescape(struct str part, struct arena *arena, struct str *ret_key)
{
	char *copy = arena_alloc(arena, part.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < part.len; i++, len++) {
		copy[len] = part.ptr[i];
		if (part.ptr[i] != '~')
			continue;
		i++;
		if (i == part.len || (part.ptr[i] != '0' && part.ptr[i] != '1'))
			return false;
		copy[len] = part.ptr[i] == '0' ? '~' : '/';
	}
	*ret_key = (struct str){ copy, len };
	return true;
}

bool pointer_next(struct str *rest, struct arena *arena, struct str *ret_key)
{
	struct str part;
	ptrdiff_t slash;

	if (rest->len == 0 || rest->ptr[0] != '/')
		return false;
	part = str_skip(*rest, 1);
	slash = str_find_char(part, '/');
	if (slash >= 0)
		part = str_first(part, (size_t)slash);
	if (!pointer_unescape(part, arena, ret_key))
		return false;
	*rest = str_skip(*rest, 1 + part.len);
	return true;
}
