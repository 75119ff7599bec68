/* core/task/module.c */
#include "core/task/module.h"

static const struct task_ops module_ops = { "module", composite_start, composite_cancel };

static void module_begin(struct composite *base)
{
	struct module *module = container_of(base, struct module, base);

	if (!base->scope.cancelled)
		module->begin(module);
}

static void module_on_child(struct task *child)
{
	composite_child_end(composite_of(child), child);
}

void module_init(struct module *module, module_fn *begin, task_fn *on_end)
{
	composite_init(&module->base, &module_ops, on_end, module_begin, module_on_child);
	module->begin = begin;
}
