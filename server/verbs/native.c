/* server/verbs/native.c: `native: MODULE.FUNCTION`: a function of a native module, on the compute
 * pool. All but finding it is server/native/. */
#include "server/flow/queues.h"
#include "server/native/natives.h"
#include "server/native/verb.h"
#include "server/verbs/all.h"

static bool native_compile(struct verb_compiler *compiler, const struct node *value,
			   void *config_ptr)
{
	static const struct leat_key with = { .name = "with", .flags = LEAT_EXPRESSION };
	struct native_config *config = config_ptr;
	const union native_slot slot = { .node = config->with_node };
	bool ok = natives_find(compiler->flow, value, &config->target);

	config->input = (struct native_key){ .row = &with, .name = with.name };
	ok &= native_key_compile(compiler, &config->input, &slot, config->with_node);
	config->queue = queues_find(compiler->flow, config->queue_node);
	compiler->step->idempotent = config->target.is_idempotent;
	return ok && config->queue;
}

const struct verb verb_native = {
	.name = "native",
	.help = "A function of a native module, on a thread that computes.",
	.keys = native_keys,
	.config_size = sizeof(struct native_config),
	.state_size = sizeof(struct native_state),
	.fields = native_fields,
	.main_field = "result",
	.compile = native_compile,
	.start = native_start,
	.cancel = native_cancel,
	.field = native_field,
};
