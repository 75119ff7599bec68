/* server/flow/join.c: `join:`: whether a task runs, by the outcome of those that it waits for.
 *
 * Skipped counts as ok. A failure that ends the flow leaves nothing to decide, so any and done
 * are refused behind a task that is neither optional nor has a default. */
#include "server/flow/step.h"

bool step_may_run(const struct step_run *run)
{
	const struct step_refs *refs = &run->step->refs;
	const struct step_run *steps = run->run->steps;
	size_t n_ok = 0, n_all = 0;

	if (run->step->join == JOIN_DONE)
		return true;
	for (size_t i = 0; i < refs->n_refs; i++) {
		const struct step_run *before = &steps[step_number_index(refs->refs[i].number)];

		if (step_number_level(refs->refs[i].number) > 0 || before == run)
			continue;
		n_all++;
		n_ok += before->status == STEP_OK || before->status == STEP_SKIPPED;
	}
	return run->step->join == JOIN_OK ? n_ok == n_all : n_ok > 0;
}

static bool join_check_ref(struct flow_compiler *compiler, const struct flow *flow,
			   const struct step *step, const struct step_ref *ref)
{
	const struct step *before = scope_step(flow->scope, ref->number);

	if (step->join == JOIN_OK || before->optional || before->fallback || !before->verb)
		return true;
	diag_error(compiler->diag, ref->place,
		   "\"%s\" joins \"%s\", whose failure ends the flow; give \"%s\" "
		   "`optional: true` or a `default`",
		   step->name.ptr, before->name.ptr, before->name.ptr);
	return false;
}

static bool join_check_step(struct flow_compiler *compiler, const struct flow *flow,
			    const struct step *step)
{
	const struct step_refs *refs = &step->refs;
	size_t n_before = 0;
	bool ok = true;

	for (size_t i = 0; i < refs->n_refs; i++) {
		if (step_number_level(refs->refs[i].number) > 0)
			continue;
		n_before++;
		ok &= join_check_ref(compiler, flow, step, &refs->refs[i]);
	}
	if (n_before > 0)
		return ok;
	diag_error(compiler->diag, step->place,
		   "\"%s\" has `join` and waits for no task beside it; add `after`, or remove it",
		   step->name.ptr);
	return false;
}

bool join_check(struct flow_compiler *compiler, const struct flow *flow)
{
	bool ok = true;

	for (size_t i = 0; i < flow->n_steps; i++)
		if (flow->steps[i].joins)
			ok &= join_check_step(compiler, flow, &flow->steps[i]);
	return ok;
}
