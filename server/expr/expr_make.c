/* server/expr/expr_make.c: the nodes of the tree, checked and folded.
 *
 * What depends on nothing is computed here, once, in an arena of its own with a ceiling, and only
 * its result is kept. A constant that cannot be computed is the user's mistake, shown where it
 * stands. */
#include "server/expr/expr_parse.h"
#include <errno.h>

enum { FOLD_MAX_BYTES = 1 << 20 };

struct expr *make_node(struct parser *parser, enum expr_kind kind, struct expr *const *args,
		       size_t n_args)
{
	struct expr *node = arena_zalloc(parser->compiler->arena, sizeof(*node));

	node->kind = kind;
	node->n_args = n_args;
	if (!n_args)
		return node;
	node->args =
		arena_alloc_array(parser->compiler->arena, n_args, sizeof(const struct expr *));
	for (size_t i = 0; i < n_args; i++)
		node->args[i] = args[i];
	return node;
}

struct expr *make_constant(struct parser *parser, struct value value)
{
	struct expr *node = make_node(parser, EXPR_CONSTANT, NULL, 0);

	node->constant = value;
	node->secret = value.secret;
	node->height = 1;
	return node;
}

static bool node_is_foldable(const struct expr *node)
{
	if (node->kind <= EXPR_TASK || (node->kind == EXPR_CALL && node->function->changing))
		return false;
	for (size_t i = 0; i < node->n_args; i++)
		if (node->args[i]->kind != EXPR_CONSTANT)
			return false;
	return true;
}

static struct expr *make_folded(struct parser *parser, const struct expr *node, struct str part)
{
	struct arena arena;
	struct expr_env env = { .arena = &arena };
	struct value value = value_null();
	struct expr *folded;
	int r;

	arena_init(&arena, FOLD_MAX_BYTES);
	r = expr_eval(node, &env, &value);
	if (r == 0)
		r = value_copy(&value, value, parser->compiler->arena);
	arena_fini(&arena);
	if (r == -EINVAL)
		return parser_error(parser, part, "%s", env.message);
	if (r < 0)
		return parser_error(parser, part, "this constant is larger than %d bytes",
				    FOLD_MAX_BYTES);
	folded = make_constant(parser, value);
	folded->raw = node->raw;
	return folded;
}

struct expr *make_stream_error(struct parser *parser, struct str part)
{
	return parser_error(parser, part,
			    "a body that is passed on (stream: true) is not kept: it can only be "
			    "the whole body of the route's reply; write reply: {body: ${x}}, or "
			    "remove `stream`");
}

struct expr *make_done(struct parser *parser, struct expr *node, struct str part)
{
	unsigned height = 0;

	for (size_t i = 0; i < node->n_args; i++) {
		if (node->args[i]->streams)
			return make_stream_error(parser, part);
		height = MAX(height, (unsigned)node->args[i]->height);
		/* a condition chooses, it does not become part of the value */
		if (i > 0 || node->kind != EXPR_COND)
			node->secret |= node->args[i]->secret;
	}
	if (node->kind == EXPR_CALL && node->function->hides)
		node->secret = false;
	if (height == EXPR_HEIGHT_MAX)
		return parser_error(parser, part, "more than %d operators in one chain",
				    EXPR_HEIGHT_MAX - 1);
	node->height = (uint16_t)(height + 1);
	return node_is_foldable(node) ? make_folded(parser, node, part) : node;
}

/* Integers that fit are integers; all else stays as it is written, so that 19.99 is 19.99. */
struct expr *make_number(struct parser *parser, struct str text, bool minus)
{
	struct value value;
	int64_t integer;

	text = minus ? arena_printf(parser->compiler->arena, "-%.*s", STR_ARG(text))
		     : arena_str(parser->compiler->arena, text);
	if (str_to_i64(text, &integer) == 0)
		return make_constant(parser, value_int(integer));
	value = value_text(text);
	value.kind = VALUE_NUMBER;
	return make_constant(parser, value);
}

struct expr *make_operator(struct parser *parser, enum expr_op op, struct expr *a, struct expr *b,
			   struct str part)
{
	struct expr *const args[] = { a, b };
	struct expr *node;

