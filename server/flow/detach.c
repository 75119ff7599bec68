/* server/flow/detach.c: `detach: true`: a flow of one task that outlives the run that starts it
 * (DECISIONS 6).
 *
 * It has an arena of its own with copies of all that its expressions read, a context of its own
 * and a deadline of its own; nobody waits for it but the shutdown, by the detacher. Its failure
 * is logged. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/flow/step.h"
#include "server/trace/trace.h"
#include <errno.h>
#include <stdlib.h>

struct detached {
	struct list link; /* in detacher->runs */
	struct context context;
	struct arena arena;
	struct capture_set *inputs;
	void *owner; /* who waits for the end; or NULL */
	detached_fn *on_end;
	bool left; /* and cancelled: nobody is interested */
	struct flow_run run;
};

static int detached_root(struct context *context, enum expr_root root, struct str key,
			 struct value *ret)
{
	struct detached *detached = container_of(context, struct detached, context);

	return capture_root(detached->inputs, &detached->arena, root, key, ret);
}

static const struct context_ops detached_ops = { .root = detached_root };

static void detached_log(struct str task, const struct failure *failure, struct str id)
{
	log_warning("detached task failed task=%s code=%.*s detail=%s id=%s; nothing waits for it, "
		    "ignoring",
		    LOG_QUOTE(task), STR_ARG(failure_code(failure)), LOG_QUOTE(failure->detail),
		    LOG_QUOTE(id));
}

static void detached_on_end(struct flow_run *run)
{
	struct detached *detached = container_of(run, struct detached, run);
	struct detacher *detacher = detached->context.detacher;
	void *generation = detached->context.generation;

	if (detached->owner)
		detached->on_end(detached->owner, run);
	else if (run->failure.code != ERROR_NONE && !detached->left)
		detached_log(run->failure.task, &run->failure, detached->context.id);
	list_remove(&detached->link);
	arena_fini(&detached->arena);
	free(detached);
	if (detacher)
		detacher->end(detacher, generation);
}

/* 0 or -ENOMEM, with nothing left behind. */
static int detached_create(struct detached **ret_detached, struct step_run *step)
{
	struct context *context = step->run->context;
	struct detached *detached = malloc(sizeof(*detached));
	int r;

	if (!detached)
		return -ENOMEM;
	*detached = (struct detached){ .context = *context };
	list_init(&detached->link);
	arena_init(&detached->arena, context->arena->max);
	detached->arena.budget = context->arena->budget;
	detached->context.arena = &detached->arena;
	detached->context.ops = &detached_ops;
	detached->context.degraded = false;
	detached->context.open = NULL;
	detached->context.id = arena_str(&detached->arena, context->id);
	detached->context.actor =
		arena_str(&detached->arena, context->actor); /* it may outlive it */
	detached->context.trace = trace_copy(context->trace, &detached->arena);
	r = capture_create(&detached->inputs, &detached->arena, step->run, step->step);
	if (r < 0 || !detached->context.id.ptr || !detached->context.actor.ptr) {
		arena_fini(&detached->arena);
		free(detached);
		return -ENOMEM;
	}
	*ret_detached = detached;
	return 0;
}

struct detached *detached_start(struct step_run *step, const struct detach_config *config,
				detached_fn *on_end, void *owner)
{
	struct context *context = step->run->context;
	struct detacher *detacher = context->detacher;
	struct detached *detached;

	if (detached_create(&detached, step) < 0) {
		const struct failure failure = { .code = ERROR_MEMORY_LIMIT,
						 .detail = STR("no memory for its inputs") };

		detached_log(step->step->name, &failure, context->id);
		return NULL;
	}
	detached->owner = owner;
	detached->on_end = on_end;
	if (detacher) {
		detacher->begin(detacher, context->generation);
		list_add(&detacher->runs, &detached->link);
	}
	flow_run_init(&detached->run, config->flow, &detached->context, detached_on_end);
	detached->run.parent = capture_run(detached->inputs);
	detached->run.with = capture_with(detached->inputs);
	detached->run.depth = step->run->depth;
	detached->run.span = detached->context.trace ? step->span : 0;
	flow_run_set_deadline(&detached->run,
			      clock_monotonic_ns() + config->deadline_ms * NS_PER_MS);
	flow_run_start(&detached->run);
	return detached;
}

void detached_leave(struct detached *detached, bool cancel)
{
	detached->owner = NULL;
	detached->left = cancel;
	if (cancel)
		flow_run_cancel(&detached->run);
}

/* The task that is part of the flow has ended as soon as the other one has begun, well or not. */
static void detach_start(struct step_run *step)
{
	detached_start(step, step->config, NULL, NULL);
	step_done(step, ERROR_NONE, STR_NONE);
}

/* Not among the verbs: it stands for a task with `detach: true`. */
const struct verb verb_detach = {
	.name = "detach",
	.help = "Starts a task that nothing waits for.",
	.start = detach_start,
	.field = step_field_none,
};

void detacher_cancel(struct detacher *detacher)
{
	struct detached *detached;

	list_each(detached, &detacher->runs, struct detached, link)
		flow_run_cancel(&detached->run);
}
