/* server/flow/each.c: `each: ${list}`: a task once for each element, at most `concurrency` at once.
 *
 * There are as many runs as may be at work at once; each is used again for the next element, so
 * that a long list costs no more than its results. The next element begins when a run has ended,
 * from the loop's ready list: no stack. */
#include "server/flow/step.h"
#include <errno.h>
#include <stdio.h>

struct each_slot {
	struct flow_run run;
	struct flow_locals locals;
	struct each_state *each;
	void *memory; /* of the run */
};

struct each_state {
	struct step_run *step;
	struct value list;
	struct value *results;
	struct each_slot *slots;
	size_t n_slots, n_begun, n_running;
	bool stopping; /* an element has failed, or all was cancelled */
	struct failure failure;
};

static const char *const each_fields[] = { "results", "result", NULL };

static void each_on_end(struct flow_run *run);

static void each_begin(struct each_slot *slot)
{
	struct each_state *each = slot->each;
	struct flow_run *outer = each->step->run;
	const struct each_config *config = each->step->config;

	slot->locals.index = (int64_t)each->n_begun;
	slot->locals.item = each->list.items[each->n_begun++];
	each->n_running++;
	flow_run_init_again(&slot->run, config->flow, outer->context, each_on_end, &slot->memory);
	slot->run.parent = outer;
	slot->run.with = outer->with;
	slot->run.depth = outer->depth;
	slot->run.span = each->step->span;
	slot->run.locals = &slot->locals;
	flow_run_start(&slot->run);
}

static void each_stop(struct each_state *each)
{
	each->stopping = true;
	for (size_t i = 0; i < each->n_slots; i++)
		if (each->slots[i].run.started)
			flow_run_cancel(&each->slots[i].run);
}

static void each_fail(struct each_state *each, const struct failure *failure)
{
	if (each->stopping)
		return;
	each->failure = *failure;
	each_stop(each);
}

static void each_take(struct each_state *each, struct each_slot *slot)
{
	struct flow_run *run = &slot->run;
	struct failure failure = { .code = ERROR_MEMORY_LIMIT,
				   .detail = STR("limits.memory is reached") };

	if (run->failure.code != ERROR_NONE)
		each_fail(each, &run->failure);
	else if (step_field(&run->steps[0], STR_NONE, &each->results[slot->locals.index]) < 0)
		each_fail(each, &failure);
}

static void each_on_end(struct flow_run *run)
{
	struct each_slot *slot = container_of(run, struct each_slot, run);
	struct each_state *each = slot->each;

	each->step->sent = true;
	each->n_running--;
	each_take(each, slot);
	if (!each->stopping && each->n_begun < each->list.len)
		each_begin(slot);
	else if (each->n_running == 0)
		step_fail_wrapped(each->step, &each->failure);
}

/* 0 or as evaluations give it. */
static int each_eval(struct each_state *each, const struct each_config *config)
{
	struct expr_env *env = step_env(each->step);
	int r = template_tree_eval(config->list, env, &each->list);

	if (r == 0)
		r = value_open(&each->list, env->arena);
	if (r < 0 || each->list.kind == VALUE_LIST)
		return r;
	snprintf(env->message, sizeof(env->message), "each takes a list, and this is a %s",
		 value_kind_name(each->list));
	each->list = value_null();
	return -EINVAL;
}

static int each_alloc(struct each_state *each, const struct each_config *config)
{
	struct arena *arena = step_arena(each->step);
	size_t n_slots = MIN(config->concurrency, (size_t)each->list.len);

	each->results = arena_alloc_array(arena, each->list.len, sizeof(*each->results));
	each->slots = arena_alloc_array(arena, n_slots, sizeof(*each->slots));
	if (!each->results || !each->slots)
		return -ENOMEM;
	each->n_slots = n_slots;
	for (uint32_t i = 0; i < each->list.len; i++)
		each->results[i] = value_null();
	for (size_t i = 0; i < n_slots; i++)
		each->slots[i] = (struct each_slot){
			.each = each,
			.locals = { .roots = ROOT_BIT(ROOT_ITEM) | ROOT_BIT(ROOT_INDEX) },
		};
	return 0;
}

static void each_start(struct step_run *run)
{
	const struct each_config *config = run->config;
	struct each_state *each = run->state;
	int r;

	each->step = run;
	r = each_eval(each, config);
	if (r == 0 && each->list.len > 0)
		r = each_alloc(each, config);
	if (r < 0 || each->list.len == 0) {
		step_done_errno(run, r);
		return;
	}
	for (size_t i = 0; i < each->n_slots; i++)
		each_begin(&each->slots[i]);
}

static void each_cancel(struct step_run *run)
{
	const struct failure failure = { .code = ERROR_CANCELLED };

	each_fail(run->state, &failure);
}

/* Of a failure too: null where an element has not ended well. */
static int each_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct each_state *each = run->state;

	(void)name;
	*ret = each->results || run->status == STEP_OK ? value_list(each->results, each->list.len)
						       : value_null();
	return 0;
}

/* Not among the verbs: it stands for a task with `each:`. */
const struct verb verb_each = {
	.name = "each",
	.help = "Runs a task once for each element of a list.",
	.state_size = sizeof(struct each_state),
	.fields = each_fields,
	.main_field = "results",
	.start = each_start,
	.cancel = each_cancel,
	.field = each_field,
};