	if (!a)
		return NULL;
	node = make_node(parser, b ? EXPR_BINARY : EXPR_UNARY, args, b ? 2 : 1);
	node->op = op;
	return make_done(parser, node, part);
}

static void uses_add_task(struct parser *parser, unsigned task, struct str name)
{
	struct expr_uses *uses = parser->compiler->uses;
	struct arena *arena = parser->compiler->arena;
	size_t n_tasks = uses->n_tasks;

	for (size_t i = 0; i < n_tasks; i++)
		if (uses->tasks[i] == task)
			return;
	if ((n_tasks & (n_tasks - 1)) == 0) {
		size_t cap = n_tasks ? 2 * n_tasks : 1;
		uint32_t *tasks = arena_alloc_array(arena, cap, sizeof(*tasks));
		struct place *places = arena_alloc_array(arena, cap, sizeof(*places));

		if (n_tasks) {
			memcpy(tasks, uses->tasks, n_tasks * sizeof(*tasks));
			memcpy(places, uses->task_places, n_tasks * sizeof(*places));
		}
		uses->tasks = tasks;
		uses->task_places = places;
	}
	uses->tasks[n_tasks] = task;
	uses->task_places[n_tasks] = lexer_place(&parser->lexer, name);
	uses->n_tasks++;
}

/* The field that is passed on; NULL: none. */
static const char *task_streams(const struct parser *parser, unsigned task)
{
	const struct expr_names *names = parser->compiler->names;

	return names->task_streams ? names->task_streams(names, task) : NULL;
}

static struct expr *make_task(struct parser *parser, unsigned task, struct str name)
{
	struct expr *node = make_node(parser, EXPR_TASK, NULL, 0);

	if (parser->compiler->uses)
		uses_add_task(parser, task, name);
	node->task = task;
	node->key = STR("");
	node->streams = task_streams(parser, task) != NULL;
	return make_done(parser, node, name);
}

static struct expr *make_root(struct parser *parser, enum expr_root root, struct str name)
{
	struct expr *node = make_node(parser, EXPR_ROOT, NULL, 0);

	if (!expr_root_exists(parser->compiler->names, root))
		return parser_error(parser, name, "there is no \"%.*s\" here", STR_ARG(name));
	if (parser->compiler->uses)
		parser->compiler->uses->roots |= ROOT_BIT(root);
	node->root = root;
	return make_done(parser, node, name);
}

static struct expr *name_unknown(struct parser *parser, struct str name)
{
	const char *nearest = expr_name_nearest(parser->compiler, name);
	const struct expr_function *function = expr_function_find(name);

	if (function)
		return parser_error(parser, name, "\"%s\" is a function; write %s", function->name,
				    function->synopsis);
	if (nearest)
		return parser_error(parser, name, "unknown name \"%.*s\"; did you mean \"%s\"?",
				    STR_ARG(name), nearest);
	return parser_error(parser, name, "unknown name \"%.*s\"; a text needs quotes: '%.*s'",
			    STR_ARG(name), STR_ARG(name));
}

struct expr *make_name(struct parser *parser, struct str name)
{
	const struct expr_names *names = parser->compiler->names;
	int task = names->task ? names->task(names, name) : -1;
	enum expr_root root;

	if (expr_root_find(name, &root))
		return make_root(parser, root, name);
	if (task >= 0)
		return make_task(parser, (unsigned)task, name);
	return name_unknown(parser, name);
}

/* ${env.NAME} and ${secret.NAME} are known now. */
static struct expr *make_setting(struct parser *parser, enum expr_root root, struct str name,
				 struct str part)
{
	const struct expr_names *names = parser->compiler->names;
	struct value value;
	struct str text;

	if (!names->constant(names, root, name, &text))
		return parser_error(parser, part,
				    root == ROOT_ENV
					    ? "the environment variable \"%.*s\" is not set"
					    : "there is no secret \"%.*s\"",
				    STR_ARG(name));
	value = value_text(text);
	value.secret = root == ROOT_SECRET;
	return make_constant(parser, value);
}

