/* server/verbs/message.c: a value travels as JSON in one block. */
#include "server/verbs/message.h"
#include "core/base/blob.h"
#include "server/expr/json.h"
#include <errno.h>

bool message_compile(struct verb_compiler *compiler, const struct node *node,
		     struct template_tree **ret_tree)
{
	*ret_tree = NULL;
	if (!node || node->kind == NODE_NULL)
		return true;
	*ret_tree = verb_public_tree(compiler, node, "message");
	return *ret_tree != NULL;
}

int message_make(struct step_run *step, struct template_tree *tree, struct blob **ret_blob)
{
	struct value value;
	struct buf json;
	int r;

	*ret_blob = NULL;
	if (!tree)
		return 0;
	r = template_tree_eval(tree, step_env(step), &value);
	if (r < 0 || value_is_null(value))
		return r;
	buf_init_arena(&json, step_arena(step));
	value_write_json(value, &json);
	if (json.error)
		return -ENOMEM;
	*ret_blob = blob_create(buf_str(&json));
	return *ret_blob ? 0 : -ENOMEM;
}

int message_read(struct step_run *step, struct blob *blob, struct value *ret)
{
	struct str text = arena_str(step_arena(step), blob_str(blob));

	*ret = value_null();
	if (blob_str(blob).len == 0)
		return 0;
	return text.ptr ? value_json(ret, step_arena(step), text) : -ENOMEM;
}

bool message_has_homes(struct step_run *step)
{
	if (step->run->context->homes)
		return true;
	step_done(step, ERROR_UNAVAILABLE, STR("nothing is shared here"));
	return false;
}
