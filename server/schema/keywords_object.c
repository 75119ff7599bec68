/* server/schema/keywords_object.c: keywords about objects, and the names that they mention. */
#include "server/schema/keywords.h"
#include <stdlib.h>

/* ------------------------------------------------------------ names */

struct schema_name *schema_name_add(const struct keyword *keyword, struct str name)
{
	struct schema_objects *objects = schema_objects(keyword);
	struct schema_name *names;

	if (objects->n_names == objects->names_room) {
		objects->names_room = MAX(2 * objects->names_room, (size_t)8);
		names = arena_alloc_array(keyword->loader->arena, objects->names_room,
					  sizeof(*names));
		if (objects->n_names)
			memcpy(names, objects->names, objects->n_names * sizeof(*names));
		objects->names = names;
	}
	names = &objects->names[objects->n_names++];
	*names = (struct schema_name){ .name = name };
	return names;
}

static int name_order(struct str a, struct str b)
{
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len ? memcmp(a.ptr, b.ptr, a.len) : 0;
}

static int schema_name_order(const void *a, const void *b)
{
	return name_order(((const struct schema_name *)a)->name,
			  ((const struct schema_name *)b)->name);
}

size_t schema_name_find(const struct schema_objects *objects, struct str name)
{
	size_t from = 0, to = objects->n_names;

	while (from < to) {
		size_t at = (from + to) / 2;
		int order = name_order(name, objects->names[at].name);

		if (order == 0)
			return at;
		if (order < 0)
			to = at;
		else
			from = at + 1;
	}
	return objects->n_names;
}

static void name_join(struct schema_name *into, const struct schema_name *other)
{
	into->required |= other->required;
	if (other->property)
		into->property = other->property;
	if (other->dependent)
		into->dependent = other->dependent;
	if (other->needs_source)
		into->needs_source = other->needs_source;
}

static void name_find_needs(struct arena *arena, const struct schema_objects *objects,
			    struct schema_name *name)
{
	const struct value *list = name->needs_source;

	if (!list)
		return;
	name->needs = arena_alloc_array(arena, list->len, sizeof(*name->needs));
	for (; name->n_needs < list->len; name->n_needs++)
		name->needs[name->n_needs] =
			(uint32_t)schema_name_find(objects, value_str(list->items[name->n_needs]));
}

void schema_names_join(struct schema_loader *loader, struct schema_objects *objects)
{
	size_t n_names = 0;

	if (!objects->n_names)
		return;
	qsort(objects->names, objects->n_names, sizeof(*objects->names), schema_name_order);
	for (size_t i = 0; i < objects->n_names; i++) {
		struct schema_name *name = &objects->names[i];

		if (n_names && str_eq(objects->names[n_names - 1].name, name->name))
			name_join(&objects->names[n_names - 1], name);
		else
			objects->names[n_names++] = *name;
	}
	objects->n_names = n_names;
	for (size_t i = 0; i < n_names; i++) {
		objects->n_required += objects->names[i].required;
		objects->dependents |= objects->names[i].dependent ||
				       objects->names[i].needs_source;
		name_find_needs(loader->arena, objects, &objects->names[i]);
	}
}

/* ------------------------------------------------------------ keywords */

bool keyword_properties(const struct keyword *keyword)
{
	const struct value *map = keyword->value;
	bool ok = keyword_object(keyword);

	for (uint32_t i = 0; ok && i < map->len; i++) {
		struct schema *schema = keyword_schema(keyword, &map->members[i].value);

		schema_name_add(keyword, value_str(map->members[i].key))->property = schema;
		ok = schema != NULL;
	}
	return ok;
}

static bool pattern_read_one(const struct keyword *keyword, const struct member *member,
			     struct schema_pattern *pattern)
{
	struct str problem;

	pattern->pattern =
		pattern_compile(keyword->loader->arena, value_str(member->key), &problem);
	if (!pattern->pattern)
		return keyword_error(keyword, "not a regular expression: %.*s", STR_ARG(problem));
	pattern->schema = keyword_schema(keyword, &member->value);
	return pattern->schema != NULL;
}

bool keyword_pattern_properties(const struct keyword *keyword)
{
	const struct value *map = keyword->value;
	struct schema_objects *objects;
	bool ok = true;

	if (!keyword_object(keyword))
		return false;
	objects = schema_objects(keyword);
	objects->patterns =
		arena_alloc_array(keyword->loader->arena, map->len, sizeof(*objects->patterns));
	for (uint32_t i = 0; i < map->len; i++)
		ok &= pattern_read_one(keyword, &map->members[i],
				       &objects->patterns[objects->n_patterns++]);
	return ok;
}

bool keyword_additional_properties(const struct keyword *keyword)
{
	return (schema_objects(keyword)->additional = keyword_schema(keyword, keyword->value)) !=
	       NULL;
}

bool keyword_property_names(const struct keyword *keyword)
{
	return (schema_objects(keyword)->property_names =
			keyword_schema(keyword, keyword->value)) != NULL;
}

bool keyword_required(const struct keyword *keyword)
{
	if (keyword->value->kind == VALUE_BOOL)
		return keyword_error(keyword,
				     "a boolean \"required\" is of an older draft; list the "
				     "names beside \"properties\"");
	if (!keyword_texts(keyword, keyword->value))
		return false;
	for (uint32_t i = 0; i < keyword->value->len; i++)
		schema_name_add(keyword, value_str(keyword->value->items[i]))->required = true;
	return true;
}

bool keyword_min_properties(const struct keyword *keyword)
{
	return keyword_count(keyword, &schema_objects(keyword)->min_members);
}

bool keyword_max_properties(const struct keyword *keyword)
{
	return keyword_count(keyword, &schema_objects(keyword)->max_members);
}

bool keyword_dependent_required(const struct keyword *keyword)
{
	const struct value *map = keyword->value;
	bool ok = keyword_object(keyword);

	for (uint32_t i = 0; ok && i < map->len; i++) {
		const struct value *needs = &map->members[i].value;

		ok = keyword_texts(keyword, needs);
		if (!ok)
			break;
		schema_name_add(keyword, value_str(map->members[i].key))->needs_source = needs;
		for (uint32_t j = 0; j < needs->len; j++)
			schema_name_add(keyword, value_str(needs->items[j]));
	}
	return ok;
}

bool keyword_dependent_schemas(const struct keyword *keyword)
{
	const struct value *map = keyword->value;
	bool ok = keyword_object(keyword);

	for (uint32_t i = 0; ok && i < map->len; i++) {
		struct schema *schema = keyword_schema(keyword, &map->members[i].value);

		schema_name_add(keyword, value_str(map->members[i].key))->dependent = schema;
		ok = schema != NULL;
	}
	return ok;
}

bool keyword_unevaluated_properties(const struct keyword *keyword)
{
	keyword->schema->unevaluated = true;
	return (schema_objects(keyword)->unevaluated = keyword_schema(keyword, keyword->value)) !=
	       NULL;
}
