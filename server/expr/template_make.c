/* server/expr/template_make.c: compiling texts with ${…} in them, and conditions.
 *
 * A text is a row of parts. When none of them has anything to wait for, it is evaluated here. */
#include "server/expr/expr_lex.h"
#include "server/expr/number.h"
#include "server/expr/template_escape.h"
#include "server/expr/template_node.h"
#include <math.h>

/* A template that is being compiled. */
struct maker {
	struct expr_compiler *compiler;
	struct template *template;
	struct str text;
	struct place place; /* of the text's first byte; of the node when it has several lines */
	bool multiline;
	bool failed;
};

static void maker_error(struct maker *maker, struct place place, const char *what)
{
	diag_error(maker->compiler->diag, place, "%s", what);
	maker->failed = true;
}

static void maker_add(struct maker *maker, struct part part)
{
	struct template *template = maker->template;
	size_t n_parts = template->n_parts;
	struct part *more;

	if ((n_parts & (n_parts - 1)) == 0) {
		more = arena_alloc_array(maker->compiler->arena, n_parts ? 2 * n_parts : 1,
					 sizeof(*more));
		if (n_parts)
			memcpy(more, template->parts, n_parts * sizeof(*more));
		template->parts = more;
	}
	template->parts[template->n_parts++] = part;
}

static void maker_add_literal(struct maker *maker, struct str literal)
{
	if (literal.len)
		maker_add(maker, (struct part){ .literal = literal });
}

static size_t count_lines(struct str text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == '\n';
	return n;
}

/* Where the expression at `at` stands, without a look at the file: exact on one line; the line of a
 * literal block, whose content begins on the line after its node. */
static struct place maker_place(const struct maker *maker, size_t at)
{
	struct str before = str_first(maker->text, at);
	struct place place = maker->place;
	size_t from = at;

	place.len = 0;
	if (!maker->multiline) {
		place.col += (uint32_t)at;
		return place;
	}
	while (from > 0 && maker->text.ptr[from - 1] != '\n')
		from--;
	place.line += 1 + (uint32_t)count_lines(before);
	place.col = 1 + (uint32_t)(at - from);
	return place;
}

/* The same found in the file itself; for errors only, since it goes through the file. */
static struct place maker_find_place(const struct maker *maker, size_t at)
{
	struct str needle = str_skip(maker->text, at);
	ptrdiff_t end = str_find_char(needle, '\n');
	struct place place = maker->place;

	if (end > 0)
		needle.len = (size_t)end;
	if (!place_find(&place, maker->text, at, needle))
		place.len = 0;
	return place;
}

/* `at` is the first byte of an expression, `text` the expression. In a text of several lines a
 * first try finds out whether there is an error whose place has to be looked for. */
static struct expr *maker_compile(struct maker *maker, struct str text, size_t at)
{
	struct expr_compiler *compiler = maker->compiler;
	struct diag *diag = compiler->diag, unused;
	struct expr *expr;

	if (!maker->multiline)
		return expr_compile(compiler, text, maker_place(maker, at));
	diag_init(&unused);
	compiler->diag = &unused;
	expr = expr_compile(compiler, text, maker_place(maker, at));
	compiler->diag = diag;
	diag_fini(&unused);
	return expr ? expr : expr_compile(compiler, text, maker_find_place(maker, at));
}

/* The expression behind the "${" at `at`. Returns where the text goes on. */
static size_t maker_add_expr(struct maker *maker, size_t at)
{
	struct str rest = str_skip(maker->text, at + 2);
	ptrdiff_t len = lexer_find_end(rest);
	struct place place;
	struct expr *expr;

	if (len < 0) {
		place = maker->multiline ? maker_find_place(maker, at) : maker_place(maker, at);
		place.len = 2;
		maker_error(maker, place, "this ${ has no closing }; write $${ for the characters");
		return maker->text.len;
	}
	expr = maker_compile(maker, str_first(rest, (size_t)len), at + 2);
	if (!expr)
		maker->failed = true;
	maker_add(maker, (struct part){ .expr = expr });
	return at + 2 + (size_t)len + 1;
}

static void maker_add_parts(struct maker *maker)
{
	struct str text = maker->text;
	size_t from = 0, at = 0;

	while (at < text.len) {
		struct str rest = str_skip(text, at);

		if (str_starts_with(rest, STR("$${"))) {
			maker_add_literal(maker, str_range(text.ptr + from, text.ptr + at));
			from = at + 1;
			at += 3;
		} else if (str_starts_with(rest, STR("${"))) {
			maker_add_literal(maker, str_range(text.ptr + from, text.ptr + at));
			from = at = maker_add_expr(maker, at);
		} else {
			at++;
		}
	}
	maker_add_literal(maker, str_skip(text, from));
}

static bool part_is_constant(const struct part *part)
{
	return !part->expr || part->expr->kind == EXPR_CONSTANT;
}

