/* server/schema/bits.h: a set of small numbers; up to 64 take no memory. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct bits {
	uint64_t *words; /* `one`, or the heap's */
	size_t n_words;
	uint64_t one;
};

/* An empty set of numbers below `n_bits`; false without memory. It does not move. */
static inline bool bits_init(struct bits *bits, size_t n_bits)
{
	bits->n_words = n_bits / 64 + 1;
	bits->one = 0;
	bits->words = bits->n_words == 1 ? &bits->one : calloc(bits->n_words, sizeof(uint64_t));
	return bits->words != NULL;
}

static inline void bits_fini(struct bits *bits)
{
	if (bits->words != &bits->one)
		free(bits->words);
}

static inline void bits_add(struct bits *bits, size_t bit)
{
	bits->words[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static inline bool bits_has(const struct bits *bits, size_t bit)
{
	return bits->words[bit / 64] >> (bit % 64) & 1;
}

static inline void bits_join(struct bits *into, const struct bits *from) /* of one size */
{
	for (size_t i = 0; i < into->n_words; i++)
		into->words[i] |= from->words[i];
}
