/* server/expr/expr_parse.c: text to tree, by precedence climbing.
 *
 * It recurses for brackets, signs and ?:, at most EXPR_DEPTH_MAX deep. Chains of operators are a
 * loop, but make a tree as high as they are long: EXPR_HEIGHT_MAX bounds what evaluation may
 * recurse. The first error ends an expression. */
#include "server/expr/expr_parse.h"

/* Loosest first; all group to the left. Above these is ?: (to the right), below them the signs
 * ! not -, and below those . [] (). */
static const struct binary {
	enum token_kind token;
	unsigned level;
	enum expr_op op;
} binaries[] = {
	{ TOKEN_COALESCE, 1, OP_COALESCE },
	{ TOKEN_OR, 2, OP_OR },
	{ TOKEN_AND, 3, OP_AND },
	{ TOKEN_EQUAL, 4, OP_EQUAL },
	{ TOKEN_DIFFER, 4, OP_DIFFER },
	{ TOKEN_LESS, 5, OP_LESS },
	{ TOKEN_LESS_EQUAL, 5, OP_LESS_EQUAL },
	{ TOKEN_GREATER, 5, OP_GREATER },
	{ TOKEN_GREATER_EQUAL, 5, OP_GREATER_EQUAL },
	{ TOKEN_IN, 5, OP_IN },
	{ TOKEN_PLUS, 6, OP_ADD },
	{ TOKEN_MINUS, 6, OP_SUBTRACT },
	{ TOKEN_STAR, 7, OP_MULTIPLY },
	{ TOKEN_SLASH, 7, OP_DIVIDE },
	{ TOKEN_PERCENT, 7, OP_REMAINDER },
};

enum { LEVEL_FIRST = 1, LEVEL_ORDER = 5, ITEMS_MAX = 1000 };

/* The parts of a list, an object or a call, while they are read. */
struct parts {
	struct expr **items;
	struct value *keys; /* of an object */
	size_t n_items;
};

static struct expr *parse_whole(struct parser *parser);

struct expr *parser_error(struct parser *parser, struct str part, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(parser->compiler->diag, DIAG_ERROR, lexer_place(&parser->lexer, part), format,
		 args);
	va_end(args);
	return NULL;
}

static struct token parser_take(struct parser *parser)
{
	struct token token = parser->token;

	parser->token = lexer_next(&parser->lexer);
	return token;
}

static bool parser_try(struct parser *parser, enum token_kind kind)
{
	if (parser->token.kind != kind)
		return false;
	parser_take(parser);
	return true;
}

static struct expr *parser_unexpected(struct parser *parser, const char *expected)
{
	struct str text = parser->token.text;

	if (parser->token.kind == TOKEN_BAD)
		return NULL;
	if (parser->token.kind == TOKEN_END)
		return parser_error(parser, text, "the expression ends too early; %s was expected",
				    expected);
	if (str_eq(text, STR("and")) || str_eq(text, STR("or")))
		return parser_error(parser, text, "\"%.*s\" is not an operator; write \"%s\"",
				    STR_ARG(text), text.len == 2 ? "||" : "&&");
	return parser_error(parser, text, "\"%.*s\" cannot stand here; %s was expected",
			    STR_ARG(str_first(text, 40)), expected);
}

/* An array that doubles: `n_items` of it are in use. */
static void *parts_grow(struct arena *arena, void *items, size_t n_items, size_t size)
{
	void *more;

	if (n_items & (n_items - 1))
		return items;
	more = arena_alloc_array(arena, n_items ? 2 * n_items : 1, size);
	return n_items ? memcpy(more, items, n_items * size) : more;
}

static bool parts_add(struct parser *parser, struct parts *parts, struct expr *item)
{
	if (!item)
		return false;
	parts->items = parts_grow(parser->compiler->arena, parts->items, parts->n_items,
				  sizeof(struct expr *));
	parts->items[parts->n_items++] = item;
	return true;
}

static bool parts_have_room(struct parser *parser, const struct parts *parts)
{
	if (parts->n_items < ITEMS_MAX)
		return true;
	parser_error(parser, parser->token.text, "more than %d parts in one literal", ITEMS_MAX);
	return false;
}

/* What separates parts: true when another follows, false when `close` was taken. An error leaves
 * neither: *ok. */
static bool parts_next(struct parser *parser, enum token_kind close, const char *expected, bool *ok)
{
	if (parser_try(parser, TOKEN_COMMA))
		return true;
	*ok = parser_try(parser, close);
	if (!*ok)
		parser_unexpected(parser, expected);
	return false;
}

/* Behind the opening bracket. */
static bool parse_items(struct parser *parser, enum token_kind close, const char *expected,
			struct parts *parts)
{
	bool ok = true;

