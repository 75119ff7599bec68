/* tests/server/expr/try.h: a small world for expressions to live in: roots, two tasks, a secret. */
#pragma once
#include "server/expr/expr.h"
#include "server/expr/json.h"
#include "tests/lib/tap.h"
#include <errno.h>

struct world {
	struct arena load, run;
	struct diag diag;
	struct expr_names names;
	struct expr_uses uses;
	struct expr_compiler compiler;
	struct expr_env env;
	struct source source;
	char text[4096]; /* what the last evaluation gave */
	char error[1024];
};

static const char *const world_tasks[] = { "profile", "orders", NULL };

static inline int world_find_task(const struct expr_names *names, struct str name)
{
	(void)names;
	for (int i = 0; world_tasks[i]; i++)
		if (str_eq(name, str_of(world_tasks[i])))
			return i;
	return -1;
}

static inline bool world_constant(const struct expr_names *names, enum expr_root root,
				  struct str name, struct str *ret_text)
{
	(void)names;
	if (root == ROOT_SECRET && str_eq(name, STR("token"))) {
		*ret_text = STR("s3cr3t");
		return true;
	}
	if (root == ROOT_ENV && str_eq(name, STR("HOME"))) {
		*ret_text = STR("/root");
		return true;
	}
	return false;
}

static const char world_body[] =
	"{\"a\":{\"b\":[10,20,{\"c\":\"deep\"}]},\"n\":null,\"price\":19.99,\"id\":"
	"18446744073709551615,"
	"\"text\":\"h\\u00e9llo\",\"yes\":true,\"huge\":1e400,\"list\":[3,1,2],\"odd key\":5,"
	"\"html\":\"<b>&'\\\"\",\"slash\":\"a/"
	"b?c&d%\",\"dots\":\"..\",\"dot\":\".\",\"empty\":\"\","
	"\"crlf\":\"a\\r\\nb\",\"max\":9223372036854775807,\"min\":-9223372036854775808}";

static inline int world_root(struct expr_env *env, enum expr_root root, struct str key,
			     struct value *ret)
{
	static const struct member headers[] = {
		{ { .kind = VALUE_TEXT, .len = 3, .ptr = "x-a" },
		  { .kind = VALUE_TEXT, .len = 3, .ptr = "hit" } },
	};
	static const struct member query[] = {
		{ { .kind = VALUE_TEXT, .len = 1, .ptr = "q" },
		  { .kind = VALUE_TEXT, .len = 5, .ptr = "blue!" } },
	};
	struct value whole;

	*ret = value_null();
	if (root == ROOT_BODY)
		return value_json(ret, env->arena, str_of(world_body));
	if (root == ROOT_INDEX) {
		*ret = value_int(7);
		return 0;
	}
	if (root == ROOT_ITEM) /* does not fit into any arena */
		return -ENOMEM;
	whole = root == ROOT_HEADERS ? value_object(headers, 1) : value_object(query, 1);
	if (!key.ptr)
		*ret = whole;
	else
		value_member(whole, key, ret);
	return 0;
}

static inline int world_task(struct expr_env *env, unsigned task, struct str field,
			     struct value *ret)
{
	*ret = value_null();
	if (task == 1) /* orders has failed */
		return 0;
	if (str_eq(field, STR("status")))
		*ret = value_int(200);
	if (str_eq(field, STR("headers")))
		return json_read(STR("{\"content-type\":\"text/html\"}"), env->arena, ret, NULL);
	if (str_eq(field, STR("body")) || field.len == 0)
		return json_read(STR("{\"name\":\"Ann\",\"0\":\"zero\",\"l\":[1]}"), env->arena,
				 ret, NULL);
	return 0;
}

static inline void world_init(struct world *world)
{
	*world = (struct world){ 0 };
	arena_init_required(&world->load);
	arena_init(&world->run, 1 << 20);
	diag_init(&world->diag);
	world->names = (struct expr_names){
		.roots = ROOT_BIT(ROOT_BODY) | ROOT_BIT(ROOT_QUERY) | ROOT_BIT(ROOT_HEADERS) |
			 ROOT_BIT(ROOT_INDEX) | ROOT_BIT(ROOT_REQUEST) | ROOT_BIT(ROOT_ITEM),
		.task = world_find_task,
		.task_names = world_tasks,
		.constant = world_constant,
	};
	world->compiler =
		(struct expr_compiler){ &world->load, &world->diag, &world->names, &world->uses };
	world->env =
		(struct expr_env){ .arena = &world->run, .root = world_root, .task = world_task };
}

static inline void world_fini(struct world *world)
{
	arena_fini(&world->load);
	arena_fini(&world->run);
	diag_fini(&world->diag);
}

static inline struct expr *world_compile(struct world *world, const char *text)
{
	world->source = (struct source){ "t", str_of(text) };
	diag_fini(&world->diag);
	world->uses = (struct expr_uses){ 0 };
	return expr_compile(&world->compiler, str_of(text),
			    (struct place){ &world->source, 1, 1, 0 });
}

static inline const char *world_show(struct world *world, struct value value)
{
	struct buf out;

	buf_init(&out, sizeof(world->text) - 1);
	value_write_json(value, &out);
	memcpy(world->text, out.len ? out.data : "", out.len);
	world->text[out.len] = '\0';
	buf_fini(&out);
	return world->text;
}

/* "col: message" of the first error. */
static inline const char *world_error(struct world *world)
{
	const struct diag_entry *entry = world->diag.entries;

	if (world->diag.n_errors == 0)
		return "no error";
	snprintf(world->error, sizeof(world->error), "%u: %s", entry->col, entry->message);
	return world->error;
}

/* The value as JSON; or "!" and why there is none. */
static inline const char *world_eval(struct world *world, const char *text)
{
	struct expr *expr = world_compile(world, text);
	struct value value;
	int r;

	if (!expr)
		return world_error(world);
	r = expr_eval(expr, &world->env, &value);
	if (r == 0)
		return world_show(world, value);
	snprintf(world->text, sizeof(world->text), "!%s",
		 r == -EINVAL ? world->env.message : strerror(-r));
	return world->text;
}

static inline void world_gives(const char *text, const char *want, const char *file, int line)
{
	struct world world;

	world_init(&world);
	tap_is_str(str_of(world_eval(&world, text)), str_of(want), file, line, text);
	world_fini(&world);
}

/* What `text` evaluates to, as JSON; "!message" when evaluating fails; "col: message" when
 * compiling does. */
#define gives(text, want) world_gives(text, want, __FILE__, __LINE__)
