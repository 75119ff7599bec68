/* server/flow/wrap.c: tasks that run others of their kind: `detach:`, `each:`, `repeat:`.
 *
 * Such a task is compiled as a flow of one, which is the task without that modifier; a step with
 * an internal verb (the wrapper) stands in its place and runs that flow: once and without
 * waiting, once an element, or again and again. Wrappers nest in that order. What concerns the
 * whole stays with the wrapper: after, when, timeout, join, lock, acquire. What concerns one try
 * of it goes inside: retry, default, optional. */
#include "server/flow/step.h"

#define AT(field) offsetof(struct repeat_config, field)
const struct setting repeat_keys[] = {
	{ "while", SETTING_CONDITION, AT(while_node),
	  .help = "Asked after each round, which has the task's own name; true: another one." },
	{ "until", SETTING_CONDITION, AT(until_node),
	  .help = "Asked after each round, which has the task's own name; true: it is over." },
	{ "max", SETTING_INT, AT(max), "1000",
	  "How many rounds there are at most; needing more is loop_limit.", .min = 1,
	  .max = 1000000 },
	{ "delay", SETTING_DURATION, AT(delay_ms), "0s", "The pause between two rounds.", .min = 0,
	  .max = INT64_C(86400000) },
	SETTINGS_END
};
#undef AT

void step_note(struct step *step, struct arena *arena, struct str note)
{
	step->notes = step->notes.len ? arena_printf(arena, "%s; %s", step->notes.ptr, note.ptr)
				      : note;
}

bool step_is_wrapped(const struct modifiers *modifiers)
{
	return modifiers->detach || modifiers->each || modifiers->repeat || modifiers->cache;
}

static bool is_one_of(struct str key, const char *const keys[])
{
	for (; *keys; keys++)
		if (str_eq(key, str_of(*keys)))
			return true;
	return false;
}

/* {NAME: the task without the keys that stay with the wrapper} */
static const struct node *wrap_tasks(struct verb_compiler *compiler, const struct node_entry *verb,
				     const struct node *rest, const char *const kept[])
{
	struct arena *arena = compiler->flow->arena;
	struct node *task = arena_alloc(arena, sizeof(*task));
	struct node *tasks = arena_alloc(arena, sizeof(*tasks));
	struct node_entry *entry = arena_alloc(arena, sizeof(*entry));

	*task = *rest;
	task->entries = arena_alloc_array(arena, rest->n_entries + 1, sizeof(*task->entries));
	task->entries[0] = *verb;
	task->n_entries = 1;
	for (size_t i = 0; i < rest->n_entries; i++)
		if (!is_one_of(rest->entries[i].key, kept))
			task->entries[task->n_entries++] = rest->entries[i];
	*entry = (struct node_entry){ compiler->step->name, compiler->step->place, task };
	*tasks = (struct node){
		.kind = NODE_MAP, .place = rest->place, .n_entries = 1, .entries = entry
	};
	return tasks;
}

/* The flow of one; `own_roots` exist in it besides those around. */
static bool wrap_inner(struct verb_compiler *compiler, struct flow **ret_flow, uint64_t own_roots,
		       const struct node *tasks)
{
	struct flow_scope *scope = compiler->names;
	struct step *step = compiler->step;
	struct flow *flow = *ret_flow = flow_declare(compiler->flow, step->name);
	bool ok;

	flow->roots = scope_inner_names(scope)->roots | own_roots;
	flow->own_roots = own_roots;
	flow->repeats = step->verb == &verb_repeat;
	step->group = flow;
	step->wraps = true;
	ok = flow_compile_inner(compiler->flow, flow, tasks, NULL, scope, step);
	step->idempotent = flow->idempotent && step->verb != &verb_detach &&
			   step->verb != &verb_finish;
	step->acts = step->verb == &verb_detach;
	if (flow->n_steps && flow->steps[0].notes.len)
		step_note(step, compiler->flow->arena,
			  arena_printf(compiler->flow->arena, "%s", flow->steps[0].notes.ptr));
	return ok;
}

/* ------------------------------------------------------------ detach */

enum { DETACHED_DEADLINE_MS = 30000 };

/* As a flow that may outlive this one: `stands_in` runs it. */
static bool wrap_outliving(struct verb_compiler *compiler, const struct modifiers *modifiers,
			   const struct node_entry *verb, const struct node *rest,
			   const struct verb *stands_in)
{
	static const char *const kept[] = { "detach", "after", "join", NULL };
	struct detach_config *config = arena_zalloc(compiler->flow->arena, sizeof(*config));
	struct modifiers outer = { .after = modifiers->after, .join = modifiers->join };

	compiler->step->config = config;
	compiler->step->verb = stands_in;
	config->deadline_ms = modifiers->timeout_ms ? modifiers->timeout_ms : DETACHED_DEADLINE_MS;
	return modifiers_compile(compiler, &outer, compiler->names) &
	       wrap_inner(compiler, &config->flow, 0, wrap_tasks(compiler, verb, rest, kept));
}

bool wrap_finish(struct verb_compiler *compiler, const struct modifiers *modifiers,
		 const struct node_entry *verb, const struct node *rest)
{
	return wrap_outliving(compiler, modifiers, verb, rest, &verb_finish);
}

/* ------------------------------------------------------------ cache */

/* Making a result is a flow of its own, which goes on when who asked for it has left; each who
 * asks keeps a deadline of his own, and what he wants done when it fails (DECISIONS 6, 7). */