	if (parser_try(parser, close))
		return true;
	do {
		if (!parts_have_room(parser, parts) ||
		    !parts_add(parser, parts, parse_whole(parser)))
			return false;
	} while (parts_next(parser, close, expected, &ok));
	return ok;
}

static struct expr *parse_list(struct parser *parser)
{
	struct str part = parser_take(parser).text;
	struct parts parts = { 0 };

	if (!parse_items(parser, TOKEN_CLOSE_BRACKET, "\",\" or \"]\"", &parts))
		return NULL;
	return make_done(parser, make_node(parser, EXPR_LIST, parts.items, parts.n_items), part);
}

static bool is_key(enum token_kind kind)
{
	return kind >= TOKEN_TEXT && kind <= TOKEN_NOT;
}

static bool parse_member(struct parser *parser, struct parts *parts)
{
	struct arena *arena = parser->compiler->arena;
	struct token key = parser->token;
	struct str name = key.kind == TOKEN_TEXT ? key.content : arena_str(arena, key.text);

	if (!is_key(key.kind) || str_eq(key.text, STR("!"))) {
		parser_unexpected(parser, "a key");
		return false;
	}
	parser_take(parser);
	if (!parser_try(parser, TOKEN_COLON)) {
		parser_unexpected(parser, "\":\"");
		return false;
	}
	parts->keys = parts_grow(arena, parts->keys, parts->n_items, sizeof(struct value));
	for (size_t i = 0; i < parts->n_items; i++) {
		if (!str_eq(value_str(parts->keys[i]), name))
			continue;
		parser_error(parser, key.text, "the key \"%.*s\" stands here twice", STR_ARG(name));
		return false;
	}
	parts->keys[parts->n_items] = value_text(name);
	return parts_add(parser, parts, parse_whole(parser));
}

static struct expr *parse_object(struct parser *parser)
{
	struct str part = parser_take(parser).text;
	struct parts parts = { 0 };
	struct expr *node;
	bool ok = true;

	if (!parser_try(parser, TOKEN_CLOSE_BRACE)) {
		do {
			if (!parts_have_room(parser, &parts) || !parse_member(parser, &parts))
				return NULL;
		} while (parts_next(parser, TOKEN_CLOSE_BRACE, "\",\" or \"}\"", &ok));
	}
	if (!ok)
		return NULL;
	node = make_node(parser, EXPR_OBJECT, parts.items, parts.n_items);
	node->keys = parts.keys;
	return make_done(parser, node, part);
}

static struct expr *parse_name(struct parser *parser)
{
	struct str name = parser_take(parser).text;
	struct parts parts = { 0 };

	if (!parser_try(parser, TOKEN_OPEN_PAREN))
		return make_name(parser, name);
	if (!parse_items(parser, TOKEN_CLOSE_PAREN, "\",\" or \")\"", &parts))
		return NULL;
	return make_call(parser, name, parts.items, parts.n_items);
}

static struct expr *parse_parenthesis(struct parser *parser)
{
	struct expr *node;

	parser_take(parser);
	node = parse_whole(parser);
	if (!node || parser_try(parser, TOKEN_CLOSE_PAREN))
		return node;
	return parser_unexpected(parser, "\")\"");
}

static struct expr *parse_primary(struct parser *parser)
{
	enum token_kind kind = parser->token.kind;

	if (kind == TOKEN_NUMBER)
		return make_number(parser, parser_take(parser).text, false);
	if (kind == TOKEN_TEXT)
		return make_constant(parser, value_text(parser_take(parser).content));
	if (kind == TOKEN_NAME)
		return parse_name(parser);
	if (kind == TOKEN_OPEN_PAREN)
		return parse_parenthesis(parser);
	if (kind == TOKEN_OPEN_BRACKET)
		return parse_list(parser);
	if (kind == TOKEN_OPEN_BRACE)
		return parse_object(parser);
	if (parser_try(parser, TOKEN_NULL))
		return make_constant(parser, value_null());
	if (kind == TOKEN_TRUE || kind == TOKEN_FALSE) {
		parser_take(parser);
		return make_constant(parser, value_bool(kind == TOKEN_TRUE));
	}
	return parser_unexpected(parser, "a value");
}

static struct expr *parse_index(struct parser *parser, struct expr *of)
{
	struct str part = parser_take(parser).text;
	struct expr *index = parse_whole(parser);

	if (!index)
		return NULL;
	part.len = (size_t)(parser->token.text.ptr - part.ptr) + 1;
	if (!parser_try(parser, TOKEN_CLOSE_BRACKET))
		return parser_unexpected(parser, "\"]\"");
	return make_index(parser, of, index, part);
}

static struct expr *parse_postfix(struct parser *parser)
{
	struct str name = parser->token.text;
	struct expr *node = parse_primary(parser);

