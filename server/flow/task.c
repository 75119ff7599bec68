/* server/flow/task.c: one entry of `tasks:`: which verb it is, and whose each of its keys is. */
#include "server/flow/step.h"
#include "server/native/natives.h"

enum { WORDS_MAX = 256 };

/* ------------------------------------------------------------ the verb */

const struct verb *const *flow_verbs(const struct flow_compiler *compiler)
{
	return compiler->natives ? compiler->natives->verbs : verbs;
}

/* "get, post, put, …": all verbs. */
static struct str verbs_list(const struct flow_compiler *compiler)
{
	const struct verb *const *table = flow_verbs(compiler);
	struct str list = STR("");

	for (size_t i = 0; table[i]; i++)
		list = arena_printf(compiler->arena, "%.*s%s%s", STR_ARG(list), i ? ", " : "",
				    table[i]->name);
	return list;
}

/* "get, post and put": the verbs that have this key; empty: none. */
static struct str verbs_with_key(const struct flow_compiler *compiler, struct str key)
{
	const struct verb *const *table = flow_verbs(compiler);
	struct str list = STR("");

	for (size_t i = 0; table[i]; i++)
		if (table[i]->keys && setting_find(table[i]->keys, key))
			list = arena_printf(compiler->arena, "%.*s%s%s", STR_ARG(list),
					    list.len ? ", " : "", table[i]->name);
	return list;
}

/* The word of the grammar that was probably meant: a verb, a key of `verb` (of any, when it is
 * NULL), a modifier. */
static const char *step_nearest(const struct flow_compiler *compiler, struct str key,
				const struct verb *verb)
{
	const struct verb *const *table = flow_verbs(compiler);
	const char *words[WORDS_MAX + 1];
	size_t n_words = 0;

	for (size_t i = 0; table[i] && n_words < WORDS_MAX; i++) {
		if (!verb)
			words[n_words++] = table[i]->name;
		for (const struct setting *row = table[i]->keys;
		     row && row->key && n_words < WORDS_MAX; row++)
			if (!verb || verb == table[i])
				words[n_words++] = row->key;
	}
	for (const struct setting *row = modifier_keys; row->key && n_words < WORDS_MAX; row++)
		words[n_words++] = row->key;
	words[n_words] = NULL;
	return diag_nearest(key, words);
}

/* Nothing in the map is a verb: a slip in writing one, or a map that is not a task. */
static void step_refuse_no_verb(struct flow_compiler *compiler, const struct step *step)
{
	struct str list = verbs_list(compiler);

	check(step->node->entries || step->node->n_entries == 0);
	for (size_t i = 0; i < step->node->n_entries; i++) {
		const struct node_entry *entry = &step->node->entries[i];
		const char *nearest = step_nearest(compiler, entry->key, NULL);

		if (setting_find(modifier_keys, entry->key) || !nearest ||
		    !verb_find_in(flow_verbs(compiler), str_of(nearest)))
			continue;
		diag_error(compiler->diag, entry->key_place,
			   "unknown key \"%.*s\" in a task; did you mean \"%s\"?",
			   STR_ARG(str_first(entry->key, 80)), nearest);
		return;
	}
	diag_error(compiler->diag, step->place, "the task \"%s\" needs one verb: %.*s",
		   step->name.ptr, STR_ARG(list));
}

bool entry_is_verb(const struct flow_compiler *compiler, const struct node *task,
		   const struct node_entry *entry)
{
	const struct verb *const *table = flow_verbs(compiler);

	if (!verb_find_in(table, entry->key))
		return false;
	for (size_t i = 0; i < task->n_entries; i++) {
		const struct verb *other = verb_find_in(table, task->entries[i].key);

		if (other && other->keys && setting_find(other->keys, entry->key))
			return false;
	}
	return true;
}

static const struct node_entry *step_find_verb(struct flow_compiler *compiler, struct step *step)
{
	const struct node_entry *found = NULL;

	for (size_t i = 0; i < step->node->n_entries; i++) {
		const struct node_entry *entry = &step->node->entries[i];

		if (!entry_is_verb(compiler, step->node, entry))
			continue;
		if (found) {
			diag_error(compiler->diag, entry->key_place,
				   "a task has one verb, and \"%s\" has two: %s and %s; make two "
				   "tasks of it",
				   step->name.ptr, found->key.ptr, entry->key.ptr);
			return NULL;
		}
		found = entry;
	}
	if (!found)
		step_refuse_no_verb(compiler, step);
	return found;
}

/* ------------------------------------------------------------ the other keys */

static void step_refuse_key(struct flow_compiler *compiler, const struct step *step,
			    const struct node_entry *entry)
{
	struct str owners = verbs_with_key(compiler, entry->key);
	struct str key = str_first(entry->key, 80);
	const char *nearest = step_nearest(compiler, entry->key, step->verb);

	if (owners.len)
		diag_error(compiler->diag, entry->key_place,
			   "`%.*s` belongs to %.*s; this task is `%s`", STR_ARG(key),
			   STR_ARG(owners), step->verb->name);
	else if (nearest || (nearest = step_nearest(compiler, entry->key, NULL)))
		diag_error(compiler->diag, entry->key_place,
			   "unknown key \"%.*s\" in a task; did you mean \"%s\"?", STR_ARG(key),
			   nearest);
	else
		diag_error(compiler->diag, entry->key_place,
			   "unknown key \"%.*s\" in a task with the verb `%s`; remove it",
			   STR_ARG(key), step->verb->name);
}

