/* core/base/buf.c */
#include "core/base/buf.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *buf, size_t max_bytes)
{
	*buf = (struct buf){ .max = max_bytes };
}

void buf_init_arena(struct buf *buf, struct arena *arena)
{
	*buf = (struct buf){ .max = SIZE_MAX, .arena = arena };
}

void buf_fini(struct buf *buf)
{
	if (!buf->arena)
		free(buf->data);
	*buf = (struct buf){ .max = buf->max, .arena = buf->arena };
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->error = 0;
}

static bool buf_grow(struct buf *buf, size_t need)
{
	size_t cap = MAX(buf->cap * 2, MAX(need, (size_t)64));
	char *data;

	cap = MIN(cap, buf->max);
	if (buf->arena) {
		data = arena_alloc(buf->arena, cap);
		if (data && buf->len)
			memcpy(data, buf->data, buf->len);
	} else {
		data = realloc(buf->data, cap);
	}
	if (!data)
		return false;
	buf->data = data;
	buf->cap = cap;
	return true;
}

char *buf_reserve_slow(struct buf *buf, size_t size)
{
	if (buf->error)
		return NULL;
	if (size > buf->max || buf->len > buf->max - size) {
		buf->error = -EMSGSIZE;
		return NULL;
	}
	if (buf->len + size > buf->cap && !buf_grow(buf, buf->len + size)) {
		buf->error = -ENOMEM;
		return NULL;
	}
	return buf->data + buf->len;
}

void buf_add(struct buf *buf, struct str bytes)
{
	char *at = bytes.len ? buf_reserve(buf, bytes.len) : NULL;

	if (!at)
		return;
	memcpy(at, bytes.ptr, bytes.len);
	buf->len += bytes.len;
}

void buf_add_u64(struct buf *buf, uint64_t number)
{
	char digits[20], *at = digits + sizeof(digits);

	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	buf_add(buf, str_range(at, digits + sizeof(digits)));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args, again;
	char *at;
	int len;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	at = len < 0 ? NULL : buf_reserve(buf, (size_t)len + 1);
	if (at) {
		vsnprintf(at, (size_t)len + 1, format, again);
		buf->len += (size_t)len;
	}
	va_end(again);
}

void buf_consume(struct buf *buf, size_t size)
{
	check_that(size <= buf->len, "size=%zu len=%zu", size, buf->len);
	buf->len -= size;
	if (buf->len)
		memmove(buf->data, buf->data + size, buf->len);
}
