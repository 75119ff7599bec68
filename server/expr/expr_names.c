/* server/expr/expr_names.c: the names that may stand in an expression. */
#include "server/expr/expr_node.h"

static const char *const root_names[N_ROOTS + 1] = {
	[ROOT_PATH] = "path",         [ROOT_QUERY] = "query",     [ROOT_QUERY_ALL] = "query_all",
	[ROOT_HEADERS] = "headers",   [ROOT_COOKIES] = "cookies", [ROOT_FORM] = "form",
	[ROOT_FORM_ALL] = "form_all", [ROOT_BODY] = "body",       [ROOT_REQUEST] = "request",
	[ROOT_AUTH] = "auth",         [ROOT_TLS] = "tls",         [ROOT_CLIENT] = "client",
	[ROOT_RUN] = "run",           [ROOT_JOB] = "job",         [ROOT_MESSAGE] = "message",
	[ROOT_STATE] = "state",       [ROOT_SENDER] = "sender",   [ROOT_ITEM] = "item",
	[ROOT_INDEX] = "index",       [ROOT_REPEAT] = "repeat",   [ROOT_ERROR] = "error",
	[ROOT_ENV] = "env",           [ROOT_SECRET] = "secret",   [ROOT_WITH] = "with",
	[ROOT_CONN] = "conn",         [ROOT_TOPIC] = "topic",
};

const char *const expr_task_fields[] = {
	"body",   "text",    "status", "headers", "row",    "rows",   "affected", "last_id",
	"result", "results", "value",  "values",  "failed", "ok",     "skipped",  "error",
	"ms",     "index",   "stdout", "stderr",  "code",   "signal", NULL,
};

const char *expr_root_name(enum expr_root root)
{
	check(root < N_ROOTS);
	return root_names[root];
}

bool expr_root_find(struct str name, enum expr_root *ret_root)
{
	for (unsigned i = 0; i < N_ROOTS; i++) {
		if (!str_eq(name, str_of(root_names[i])))
			continue;
		*ret_root = (enum expr_root)i;
		return true;
	}
	return false;
}

bool expr_root_exists(const struct expr_names *names, enum expr_root root)
{
	if (root == ROOT_ENV || root == ROOT_SECRET)
		return names->constant != NULL;
	return names->roots & ROOT_BIT(root);
}

bool expr_root_has_keys(enum expr_root root)
{
	return root != ROOT_BODY && root != ROOT_ITEM && root != ROOT_INDEX &&
	       root != ROOT_MESSAGE && root != ROOT_STATE;
}

const struct expr_function *expr_function_find(struct str name)
{
	for (size_t i = 0; i < n_expr_functions; i++)
		if (str_eq(name, str_of(expr_functions[i].name)))
			return &expr_functions[i];
	return NULL;
}

const char *expr_function_nearest(struct str name)
{
	const char *names[64];
	size_t n_names = 0;

	check(n_expr_functions < ARRAY_LEN(names));
	for (; n_names < n_expr_functions; n_names++)
		names[n_names] = expr_functions[n_names].name;
	names[n_names] = NULL;
	return diag_nearest(name, names);
}

const char *expr_name_nearest(const struct expr_compiler *compiler, struct str name)
{
	const struct expr_names *names = compiler->names;
	const char *roots[N_ROOTS + 1], *nearest;
	size_t n_roots = 0;

	nearest = names->task_names ? diag_nearest(name, names->task_names) : NULL;
	if (nearest)
		return nearest;
	for (unsigned i = 0; i < N_ROOTS; i++)
		if (expr_root_exists(names, (enum expr_root)i))
			roots[n_roots++] = root_names[i];
	roots[n_roots] = NULL;
	return diag_nearest(name, roots);
}