static bool wrap_cached(struct verb_compiler *compiler, const struct modifiers *modifiers,
			const struct node_entry *verb, const struct node *rest)
{
	static const char *const kept[] = { "cache",   "after", "join",    "when", "optional",
					    "default", "lock",  "acquire", NULL };
	struct cached_config *config = arena_zalloc(compiler->flow->arena, sizeof(*config));
	struct modifiers outer = *modifiers;
	bool ok;

	compiler->step->config = config;
	compiler->step->verb = &verb_cached;
	outer.retry = NULL;
	config->fill.deadline_ms = modifiers->timeout_ms ? modifiers->timeout_ms
							 : DETACHED_DEADLINE_MS;
	ok = wrap_inner(compiler, &config->fill.flow, 0, wrap_tasks(compiler, verb, rest, kept));
	ok = ok && cached_compile(compiler, config, modifiers->cache, rest);
	return modifiers_compile(compiler, &outer, compiler->names) && ok;
}

/* ------------------------------------------------------------ each, repeat */

/* What concerns all of it. That its parts may fail says that the whole may, too. */
static struct modifiers wrap_outer(const struct modifiers *modifiers)
{
	return (struct modifiers){
		.after = modifiers->after,
		.lock = modifiers->lock,
		.acquire = modifiers->acquire,
		.join = modifiers->join,
		.when = modifiers->when,
		.timeout_ms = modifiers->timeout_ms,
		.optional = modifiers->optional || modifiers->fallback,
	};
}

static struct str node_short(const struct node *node)
{
	return node_is_scalar(node) ? str_first(node->text, 100) : STR("[...]");
}

static bool wrap_each(struct verb_compiler *compiler, const struct modifiers *modifiers,
		      const struct node_entry *verb, const struct node *rest)
{
	static const char *const kept[] = { "each",    "concurrency", "after",   "join", "when",
					    "timeout", "lock",        "acquire", NULL };
	struct each_config *config = arena_zalloc(compiler->flow->arena, sizeof(*config));
	struct modifiers outer = wrap_outer(modifiers);
	bool ok;

	compiler->step->config = config;
	compiler->step->verb = &verb_each;
	config->concurrency = (size_t)modifiers->concurrency;
	config->list = verb_public_tree(compiler, modifiers->each, "each");
	step_note(compiler->step, compiler->flow->arena,
		  arena_printf(compiler->flow->arena, "each %.*s, %zu at once",
			       STR_ARG(node_short(modifiers->each)), config->concurrency));
	ok = modifiers_compile(compiler, &outer, compiler->names) && config->list;
	return wrap_inner(compiler, &config->flow, ROOT_BIT(ROOT_ITEM) | ROOT_BIT(ROOT_INDEX),
			  wrap_tasks(compiler, verb, rest, kept)) &&
	       ok;
}

/* It sees the round under the task's own name. */
static bool repeat_compile_condition(struct verb_compiler *compiler, struct repeat_config *config)
{
	const struct node *node = config->until ? config->until_node : config->while_node;
	struct expr_uses uses = { 0 };
	struct expr_compiler expr = *compiler->expr;

	expr.names = scope_inner_names(config->flow->scope);
	expr.uses = &uses;
	config->condition = template_compile_condition(&expr, node);
	flow_pass_uses(compiler->flow, config->flow, compiler->step, &uses);
	step_note(compiler->step, compiler->flow->arena,
		  arena_printf(compiler->flow->arena, "repeat %s %.*s, at most %lld times",
			       config->until ? "until" : "while", STR_ARG(node_short(node)),
			       (long long)config->max));
	return config->condition != NULL;
}

static bool repeat_read(struct verb_compiler *compiler, const struct node *node,
			struct repeat_config *config)
{
	const struct settings_part part = { repeat_keys, config };

	if (settings_read(&part, 1, node, "repeat", compiler->flow->arena, compiler->flow->diag) >
	    0)
		return false;
	config->until = config->until_node != NULL;
	if (!config->until_node != !config->while_node)
		return true;
	diag_error(compiler->flow->diag, node->place,
		   "repeat has one condition, `while` or `until`; write repeat: {until: %s.ok}",
		   compiler->step->name.ptr);
	return false;
}

static bool wrap_repeat(struct verb_compiler *compiler, const struct modifiers *modifiers,
			const struct node_entry *verb, const struct node *rest)
{
	static const char *const kept[] = { "repeat",  "after", "join",    "when",
					    "timeout", "lock",  "acquire", NULL };
	struct repeat_config *config = arena_zalloc(compiler->flow->arena, sizeof(*config));
	struct modifiers outer = wrap_outer(modifiers);
	bool ok = repeat_read(compiler, modifiers->repeat, config);

	compiler->step->config = config;
	compiler->step->verb = &verb_repeat;
	ok &= modifiers_compile(compiler, &outer, compiler->names);
	ok &= wrap_inner(compiler, &config->flow, ROOT_BIT(ROOT_REPEAT),
			 wrap_tasks(compiler, verb, rest, kept));
	return ok && repeat_compile_condition(compiler, config);
}

bool wrap_compile(struct verb_compiler *compiler, const struct modifiers *modifiers,
		  const struct node_entry *verb, const struct node *rest)
{
	if (modifiers->detach)
		return wrap_outliving(compiler, modifiers, verb, rest, &verb_detach);
	if (modifiers->each)
		return wrap_each(compiler, modifiers, verb, rest);
	if (modifiers->repeat)
		return wrap_repeat(compiler, modifiers, verb, rest);
	return wrap_cached(compiler, modifiers, verb, rest);
}
