/* core/base/memory.c */
#include "core/base/memory.h"
#include "core/base/check.h"
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *_Atomic reserve;
static atomic_size_t reserve_size;

void mem_keep_reserve(size_t size)
{
	atomic_store(&reserve_size, size);
	mem_is_short();
}

bool mem_is_short(void)
{
	size_t size = atomic_load_explicit(&reserve_size, memory_order_relaxed);
	void *none = NULL, *again;

	if (likely(atomic_load_explicit(&reserve, memory_order_relaxed) || size == 0))
		return false;
	again = malloc(size);
	if (again && !atomic_compare_exchange_strong(&reserve, &none, again))
		free(again);
	return !again;
}

/* Also when another thread has just given it up. */
static void mem_use_reserve(void)
{
	free(atomic_exchange(&reserve, NULL));
}

static void mem_require(const void *ptr, size_t size)
{
	if (likely(ptr))
		return;
	fprintf(stderr, "out of memory: %zu bytes could not be allocated\n", size);
	abort();
}

void *mem_alloc(size_t size)
{
	void *ptr = malloc(size ? size : 1);

	if (unlikely(!ptr)) {
		mem_use_reserve();
		/* cppcheck-suppress memleak // it was NULL */
		ptr = malloc(size ? size : 1);
		mem_require(ptr, size);
	}
	return ptr;
}

void *mem_zalloc(size_t size)
{
	void *ptr = calloc(1, size ? size : 1);

	if (unlikely(!ptr)) {
		mem_use_reserve();
		/* cppcheck-suppress memleak // it was NULL */
		ptr = calloc(1, size ? size : 1);
		mem_require(ptr, size);
	}
	return ptr;
}

void *mem_realloc(void *ptr, size_t size)
{
	void *moved = realloc(ptr, size ? size : 1);

	if (unlikely(!moved)) {
		mem_use_reserve();
		/* cppcheck-suppress memleak // it was NULL */
		moved = realloc(ptr, size ? size : 1);
		mem_require(moved, size);
	}
	return moved;
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
	mem_require(len < 0 ? NULL : text, 0);
	return text;
}

void mem_keep_freed(size_t size)
{
#ifdef M_TRIM_THRESHOLD
	/* naming the one fixes the other, which would have grown to the sizes that are asked for */
	mallopt(M_TRIM_THRESHOLD, (int)size);
	mallopt(M_MMAP_THRESHOLD, (int)(size / 4));
#else
	(void)size;
#endif
}

void mem_free_ptr(void *ptr_addr)
{
	free(*(void **)ptr_addr);
}
