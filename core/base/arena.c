/* core/base/arena.c
 *
 * Blocks double from 1 KiB to 64 KiB; what is larger than a quarter of the next block gets a block
 * of its own, so that a large body does not waste the rest of the current one. */
#include "core/base/arena.h"
#include "core/base/memory.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_MIN = 1024, BLOCK_MAX = 65536 };

struct arena_block {
	struct arena_block *next;
	size_t size; /* of the whole block */
	_Alignas(16) char bytes[];
};

void arena_init(struct arena *arena, size_t max_bytes)
{
	*arena = (struct arena){ .max = max_bytes };
}

void arena_init_required(struct arena *arena)
{
	*arena = (struct arena){ .max = SIZE_MAX, .required = true };
}

bool arena_budget_take(struct arena_budget *budget, size_t size)
{
	size_t used;

	if (!budget)
		return true;
	used = atomic_fetch_add_explicit(&budget->used, size, memory_order_relaxed) + size;
	if (used <= atomic_load_explicit(&budget->max, memory_order_relaxed))
		return true;
	atomic_fetch_sub_explicit(&budget->used, size, memory_order_relaxed);
	return false;
}

void arena_budget_add(struct arena_budget *budget, size_t size)
{
	if (budget)
		atomic_fetch_add_explicit(&budget->used, size, memory_order_relaxed);
}

void arena_budget_give_back(struct arena_budget *budget, size_t size)
{
	if (budget)
		atomic_fetch_sub_explicit(&budget->used, size, memory_order_relaxed);
}

static void arena_free_blocks(struct arena *arena, struct arena_block *keep)
{
	struct arena_block *block = arena->blocks;

	while (block) {
		struct arena_block *next = block->next;

		if (block != keep) {
			arena_budget_give_back(arena->budget, block->size);
			free(block);
		}
		block = next;
	}
}

void arena_fini(struct arena *arena)
{
	arena_free_blocks(arena, NULL);
	arena->blocks = NULL;
	arena->at = arena->end = NULL;
	arena->used = 0;
}

void arena_reset(struct arena *arena)
{
	struct arena_block *keep = NULL;

	for (struct arena_block *block = arena->blocks; block; block = block->next)
		if (block->size <= 4 * BLOCK_MIN && (!keep || block->size > keep->size))
			keep = block;
	arena_free_blocks(arena, keep);
	arena->blocks = keep;
	arena->at = arena->end = NULL;
	arena->used = 0;
	if (keep) {
		keep->next = NULL;
		arena->at = keep->bytes;
		arena->end = (char *)keep + keep->size;
		arena->used = keep->size;
	}
}

static struct arena_block *arena_add_block(struct arena *arena, size_t size)
{
	struct arena_block *block;

	if (size > arena->max || arena->used > arena->max - size)
		return NULL;
	if (!arena->required && mem_is_short())
		return NULL;
	if (!arena_budget_take(arena->budget, size))
		return NULL;
	block = arena->required ? mem_alloc(size) : malloc(size);
	if (!block) {
		arena_budget_give_back(arena->budget, size);
		return NULL;
	}
	block->size = size;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->used += size;
	return block;
}

void *arena_alloc_slow(struct arena *arena, size_t size)
{
	size_t next = arena->used < BLOCK_MIN ? BLOCK_MIN : MIN(arena->used, (size_t)BLOCK_MAX);
	struct arena_block *block;
	void *ptr;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	if (size > next / 4) {
		block = arena_add_block(arena, size + sizeof(*block));
		return block ? block->bytes : NULL;
	}
	/* near the ceiling a small block may still fit where a large one does not */
	block = arena_add_block(arena, next);
	if (!block)
		block = arena_add_block(arena, size + sizeof(*block));
	if (!block)
		return NULL;
	ptr = block->bytes;
	arena->at = block->bytes + size;
	arena->end = (char *)block + block->size;
	return ptr;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
	void *ptr = arena_alloc(arena, size);

	return ptr ? memset(ptr, 0, size) : NULL;
}

void *arena_alloc_array(struct arena *arena, size_t n_items, size_t item_size)
{
	size_t size;

	if (__builtin_mul_overflow(n_items, item_size, &size)) {
		check(!arena->required);
		return NULL;
	}
	return arena_alloc(arena, size);
}

struct str arena_str(struct arena *arena, struct str text)
{
	char *copy = arena_alloc(arena, text.len + 1);

	if (!copy)
		return STR_NONE;
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return (struct str){ copy, text.len };
}

char *arena_strdup(struct arena *arena, const char *text)
{
	struct str copy = arena_str(arena, str_of(text));

	return (char *)(uintptr_t)copy.ptr;
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args, again;
	char *text;
	int len;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
	if (text)
		vsnprintf(text, (size_t)len + 1, format, again);
	va_end(again);
	return text ? (struct str){ text, (size_t)len } : STR_NONE;
}

/* ------------------------------------------------------------ blocks from elsewhere */

struct arena_block *arena_block_create(size_t size)
{
	struct arena_block *block;

	if (size > SIZE_MAX / 2 || mem_is_short())
		return NULL;
	block = malloc(sizeof(*block) + size);
	if (block)
		block->size = sizeof(*block) + size;
	return block;
}

char *arena_block_bytes(struct arena_block *block)
{
	return block->bytes;
}

void arena_block_destroy(struct arena_block *block)
{
	free(block);
}

/* Behind the newest, from which small things are taken. */
bool arena_adopt(struct arena *arena, struct arena_block *block)
{
	struct arena_block **at = arena->blocks ? &arena->blocks->next : &arena->blocks;

	if (block->size > arena->max || arena->used > arena->max - block->size ||
	    !arena_budget_take(arena->budget, block->size))
		return false;
	block->next = *at;
	*at = block;
	arena->used += block->size;
	return true;
}
