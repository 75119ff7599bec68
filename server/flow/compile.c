/* server/flow/compile.c: `tasks:` to a flow. One task is task.c's matter, the order between them
 * plan.c's. */
#include "server/flow/step.h"
#include "server/tally.h"

struct flow *flow_declare(struct flow_compiler *compiler, struct str name)
{
	struct flow *flow = arena_zalloc(compiler->arena, sizeof(*flow));

	flow->name = arena_str(compiler->arena, name);
	flow->next = compiler->flows;
	compiler->flows = flow;
	return flow;
}

void flows_fini(struct flow *flows)
{
	for (; flows; flows = flows->next) {
		graph_plan_destroy(flows->plan);
		flows->plan = NULL;
		for (size_t i = 0; i < flows->n_steps; i++)
			tally_give(take(&flows->steps[i].tally));
	}
}

void step_refs_add(struct step_refs *refs, struct arena *arena, uint32_t number, struct place place)
{
	for (size_t i = 0; i < refs->n_refs; i++)
		if (refs->refs[i].number == number)
			return;
	if (refs->n_refs == refs->n_room) {
		size_t n_room = refs->n_room ? refs->n_room * 2 : 4;
		struct step_ref *more = arena_alloc_array(arena, n_room, sizeof(*more));

		if (refs->n_refs)
			memcpy(more, refs->refs, refs->n_refs * sizeof(*more));
		refs->refs = more;
		refs->n_room = n_room;
	}
	refs->refs[refs->n_refs++] = (struct step_ref){ number, place };
}

/* ------------------------------------------------------------ names */

static bool flow_check_name(struct flow_compiler *compiler, const struct node_entry *entry,
			    const struct flow_scope *parent)
{
	enum expr_root root;
	uint32_t number;

	if (!name_is_valid(entry->key)) {
		diag_error(compiler->diag, entry->key_place,
			   "\"%.*s\" cannot be the name of a task; write lower-case letters, "
			   "digits and _, at most 64, not starting with a digit",
			   STR_ARG(str_first(entry->key, 80)));
		return false;
	}
	if (expr_root_find(entry->key, &root)) {
		diag_error(compiler->diag, entry->key_place,
			   "a task cannot be called \"%s\": ${%s} means something else already; "
			   "choose another name",
			   entry->key.ptr, entry->key.ptr);
		return false;
	}
	if (parent && scope_find(parent, entry->key, &number)) {
		struct place outer = scope_step(parent, number)->place;

		diag_error(compiler->diag, entry->key_place,
			   "a task around this group is called \"%s\" already (line %u); choose "
			   "another name",
			   entry->key.ptr, outer.line);
		return false;
	}
	return true;
}

/* The first key that is a verb: what others may refer to is known before they are compiled. */
static const struct verb *step_guess_verb(const struct flow_compiler *compiler,
					  const struct node *task)
{
	const struct verb *verb = NULL;

	if (node_find(task, "each"))
		return &verb_each;
	if (node_find(task, "repeat"))
		return &verb_repeat;
	for (size_t i = 0; task->kind == NODE_MAP && !verb && i < task->n_entries; i++)
		if (entry_is_verb(compiler, task, &task->entries[i]))
			verb = verb_find_in(flow_verbs(compiler), task->entries[i].key);
	return verb;
}

/* As its keys say; whether it may is the verb's matter. */
static bool step_is_streaming(const struct step *step)
{
	const struct node *stream = node_find(step->node, "stream");
	const struct verb *verb = step->known_verb;

	return stream && stream->kind == NODE_BOOL && stream->boolean && verb && verb->source;
}

static bool flow_declare_steps(struct flow_compiler *compiler, struct flow *flow,
			       const struct node *tasks, const struct flow_scope *parent,
			       bool wrapped)
{
	bool ok = true;

	flow->n_steps = tasks->n_entries;
	flow->steps = arena_zalloc(compiler->arena, (flow->n_steps + 1) * sizeof(*flow->steps));
	for (size_t i = 0; i < flow->n_steps; i++) {
		const struct node_entry *entry = &tasks->entries[i];
		struct step *step = &flow->steps[i];
		const struct node *detach = node_find(entry->value, "detach");

		step->name = arena_str(compiler->arena, entry->key);
		step->place = entry->key_place;
		step->node = entry->value;
		step->known_verb = step_guess_verb(compiler, entry->value);
		step->detached = detach && detach->kind == NODE_BOOL && detach->boolean;
		step->streams = step_is_streaming(step);
		ok &= wrapped || flow_check_name(compiler, entry, parent);
	}
	return ok;
}

static bool flow_check_tasks(struct flow_compiler *compiler, const struct node *tasks,
			     const struct flow_scope *parent)
{
	if (tasks->kind != NODE_MAP) {
		diag_error(compiler->diag, tasks->place,
			   "tasks is a map, not %s; write one name: and its task below for each",
			   node_kind_name(tasks));
		return false;
	}
	if (tasks->n_entries > FLOW_TASKS_MAX) {
		diag_error(compiler->diag, tasks->entries[FLOW_TASKS_MAX].key_place,
			   "%zu tasks are too many: at most %d may stand together; move some into "
			   "a flow of their own",
			   tasks->n_entries, FLOW_TASKS_MAX);
		return false;
	}
	if (parent && scope_depth(parent) + 1 >= FLOW_NESTING_MAX) {
		diag_error(compiler->diag, tasks->place,
			   "groups nest at most %d deep; move some tasks into a flow of their own",
			   FLOW_NESTING_MAX);
		return false;
	}
	return true;
}

/* ------------------------------------------------------------ what refers to what */

