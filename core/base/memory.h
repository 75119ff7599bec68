/* core/base/memory.h: memory for what is built at start and at load.
 *
 * These never return NULL: when the system has no memory for a few kilobytes of a configuration,
 * the program says so and ends. What a request asks for comes from its arena (core/base/arena.h),
 * which may refuse. Free with free(). */
#pragma once
#include <stdbool.h>
#include <stddef.h>

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));  /* not cleared */
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull)); /* cleared */
void *mem_realloc(void *ptr, size_t size) __attribute__((returns_nonnull));
void *mem_realloc_array(void *ptr, size_t n_items, size_t item_size)
	__attribute__((returns_nonnull));
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));
char *mem_strndup(const char *text, size_t len) __attribute__((malloc, returns_nonnull));
char *mem_printf(const char *format, ...)
	__attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

/* A reserve for what asks here while it serves: when the system has no more, it is given up, and
 * serves those few kilobytes until there is enough again. Meanwhile memory is short: whoever may
 * refuse does (arenas do), so that the reserve is not used up by what could wait. At start. */
void mem_keep_reserve(size_t size);

/* The reserve is gone, and cannot be had back yet. Any thread. */
bool mem_is_short(void);

/* For a program that serves: up to `size` freed bytes at the end of each arena of malloc stay with the
 * process (mallopt(3), M_TRIM_THRESHOLD). Without, what a burst of requests frees goes to the system
 * and is taken again, page fault by page fault, many times a second. Once, before there are threads. */
void mem_keep_freed(size_t size);

void mem_free_ptr(void *ptr_addr); /* for scoped(): frees *ptr_addr */
