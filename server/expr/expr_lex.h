/* server/expr/expr_lex.h: the words of an expression. */
#pragma once
#include "server/expr/expr.h"

enum token_kind {
	TOKEN_END,
	TOKEN_BAD, /* the error is in diag */
	TOKEN_NUMBER,
	TOKEN_TEXT,
	TOKEN_NAME,
	TOKEN_TRUE,
	TOKEN_FALSE,
	TOKEN_NULL,
	TOKEN_IN,
	TOKEN_NOT, /* "!" and "not" */
	TOKEN_QUESTION,
	TOKEN_COALESCE,
	TOKEN_OR,
	TOKEN_AND,
	TOKEN_EQUAL,
	TOKEN_DIFFER,
	TOKEN_LESS,
	TOKEN_LESS_EQUAL,
	TOKEN_GREATER,
	TOKEN_GREATER_EQUAL,
	TOKEN_PLUS,
	TOKEN_MINUS,
	TOKEN_STAR,
	TOKEN_SLASH,
	TOKEN_PERCENT,
	TOKEN_DOT,
	TOKEN_COMMA,
	TOKEN_COLON,
	TOKEN_OPEN_PAREN,
	TOKEN_CLOSE_PAREN,
	TOKEN_OPEN_BRACKET,
	TOKEN_CLOSE_BRACKET,
	TOKEN_OPEN_BRACE,
	TOKEN_CLOSE_BRACE,
};

struct token {
	enum token_kind kind;
	struct str text;    /* as it is written */
	struct str content; /* of a text: what it says; in the compiler's arena */
};

struct lexer {
	struct str text; /* the whole expression */
	size_t at;
	struct place place; /* of its first byte */
	struct expr_compiler *compiler;
	enum token_kind last; /* behind a dot every word is a name */
};

struct token lexer_next(struct lexer *lexer);

/* Where a part of the expression stands. */
struct place lexer_place(const struct lexer *lexer, struct str part);

/* How long the expression at the start of `text` is, up to the '}' that closes it; -1 when none
 * does. */
ptrdiff_t lexer_find_end(struct str text);
