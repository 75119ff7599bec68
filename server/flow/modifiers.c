/* server/flow/modifiers.c: the keys that every task may have, whatever its verb. */
#include "server/cache/cache.h"
#include "server/flow/step.h"

#define AT(field) offsetof(struct retry_config, field)
struct retry_config {
	int64_t times;
	uint64_t wait_ms;
	struct setting_texts codes;
};

static const struct setting retry_keys[] = {
	{ "times", SETTING_INT, AT(times), "2", "How many tries there are after the first.",
	  .min = 1, .max = 100 },
	{ "wait", SETTING_DURATION, AT(wait_ms), "20ms",
	  "The pause before the second try; it doubles for each further one, with jitter, up to "
	  "10s.",
	  .min = 0, .max = INT64_C(86400000) },
	{ "codes", SETTING_TEXTS, AT(codes),
	  .help = "Which failures are tried again: error codes, and statuses such as 503 or 5xx." },
	SETTINGS_END
};
#undef AT

/* To add one: a row here, a field in struct modifiers, and what it does in modifiers_compile().
 * No name may be that of a verb or of a verb's key. */
static const char *const join_choices[] = { "done", "ok", "any", NULL };

#define AT(field) offsetof(struct modifiers, field)
const struct setting modifier_keys[] = {
	{ "after", SETTING_TEXTS, AT(after),
	  .help = "Tasks that must have ended first, though nothing of them is used." },
	{ "when", SETTING_CONDITION, AT(when),
	  .help = "A condition; when it is false the task is skipped, and its results are null." },
	{ "join", SETTING_CHOICE, AT(join),
	  .help = "Runs only when all that it waits for are ok (or skipped), or any; or all are "
		  "done.",
	  .choices = join_choices },
	{ "lock", SETTING_TEMPLATE, AT(lock),
	  .help = "A name; tasks with the same one run one after the other, in the order in which "
		  "they came." },
	{ "acquire", SETTING_TEMPLATE, AT(acquire),
	  .help = "A pool of `shared:`, of which the task holds a permit while it runs." },
	{ "timeout", SETTING_DURATION, AT(timeout_ms),
	  .help = "The deadline of the task, all its tries included.", .min = 1,
	  .max = INT64_C(86400000) },
	{ "default", SETTING_VALUE, AT(fallback),
	  .help = "The result to go on with when the task fails." },
	{ "optional", SETTING_BOOL, AT(optional),
	  .help = "Whether the flow goes on, with null results, when the task fails." },
	{ "retry", SETTING_NODE, AT(retry),
	  .help = "Tries again when it fails: a number, or times, wait and codes.",
	  .keys = retry_keys },
	{ "each", SETTING_VALUE, AT(each),
	  .help = "A list; the task runs once for each element, as ${item} with its ${index}." },
	{ "concurrency", SETTING_INT, AT(concurrency), "8",
	  "How many elements of `each` are at work at once.", .min = 1, .max = 10000 },
	{ "repeat", SETTING_MAP, AT(repeat),
	  .help = "Runs the task again and again: while or until a condition, max, delay.",
	  .keys = repeat_keys },
	{ "cache", SETTING_NODE, AT(cache),
	  .help = "Keeps the result and gives it again: a duration, or key, ttl, stale, in, max.",
	  .keys = cache_keys },
	{ "detach", SETTING_BOOL, AT(detach),
	  .help = "Whether the flow ends without waiting for the task." },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ secrets */

struct template_tree *verb_public_tree(struct verb_compiler *compiler, const struct node *node,
				       const char *what)
{
	struct expr_uses *uses = compiler->expr->uses;
	bool secrets = uses->secrets;
	struct template_tree *tree;

	uses->secrets = false;
	tree = template_tree_compile(compiler->expr, node);
	if (tree && uses->secrets) {
		diag_error(compiler->flow->diag, node->place,
			   "a secret cannot be in `%s`, where it could be seen; use it where it is "
			   "sent: headers, query, body",
			   what);
		tree = NULL;
	}
	uses->secrets |= secrets;
	return tree;
}

static struct template *verb_public_template(struct verb_compiler *compiler,
					     const struct node *node, const char *what,
					     enum template_context context)
{
	struct expr_uses *uses = compiler->expr->uses;
	bool secrets = uses->secrets;
	struct template *template;

	uses->secrets = false;
	template = template_compile(compiler->expr, node, context);
	if (template && uses->secrets) {
		diag_error(compiler->flow->diag, node->place,
			   "a secret cannot be in `%s`, where it could be seen; use it where it is "
			   "sent: headers, query, body",
			   what);
		template = NULL;
	}
	uses->secrets |= secrets;
	return template;
}

struct template *verb_public_text(struct verb_compiler *compiler, const struct node *node,
				  const char *what)
{
	return verb_public_template(compiler, node, what, TEMPLATE_PLAIN);
}

struct template *verb_public_path(struct verb_compiler *compiler, const struct node *node,
				  const char *what)
{
	return verb_public_template(compiler, node, what, TEMPLATE_FILE);
}

struct template *verb_public_name(struct verb_compiler *compiler, const struct node *node,
				  const char *what)
{
	struct str constant;
	struct template *name = verb_public_template(compiler, node, what, TEMPLATE_NAME);

	if (!name || !template_is_constant(name, &constant) || constant.len > 0)
		return name;
	diag_error(compiler->flow->diag, node->place, "`%s` takes a name, and this one is empty",
		   what);
	return NULL;
}

struct template *verb_public_actor(struct verb_compiler *compiler, const struct node *node,
				   const char *what)
{
	return verb_public_template(compiler, node, what, TEMPLATE_ACTOR);
}

/* ------------------------------------------------------------ retry: */

static bool retry_add_code(struct flow_compiler *compiler, struct retry *retry, struct str text,
			   struct place place)
{
	enum error_code code;
	const char *nearest;

	if (statuses_add(&retry->statuses, text) == 0)
		return true;
	if (error_code_find(text, &code)) {
		retry->codes |= UINT64_C(1) << code;
		return true;
	}
	nearest = diag_nearest(text, error_code_names);
	if (nearest)
		diag_error(compiler->diag, place,
			   "unknown error code \"%.*s\"; did you mean \"%s\"?",
			   STR_ARG(str_first(text, 80)), nearest);
	else
		diag_error(compiler->diag, place,
			   "unknown error code \"%.*s\"; write a code such as timeout, or a status "
			   "such as 503 or 5xx",
			   STR_ARG(str_first(text, 80)));
	return false;
}

/* `retry: 3` is `retry: {times: 3}`. */
static const struct node *retry_map(struct flow_compiler *compiler, const struct node *node)
{
	struct node *map = arena_zalloc(compiler->arena, sizeof(*map));
	struct node_entry *entry = arena_zalloc(compiler->arena, sizeof(*entry));
	struct node *times = arena_alloc(compiler->arena, sizeof(*times));

	*times = *node;
	*entry = (struct node_entry){ STR("times"), node->place, times };
	*map = (struct node){
		.kind = NODE_MAP, .place = node->place, .n_entries = 1, .entries = entry
	};
	return map;
}

static struct retry *retry_compile(struct flow_compiler *compiler, const struct node *node)
{
	struct retry_config config = { 0 };
	const struct settings_part part = { retry_keys, &config };
	struct retry *retry = arena_zalloc(compiler->arena, sizeof(*retry));
	bool ok = true;

	if (node->kind != NODE_MAP && node->kind != NODE_INT) {
		diag_error(compiler->diag, node->place,
			   "`retry` is a number or a map, not %s; write retry: 2, or retry: "
			   "{times: 2, wait: 20ms}",
			   node_kind_name(node));
		return NULL;
	}
	if (node->kind == NODE_INT)
		node = retry_map(compiler, node);
	if (settings_read(&part, 1, node, "retry", compiler->arena, compiler->diag) > 0)
		return NULL;
	retry->times = config.times;
	retry->wait_ms = config.wait_ms;
	retry->has_codes = node_find(node, "codes") != NULL;
	for (size_t i = 0; i < config.codes.n_texts; i++)
		ok &= retry_add_code(compiler, retry, config.codes.texts[i],
				     config.codes.nodes[i]->place);
	return ok ? retry : NULL;
}

/* ------------------------------------------------------------ all */

static bool after_compile(struct flow_compiler *compiler, struct step *step,
			  const struct setting_texts *after, const struct flow_scope *scope)
{
	bool ok = true;

	for (size_t i = 0; i < after->n_texts; i++) {
		struct str name = after->texts[i];
		const char *nearest;
		uint32_t number;

		if (scope_find(scope, name, &number)) {
			step_refs_add(&step->refs, compiler->arena, number, after->nodes[i]->place);
			continue;
		}
		ok = false;
		nearest = scope_nearest(scope, name);
		if (nearest)
			diag_error(compiler->diag, after->nodes[i]->place,
				   "there is no task \"%.*s\"; did you mean \"%s\"?",
				   STR_ARG(str_first(name, 80)), nearest);
		else
			diag_error(compiler->diag, after->nodes[i]->place,
				   "there is no task \"%.*s\"; `after` names tasks of this flow",
				   STR_ARG(str_first(name, 80)));
	}
	return ok;
}

static bool hold_compile(struct verb_compiler *compiler, const struct modifiers *modifiers)
{
	struct step *step = compiler->step;
	bool ok = true;

	if (modifiers->lock) {
		step->lock = verb_public_name(compiler, modifiers->lock, "lock");
		ok &= step->lock != NULL;
		step_note(step, compiler->flow->arena,
			  arena_printf(compiler->flow->arena, "lock %.*s",
				       STR_ARG(str_first(modifiers->lock->text, 100))));
	}
	if (modifiers->acquire) {
		step->pool =
			shared_find(compiler->flow, modifiers->acquire, SHARED_POOL, "acquire");
		ok &= step->pool != NULL;
		step_note(step, compiler->flow->arena,
			  arena_printf(compiler->flow->arena, "acquire %.*s",
				       STR_ARG(str_first(modifiers->acquire->text, 100))));
	}
	return ok;
}

bool modifiers_compile(struct verb_compiler *compiler, const struct modifiers *modifiers,
		       struct flow_scope *scope)
{
	struct step *step = compiler->step;
	bool ok = after_compile(compiler->flow, step, &modifiers->after, scope);

	step->optional = modifiers->optional;
	step->timeout_ms = modifiers->timeout_ms;
	step->join = (enum join)modifiers->join;
	if (modifiers->when) {
		step->when = template_compile_condition(compiler->expr, modifiers->when);
		ok &= step->when != NULL;
	}
	if (modifiers->fallback) {
		step->fallback = verb_public_tree(compiler, modifiers->fallback, "default");
		ok &= step->fallback != NULL;
	}
	if (modifiers->retry) {
		step->retry = retry_compile(compiler->flow, modifiers->retry);
		ok &= step->retry != NULL;
	}
	ok &= hold_compile(compiler, modifiers);
	return ok;
}
