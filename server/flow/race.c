/* server/flow/race.c: a run whose tasks race: the first that succeeds, and whose result is
 * accepted, ends it. */
#include "server/flow/step.h"

/* A condition that cannot be evaluated is a failure of the racer. */
static bool race_accepts(struct flow_run *run, struct step_run *step)
{
	struct flow_race *race = run->race;
	bool accepted = true;
	int r = 0;

	if (race->accept) {
		run->env.message[0] = '\0';
		race->sole = step;
		r = expr_eval_bool(race->accept, &run->env, &accepted);
		race->sole = NULL;
	}
	if (r < 0)
		race->failure = step_errno_failure(step, r);
	else if (!accepted)
		race->failure = (struct failure){ .code = ERROR_BAD_RESPONSE,
						  .task = step->step->name,
						  .detail = STR("its result was not accepted") };
	return r == 0 && accepted;
}

void flow_race_on_step(struct flow_run *run, struct step_run *step)
{
	struct flow_race *race = run->race;

	if (run->stopping || run->scope.cancelled)
		return;
	if (step->status == STEP_OK && race_accepts(run, step)) {
		race->winner = step;
		run->stopping = true;
		scope_cancel(&run->scope);
		return;
	}
	if (step->status == STEP_FAILED)
		race->failure = step->failure;
	flow_run_node_done(run, step);
}
