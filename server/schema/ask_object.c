/* server/schema/ask_object.c: objects. */
#include "server/schema/ask.h"
#include "server/schema/compile.h"

static bool ask_member(struct ask *ask, const struct schema *schema, const struct spot *spot,
		       size_t index, const char *keyword)
{
	const struct member *member = &spot->value->members[index];
	const struct spot at = { .up = spot,
				 .value = &member->value,
				 .key = value_str(member->key) };

	return ask_schema(ask, schema, &at, keyword, NULL);
}

/* 1, 0, or -1: stopped. */
static int ask_name_matches(struct ask *ask, const struct schema_pattern *pattern,
			    const struct spot *spot, struct str name)
{
	switch (pattern_match(pattern->pattern, name, &ask->patterns, &ask->steps)) {
	case PATTERN_MATCHES:
		return 1;
	case PATTERN_DIFFERS:
		return 0;
	case PATTERN_UNDECIDED:
		ask_stop(ask, SCHEMA_UNDECIDED);
		return -1;
	case PATTERN_IMPOSSIBLE:
		ask_impossible(ask, spot, "patternProperties",
			       "has a name that takes too long to be compared with a pattern");
		return -1;
	case PATTERN_NO_MEMORY:
		ask_stop(ask, SCHEMA_NO_MEMORY);
		return -1;
	}
	unreachable();
}

static bool ask_patterns(struct ask *ask, const struct schema_objects *objects,
			 const struct spot *spot, size_t index, bool *covered)
{
	struct str name = value_str(spot->value->members[index].key);
	bool ok = true;

	for (size_t i = 0; i < objects->n_patterns && ask_goes_on(ask, ok); i++) {
		int matches = ask_name_matches(ask, &objects->patterns[i], spot, name);

		if (matches < 0)
			return false;
		if (!matches)
			continue;
		*covered = true;
		ok &= ask_member(ask, objects->patterns[i].schema, spot, index,
				 "patternProperties");
	}
	return ok;
}

static bool ask_name(struct ask *ask, const struct schema *schema, const struct spot *spot,
		     size_t index)
{
	const struct member *member = &spot->value->members[index];
	const struct spot at = { .up = spot, .value = &member->key, .key = value_str(member->key) };

	return ask_silently(ask, schema, &at, "propertyNames", NULL) ||
	       ask_fault(ask, &at, "propertyNames", "has a name that is not allowed here");
}

static bool ask_one_member(struct ask *ask, const struct schema_objects *objects,
			   const struct spot *spot, size_t index, struct bits *seen)
{
	size_t at = schema_name_find(objects, value_str(spot->value->members[index].key));
	bool ok = true, covered = false;

	if (!ask_spend_bytes(ask, spot->value->members[index].key.len))
		return false;
	if (objects->property_names)
		ok = ask_name(ask, objects->property_names, spot, index);
	if (at < objects->n_names && objects->names[at].property && ask_goes_on(ask, ok)) {
		covered = true;
		ok &= ask_member(ask, objects->names[at].property, spot, index, "properties");
	}
	if (objects->n_patterns && ask_goes_on(ask, ok))
		ok &= ask_patterns(ask, objects, spot, index, &covered);
	if (!covered && objects->additional && ask_goes_on(ask, ok)) {
		covered = true;
		ok &= ask_member(ask, objects->additional, spot, index, "additionalProperties");
	}
	if (covered && seen)
		bits_add(seen, index);
	return ok;
}

static bool ask_n_members(struct ask *ask, const struct schema_objects *objects,
			  const struct spot *spot)
{
	uint64_t n_members = spot->value->len;

	if (n_members < objects->min_members)
		return ask_fault(ask, spot, "minProperties", "must have at least %llu member%s",
				 (unsigned long long)objects->min_members,
				 objects->min_members == 1 ? "" : "s");
	return n_members <= objects->max_members ||
	       ask_fault(ask, spot, "maxProperties", "must have at most %llu member%s",
			 (unsigned long long)objects->max_members,
			 objects->max_members == 1 ? "" : "s");
}

/* ------------------------------------------------------------ names that must be there */

/* Which of the names that the schema mentions the object has. */
static bool ask_names(struct ask *ask, const struct schema_objects *objects,
		      const struct spot *spot, struct bits *names)
{
	if (!ask_spend(ask, 1 + spot->value->len + objects->n_names / 16))
		return false;
	if (!bits_init(names, objects->n_names))
		return ask_stop(ask, SCHEMA_NO_MEMORY);
	for (size_t i = 0; i < spot->value->len; i++)
		bits_add(names, schema_name_find(objects, value_str(spot->value->members[i].key)));
	return true;
}

static bool ask_required(struct ask *ask, const struct schema_objects *objects,
			 const struct spot *spot)
{
	struct bits names;
	bool ok = true;

	if (!ask_names(ask, objects, spot, &names))
		return false;
	for (size_t i = 0; i < objects->n_names && ask_goes_on(ask, ok); i++)
		if (objects->names[i].required && !bits_has(&names, i))
			ok = ask_fault(ask, spot, "required", "\"%.*s\" is missing",
				       (int)MIN(objects->names[i].name.len, (size_t)200),
				       objects->names[i].name.ptr);
	bits_fini(&names);
	return ok;
}

bool ask_objects(struct ask *ask, const struct schema_objects *objects, const struct spot *spot,
		 struct bits *seen)
{
	bool ok = ask_n_members(ask, objects, spot);

	if (objects->n_required && ask_goes_on(ask, ok))
		ok &= ask_required(ask, objects, spot);
	for (size_t i = 0; i < spot->value->len && ask_goes_on(ask, ok); i++)
		ok &= ask_one_member(ask, objects, spot, i, seen);
	return ok;
}

static bool ask_needs(struct ask *ask, const struct schema_objects *objects,
		      const struct schema_name *name, const struct bits *names,
		      const struct spot *spot)
{
	bool ok = true;

	if (!ask_spend(ask, 1 + name->n_needs / 16))
		return false;
	for (size_t i = 0; i < name->n_needs && ask_goes_on(ask, ok); i++) {
		struct str needed = objects->names[name->needs[i]].name;

		if (!bits_has(names, name->needs[i]))
			ok = ask_fault(ask, spot, "dependentRequired",
				       "\"%.*s\" is missing, which must be there with \"%.*s\"",
				       (int)MIN(needed.len, (size_t)200), needed.ptr,
				       (int)MIN(name->name.len, (size_t)200), name->name.ptr);
	}
	return ok;
}

bool ask_dependents(struct ask *ask, const struct schema_objects *objects, const struct spot *spot,
		    struct bits *seen)
{
	struct bits names;
	bool ok = true;

	if (!ask_names(ask, objects, spot, &names))
		return false;
	for (size_t i = 0; i < objects->n_names && ask_goes_on(ask, ok); i++) {
		const struct schema_name *name = &objects->names[i];

		if (!bits_has(&names, i))
			continue;
		ok &= ask_needs(ask, objects, name, &names, spot);
		if (name->dependent && ask_goes_on(ask, ok))
			ok &= ask_here(ask, name->dependent, spot, "dependentSchemas", seen);
	}
	bits_fini(&names);
	return ok;
}
