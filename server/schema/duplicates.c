/* server/schema/duplicates.c
 *
 * Small objects are compared pair by pair, large ones through a table of hashes, which is made once
 * and grows to the largest. */
#include "server/schema/duplicates.h"
#include "core/base/map.h"
#include "server/expr/value_walk.h"
#include "server/schema/pointer.h"
#include <errno.h>
#include <stdlib.h>

enum { PAIRS_MAX = 8 };

struct table {
	uint32_t *slots;   /* indices of members, from 1; 0: free */
	size_t room, size; /* a power of two that is in use, of those that are there */
};

static bool table_start(struct table *table, size_t n_members)
{
	size_t size = 32;

	while (size < 2 * n_members)
		size *= 2;
	if (size > table->room) {
		free(table->slots);
		table->slots = calloc(size, sizeof(*table->slots));
		table->room = table->slots ? size : 0;
	} else {
		memset(table->slots, 0, size * sizeof(*table->slots));
	}
	table->size = size;
	return table->slots != NULL;
}

static bool object_has_pair(const struct value *object, struct str *ret_key)
{
	for (size_t i = 1; i < object->len; i++)
		for (size_t j = 0; j < i; j++)
			if (str_eq(value_str(object->members[i].key),
				   value_str(object->members[j].key))) {
				*ret_key = value_str(object->members[i].key);
				return true;
			}
	return false;
}

/* 1, 0 or -ENOMEM */
static int object_has_duplicate(const struct value *object, struct table *table,
				struct str *ret_key)
{
	if (object->len <= PAIRS_MAX)
		return object_has_pair(object, ret_key);
	if (!table_start(table, object->len))
		return -ENOMEM;
	for (uint32_t i = 0; i < object->len; i++) {
		struct str key = value_str(object->members[i].key);
		size_t at = str_hash(key) & (table->size - 1);

		for (; table->slots[at]; at = (at + 1) & (table->size - 1))
			if (str_eq(key, value_str(object->members[table->slots[at] - 1].key))) {
				*ret_key = key;
				return 1;
			}
		table->slots[at] = i + 1;
	}
	return 0;
}

static bool spend(uint64_t *steps, const struct value *value)
{
	uint64_t price = 1 + (value->kind == VALUE_TEXT ? value->len / 64 : 0);

	if (*steps < price)
		return false;
	*steps -= price;
	return true;
}

/* A list or an object, and how many of its children were seen. */
struct open {
	const struct value *value;
	uint32_t n_seen;
};

static const struct value *open_next(struct open *open)
{
	uint32_t at = open->n_seen++;

	return open->value->kind == VALUE_LIST ? &open->value->items[at]
					       : &open->value->members[at].value;
}

static void open_write(const struct open *opens, size_t depth, struct buf *out)
{
	for (size_t i = 0; i < depth; i++) {
		uint32_t at = opens[i].n_seen - 1;

		if (opens[i].value->kind == VALUE_LIST)
			pointer_add_index(out, at);
		else
			pointer_add_key(out, value_str(opens[i].value->members[at].key));
	}
}

static int value_has_duplicate(const struct value *value, uint64_t *steps, struct table *table,
			       struct str *ret_key)
{
	if (!spend(steps, value))
		return -ETIME;
	return value->kind == VALUE_OBJECT ? object_has_duplicate(value, table, ret_key) : 0;
}

static int walk(const struct value *root, uint64_t *steps, struct table *table, struct buf *out)
{
	struct open opens[VALUE_DEPTH_MAX];
	const struct value *value = root;
	size_t depth = 0;
	struct str key;

	for (;;) {
		int r = value_has_duplicate(value, steps, table, &key);

		if (r == 1) {
			open_write(opens, depth, out);
			pointer_add_key(out, key);
		}
		if (r != 0)
			return r;
		if (value_n_children(value)) {
			if (depth == VALUE_DEPTH_MAX)
				return -EMSGSIZE;
			opens[depth++] = (struct open){ value, 0 };
		}
		while (depth && opens[depth - 1].n_seen == opens[depth - 1].value->len)
			depth--;
		if (!depth)
			return 0;
		value = open_next(&opens[depth - 1]);
	}
}

int duplicates_find(const struct value *root, uint64_t *steps, struct buf *out)
{
	struct table table = { 0 };
	int r = walk(root, steps, &table, out);

	free(table.slots);
	return r;
}
