/* server/schema/ask_logic.c: schemas that apply to the value itself, and what they left over. */
#include "server/schema/ask.h"

bool ask_here(struct ask *ask, const struct schema *schema, const struct spot *spot,
	      const char *keyword, struct bits *seen)
{
	struct bits own;
	bool ok;

	if (!seen)
		return ask_schema(ask, schema, spot, keyword, NULL);
	if (!ask_spend(ask, 1 + seen->n_words / 8))
		return false;
	if (!bits_init(&own, spot->value->len))
		return ask_stop(ask, SCHEMA_NO_MEMORY);
	ok = ask_schema(ask, schema, spot, keyword, &own);
	if (ok)
		bits_join(seen, &own);
	bits_fini(&own);
	return ok;
}

static bool ask_here_silently(struct ask *ask, const struct schema *schema, const struct spot *spot,
			      const char *keyword, struct bits *seen)
{
	bool ok;

	ask->silent++;
	ok = ask_here(ask, schema, spot, keyword, seen);
	ask->silent--;
	return ok;
}

static bool ask_all_of(struct ask *ask, const struct schema_list *list, const struct spot *spot,
		       struct bits *seen)
{
	bool ok = true;

	for (size_t i = 0; i < list->n_schemas && ask_goes_on(ask, ok); i++)
		ok &= ask_here(ask, list->schemas[i], spot, "allOf", seen);
	return ok;
}

/* The schema that says which types it takes: itself, or what it refers to. */
static bool schema_takes_type(const struct schema *schema, const struct value *value)
{
	while (!schema->types && schema->logic && schema->logic->reference)
		schema = schema->logic->reference;
	return !schema->never && (!schema->types || (schema->types & ask_types_of(value)));
}

/* None of the schemas fits. When all but one want another type (the other is often null), that one
 * is meant, and its faults tell more than "none fits". */
static bool ask_none_fits(struct ask *ask, const struct schema_list *list, const struct spot *spot,
			  const char *keyword)
{
	const struct schema *meant = NULL;
	size_t n_meant = 0;

	if (ask->silent || ask->stopped != SCHEMA_VALID)
		return false;
	for (size_t i = 0; i < list->n_schemas; i++) {
		if (!schema_takes_type(list->schemas[i], spot->value))
			continue;
		meant = list->schemas[i];
		n_meant++;
	}
	if (n_meant == 1)
		return ask_schema(ask, meant, spot, keyword, NULL);
	return ask_fault(ask, spot, keyword, "fits none of the %zu alternatives", list->n_schemas);
}

/* All are asked when it counts what they have looked at. */
static bool ask_any_of(struct ask *ask, const struct schema_list *list, const struct spot *spot,
		       struct bits *seen)
{
	bool found = list->n_schemas == 0;

	for (size_t i = 0; i < list->n_schemas && (!found || seen); i++) {
		found |= ask_here_silently(ask, list->schemas[i], spot, "anyOf", seen);
		if (ask->stopped != SCHEMA_VALID)
			return false;
	}
	return found || ask_none_fits(ask, list, spot, "anyOf");
}

static bool ask_one_of(struct ask *ask, const struct schema_list *list, const struct spot *spot,
		       struct bits *seen)
{
	size_t n_found = 0, found[2] = { 0 };

	for (size_t i = 0; i < list->n_schemas && n_found < 2; i++) {
		if (ask_here_silently(ask, list->schemas[i], spot, "oneOf", seen))
			found[n_found++] = i + 1;
		if (ask->stopped != SCHEMA_VALID)
			return false;
	}
	if (n_found == 2)
		return ask_fault(ask, spot, "oneOf",
				 "fits more than one of the alternatives: %zu and %zu", found[0],
				 found[1]);
	return n_found == 1 || list->n_schemas == 0 || ask_none_fits(ask, list, spot, "oneOf");
}

static bool ask_if(struct ask *ask, const struct schema_logic *logic, const struct spot *spot,
		   struct bits *seen)
{
	bool fits = ask_here_silently(ask, logic->when, spot, "if", seen);
	const struct schema *next = fits ? logic->then : logic->otherwise;

	if (ask->stopped != SCHEMA_VALID)
		return false;
	return !next || ask_here(ask, next, spot, fits ? "then" : "else", seen);
}

static bool ask_not(struct ask *ask, const struct schema *schema, const struct spot *spot)
{
	if (!ask_silently(ask, schema, spot, "not", NULL))
		return ask->stopped == SCHEMA_VALID;
	return ask_fault(ask, spot, "not", "is what it must not be");
}

bool ask_logic(struct ask *ask, const struct schema *schema, const struct spot *spot,
	       struct bits *seen)
{
	const struct schema_logic *logic = schema->logic;
	bool ok = true;

	if (logic->reference)
		ok &= ask_here(ask, logic->reference, spot, "$ref", seen);
	if (ask_goes_on(ask, ok))
		ok &= ask_all_of(ask, &logic->all, spot, seen);
	if (ask_goes_on(ask, ok))
		ok &= ask_any_of(ask, &logic->any, spot, seen);
	if (ask_goes_on(ask, ok))
		ok &= ask_one_of(ask, &logic->one, spot, seen);
	if (logic->no && ask_goes_on(ask, ok))
		ok &= ask_not(ask, logic->no, spot);
	if (logic->when && ask_goes_on(ask, ok))
		ok &= ask_if(ask, logic, spot, seen);
	return ok;
}

/* ------------------------------------------------------------ unevaluated */

static bool ask_left_over(struct ask *ask, const struct schema *schema, const struct spot *spot,
			  size_t index)
{
	const struct value *value = spot->value;
	struct spot child = { .up = spot, .index = index };

	if (value->kind == VALUE_LIST) {
		child.value = &value->items[index];
		return ask_schema(ask, schema, &child, "unevaluatedItems", NULL);
	}
	child.value = &value->members[index].value;
	child.key = value_str(value->members[index].key);
	return ask_schema(ask, schema, &child, "unevaluatedProperties", NULL);
}

bool ask_unevaluated(struct ask *ask, const struct schema *schema, const struct spot *spot,
		     struct bits *seen)
{
	const struct value *value = spot->value;
	const struct schema *rest = NULL;
	bool ok = true;

	if (value->kind == VALUE_LIST && schema->arrays)
		rest = schema->arrays->unevaluated;
	if (value->kind == VALUE_OBJECT && schema->objects)
		rest = schema->objects->unevaluated;
	if (!rest || !seen || !ask_spend(ask, 1 + value->len / 64))
		return !rest || ask->stopped == SCHEMA_VALID;
	for (size_t i = 0; i < value->len && ask_goes_on(ask, ok); i++) {
		if (bits_has(seen, i))
			continue;
		ok &= ask_left_over(ask, rest, spot, i);
		bits_add(seen, i);
	}
	return ok;
}
