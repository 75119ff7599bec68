/* server/expr/expr.h: expressions, as they stand inside ${…} and in when:, while:, until:.
 *
 * An expression is compiled once, at load, where all names, functions and argument counts are
 * checked, and evaluated many times, by any loop: the compiled form is immutable. There are no
 * loops, no assignments and no I/O, so every evaluation ends; its memory is bounded by the arena
 * (and each single text or list by what the arena still has).
 *
 * Precedence, loosest first (the table is in expr_parse.c):
 *
 *     a ? b : c              groups to the right
 *     ??
 *     ||
 *     &&
 *     == !=
 *     < <= > >= in           do not chain
 *     + -
 *     * / %
 *     ! not -                before their operand
 *     a.b  a[b]  f(a, b)
 *
 * Literals: 12, 1.5e3, 'text', "text" (escapes of JSON, and \'), true, false, null, [a, b],
 * {key: a, "other key": b}. At most EXPR_DEPTH_MAX levels of brackets and signs, EXPR_HEIGHT_MAX
 * operators in a chain.
 *
 * Behind a task's name stands one of expr_task_fields; what follows that is a path into the
 * field's value. `x["body"]` is `x.body`; any other index looks into the main result. In `headers`
 * and in a task's `.headers` a dotted name is written with '_' for '-', in any case; a name in
 * brackets is taken as it is but for its case.
 *
 * `&& || ! ?:` take booleans and evaluate only what they need. `a ?? b` is b when a is null or
 * missing. A path through null is null; through a scalar it is an error. A list index that is
 * out of range, also below 0, gives null. `==` is deep and false between types; `<` and its like
 * take two numbers or two texts (by bytes); `x in y` looks for an element of a list, a key of an
 * object or a part of a text. Numbers compare exactly, whatever their form
 * (server/expr/number.h).
 *
 * What comes from a secret stays marked as one through every operator and function, but for the
 * condition of ?: and the functions that say so (hashes). */
#pragma once
#include "core/base/diag.h"
#include "server/expr/value.h"

struct body_source;

/* What a path may start with, besides the name of a task (DESIGN §1.4). */
enum expr_root {
	ROOT_PATH,
	ROOT_QUERY,     /* the first value of a name */
	ROOT_QUERY_ALL, /* the list of a name's values */
	ROOT_HEADERS,
	ROOT_COOKIES,
	ROOT_FORM,
	ROOT_FORM_ALL,
	ROOT_BODY,
	ROOT_REQUEST,
	ROOT_AUTH,
	ROOT_TLS,
	ROOT_CLIENT,
	ROOT_RUN,
	ROOT_JOB,
	ROOT_MESSAGE,
	ROOT_STATE,
	ROOT_SENDER,
	ROOT_ITEM,
	ROOT_INDEX,
	ROOT_REPEAT,
	ROOT_ERROR,
	ROOT_ENV,    /* resolved at load: a constant */
	ROOT_SECRET, /* resolved at load: a constant marked secret */
	ROOT_WITH,   /* what a flow was called with */
	ROOT_CONN,   /* a live connection */
	ROOT_TOPIC,
	N_ROOTS,
};

enum { EXPR_SIZE_MAX = 65536, EXPR_DEPTH_MAX = 100, EXPR_HEIGHT_MAX = 250, EXPR_ARGS_MAX = 16 };

const char *expr_root_name(enum expr_root root);
bool expr_root_find(struct str name, enum expr_root *ret_root);

/* What may stand behind a task's name; NULL at the end. */
extern const char *const expr_task_fields[];

#define ROOT_BIT(root) (UINT64_C(1) << (root))

/* What names mean where an expression stands. */
struct expr_names {
	uint64_t roots; /* ROOT_BIT()s of the roots that exist here */

	/* The number of the task of this name, or -1. May be NULL: no tasks here. */
	int (*task)(const struct expr_names *names, struct str name);

	/* The names of all tasks that may be meant, NULL at the end, for suggestions. May be
	 * NULL. */
	const char *const *task_names;

