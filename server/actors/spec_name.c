/* server/actors/spec_name.c: what an actor is called: NAME, or NAME/{KEY}, with up to ACTOR_KEYS_MAX keys. */
#include "server/actors/private.h"
#include "server/flow/step.h"

static bool actor_bad_name(struct flow_compiler *compiler, const struct node_entry *entry)
{
	diag_error(
		compiler->diag, entry->key_place,
		"\"%.*s\" cannot be the name of an actor; write lower-case letters, digits and _, "
		"and perhaps keys behind it: cart/{user}",
		STR_ARG(str_first(entry->key, 100)));
	return false;
}

/* "{user}" of the part, or false. */
static bool actor_read_key(struct str part, struct str *ret_key)
{
	if (part.len < 3 || part.ptr[0] != '{' || part.ptr[part.len - 1] != '}')
		return false;
	*ret_key = str_first(str_skip(part, 1), part.len - 2);
	return name_is_valid(*ret_key);
}

static bool actor_has_key(const struct actor_spec *spec, struct str key)
{
	for (size_t i = 0; i < spec->n_keys; i++)
		if (str_eq(key, str_of(spec->keys[i])))
			return true;
	return false;
}

bool actor_spec_read_name(struct flow_compiler *compiler, const struct node_entry *entry,
			  struct actor_spec *spec)
{
	ptrdiff_t slash = str_find(entry->key, STR("/"));
	struct str rest = slash < 0 ? STR_NONE : str_skip(entry->key, (size_t)slash + 1), key;

	spec->pattern = entry->key;
	spec->place = entry->key_place;
	spec->name = slash < 0 ? entry->key : str_first(entry->key, (size_t)slash);
	spec->name = arena_str(compiler->arena, spec->name);
	spec->keys = arena_alloc_array(compiler->arena, ACTOR_KEYS_MAX + 1, sizeof(*spec->keys));
	spec->keys[0] = NULL;
	if (!name_is_valid(spec->name))
		return actor_bad_name(compiler, entry);
	while (slash >= 0) {
		ptrdiff_t next = str_find(rest, STR("/"));

		if (spec->n_keys == ACTOR_KEYS_MAX ||
		    !actor_read_key(next < 0 ? rest : str_first(rest, (size_t)next), &key))
			return actor_bad_name(compiler, entry);
		if (actor_has_key(spec, key)) {
			diag_error(compiler->diag, entry->key_place,
				   "two keys of the actor are called %.*s; give each a name of its "
				   "own",
				   STR_ARG(key));
			return false;
		}
		spec->keys[spec->n_keys++] = arena_str(compiler->arena, key).ptr;
		spec->keys[spec->n_keys] = NULL;
		slash = next;
		rest = next < 0 ? STR_NONE : str_skip(rest, (size_t)next + 1);
	}
	return true;
}
