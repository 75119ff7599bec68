/* server/sql/sql_lex.h: the tokens of SQL, as far as leat must know them: what is text, a name in
 * quotes or a comment, where a statement ends, and where a `:name` stands that is none of these.
 *
 * The text is the configuration's, never a client's; values never become part of it. Each dialect
 * has its own quotes: the lexer knows 'it''s', "a name", `a name`, [a name], E'\'', $tag$…$tag$,
 * comments (nested where the server nests them), `::` casts, `:=` and array slices. */
#pragma once
#include "core/base/str.h"

enum sql_dialect {
	SQL_SQLITE,
	SQL_POSTGRES,
	SQL_MYSQL, /* MariaDB, too */
};

enum sql_token_kind {
	SQL_TOKEN_END,
	SQL_TOKEN_SPACE,       /* white space and comments */
	SQL_TOKEN_WORD,        /* a keyword or a name without quotes */
	SQL_TOKEN_QUOTED,      /* a text, or a name in quotes */
	SQL_TOKEN_BIND,        /* :name or :statement.column; `name` and `column` */
	SQL_TOKEN_SEMICOLON,   /* ends a statement */
	SQL_TOKEN_PLACEHOLDER, /* the server's own: ?, $1, @x */
	SQL_TOKEN_OTHER,       /* a number, an operator, a bracket */
	SQL_TOKEN_BAD,         /* `what` tells; nothing comes behind it */
};

struct sql_token {
	enum sql_token_kind kind;
	struct str text;         /* all of it */
	struct str name, column; /* of a bind; column.ptr NULL: there is none */
	const char *what;
};

struct sql_lexer {
	struct str rest;
	enum sql_dialect dialect;
};

void sql_lexer_init(struct sql_lexer *lexer, enum sql_dialect dialect, struct str text);

/* The next token. Together they are the text, byte for byte. */
struct sql_token sql_lexer_next(struct sql_lexer *lexer);