/* Evaluates what has nothing to wait for. */
static void maker_fold(struct maker *maker)
{
	struct template *template = maker->template;
	struct expr_env env = { .arena = maker->compiler->arena };
	int r;

	for (size_t i = 0; i < template->n_parts; i++)
		if (!part_is_constant(&template->parts[i]))
			return;
	r = template_eval_value(template, &env, &template->value);
	if (r == 0)
		r = template_eval(template, &env, &template->text);
	if (r < 0)
		maker_error(maker, maker->place, env.message);
	else
		template->constant = true;
}

static void maker_check_literals(struct maker *maker)
{
	for (size_t i = 0; i < maker->template->n_parts; i++)
		if (maker->template->context == TEMPLATE_HEADER &&
		    escape_has_controls(maker->template->parts[i].literal))
			maker_error(maker, maker->place,
				    "a header has no line breaks or other control characters");
}

/* Such a body is the whole text, or nothing. */
static void maker_check_streams(struct maker *maker)
{
	const struct template *template = maker->template;

	for (size_t i = 0; i < template->n_parts && !template->whole; i++)
		if (template->parts[i].expr && template->parts[i].expr->streams)
			maker_error(maker, maker->place,
				    "a body that is passed on (stream: true) is not kept: nothing "
				    "can stand beside it; write body: ${x.body} alone");
}

static struct template *maker_run(struct maker *maker, enum template_context context)
{
	struct template *template = arena_zalloc(maker->compiler->arena, sizeof(*template));

	maker->template = template;
	maker->text = arena_str(maker->compiler->arena, maker->text);
	template->context = context;
	maker_add_parts(maker);
	template->whole = template->n_parts == 1 && template->parts[0].expr;
	maker_check_literals(maker);
	maker_check_streams(maker);
	if (!maker->failed)
		maker_fold(maker);
	return maker->failed ? NULL : template;
}

struct template *template_compile_text(struct expr_compiler *compiler, struct str text,
				       struct place place, enum template_context context)
{
	struct maker maker = { .compiler = compiler, .text = text, .place = place };

	maker.multiline = str_has(text, '\n');
	return maker_run(&maker, context);
}

bool template_node_scalar(struct expr_compiler *compiler, const struct node *node,
			  struct value *ret)
{
	switch (node->kind) {
	case NODE_NULL:
		*ret = value_null();
		return true;
	case NODE_BOOL:
		*ret = value_bool(node->boolean);
		return true;
	case NODE_INT:
		*ret = value_int(node->integer);
		return true;
	case NODE_REAL:
		if (!number_is_json(node->text) && !isfinite(node->real))
			return false;
		*ret = value_real(isfinite(node->real) ? node->real : 0);
		if (!number_is_json(node->text))
			return true;
		/* 19.90 stays as it is written */
		*ret = value_text(arena_str(compiler->arena, node->text));
		ret->kind = VALUE_NUMBER;
		return true;
	case NODE_TEXT:
	case NODE_LIST:
	case NODE_MAP:
		return false;
	}
	unreachable();
}

/* False, with an error, for what is no scalar. */
static bool maker_init(struct maker *maker, struct expr_compiler *compiler, const struct node *node,
		       const char *what)
{
	*maker = (struct maker){ .compiler = compiler, .text = node->text, .place = node->place };
	if (node->kind == NODE_LIST || node->kind == NODE_MAP) {
		diag_error(compiler->diag, node->place, "%s was expected, and this is a %s", what,
			   node->kind == NODE_LIST ? "list" : "map");
		return false;
	}
	if (node->kind == NODE_NULL)
		maker->text = STR("");
	maker->multiline = str_has(maker->text, '\n');
	if (!maker->multiline && !node->plain)
		maker->place.col++; /* the quote */
	return true;
}

struct template *template_compile(struct expr_compiler *compiler, const struct node *node,
				  enum template_context context)
{
	struct template *template;
	struct maker maker;
	struct value value;

	if (!maker_init(&maker, compiler, node, "a text"))
		return NULL;
	template = maker_run(&maker, context);
	if (template && context == TEMPLATE_PLAIN && template_node_scalar(compiler, node, &value))
		template->value = value;
	return template;
}

struct expr *template_compile_condition(struct expr_compiler *compiler, const struct node *node)
{
	struct str text, inner;
	struct maker maker;
	struct expr *expr;
	struct value value;
	ptrdiff_t len;

	if (!maker_init(&maker, compiler, node, "a condition"))
		return NULL;
	text = inner = str_trim_space(maker.text);
	if (str_starts_with(text, STR("${"))) {
		inner = str_skip(text, 2);
		len = lexer_find_end(inner);
		if (len < 0 || (size_t)len + 3 != text.len) {
			maker_error(&maker, node->place,
				    "a condition is an expression, bare or as one ${}");
			return NULL;
		}
		inner.len = (size_t)len;
	}
	expr = maker_compile(&maker, inner, inner.len ? (size_t)(inner.ptr - maker.text.ptr) : 0);
	if (!expr || !expr_is_constant(expr, &value) || value.kind == VALUE_BOOL ||
	    value.kind == VALUE_NULL)
		return expr;
	maker_error(&maker, node->place,
		    "a condition is true, false or null, and never this constant");
	return NULL;
}
