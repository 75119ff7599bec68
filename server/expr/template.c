/* server/expr/template.c: evaluating texts with ${…} in them.
 *
 * Literal parts stay as they are, values are escaped for the place they stand in. */
#include "server/expr/template.h"
#include "server/expr/template_escape.h"
#include "server/expr/template_node.h"
#include <errno.h>

bool template_is_constant(const struct template *template, struct str *ret_text)
{
	if (template->constant)
		*ret_text = template->text;
	return template->constant;
}

bool template_is_stream(const struct template *template, unsigned *ret_task)
{
	return template->whole && expr_is_stream(template->parts[0].expr, ret_task);
}

struct str template_sample(const struct template *template, struct arena *arena)
{
	struct buf out;

	if (template->constant)
		return template->text;
	buf_init_arena(&out, arena);
	for (size_t i = 0; i < template->n_parts; i++)
		buf_add(&out, template->parts[i].expr ? STR("x") : template->parts[i].literal);
	return out.len ? buf_str(&out) : STR("");
}

bool template_is_whole(const struct template *template)
{
	return template->whole;
}

static int eval_part(const struct part *part, struct expr_env *env, struct escape *escape,
		     uint8_t *secret)
{
	struct value value;
	int r;

	if (!part->expr) {
		escape_literal(escape, part->literal);
		return 0;
	}
	r = expr_eval(part->expr, env, &value);
	if (r < 0)
		return r;
	*secret |= value.secret;
	if (!part->expr->raw || escape->context != TEMPLATE_HTML)
		return escape_value(escape, env, value);
	value_write_text(value, &escape->out);
	return 0;
}

static int eval_text(const struct template *template, struct expr_env *env, struct str *ret_text,
		     uint8_t *secret)
{
	struct escape escape;
	int r = 0;

	escape_init(&escape, template->context, env->arena);
	for (size_t i = 0; r == 0 && i < template->n_parts; i++)
		r = eval_part(&template->parts[i], env, &escape, secret);
	if (r == 0)
		r = escape_end(&escape, env);
	if (r < 0)
		return r;
	*ret_text = escape.out.len ? buf_str(&escape.out) : STR("");
	return 0;
}

int template_eval_value(const struct template *template, struct expr_env *env, struct value *ret)
{
	uint8_t secret = 0;
	struct str text;
	int r;

	if (template->constant) {
		*ret = template->value;
		return 0;
	}
	if (template->whole &&
	    (template->context == TEMPLATE_PLAIN || template->context == TEMPLATE_ACTOR))
		return expr_eval(template->parts[0].expr, env, ret);
	r = eval_text(template, env, &text, &secret);
	if (r < 0)
		return r;
	if (text.len > UINT32_MAX)
		return -ENOMEM;
	*ret = value_text(text);
	ret->secret = secret;
	return 0;
}

int template_eval(const struct template *template, struct expr_env *env, struct str *ret_text)
{
	struct value value;
	struct buf out;
	int r;

	if (template->constant) {
		*ret_text = template->text;
		return 0;
	}
	r = template_eval_value(template, env, &value);
	if (r < 0)
		return r;
	if (value.kind == VALUE_TEXT) {
		*ret_text = value_str(value);
		return 0;
	}
	buf_init_arena(&out, env->arena);
	value_write_text(value, &out);
	*ret_text = out.len ? buf_str(&out) : STR("");
	return out.error ? -ENOMEM : 0;
}
