/* core/task/module.h: a sub-flow as one task; Workflow's module.
 *
 * Promises
 *   - begin() is called once, when the module is started (never when it is cancelled before that). It starts any tasks, a
 *     series for example, in the module's own scope, module_scope(); those may start more in it (task->scope).
 *   - The module ends when the last task of its scope has ended. The tasks inside need not know that they are in a module.
 *   - Its outcome is not theirs: OUTCOME_OK, unless one of them calls composite_end(&module->base, outcome), which also
 *     cancels the others.
 *   - base.context is for what the tasks inside share; module_of() finds it.
 *
 * Outcomes, cancelling, ownership and thread: core/task/composite.h. */
#pragma once
#include "core/task/composite.h"

struct module;
typedef void module_fn(struct module *module);

struct module {
	struct composite base;
	module_fn *begin;
};

void module_init(struct module *module, module_fn *begin, task_fn *on_end);

static inline void module_start(struct module *module, struct scope *scope)
{
	task_start(&module->base.task, scope);
}

/* Where the module's tasks are started, from begin() until the last of them has ended. */
static inline struct scope *module_scope(struct module *module)
{
	return &module->base.scope;
}

/* The module whose on_end is called with this task. */
static inline struct module *module_from(struct task *task)
{
	return container_of(task, struct module, base.task);
}

/* The module that a task was started in directly. */
static inline struct module *module_of(const struct task *child)
{
	return container_of(composite_of(child), struct module, base);
}
