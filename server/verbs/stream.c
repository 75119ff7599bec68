/* server/verbs/stream.c */
#include "server/verbs/stream.h"

bool stream_compile(struct verb_compiler *compiler)
{
	static const char *const others[] = { "lock", "acquire" };
	const struct node *node = compiler->step->node;
	bool ok = true;

	if (!scope_may_stream(compiler->names)) {
		diag_error(compiler->flow->diag, node_entry_find(node, "stream")->key_place,
			   "only a task of a route itself can `stream`, since its reply passes the "
			   "body on: not one in a job, a flow, a group or a race, with each, "
			   "repeat or detach; remove it");
		ok = false;
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		const struct node_entry *entry = node_entry_find(node, others[i]);

		if (!entry)
			continue;
		diag_error(compiler->flow->diag, entry->key_place,
			   "a task with `stream` ends before its body does, so `%s` would not be "
			   "held as long; remove one of them",
			   others[i]);
		ok = false;
	}
	step_note(compiler->step, compiler->flow->arena, STR("stream"));
	return ok;
}
