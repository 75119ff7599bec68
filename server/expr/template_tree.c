/* server/expr/template_tree.c: lists and maps with ${…} in their texts.
 *
 * What has no such text is built once, at load. It recurses over the document, which is at most
 * CONF_DEPTH_MAX deep. */
#include "server/expr/template_node.h"
#include <errno.h>

struct template_tree {
	enum { TREE_CONSTANT, TREE_TEXT, TREE_LIST, TREE_MAP } kind;
	struct value constant;
	struct template *template;
	size_t n_items;
	struct template_tree **items;
	struct value *keys; /* of a map */
};

static struct template_tree *tree_compile(struct expr_compiler *compiler, const struct node *node,
					  unsigned depth);

static bool tree_all_constant(const struct template_tree *tree)
{
	for (size_t i = 0; i < tree->n_items; i++)
		if (tree->items[i]->kind != TREE_CONSTANT)
			return false;
	return true;
}

static bool tree_compile_items(struct expr_compiler *compiler, const struct node *node,
			       struct template_tree *tree, unsigned depth)
{
	size_t n_items = node->n_entries;
	bool ok = true;

	tree->items = arena_alloc_array(compiler->arena, n_items + 1, sizeof(tree->items[0]));
	tree->keys = arena_alloc_array(compiler->arena, n_items + 1, sizeof(tree->keys[0]));
	for (size_t i = 0; i < n_items; i++) {
		tree->items[i] = tree_compile(compiler, node->entries[i].value, depth + 1);
		tree->keys[i] = value_text(
			node->kind == NODE_MAP ? arena_str(compiler->arena, node->entries[i].key)
					       : STR(""));
		ok &= tree->items[i] != NULL; /* and on: to show all errors */
	}
	tree->n_items = n_items;
	return ok;
}

static bool tree_compile_scalar(struct expr_compiler *compiler, const struct node *node,
				struct template_tree *tree)
{
	struct expr_env env = { .arena = compiler->arena };
	struct str text;

	if (template_node_scalar(compiler, node, &tree->constant))
		return true;
	tree->template = template_compile(compiler, node, TEMPLATE_PLAIN);
	if (!tree->template)
		return false;
	tree->kind = TREE_TEXT;
	if (!template_is_constant(tree->template, &text))
		return true;
	tree->kind = TREE_CONSTANT;
	return template_eval_value(tree->template, &env, &tree->constant) == 0;
}

static struct template_tree *tree_compile(struct expr_compiler *compiler, const struct node *node,
					  unsigned depth)
{
	struct template_tree *tree = arena_zalloc(compiler->arena, sizeof(*tree));
	struct expr_env env = { .arena = compiler->arena };

	if (depth > CONF_DEPTH_MAX) {
		diag_error(compiler->diag, node->place, "more than %d levels", CONF_DEPTH_MAX);
		return NULL;
	}
	if (node->kind != NODE_LIST && node->kind != NODE_MAP)
		return tree_compile_scalar(compiler, node, tree) ? tree : NULL;
	tree->kind = node->kind == NODE_LIST ? TREE_LIST : TREE_MAP;
	if (!tree_compile_items(compiler, node, tree, depth))
		return NULL;
	if (!tree_all_constant(tree))
		return tree;
	check(template_tree_eval(tree, &env, &tree->constant) == 0);
	tree->kind = TREE_CONSTANT;
	return tree;
}

struct template_tree *template_tree_compile(struct expr_compiler *compiler, const struct node *node)
{
	return tree_compile(compiler, node, 1);
}

bool template_tree_is_constant(const struct template_tree *tree, struct value *ret)
{
	if (tree->kind != TREE_CONSTANT)
		return false;
	*ret = tree->constant;
	return true;
}

static int tree_eval_list(const struct template_tree *tree, struct expr_env *env, struct value *ret)
{
	struct value *items = arena_alloc_array(env->arena, tree->n_items + 1, sizeof(*items));
	uint8_t secret = 0;
	int r = items ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < tree->n_items; i++) {
		r = template_tree_eval(tree->items[i], env, &items[i]);
		if (r == 0)
			secret |= items[i].secret;
	}
	if (r < 0)
		return r;
	*ret = value_list(items, tree->n_items);
	ret->secret = secret;
	return 0;
}

static int tree_eval_map(const struct template_tree *tree, struct expr_env *env, struct value *ret)
{
	struct member *members = arena_alloc_array(env->arena, tree->n_items + 1, sizeof(*members));
	uint8_t secret = 0;
	int r = members ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < tree->n_items; i++) {
		members[i].key = tree->keys[i];
		r = template_tree_eval(tree->items[i], env, &members[i].value);
		if (r == 0)
			secret |= members[i].value.secret;
	}
	if (r < 0)
		return r;
	*ret = value_object(members, tree->n_items);
	ret->secret = secret;
	return 0;
}

int template_tree_eval(const struct template_tree *tree, struct expr_env *env, struct value *ret)
{
	switch (tree->kind) {
	case TREE_CONSTANT:
		*ret = tree->constant;
		return 0;
	case TREE_TEXT:
		return template_eval_value(tree->template, env, ret);
	case TREE_LIST:
		return tree_eval_list(tree, env, ret);
	case TREE_MAP:
		return tree_eval_map(tree, env, ret);
	}
	unreachable();
}
