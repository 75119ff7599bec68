/* server/expr/expr_node.h: the compiled form of an expression, and what making and running it
 * share. */
#pragma once
#include "server/expr/expr.h"

enum expr_op {
	OP_NONE,
	OP_COALESCE,
	OP_OR,
	OP_AND,
	OP_EQUAL,
	OP_DIFFER,
	OP_LESS,
	OP_LESS_EQUAL,
	OP_GREATER,
	OP_GREATER_EQUAL,
	OP_IN,
	OP_ADD,
	OP_SUBTRACT,
	OP_MULTIPLY,
	OP_DIVIDE,
	OP_REMAINDER,
	OP_NOT,
	OP_NEGATE,
};

enum expr_kind {
	EXPR_CONSTANT, /* .constant */
	EXPR_ROOT,     /* .root, and .key or one argument, or neither: the whole root */
	EXPR_TASK,     /* .task and .key, which is empty for the main result */
	EXPR_MEMBER,   /* .key of its argument */
	EXPR_INDEX,    /* its first argument at the second */
	EXPR_UNARY,    /* .op */
	EXPR_BINARY,   /* .op */
	EXPR_COND,     /* condition, then, else */
	EXPR_LIST,
	EXPR_OBJECT, /* .keys, one an argument */
	EXPR_CALL,   /* .function */
};

/* Immutable once made. */
struct expr {
	enum expr_kind kind;
	enum expr_op op;
	uint16_t height;  /* of the tree below, itself counted */
	bool secret;      /* its value may tell a secret */
	bool raw;         /* it is a call of raw(), also when folded into a constant */
	bool streams;     /* EXPR_TASK: a body that is passed on */
	bool header_keys; /* an index that is brought to lower case: a map of headers */
	union {
		struct value constant;
		enum expr_root root;
		unsigned task;
		const struct expr_function *function;
		const struct value *keys; /* VALUE_TEXT */
	};
	struct str key; /* .ptr is NULL: none */
	size_t n_args;
	const struct expr **args;
};

/* ---- expr_eval.c, expr_ops.c */

/* Sets env->message; always -EINVAL. */
int expr_fail(struct expr_env *env, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *expr_kind_with_article(struct value value); /* "a list", "null" */
const char *expr_op_name(enum expr_op op);

/* All but && || ??, whose right side is not always evaluated. */
int expr_binary(enum expr_op op, struct expr_env *env, struct value a, struct value b,
		struct value *ret);
int expr_negate(struct expr_env *env, struct value value, struct value *ret);

/* Whether `whole` has `part`: an element of a list, a key of an object, a
 * part of a text. `name` begins the message. */
int expr_contains(struct expr_env *env, const char *name, struct value whole, struct value part,
		  bool *ret);

/* Less, equal or more than 0 in *ret; -EINVAL unless both are numbers or both texts. */
int expr_compare(struct expr_env *env, const char *name, struct value a, struct value b, int *ret);
int expr_add(struct expr_env *env, struct value a, struct value b, struct value *ret);

/* ---- expr_names.c */

const struct expr_function *expr_function_find(struct str name);
const char *expr_function_nearest(struct str name);
const char *expr_name_nearest(const struct expr_compiler *compiler, struct str name);
bool expr_root_exists(const struct expr_names *names, enum expr_root root);

/* True for the roots whose members the environment finds by itself. */
bool expr_root_has_keys(enum expr_root root);
