/* server/schema/ask_unique.c: uniqueItems.
 *
 * A few items are compared pair by pair. Many are hashed, sorted by their hashes, and only those of
 * equal hashes are compared: n log n. The hash is keyed, so that nobody can choose items whose
 * hashes are equal, and equal values have one hash: 1 and 1.0, and objects in any order. */
#include "core/base/map.h"
#include "server/expr/number.h"
#include "server/expr/value_walk.h"
#include "server/schema/ask.h"

enum { PAIRS_MAX = 8 };

struct hashed {
	uint64_t hash;
	uint32_t index;
};

static uint64_t hash_pair(uint64_t a, uint64_t b)
{
	const uint64_t pair[2] = { a, b };

	return str_hash((struct str){ (const char *)pair, sizeof(pair) });
}

static uint64_t hash_scalar(const struct value *value)
{
	char text[NUMBER_TEXT_MAX];

	if (value->kind == VALUE_TEXT)
		return hash_pair(VALUE_TEXT, str_hash(value_str(*value)));
	if (value->kind == VALUE_NUMBER)
		return decimal_hash(decimal_of(value_str(*value)));
	if (number_is(*value))
		return decimal_hash(decimal_of(number_write(*value, text)));
	return hash_pair(value->kind, value->kind == VALUE_BOOL && value->boolean);
}

/* A list or an object whose children are being hashed. */
struct hash_frame {
	const struct value *value;
	uint32_t n_seen;
	uint64_t hash;
};

/* The children of a list count in their order, those of an object in any. */
static void hash_add(struct hash_frame *frame, uint64_t child)
{
	if (frame->value->kind == VALUE_LIST) {
		frame->hash = hash_pair(frame->hash, child);
		return;
	}
	frame->hash +=
		hash_pair(str_hash(value_str(frame->value->members[frame->n_seen - 1].key)), child);
}

static const struct value *hash_next(struct hash_frame *frame)
{
	uint32_t at = frame->n_seen++;

	return frame->value->kind == VALUE_LIST ? &frame->value->items[at]
						: &frame->value->members[at].value;
}

static bool hash_spend(struct ask *ask, const struct value *value)
{
	bool flat = value->kind == VALUE_TEXT || value->kind == VALUE_NUMBER;

	return ask_spend(ask, 2) && ask_spend_bytes(ask, flat ? value->len : 0);
}

static bool hash_value(struct ask *ask, const struct value *value, uint64_t *ret)
{
	struct hash_frame frames[VALUE_DEPTH_MAX];
	size_t depth = 0;

	for (;;) {
		bool nested = value->kind == VALUE_LIST || value->kind == VALUE_OBJECT;
		uint64_t hash = 0;

		if (!hash_spend(ask, value))
			return false;
		check(depth < VALUE_DEPTH_MAX); /* as duplicates_find() has seen */
		if (nested)
			frames[depth++] = (struct hash_frame){ value, 0, value->kind };
		else
			hash = hash_scalar(value);
		if (!nested && depth)
			hash_add(&frames[depth - 1], hash);
		while (depth && frames[depth - 1].n_seen == frames[depth - 1].value->len) {
			depth--;
			hash = hash_pair(frames[depth].value->kind, frames[depth].hash);
			if (depth)
				hash_add(&frames[depth - 1], hash);
		}
		if (!depth) {
			*ret = hash;
			return true;
		}
		value = hash_next(&frames[depth - 1]);
	}
}

static bool items_equal(struct ask *ask, const struct value *a, const struct value *b, bool *ret)
{
	size_t size = a->kind == VALUE_TEXT || a->kind == VALUE_NUMBER ? (size_t)a->len + b->len
								       : 0;

	*ret = false;
	if (!ask_spend_bytes(ask, size))
		return false;
	return ask_equal(ask, a, b, ret);
}

static bool is_nested(const struct value *value)
{
	return value->kind == VALUE_LIST || value->kind == VALUE_OBJECT;
}

/* Only where all items are flat: what is nested can be large, and is hashed. */
static bool unique_by_pairs(struct ask *ask, const struct value *list, size_t pair[2])
{
	bool equal;

	for (pair[1] = 1; pair[1] < list->len; pair[1]++)
		for (pair[0] = 0; pair[0] < pair[1]; pair[0]++)
			if (!items_equal(ask, &list->items[pair[0]], &list->items[pair[1]],
					 &equal) ||
			    equal)
				return false;
	return true;
}

static int hashed_order(const void *a_addr, const void *b_addr)
{
	const struct hashed *a = a_addr, *b = b_addr;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static bool unique_by_hash(struct ask *ask, const struct value *list, struct hashed *hashed,
			   size_t pair[2])
{
	for (uint32_t i = 0; i < list->len; i++) {
		hashed[i].index = i;
		if (!hash_value(ask, &list->items[i], &hashed[i].hash))
			return false;
	}
	qsort(hashed, list->len, sizeof(*hashed), hashed_order);
	for (size_t i = 1; i < list->len; i++) {
		bool equal;

		if (hashed[i - 1].hash != hashed[i].hash)
			continue;
		pair[0] = hashed[i - 1].index;
		pair[1] = hashed[i].index;
		if (!items_equal(ask, &list->items[pair[0]], &list->items[pair[1]], &equal) ||
		    equal)
			return false;
	}
	return true;
}

bool ask_unique(struct ask *ask, const struct value *list, size_t pair[2])
{
	struct hashed *hashed;
	bool flat = list->len <= PAIRS_MAX, unique;

	for (size_t i = 0; flat && i < list->len; i++)
		flat = !is_nested(&list->items[i]);
	if (flat)
		return unique_by_pairs(ask, list, pair);
	if (!ask_spend(ask, 2 * (uint64_t)list->len))
		return false;
	hashed = malloc(list->len * sizeof(*hashed));
	if (!hashed)
		return ask_stop(ask, SCHEMA_NO_MEMORY);
	unique = unique_by_hash(ask, list, hashed, pair);
	free(hashed);
	return unique;
}
