/* server/expr/template.h: texts and trees with ${…} in them.
 *
 * A scalar that is one ${…} and nothing else keeps the type of its value; in any other text the
 * values become text, null an empty one, and each is escaped for the place it stands in. `$${`
 * is a literal `${`.
 *
 * Errors stand at their line and column also in blocks of several lines; within one expression that
 * is itself broken over lines, the columns behind the first line do not count the indentation. A
 * folded or escaped text in which the place cannot be found gives that of the scalar. */
#pragma once
#include "conf/tree.h"
#include "server/expr/expr.h"

/* Where the text will stand: what is done to the values, never to the literal parts. */
enum template_context {
	TEMPLATE_PLAIN, /* nothing: replies of type text, values, messages */
	TEMPLATE_URL, /* a path with an optional query: percent-encoded (RFC 3986 §2), so that a value is one
			    segment, or one query name or value; a segment that is empty, "." or ".." by its
			    values is -EBADMSG (invalid_input) */
	TEMPLATE_HEADER, /* CR, LF, NUL and other controls but HTAB are -EBADMSG (RFC 9110 §5.5) */
	TEMPLATE_HTML,   /* & < > " ' become entities; the function raw() opts out */
	TEMPLATE_NAME, /* a composite name (lock, key, signal, actor): values have '%' and ':' and '/'
			    percent-encoded, so that no value can forge another name */
	TEMPLATE_ACTOR, /* the same for an actor, with '@' as well: no value chooses a host. Behind an '@' of the
			    text itself values are a host or its port; one ${…} and nothing else is the whole
			    name as it is */
	TEMPLATE_FILE, /* a path beneath a folder: a value is one part of it, or several where it is the end
			    of the text and begins a part; what is empty, ".", "..", or has a NUL is
			    -EBADMSG */
};

struct template;      /* a text */
struct template_tree; /* a tree of lists, maps and texts: json:, value:, with: */

/* Compiles a scalar node. NULL (and an error in the compiler's diag) when it is no scalar, a ${ has
 * no end, or an expression is wrong. */
struct template *template_compile(struct expr_compiler *compiler, const struct node *node,
				  enum template_context context);

/* The same for a text that is not a whole node, such as the rest of a URL behind its host. */
struct template *template_compile_text(struct expr_compiler *compiler, struct str text,
				       struct place place, enum template_context context);

/* A condition (when, while, until, accept): a bare expression or exactly one ${…} (DECISIONS
 * 24), for expr_eval_bool(). A constant that is not true, false or null is an error. */
struct expr *template_compile_condition(struct expr_compiler *compiler, const struct node *node);

/* True when the text has no ${…} that could change; *ret_text is then what it always gives. */
bool template_is_constant(const struct template *template, struct str *ret_text);

/* What it gives when each of its values is "x": for checks of the literal parts. In `arena`. */
struct str template_sample(const struct template *template, struct arena *arena);

/* True when the scalar is exactly one ${…}. */
bool template_is_whole(const struct template *template);

/* True when the whole text is the body of a task that streams (expr_is_stream()). */
bool template_is_stream(const struct template *template, unsigned *ret_task);

/* The text. 0, -EINVAL (expr_error), -EBADMSG (invalid_input; env->message tells), -ENOMEM. The
 * text is in env->arena or in what the values refer to. */
int template_eval(const struct template *template, struct expr_env *env, struct str *ret_text);

/* The same as a value. In TEMPLATE_PLAIN the type is kept when template_is_whole(), and that of a
 * plain scalar such as 5 or true. */
int template_eval_value(const struct template *template, struct expr_env *env, struct value *ret);

/* Compiles a node of any kind; plain scalars have the types of YAML's core schema, quoted ones are
 * texts. Keys of maps are literal. */
struct template_tree *template_tree_compile(struct expr_compiler *compiler,
					    const struct node *node);
bool template_tree_is_constant(const struct template_tree *tree, struct value *ret);
int template_tree_eval(const struct template_tree *tree, struct expr_env *env, struct value *ret);