static bool tls_has(struct parser *parser, struct str name, struct str part)
{
	static const char *const members[] = { "version", "cipher", "server_name", "client", NULL };
	const char *nearest = diag_nearest(name, members);

	for (size_t i = 0; members[i]; i++)
		if (str_eq(name, str_of(members[i])))
			return true;
	parser_error(parser, part, "tls has no \"%.*s\"; %s%s%s", STR_ARG(name),
		     nearest ? "did you mean \"" : "it has version, cipher, server_name and client",
		     nearest ? nearest : "", nearest ? "\"?" : "");
	return false;
}

static bool request_has(struct parser *parser, struct str name, struct str part)
{
	static const char *const members[] = { "id",           "trace_id", "method", "path",
					       "query_string", "host",     "scheme", "version",
					       "body",         NULL };
	const char *nearest = diag_nearest(name, members);

	for (size_t i = 0; members[i]; i++)
		if (str_eq(name, str_of(members[i])))
			return true;
	parser_error(parser, part, "a request has no \"%.*s\"; %s%s%s", STR_ARG(name),
		     nearest ? "did you mean \""
			     : "it has id, trace_id, method, path, query_string, ",
		     nearest ? nearest : "host, scheme, version and body", nearest ? "\"?" : "");
	return false;
}

static bool path_has(struct parser *parser, struct str name, struct str part)
{
	const char *const *names = parser->compiler->names->path_names;
	const char *nearest = names ? diag_nearest(name, names) : NULL;

	for (size_t i = 0; names && names[i]; i++)
		if (str_eq(name, str_of(names[i])))
			return true;
	if (!names)
		return true;
	parser_error(parser, part,
		     "nothing is called {%.*s} in the path, or the actor's name; %s%s%s",
		     STR_ARG(name), nearest ? "did you mean \"" : "write it there",
		     nearest ? nearest : "", nearest ? "\"?" : "");
	return false;
}

/* A root with a key that is known now; *ret stays NULL for the roots that are values. */
static bool make_root_member(struct parser *parser, const struct expr *of, struct str key,
			     struct str part, struct expr **ret)
{
	struct expr *node;

	if (of->kind != EXPR_ROOT || of->key.ptr || of->n_args || !expr_root_has_keys(of->root))
		return false;
	if (of->root == ROOT_ENV || of->root == ROOT_SECRET) {
		*ret = make_setting(parser, of->root, key, part);
		return true;
	}
	*ret = NULL;
	if (of->root == ROOT_REQUEST && !request_has(parser, key, part))
		return true;
	if (of->root == ROOT_TLS && !tls_has(parser, key, part))
		return true;
	if (of->root == ROOT_PATH && !path_has(parser, key, part))
		return true;
	node = make_node(parser, EXPR_ROOT, NULL, 0);
	node->root = of->root;
	node->key = key;
	*ret = make_done(parser, node, part);
	return true;
}

static bool key_is_among(struct str key, const char *const names[])
{
	for (size_t i = 0; names[i]; i++)
		if (str_eq(key, str_of(names[i])))
			return true;
	return false;
}

/* "status, headers, ": to be followed by the fields that every task has. */
static struct str fields_list(struct arena *arena, const char *const fields[])
{
	struct str list = STR("");

	for (size_t i = 0; fields[i]; i++)
		list = arena_printf(arena, "%.*s%s, ", STR_ARG(list), fields[i]);
	return list;
}

static struct expr *make_task_field(struct parser *parser, const struct expr *of, struct str key,
				    struct str part)
{
	static const char *const common[] = { "ok", "failed", "skipped", "error", "ms", NULL };
	const struct expr_names *names = parser->compiler->names;
	const char *const *fields = names->task_fields ? names->task_fields(names, of->task) : NULL;
	struct str body = str_of(of->streams ? task_streams(parser, of->task) : NULL);
	const char *nearest = diag_nearest(key, fields ? fields : expr_task_fields);
	struct expr *node;