/* The map without the verb, and without keys that have been refused. */
static struct node *step_other_keys(struct flow_compiler *compiler, struct step *step,
				    const struct node_entry *verb, bool *ret_ok)
{
	struct node *rest = arena_alloc(compiler->arena, sizeof(*rest));

	*rest = *step->node;
	rest->entries =
		arena_alloc_array(compiler->arena, rest->n_entries + 1, sizeof(*rest->entries));
	rest->n_entries = 0;
	for (size_t i = 0; i < step->node->n_entries; i++) {
		const struct node_entry *entry = &step->node->entries[i];

		if (entry == verb)
			continue;
		if (setting_find(modifier_keys, entry->key) ||
		    (step->verb->keys && setting_find(step->verb->keys, entry->key))) {
			rest->entries[rest->n_entries++] = *entry;
			continue;
		}
		step_refuse_key(compiler, step, entry);
		*ret_ok = false;
	}
	return rest;
}

/* ------------------------------------------------------------ defaults: */

static const struct node *step_defaults(const struct flow_compiler *compiler)
{
	return compiler->defaults ? node_find(compiler->defaults, "task") : NULL;
}

static void step_add_default(struct flow_compiler *compiler, const struct node *map,
			     struct node *rest, const char *key)
{
	const struct node_entry *entry = node_entry_find(map, key);
	struct node_entry *entries;

	if (!entry || node_find(rest, key))
		return;
	entries = arena_alloc_array(compiler->arena, rest->n_entries + 1, sizeof(*entries));
	if (rest->n_entries)
		memcpy(entries, rest->entries, rest->n_entries * sizeof(*entries));
	entries[rest->n_entries++] = *entry;
	rest->entries = entries;
}

bool flow_check_defaults(struct flow_compiler *compiler)
{
	const struct node *map = step_defaults(compiler);
	bool ok = true;

	if (!map || map->kind == NODE_NULL)
		return true;
	if (map->kind != NODE_MAP) {
		diag_error(compiler->diag, map->place,
			   "defaults of tasks are a map, not %s; write timeout: or retry: below",
			   node_kind_name(map));
		return false;
	}
	for (size_t i = 0; i < map->n_entries; i++) {
		const struct node_entry *entry = &map->entries[i];

		if (str_eq(entry->key, STR("timeout")) || str_eq(entry->key, STR("retry")))
			continue;
		diag_error(compiler->diag, entry->key_place,
			   "tasks cannot have the default \"%.*s\"; they take timeout and retry",
			   STR_ARG(str_first(entry->key, 80)));
		ok = false;
	}
	return ok;
}

/* ------------------------------------------------------------ compiling */

static bool step_compile_verb(struct flow_compiler *compiler, struct flow *flow, struct step *step,
			      const struct node_entry *entry, struct node *rest)
{
	struct modifiers modifiers = { 0 };
	struct expr_compiler expr = { .arena = compiler->arena,
				      .diag = compiler->diag,
				      .names = scope_inner_names(flow->scope),
				      .uses = &step->uses };
	struct verb_compiler verb = { .flow = compiler,
				      .expr = &expr,
				      .step = step,
				      .task_name = step->name,
				      .names = flow->scope };
	struct settings_part parts[] = { { modifier_keys, &modifiers },
					 { step->verb->keys, NULL } };
	bool ok;

	step->config = arena_zalloc(compiler->arena, step->verb->config_size + 1);
	parts[1].target = step->config;
	ok = settings_read(parts, step->verb->keys ? 2 : 1, rest, "the task", compiler->arena,
			   compiler->diag) == 0;
	if (!modifiers.each && node_entry_find(rest, "concurrency")) {
		diag_error(compiler->diag, node_entry_find(rest, "concurrency")->key_place,
			   "`concurrency` belongs to `each`, which this task does not have");
		return false;
	}
	step->joins = node_find(rest, "join") != NULL;
	if (ok && step->joins)
		step_note(step, compiler->arena,
			  arena_printf(compiler->arena, "join %s",
				       node_find(rest, "join")->text.ptr));
	if (flow->finishes)
		return ok && wrap_finish(&verb, &modifiers, entry, rest);
	if (step_is_wrapped(&modifiers))
		return ok && wrap_compile(&verb, &modifiers, entry, rest);
	ok &= step->verb->compile(&verb, entry->value, step->config);
	ok &= modifiers_compile(&verb, &modifiers, flow->scope);
	return ok;
}

bool step_compile(struct flow_compiler *compiler, struct flow *flow, struct step *step)
{
	const struct node *defaults = step_defaults(compiler);
	const struct node_entry *entry;
	struct node *rest;
	bool ok = true;

	if (step->node->kind != NODE_MAP) {
		diag_error(compiler->diag, step->node->place,
			   "a task is a map, not %s; write a verb below it: get: users:/path",
			   node_kind_name(step->node));
		return false;
	}
	entry = step_find_verb(compiler, step);
	if (!entry)
		return false;
	step->verb = verb_find_in(flow_verbs(compiler), entry->key);
	step->verb_name = str_of(step->verb->name);
	step->idempotent = step->verb->is_idempotent;
	step->acts = step->verb->acts;
	if (node_is_scalar(entry->value))
		step->summary = entry->value->text;
	rest = step_other_keys(compiler, step, entry, &ok);
	if (defaults && defaults->kind == NODE_MAP) {
		step_add_default(compiler, defaults, rest, "timeout");
		step_add_default(compiler, defaults, rest, "retry");
	}
	return step_compile_verb(compiler, flow, step, entry, rest) && ok;
}
