/* tests/fuzz/expr.c: whatever compiles also evaluates to something, within its memory. */
#include "server/expr/template.h"
#include "tests/server/expr/try.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_expr(struct world *world, struct str text)
{
	size_t n_errors = world->diag.n_errors;
	struct expr *expr =
		expr_compile(&world->compiler, text, (struct place){ &world->source, 1, 1, 0 });
	struct value value;
	struct buf out;
	int r;

	check((expr == NULL) == (world->diag.n_errors > n_errors));
	if (!expr)
		return;
	world->env.message[0] = '\0';
	r = expr_eval(expr, &world->env, &value);
	check(r == 0 || r == -ENOMEM || r == -EMSGSIZE || (r == -EINVAL && world->env.message[0]));
	if (r < 0)
		return;
	buf_init(&out, 1 << 22);
	value_write_json(value, &out);
	buf_fini(&out);
}

static void try_template(struct world *world, struct str text, enum template_context context)
{
	struct node node = { .kind = NODE_TEXT,
			     .plain = text.len & 1,
			     .text = text,
			     .place = { &world->source, 1, 1, 0 } };
	size_t n_errors = world->diag.n_errors;
	struct template *template = template_compile(&world->compiler, &node, context);
	struct str got;
	int r;

	check((template == NULL) == (world->diag.n_errors > n_errors));
	if (!template)
		return;
	r = template_eval(template, &world->env, &got);
	check(r == 0 || r == -ENOMEM || r == -EINVAL || r == -EBADMSG || r == -EMSGSIZE);
	check(r != 0 || context != TEMPLATE_HEADER || !memchr(got.ptr, '\n', got.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct world world;

	world_init(&world);
	world.source = (struct source){ "f", text };
	try_expr(&world, text);
	try_template(&world, text, (enum template_context)(size % 6));
	world_fini(&world);
	return 0;
}