	while (node) {
		if (parser->token.kind == TOKEN_OPEN_BRACKET) {
			node = parse_index(parser, node);
		} else if (parser_try(parser, TOKEN_DOT)) {
			if (parser->token.kind == TOKEN_NUMBER)
				return parser_error(parser, parser->token.text,
						    "an index stands in brackets; write [%.*s]",
						    STR_ARG(parser->token.text));
			if (parser->token.kind != TOKEN_NAME)
				return parser_unexpected(parser, "a name");
			node = make_member(parser, node, parser_take(parser).text);
		} else {
			break;
		}
	}
	/* these have no value as a whole */
	if (node && node->kind == EXPR_ROOT && !node->key.ptr &&
	    (node->root == ROOT_ENV || node->root == ROOT_SECRET))
		return parser_error(parser, name, "one of them must be named; write %s.NAME",
				    expr_root_name(node->root));
	return node;
}

static bool parser_enter(struct parser *parser)
{
	if (parser->depth++ < EXPR_DEPTH_MAX)
		return true;
	parser_error(parser, parser->token.text, "more than %d levels of brackets and signs",
		     EXPR_DEPTH_MAX);
	return false;
}

static struct expr *parse_unary(struct parser *parser)
{
	struct token sign = parser->token;
	struct expr *node;

	if (sign.kind != TOKEN_NOT && sign.kind != TOKEN_MINUS)
		return parse_postfix(parser);
	if (!parser_enter(parser))
		return NULL;
	parser_take(parser);
	/* so that the least integer can be written */
	if (sign.kind == TOKEN_MINUS && parser->token.kind == TOKEN_NUMBER) {
		node = make_number(parser, parser_take(parser).text, true);
	} else {
		node = parse_unary(parser);
		node = make_operator(parser, sign.kind == TOKEN_NOT ? OP_NOT : OP_NEGATE, node,
				     NULL, sign.text);
	}
	parser->depth--;
	return node;
}

static const struct binary *binary_find(enum token_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(binaries); i++)
		if (binaries[i].token == kind)
			return &binaries[i];
	return NULL;
}

static struct expr *parse_binary(struct parser *parser, unsigned level)
{
	struct expr *node = parse_unary(parser), *right;
	const struct binary *binary;
	bool ordered = false;

	while (node && (binary = binary_find(parser->token.kind)) && binary->level >= level) {
		struct str sign = parser_take(parser).text;

		if (binary->level == LEVEL_ORDER && ordered)
			return parser_error(parser, sign,
					    "comparisons do not chain; write a < b && b < c");
		ordered = binary->level == LEVEL_ORDER;
		right = parse_binary(parser, binary->level + 1);
		node = right ? make_operator(parser, binary->op, node, right, sign) : NULL;
	}
	return node;
}

static struct expr *parse_cond(struct parser *parser)
{
	struct expr *args[3] = { parse_binary(parser, LEVEL_FIRST) };
	struct str sign = parser->token.text;

	if (!args[0] || !parser_try(parser, TOKEN_QUESTION))
		return args[0];
	args[1] = parse_whole(parser);
	if (!args[1])
		return NULL;
	if (!parser_try(parser, TOKEN_COLON))
		return parser_unexpected(parser, "\":\"");
	args[2] = parse_whole(parser);
	if (!args[2])
		return NULL;
	return make_done(parser, make_node(parser, EXPR_COND, args, 3), sign);
}

static struct expr *parse_whole(struct parser *parser)
{
	struct expr *node = parser_enter(parser) ? parse_cond(parser) : NULL;

	parser->depth--;
	return node;
}

struct expr *expr_compile(struct expr_compiler *compiler, struct str text, struct place place)
{
	struct parser parser = {
		.compiler = compiler,
		.lexer = { .text = text.ptr ? text : STR(""),
			   .place = place,
			   .compiler = compiler },
	};
	struct expr *node;

	if (text.len > EXPR_SIZE_MAX)
		return parser_error(&parser, STR_NONE, "longer than %d bytes", EXPR_SIZE_MAX);
	parser.token = lexer_next(&parser.lexer);
	if (parser.token.kind == TOKEN_END)
		return parser_error(&parser, parser.lexer.text, "an expression was expected");
	node = parse_whole(&parser);
	if (node && parser.token.kind != TOKEN_END)
		return parser_unexpected(&parser, "an operator or the end");
	if (node && node->streams && !compiler->may_stream)
		return make_stream_error(&parser, parser.lexer.text);
	if (node && node->secret && compiler->uses)
		compiler->uses->secrets = true;
	return node;
}

bool expr_is_stream(const struct expr *expr, unsigned *ret_task)
{
	if (!expr->streams)
		return false;
	*ret_task = expr->task;
	return true;
}
