/* server/flow/repeat.c: `repeat:`: a task again and again, while or until a condition holds.
 *
 * Two runs take turns: in one the round at hand, in the other the one before, which the task's
 * own name means meanwhile. */
#include "server/flow/step.h"
#include <errno.h>

struct repeat_slot {
	struct flow_run run;
	struct repeat_state *repeat;
	void *memory; /* of the run */
};

struct repeat_state {
	struct step_run *step;
	struct timer timer; /* of `delay` */
	struct repeat_slot slots[2];
	struct flow_locals locals;
	struct value *results;
	size_t n_results, n_room;
};

static const char *const repeat_fields[] = { "results", "result", NULL };

static void repeat_on_end(struct flow_run *run);

static struct repeat_slot *repeat_slot(struct repeat_state *repeat, int64_t round)
{
	return &repeat->slots[round & 1];
}

static void repeat_begin(struct repeat_state *repeat)
{
	struct flow_run *outer = repeat->step->run;
	const struct repeat_config *config = repeat->step->config;
	int64_t round = repeat->locals.index;
	struct repeat_slot *slot = repeat_slot(repeat, round);

	flow_run_init_again(&slot->run, config->flow, outer->context, repeat_on_end, &slot->memory);
	slot->run.parent = outer;
	slot->run.with = outer->with;
	slot->run.depth = outer->depth;
	slot->run.span = repeat->step->span;
	slot->run.locals = &repeat->locals;
	slot->run.round = round > 0 ? &repeat_slot(repeat, round - 1)->run : NULL;
	flow_run_start(&slot->run);
}

static void repeat_on_timer(struct timer *timer)
{
	repeat_begin(container_of(timer, struct repeat_state, timer));
}

/* Keeps the round's main result. */
static int repeat_take(struct repeat_state *repeat, struct flow_run *run)
{
	size_t n_room = repeat->n_room ? repeat->n_room * 2 : 8;
	struct value *results;

	if (repeat->n_results == repeat->n_room) {
		results = arena_alloc_array(step_arena(repeat->step), n_room, sizeof(*results));
		if (!results)
			return -ENOMEM;
		if (repeat->n_results)
			memcpy(results, repeat->results, repeat->n_results * sizeof(*results));
		repeat->results = results;
		repeat->n_room = n_room;
	}
	return step_field(&run->steps[0], STR_NONE, &repeat->results[repeat->n_results++]);
}

/* Whether another round is wanted. 0 or as evaluations give it. */
static int repeat_ask(struct repeat_state *repeat, struct flow_run *run, bool *ret_more)
{
	const struct repeat_config *config = repeat->step->config;
	bool holds;
	int r;

	run->env.message[0] = '\0';
	r = expr_eval_bool(config->condition, &run->env, &holds);
	if (r < 0)
		memcpy(step_env(repeat->step)->message, run->env.message, sizeof(run->env.message));
	else
		*ret_more = holds != config->until;
	return r;
}

static void repeat_on_end(struct flow_run *run)
{
	struct repeat_state *repeat = container_of(run, struct repeat_slot, run)->repeat;
	const struct repeat_config *config = repeat->step->config;
	bool more = false;
	int r;

	repeat->step->sent = true;
	if (run->failure.code != ERROR_NONE) {
		step_fail_wrapped(repeat->step, &run->failure);
		return;
	}
	r = repeat_take(repeat, run);
	if (r == 0)
		r = repeat_ask(repeat, run, &more);
	if (r < 0 || !more) {
		step_done_errno(repeat->step, r);
	} else if (repeat->locals.index + 1 == config->max) {
		step_done(repeat->step, ERROR_LOOP_LIMIT,
			  STR("after `max` rounds it still wants another"));
	} else {
		repeat->locals.index++;
		if (config->delay_ms > 0)
			timer_start(&repeat->timer, config->delay_ms);
		else
			repeat_begin(repeat);
	}
}

static void repeat_start(struct step_run *run)
{
	struct repeat_state *repeat = run->state;

	repeat->step = run;
	repeat->locals.roots = ROOT_BIT(ROOT_REPEAT);
	repeat->slots[0].repeat = repeat->slots[1].repeat = repeat;
	timer_init(&repeat->timer, run->run->scope.loop, repeat_on_timer);
	repeat_begin(repeat);
}

static void repeat_cancel(struct step_run *run)
{
	struct repeat_state *repeat = run->state;

	if (timer_is_running(&repeat->timer)) {
		timer_stop(&repeat->timer);
		step_done(run, ERROR_CANCELLED, STR("cancelled between two rounds"));
	} else {
		flow_run_cancel(&repeat_slot(repeat, repeat->locals.index)->run);
	}
}

/* Of a failure too: the rounds that have ended well. */
static int repeat_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct repeat_state *repeat = run->state;

	(void)name;
	*ret = value_list(repeat->results, repeat->n_results);
	return 0;
}

/* Not among the verbs: it stands for a task with `repeat:`. */
const struct verb verb_repeat = {
	.name = "repeat",
	.help = "Runs a task while or until a condition holds.",
	.state_size = sizeof(struct repeat_state),
	.fields = repeat_fields,
	.main_field = "results",
	.start = repeat_start,
	.cancel = repeat_cancel,
	.field = repeat_field,
};
