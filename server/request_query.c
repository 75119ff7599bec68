/* server/request_query.c */
#include "server/request_query.h"
#include "server/body/form_data.h"
#include "server/request_pairs.h"
#include <errno.h>

/* ------------------------------------------------------------ query and form */

static int query_decode(struct arena *arena, struct str *name, struct str *value)
{
	int r = http_decode(*name, true, arena, name);

	return r < 0 ? r : http_decode(*value, true, arena, value);
}

/* The first value of `key`; null when there is none, or when its escapes are wrong. */
static int query_find(struct arena *arena, struct str text, struct str key, struct value *ret)
{
	struct str name, value;

	*ret = value_null();
	while (http_query_next(&text, &name, &value)) {
		int r = http_decode(name, true, arena, &name);

		if (r == -ENOMEM)
			return r;
		if (r < 0 || !str_eq(name, key))
			continue;
		r = http_decode(value, true, arena, &value);
		if (r == 0)
			*ret = value_text(value);
		return r == -ENOMEM ? r : 0;
	}
	return 0;
}

static int query_find_all(struct arena *arena, struct str text, struct str key, struct value *ret)
{
	struct str rest = text, name, value;
	struct value *items;
	size_t n_pairs = 0, n_items = 0;

	while (http_query_next(&rest, &name, &value))
		n_pairs++;
	items = arena_alloc_array(arena, n_pairs + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	while (http_query_next(&text, &name, &value)) {
		int r = query_decode(arena, &name, &value);

		if (r == -ENOMEM)
			return r;
		if (r == 0 && str_eq(name, key))
			items[n_items++] = value_text(value);
	}
	*ret = value_list(items, n_items);
	return 0;
}

/* Past it the rest is not looked at, or refused. */
enum { QUERY_PAIRS_MAX = 1000 };

/* The next pair that can be read. 1, 0 at the end, -ENOMEM; when
 * `strict` -EINVAL for one that cannot, -E2BIG when there are too many. */
static int query_next(struct arena *arena, struct str *rest, unsigned *n_left, bool strict,
		      struct str *name, struct str *value)
{
	while (*n_left > 0 && http_query_next(rest, name, value)) {
		int r = query_decode(arena, name, value);

		--*n_left;
		if (r == 0)
			return 1;
		if (r == -ENOMEM || strict)
			return r;
	}
	if (strict && *n_left == 0 && http_query_next(rest, name, value))
		return -E2BIG;
	return 0;
}

/* All pairs as an object: the first value of each name. */
static int query_object(struct arena *arena, struct str text, bool strict, struct value *ret)
{
	struct pairs pairs = { .arena = arena };
	unsigned n_left = QUERY_PAIRS_MAX;
	struct str name, value;
	int r;

	while ((r = query_next(arena, &text, &n_left, strict, &name, &value)) > 0)
		if (!pairs_find(&pairs, name) && pairs_add(&pairs, name, value_text(value)) < 0)
			return -ENOMEM;
	*ret = pairs_object(&pairs);
	return r;
}

/* What was read: whose it is, by the number of the name. */
struct query_lists {
	size_t n_values, n_room;
	struct value *values;
	uint32_t *owners;
};

static bool query_lists_add(struct arena *arena, struct query_lists *lists, uint32_t owner,
			    struct str text)
{
	if (lists->n_values == lists->n_room) {
		size_t n_room = MAX(lists->n_room * 2, (size_t)8);
		struct value *values = arena_alloc_array(arena, n_room, sizeof(*values));
		uint32_t *owners = arena_alloc_array(arena, n_room, sizeof(*owners));

		if (!values || !owners)
			return false;
		if (lists->n_values) {
			memcpy(values, lists->values, lists->n_values * sizeof(*values));
			memcpy(owners, lists->owners, lists->n_values * sizeof(*owners));
		}
		*lists = (struct query_lists){ lists->n_values, n_room, values, owners };
	}
	lists->owners[lists->n_values] = owner;
	lists->values[lists->n_values++] = value_text(text);
	return true;
}

/* Gives each name its values, which stand behind one another in `sorted`. */
static int query_lists_give(struct arena *arena, const struct query_lists *lists,
			    struct pairs *pairs)
{
	struct value *sorted = arena_alloc_array(arena, lists->n_values + 1, sizeof(*sorted));
	size_t *ends = arena_zalloc(arena, (pairs->n_members + 1) * sizeof(*ends));
	size_t at = 0;

	if (!sorted || !ends)
		return -ENOMEM;
	for (size_t i = 0; i < lists->n_values; i++)
		ends[lists->owners[i]]++;
	for (size_t i = 0; i < pairs->n_members; i++) {
		pairs->members[i].value = value_list(sorted + at, ends[i]);
		at += ends[i];
		ends[i] = at - ends[i]; /* where its next one goes */
	}
	for (size_t i = 0; i < lists->n_values; i++)
		sorted[ends[lists->owners[i]]++] = lists->values[i];
	return 0;
}

/* All pairs as an object: the list of the values of each name. */
static int query_lists(struct arena *arena, struct str text, struct value *ret)
{
	struct pairs pairs = { .arena = arena };
	struct query_lists lists = { 0 };
	unsigned n_left = QUERY_PAIRS_MAX;
	struct str name, value;
	int r;

	while ((r = query_next(arena, &text, &n_left, false, &name, &value)) > 0) {
		const struct member *member = pairs_find(&pairs, name);
		size_t owner = member ? (size_t)(member - pairs.members) : pairs.n_members;

		if ((!member && pairs_add(&pairs, name, value_null()) < 0) ||
		    !query_lists_add(arena, &lists, (uint32_t)owner, value))
			return -ENOMEM;
	}
	if (r == 0)
		r = query_lists_give(arena, &lists, &pairs);
	*ret = pairs_object(&pairs);
	return r;
}

int request_root_query(struct request *request, struct str text, bool all, struct str key,
		       struct value *ret)
{
	if (!key.ptr)
		return all ? query_lists(&request->arena, text, ret)
			   : query_object(&request->arena, text, false, ret);
	return all ? query_find_all(&request->arena, text, key, ret)
		   : query_find(&request->arena, text, key, ret);
}

/* ------------------------------------------------------------ multipart forms */

/* The first of that name; null when there is none. */
static struct value form_find(const struct form_data *form, struct str key)
{
	for (size_t i = 0; i < form->n_members; i++)
		if (str_eq(value_str(form->members[i].key), key))
			return form->members[i].value;
	return value_null();
}

static int form_find_all(struct arena *arena, const struct form_data *form, struct str key,
			 struct value *ret)
{
	struct value *items = arena_alloc_array(arena, form->n_members + 1, sizeof(*items));
	size_t n_items = 0;

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < form->n_members; i++)
		if (str_eq(value_str(form->members[i].key), key))
			items[n_items++] = form->members[i].value;
	*ret = value_list(items, n_items);
	return 0;
}

