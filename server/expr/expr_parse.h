/* server/expr/expr_parse.h: what the parser and the maker of nodes share. */
#pragma once
#include "server/expr/expr_lex.h"
#include "server/expr/expr_node.h"

struct parser {
	struct lexer lexer;
	struct token token; /* the one not yet taken */
	struct expr_compiler *compiler;
	unsigned depth;
};

/* One error, and NULL: the expression is given up. */
struct expr *parser_error(struct parser *parser, struct str part, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- expr_make.c: each returns NULL, with an error, when what it makes cannot work. `part` is
 * what an error points at. Arguments that are NULL (already reported) give NULL. */

/* A node of the kind with a copy of `args`, to be completed and handed to make_done(). */
struct expr *make_node(struct parser *parser, enum expr_kind kind, struct expr *const *args,
		       size_t n_args);

/* Checks the height, finds out about secrets, and computes what is constant. */
struct expr *make_done(struct parser *parser, struct expr *node, struct str part);

/* The body of a task that streams stands where it cannot. */
struct expr *make_stream_error(struct parser *parser, struct str part);

struct expr *make_constant(struct parser *parser, struct value value);
struct expr *make_number(struct parser *parser, struct str text, bool minus);
struct expr *make_operator(struct parser *parser, enum expr_op op, struct expr *a, struct expr *b,
			   struct str part); /* b is NULL for the unary ones */
struct expr *make_name(struct parser *parser, struct str name);
struct expr *make_member(struct parser *parser, struct expr *of, struct str name);
struct expr *make_index(struct parser *parser, struct expr *of, struct expr *index,
			struct str part);
struct expr *make_call(struct parser *parser, struct str name, struct expr *const *args,
		       size_t n_args);
