/* core/base/arena.h: memory that is freed all at once, with a ceiling.
 *
 * Every request has one; it starts without any memory. What is allocated lives until
 * arena_fini() or arena_reset(). Not for use by two threads at once. */
#pragma once
#include "core/base/check.h"
#include "core/base/str.h"
#include <stdarg.h>

struct arena_block;

/* What several arenas, and others, may use together. Any thread. */
struct arena_budget {
	_Atomic size_t used, max;
};

/* For memory that is in no arena. A budget of NULL is none. Counts what is there, or (false)
 * refuses it; and for what must go on: counts it, never refuses. */
bool arena_budget_take(struct arena_budget *budget, size_t size);
void arena_budget_add(struct arena_budget *budget, size_t size);
void arena_budget_give_back(struct arena_budget *budget, size_t size);

struct arena {
	char *at, *end;              /* what is free in the newest block */
	struct arena_block *blocks;  /* newest first */
	size_t used;                 /* bytes of all blocks */
	size_t max;                  /* the ceiling of `used` */
	struct arena_budget *budget; /* NULL: none; set after arena_init(), while it is empty */
	bool required;               /* running out ends the program */
};

void arena_init(struct arena *arena, size_t max_bytes);

/* An arena for what is built at start and at load: its functions never return NULL (as
 * core/base/memory.h). */
void arena_init_required(struct arena *arena);
void arena_fini(struct arena *arena);
void arena_reset(struct arena *arena); /* frees all but one small block, which is kept for reuse */

void *arena_alloc_slow(struct arena *arena, size_t size);

/* Aligned for any type, not cleared. NULL when the ceiling is reached or memory is gone or short
 * (core/base/memory.h). */
static inline void *arena_alloc(struct arena *arena, size_t size)
{
	size_t need = (size + 15) & ~(size_t)15;

	if (likely((size_t)(arena->end - arena->at) >= need && need >= size)) {
		void *ptr = arena->at;

		arena->at += need;
		return ptr;
	}
	return arena_alloc_slow(arena, size);
}

void *arena_zalloc(struct arena *arena, size_t size);
void *arena_alloc_array(struct arena *arena, size_t n_items, size_t item_size);

/* A copy, with a NUL behind it; .ptr is NULL when there is no memory (never for an empty text). */
struct str arena_str(struct arena *arena, struct str text);
char *arena_strdup(struct arena *arena, const char *text);
struct str arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A block of `size` bytes that is in no arena yet, and counted nowhere: for what another thread
 * makes before it is known whose it will be. NULL without memory. */
struct arena_block *arena_block_create(size_t size);
char *arena_block_bytes(struct arena_block *block);
void arena_block_destroy(struct arena_block *block); /* NULL is accepted */

/* The arena owns the block from now on. False when its ceiling is reached: then it does not. */
bool arena_adopt(struct arena *arena, struct arena_block *block);