/* Quadratic in the number of distinct names, which is bounded (FIELDS_MAX in body/form_data.c). */
static int form_object(struct arena *arena, const struct form_data *form, bool all,
		       struct value *ret)
{
	struct pairs pairs = { .arena = arena };

	for (size_t i = 0; i < form->n_members; i++) {
		struct str name = value_str(form->members[i].key);
		struct value value = form->members[i].value;
		int r = 0;

		if (pairs_find(&pairs, name))
			continue;
		if (all)
			r = form_find_all(arena, form, name, &value);
		if (r == 0)
			r = pairs_add(&pairs, name, value);
		if (r < 0)
			return r;
	}
	*ret = pairs_object(&pairs);
	return 0;
}

int request_root_form(struct request *request, bool all, struct str key, struct value *ret)
{
	const struct form_data *form = request->form;

	if (!form && !request->is_form)
		return 0;
	if (!form)
		return request_root_query(request, request->body, all, key, ret);
	if (!key.ptr)
		return form_object(&request->arena, form, all, ret);
	if (all)
		return form_find_all(&request->arena, form, key, ret);
	*ret = form_find(form, key);
	return 0;
}

int request_form(struct request *request, struct value *ret)
{
	if (request->form)
		return form_object(&request->arena, request->form, false, ret);
	return query_object(&request->arena, request->body, true, ret);
}

struct str request_query(struct request *request, struct str name)
{
	struct value value;

	if (query_find(&request->arena, request->head.query, name, &value) < 0 ||
	    value_is_null(value))
		return STR_NONE;
	return value_str(value);
}
