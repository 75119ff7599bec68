/* server/schema/ask_array.c: arrays. */
#include "server/schema/ask.h"

static bool ask_item(struct ask *ask, const struct schema *schema, const struct spot *spot,
		     size_t index, const char *keyword)
{
	const struct spot item = { .up = spot,
				   .value = &spot->value->items[index],
				   .index = index };

	return ask_schema(ask, schema, &item, keyword, NULL);
}

static bool ask_all_items(struct ask *ask, const struct schema_arrays *arrays,
			  const struct spot *spot, struct bits *seen)
{
	size_t n_items = spot->value->len, n_prefix = MIN(arrays->prefix.n_schemas, n_items);
	bool ok = true;

	for (size_t i = 0; i < n_prefix && ask_goes_on(ask, ok); i++)
		ok &= ask_item(ask, arrays->prefix.schemas[i], spot, i, "prefixItems");
	for (size_t i = n_prefix; arrays->items && i < n_items && ask_goes_on(ask, ok); i++)
		ok &= ask_item(ask, arrays->items, spot, i, "items");
	for (size_t i = 0; seen && i < (arrays->items ? n_items : n_prefix); i++)
		bits_add(seen, i);
	return ok;
}

static bool ask_contains_fault(struct ask *ask, const struct schema_arrays *arrays,
			       const struct spot *spot, uint64_t n_found)
{
	if (n_found < arrays->min_contains && arrays->min_contains == 1)
		return ask_fault(ask, spot, "contains", "holds no item of the kind that it must");
	if (n_found < arrays->min_contains)
		return ask_fault(ask, spot, "minContains",
				 "holds %llu items of the kind of which it must have at least %llu",
				 (unsigned long long)n_found,
				 (unsigned long long)arrays->min_contains);
	return ask_fault(ask, spot, "maxContains",
			 "holds %llu items of the kind of which it may have at most %llu",
			 (unsigned long long)n_found, (unsigned long long)arrays->max_contains);
}

static bool ask_contains(struct ask *ask, const struct schema_arrays *arrays,
			 const struct spot *spot, struct bits *seen)
{
	uint64_t n_found = 0;

	ask->silent++;
	for (size_t i = 0; i < spot->value->len && ask->stopped == SCHEMA_VALID; i++) {
		if (!ask_item(ask, arrays->contains, spot, i, "contains"))
			continue;
		n_found++;
		if (seen)
			bits_add(seen, i);
	}
	ask->silent--;
	if (ask->stopped != SCHEMA_VALID)
		return false;
	return (n_found >= arrays->min_contains && n_found <= arrays->max_contains) ||
	       ask_contains_fault(ask, arrays, spot, n_found);
}

static bool ask_n_items(struct ask *ask, const struct schema_arrays *arrays,
			const struct spot *spot)
{
	uint64_t n_items = spot->value->len;

	if (n_items < arrays->min_items)
		return ask_fault(ask, spot, "minItems", "must have at least %llu item%s",
				 (unsigned long long)arrays->min_items,
				 arrays->min_items == 1 ? "" : "s");
	return n_items <= arrays->max_items ||
	       ask_fault(ask, spot, "maxItems", "must have at most %llu item%s",
			 (unsigned long long)arrays->max_items, arrays->max_items == 1 ? "" : "s");
}

bool ask_arrays(struct ask *ask, const struct schema_arrays *arrays, const struct spot *spot,
		struct bits *seen)
{
	bool ok = ask_n_items(ask, arrays, spot);
	size_t pair[2];

	if (arrays->unique && ask_goes_on(ask, ok) && !ask_unique(ask, spot->value, pair))
		ok = ask_fault(ask, spot, "uniqueItems",
			       "holds the same item twice, at %zu and %zu", pair[0], pair[1]);
	if (ask_goes_on(ask, ok))
		ok &= ask_all_items(ask, arrays, spot, seen);
	if (arrays->contains && ask_goes_on(ask, ok))
		ok &= ask_contains(ask, arrays, spot, seen);
	return ok;
}