	/* The fields of that task's result besides ok, failed, skipped, error and ms; NULL at
	 * the end. NULL, or no function: any of expr_task_fields. */
	const char *const *(*task_fields)(const struct expr_names *names, unsigned task);

	/* The field of that task that it passes on and does not keep (`stream: true`); NULL, or no
	 * function: there is none. */
	const char *(*task_streams)(const struct expr_names *names, unsigned task);

	/* The parameters of the path, NULL at the end. NULL: any may be asked for. */
	const char *const *path_names;

	/* The value of ${env.NAME} or ${secret.NAME}; false when it does not exist. The text must
	 * live as long as the compiled expression. May be NULL: neither exists. (The bits of these
	 * two in `roots` do not matter.) */
	bool (*constant)(const struct expr_names *names, enum expr_root root, struct str name,
			 struct str *ret_text);
};

/* What an expression reads; the flow compiler infers the graph from it. */
struct expr_uses {
	uint64_t roots;  /* ROOT_BIT()s */
	uint32_t *tasks; /* numbers of tasks, each once, in the order of appearance */
	size_t n_tasks;
	struct place *task_places; /* where each was first named */
	bool secrets;  /* its value may tell a secret (one that went into a hash does not) */
	bool changing; /* it calls now(), uuid4() or uuid7(): it has no constant value */
};

/* Everything that compiling needs. `uses` is added to, never cleared; it may be NULL. */
struct expr_compiler {
	struct arena *arena; /* required (arena_init_required()) */
	struct diag *diag;
	const struct expr_names *names;
	struct expr_uses *uses;
	bool may_stream; /* an expression may be, as a whole, the body of a task that streams */
};

struct expr; /* compiled; lives in the compiler's arena */

/* Compiles `text`; `place` is that of its first byte (for text on one line, columns are exact).
 * NULL when it is wrong; then diag has at least one error more. */
struct expr *expr_compile(struct expr_compiler *compiler, struct str text, struct place place);

/* True for the body of a task that streams: what it gives is found by expr_env.source(); its value
 * is that of the task's `default:`, or null. */
bool expr_is_stream(const struct expr *expr, unsigned *ret_task);

/* The value, when it depends on nothing: then evaluating needs no environment. */
bool expr_is_constant(const struct expr *expr, struct value *ret);

/* What evaluation needs to know of the running request or run. */
struct expr_env {
	struct arena *arena; /* for results; not required: may be full */

	/* The member `key` of a root, or the whole root when key.ptr is NULL. What is not there is
	 * null. In ROOT_HEADERS a key is in lower case with '-'. Of body, item, index, message and
	 * state, which may be of any type, only the whole is asked for. 0 or a negative errno. */
	int (*root)(struct expr_env *env, enum expr_root root, struct str key, struct value *ret);

	/* The field of a task's result; an empty name asks for its main result. */
	int (*task)(struct expr_env *env, unsigned task, struct str field, struct value *ret);

	/* The body of a task that streams, which is the caller's from now on, to be closed; NULL:
	 * there is none (it was skipped, or failed). May be NULL. */
	struct body_source *(*source)(struct expr_env *env, unsigned task);

	/* Why the last evaluation failed, for error.detail and the log. It never contains
	 * values. */
	char message[160];
};

/* 0; -EINVAL for an expr_error (env->message tells); -ENOMEM for memory_limit; or what a callback
 * of the environment returned. */
int expr_eval(const struct expr *expr, struct expr_env *env, struct value *ret);

/* As expr_eval(), for conditions: null counts as false, anything but a boolean is an expr_error. */
int expr_eval_bool(const struct expr *expr, struct expr_env *env, bool *ret);

/* The table of functions, for the manual and the schema. */
struct expr_function {
	const char *name;
	uint8_t args_min, args_max;
	bool changing;
	int (*run)(struct expr_env *env, const struct value *args, size_t n_args,
		   struct value *ret);
	const char *synopsis; /* "join(list, separator)" */
	const char *help;
	bool hides; /* its result does not tell its arguments: not a secret even of one */
};

extern const struct expr_function expr_functions[];
extern const size_t n_expr_functions;