	if (body.len && str_eq(key, STR("text")) && !str_eq(key, body))
		return make_stream_error(parser, part);
	if (key_is_among(key, fields ? fields : expr_task_fields) || key_is_among(key, common)) {
		node = make_node(parser, EXPR_TASK, NULL, 0);
		node->task = of->task;
		node->key = key;
		node->streams = body.len && str_eq(key, body);
		return make_done(parser, node, part);
	}
	if (nearest)
		return parser_error(parser, part, "a task has no \"%.*s\"; did you mean \"%s\"?",
				    STR_ARG(key), nearest);
	if (fields)
		return parser_error(
			parser, part,
			"this task has no \"%.*s\"; it has %.*sok, failed, skipped, error "
			"and ms",
			STR_ARG(key), STR_ARG(fields_list(parser->compiler->arena, fields)));
	return parser_error(parser, part,
			    "a task has no \"%.*s\"; its result is in body, text, rows, result or "
			    "value",
			    STR_ARG(key));
}

/* A map of headers: the request's, or a task's. */
static bool is_headers(const struct expr *of)
{
	if (of->kind == EXPR_ROOT)
		return of->root == ROOT_HEADERS && !of->key.ptr && !of->n_args;
	return of->kind == EXPR_TASK && str_eq(of->key, STR("headers"));
}

static struct str header_key(struct parser *parser, struct str key, bool dotted)
{
	char *copy = arena_alloc(parser->compiler->arena, key.len + 1);

	for (size_t i = 0; i < key.len; i++)
		copy[i] = dotted && key.ptr[i] == '_' ? '-' : char_lower(key.ptr[i]);
	return (struct str){ copy, key.len };
}

static struct expr *make_key(struct parser *parser, struct expr *of, struct str key,
			     struct str part, bool dotted)
{
	struct expr *node;

	key = is_headers(of) ? header_key(parser, key, dotted)
			     : arena_str(parser->compiler->arena, key);
	if (make_root_member(parser, of, key, part, &node))
		return node;
	if (of->kind == EXPR_TASK && of->key.len == 0)
		return make_task_field(parser, of, key, part);
	node = make_node(parser, EXPR_MEMBER, &of, 1);
	node->key = key;
	return make_done(parser, node, part);
}

struct expr *make_member(struct parser *parser, struct expr *of, struct str name)
{
	return make_key(parser, of, name, name, true);
}

struct expr *make_index(struct parser *parser, struct expr *of, struct expr *index, struct str part)
{
	struct expr *const args[] = { of, index };
	struct expr *node;

	if (index->kind == EXPR_CONSTANT && index->constant.kind == VALUE_TEXT && !index->secret)
		return make_key(parser, of, value_str(index->constant), part, false);
	if (of->kind == EXPR_ROOT && !of->key.ptr && !of->n_args &&
	    (of->root == ROOT_ENV || of->root == ROOT_SECRET))
		return parser_error(parser, part, "the name must be constant here; write %s.NAME",
				    expr_root_name(of->root));
	if (of->kind == EXPR_ROOT && !of->key.ptr && !of->n_args && expr_root_has_keys(of->root)) {
		node = make_node(parser, EXPR_ROOT, &index, 1);
		node->root = of->root;
	} else {
		node = make_node(parser, EXPR_INDEX, args, 2);
	}
	node->header_keys = is_headers(of);
	return make_done(parser, node, part);
}

struct expr *make_call(struct parser *parser, struct str name, struct expr *const *args,
		       size_t n_args)
{
	const struct expr_function *function = expr_function_find(name);
	const char *nearest = function ? NULL : expr_function_nearest(name);
	struct expr *node;

	if (!function && nearest)
		return parser_error(parser, name, "unknown function \"%.*s\"; did you mean \"%s\"?",
				    STR_ARG(name), nearest);
	if (!function)
		return parser_error(parser, name, "unknown function \"%.*s\"", STR_ARG(name));
	if (n_args < function->args_min || n_args > function->args_max)
		return parser_error(parser, name, "wrong number of arguments (%zu); write %s",
				    n_args, function->synopsis);
	if (function->changing && parser->compiler->uses)
		parser->compiler->uses->changing = true;
	node = make_node(parser, EXPR_CALL, args, n_args);
	node->function = function;
	node->raw = str_eq(name, STR("raw"));
	return make_done(parser, node, name);
}
