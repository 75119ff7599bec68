/* server/flow/finish.c: a racer of a race with `losers: finish`: a flow of its own from the
 * start (DECISIONS 6).
 *
 * Its results are copied when it has ended and the race still wants them. When the race is won
 * by another it is left to itself; when the race itself is cancelled, so is it. */
#include "server/flow/step.h"
#include <errno.h>

struct finish_state {
	struct detached *detached;
	struct capture *results;
};

static bool finish_copy_failure(struct arena *arena, const struct failure *from,
				struct failure *ret)
{
	*ret = *from;
	ret->custom_code = arena_str(arena, from->custom_code);
	ret->task = arena_str(arena, from->task);
	ret->detail = arena_str(arena, from->detail);
	ret->sqlstate = arena_str(arena, from->sqlstate);
	ret->kafka = arena_str(arena, from->kafka);
	return ret->custom_code.ptr && ret->task.ptr && ret->detail.ptr && ret->sqlstate.ptr &&
	       ret->kafka.ptr;
}

static void finish_on_end(void *owner, struct flow_run *ended)
{
	struct step_run *step = owner;
	struct finish_state *state = step->state;
	struct failure failure;

	state->detached = NULL;
	step->sent = true;
	if (ended->steps && capture_step(&state->results, step_arena(step), ended, 0) < 0)
		step_done_errno(step, -ENOMEM);
	else if (!finish_copy_failure(step_arena(step), &ended->failure, &failure))
		step_done_errno(step, -ENOMEM);
	else
		step_fail_wrapped(step, &failure);
}

static void finish_start(struct step_run *step)
{
	struct finish_state *state = step->state;

	state->detached = detached_start(step, step->config, finish_on_end, step);
	if (!state->detached)
		step_done_errno(step, -ENOMEM);
}

static void finish_cancel(struct step_run *step)
{
	struct finish_state *state = step->state;
	bool lost = step->run->race && step->run->race->winner;

	detached_leave(state->detached, !lost);
	step_done(step, ERROR_CANCELLED, STR_NONE);
}

static int finish_field(struct step_run *step, struct str name, struct value *ret)
{
	const struct finish_state *state = step->state;
	const struct value *copy = state->results ? capture_find(state->results, 0, name) : NULL;

	*ret = copy ? *copy : value_null();
	return 0;
}

const struct verb verb_finish = {
	.name = "finish",
	.help = "Runs a racer that finishes though it has lost.",
	.state_size = sizeof(struct finish_state),
	.start = finish_start,
	.cancel = finish_cancel,
	.field = finish_field,
};