/* Inner tasks may name those of the flow around: then the group as a whole waits for them. */
static void flow_pass_refs(struct flow_compiler *compiler, struct step *owner,
			   const struct step_ref *ref)
{
	unsigned level = step_number_level(ref->number);

	if (owner && level > 0)
		step_refs_add(&owner->refs, compiler->arena,
			      step_number(level - 1, step_number_index(ref->number)), ref->place);
}

static bool flow_check_ref(struct flow_compiler *compiler, const struct flow *flow,
			   const struct step *step, const struct step_ref *ref)
{
	const struct step *named = scope_step(flow->scope, ref->number);

	if (named == step && flow->repeats)
		return true;
	if (named == step) {
		diag_error(compiler->diag, ref->place,
			   "the task \"%s\" refers to itself; its result is not known before it "
			   "has ended",
			   step->name.ptr);
		return false;
	}
	if (named->detached) {
		diag_error(compiler->diag, ref->place,
			   "the task \"%s\" is detached: nothing waits for it, so nothing can "
			   "refer to it; remove `detach` or the reference",
			   named->name.ptr);
		return false;
	}
	return true;
}

static void flow_add_uses(struct flow_compiler *compiler, struct step_refs *refs,
			  const struct expr_uses *uses)
{
	for (size_t i = 0; i < uses->n_tasks; i++)
		step_refs_add(refs, compiler->arena, uses->tasks[i], uses->task_places[i]);
}

static bool flow_check_step_refs(struct flow_compiler *compiler, struct flow *flow,
				 struct step *step, struct step *owner)
{
	bool ok = true;

	flow_add_uses(compiler, &step->refs, &step->uses);
	for (size_t i = 0; i < step->refs.n_refs; i++) {
		if (step_number_level(step->refs.refs[i].number) == 0)
			ok &= flow_check_ref(compiler, flow, step, &step->refs.refs[i]);
		flow_pass_refs(compiler, owner, &step->refs.refs[i]);
	}
	flow->roots_used |= step->uses.roots;
	return ok;
}

/* ------------------------------------------------------------ the whole */

static bool flow_compile_steps(struct flow_compiler *compiler, struct flow *flow,
			       struct step *owner)
{
	bool ok = true;

	flow->idempotent = true;
	for (size_t i = 0; i < flow->n_steps; i++) {
		struct step *step = &flow->steps[i];

		ok &= step_compile(compiler, flow, step);
		ok &= flow_check_step_refs(compiler, flow, step, owner);
		flow->idempotent &= step->idempotent;
		if (!step->verb)
			continue;
		if (!owner || !owner->wraps) /* else the whole is counted, not its elements */
			step->tally = tally_take(
				"task", scope_path(flow->scope, step->name, compiler->arena));
		step->state_offset = flow->state_size;
		flow->state_size += (step->verb->state_size + 15) & ~(size_t)15;
		step->hold_offset = flow->state_size;
		if (step->lock || step->pool)
			flow->state_size += (sizeof(struct step_hold) + 15) & ~(size_t)15;
	}
	return ok;
}

void flow_pass_uses(struct flow_compiler *compiler, struct flow *flow, struct step *owner,
		    const struct expr_uses *uses)
{
	struct step_refs refs = { 0 };

	flow->roots_used |= uses->roots;
	flow_add_uses(compiler, &refs, uses);
	for (size_t i = 0; i < refs.n_refs; i++)
		flow_pass_refs(compiler, owner, &refs.refs[i]);
	if (owner)
		owner->uses.roots |= uses->roots & ~flow->own_roots;
}

static bool flow_compile_result(struct flow_compiler *compiler, struct flow *flow,
				const struct node *result, struct step *owner)
{
	struct expr_uses uses = { 0 };
	struct expr_compiler expr = { .arena = compiler->arena,
				      .diag = compiler->diag,
				      .names = scope_outer_names(flow->scope),
				      .uses = &uses };

	flow->result = template_tree_compile(&expr, result);
	flow_pass_uses(compiler, flow, owner, &uses);
	if (uses.secrets) {
		diag_error(compiler->diag, result->place,
			   "a secret cannot be in a result; use it where it is needed");
		return false;
	}
	return flow->result != NULL;
}

bool flow_compile_inner(struct flow_compiler *compiler, struct flow *flow, const struct node *tasks,
			const struct node *result, struct flow_scope *parent, struct step *owner)
{
	bool wrapped = owner && owner->wraps;
	bool ok = true;

	if (tasks && tasks->kind != NODE_NULL) {
		ok = flow_check_tasks(compiler, tasks, parent);
		ok = ok && flow_declare_steps(compiler, flow, tasks, parent, wrapped);
	}
	flow->scope = scope_create(compiler->arena, flow, parent, compiler);
	ok &= flow_compile_steps(compiler, flow, owner);
	if (result)
		ok &= flow_compile_result(compiler, flow, result, owner);
	if (owner)
		owner->uses.roots |= flow->roots_used & ~flow->own_roots;
	ok &= plan_compile(compiler, flow);
	return ok;
}

void flow_allow_streams(struct flow *flow)
{
	flow->may_stream = true;
}

bool flow_compile(struct flow_compiler *compiler, struct flow *flow, const struct node *tasks,
		  const struct node *result, uint64_t roots)
{
	flow->roots = roots;
	return flow_compile_inner(compiler, flow, tasks, result, NULL, NULL);
}

const struct expr_names *flow_names(const struct flow *flow)
{
	return scope_outer_names(flow->scope);
}

bool flow_is_empty(const struct flow *flow)
{
	return flow->n_steps == 0;
}

uint64_t flow_roots(const struct flow *flow)
{
	return flow->roots_used;
}

struct str flow_name(const struct flow *flow)
{
	return flow->name;
}
