/* core/base/memory.c */
#include "core/base/memory.h"
#include "core/base/check.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *mem_require(void *ptr, size_t size)
{
	if (unlikely(!ptr)) {
		fprintf(stderr, "out of memory: %zu bytes could not be allocated\n", size);
		abort();
	}
	return ptr;
}

void *mem_alloc(size_t size)
{
	return mem_require(malloc(size ? size : 1), size);
}

void *mem_zalloc(size_t size)
{
	return mem_require(calloc(1, size ? size : 1), size);
}

void *mem_realloc(void *ptr, size_t size)
{
	return mem_require(realloc(ptr, size ? size : 1), size);
}

void *mem_realloc_array(void *ptr, size_t n_items, size_t item_size)
{
	size_t size;

	check(!__builtin_mul_overflow(n_items, item_size, &size));
	return mem_realloc(ptr, size);
}

char *mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t len)
{
	char *copy = mem_alloc(len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	char *text = NULL;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	return mem_require(len < 0 ? NULL : text, 0);
}

void mem_free_ptr(void *ptr_addr)
{
	free(*(void **)ptr_addr);
}
