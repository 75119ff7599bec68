/* server/expr/value_equal.c: deep equality.
 *
 * Objects are equal when they have the same members in any order (those of one key in the same
 * order). They are sorted by key to compare them, so that large objects of a hostile body cost
 * n log n, and not even that when they differ in size: `x in list` stays near linear. */
#include "server/expr/number.h"
#include "server/expr/value_walk.h"
#include <errno.h>
#include <stdlib.h>

struct pair_frame {
	const struct value *a, *b; /* the pairs not yet compared */
	size_t n_left;
};

static int member_order(const void *a_addr, const void *b_addr)
{
	const struct member *a = *(const struct member *const *)a_addr;
	const struct member *b = *(const struct member *const *)b_addr;
	int order = str_cmp(value_str(a->key), value_str(b->key));

	return order ? order : a < b ? -1 : a > b;
}

/* The members by their keys. */
static const struct member **members_sort(struct value object, struct arena *arena)
{
	const struct member **members = arena_alloc_array(arena, object.len, sizeof(*members));

	if (!members)
		return NULL;
	for (size_t i = 0; i < object.len; i++)
		members[i] = &object.members[i];
	qsort(members, object.len, sizeof(struct member *), member_order);
	return members;
}

/* Makes of two objects of one size the lists of their values in the order of their keys. *ret_same
 * is false when the keys differ. */
static int members_match(struct value *a, struct value *b, struct arena *arena, bool *ret_same)
{
	const struct member **a_members = members_sort(*a, arena);
	const struct member **b_members = members_sort(*b, arena);
	struct value *values = arena_alloc_array(arena, 2 * (size_t)a->len, sizeof(*values));

	*ret_same = false;
	if (!a_members || !b_members || !values)
		return -ENOMEM;
	for (size_t i = 0; i < a->len; i++) {
		if (!str_eq(value_str(a_members[i]->key), value_str(b_members[i]->key)))
			return 0;
		values[i] = a_members[i]->value;
		values[a->len + i] = b_members[i]->value;
	}
	*b = value_list(values + a->len, a->len);
	*a = value_list(values, a->len);
	*ret_same = true;
	return 0;
}

static bool scalars_equal(struct value a, struct value b)
{
	if (number_is(a) && number_is(b))
		return number_compare(a, b) == 0;
	if (a.kind != b.kind)
		return false;
	if (a.kind == VALUE_BOOL)
		return a.boolean == b.boolean;
	return a.kind == VALUE_NULL || str_eq(value_str(a), value_str(b));
}

/* Compares what the two are by themselves. What is left to do for their children is *frame. */
static int pair_compare(struct value a, struct value b, struct arena *arena,
			struct pair_frame *frame, bool *ret_equal)
{
	*frame = (struct pair_frame){ 0 };
	if (value_open(&a, arena) < 0 || value_open(&b, arena) < 0)
		return -ENOMEM;
	if (a.kind != b.kind || (a.kind != VALUE_LIST && a.kind != VALUE_OBJECT)) {
		*ret_equal = scalars_equal(a, b);
		return 0;
	}
	*ret_equal = a.len == b.len;
	if (!*ret_equal || a.len == 0 || a.items == b.items)
		return 0;
	if (a.kind == VALUE_OBJECT) {
		if (members_match(&a, &b, arena, ret_equal) < 0)
			return -ENOMEM;
		if (!*ret_equal)
			return 0;
	}
	*frame = (struct pair_frame){ a.items, b.items, a.len };
	return 0;
}

static bool is_flat(struct value value)
{
	return value.kind < VALUE_LIST;
}

static int trees_equal(struct value a, struct value b, struct arena *arena, bool *ret)
{
	struct pair_frame frames[VALUE_DEPTH_MAX], *top;
	size_t depth = 0;

	for (;;) {
		struct pair_frame frame;
		bool equal;
		int r = pair_compare(a, b, arena, &frame, &equal);

		if (r < 0)
			return r;
		if (!equal) {
			*ret = false;
			return 0;
		}
		if (frame.n_left && depth == VALUE_DEPTH_MAX)
			return -EMSGSIZE;
		if (frame.n_left)
			frames[depth++] = frame;
		while (depth && frames[depth - 1].n_left == 0)
			depth--;
		if (!depth) {
			*ret = true;
			return 0;
		}
		top = &frames[depth - 1];
		a = *top->a++;
		b = *top->b++;
		top->n_left--;
	}
}

/* Most of what is compared is flat, and then the stack of frames is not worth its pages. */
int value_equal(struct value a, struct value b, struct arena *arena, bool *ret)
{
	if (!is_flat(a) && !is_flat(b))
		return trees_equal(a, b, arena, ret);
	*ret = is_flat(a) && is_flat(b) && scalars_equal(a, b);
	return 0;
}
