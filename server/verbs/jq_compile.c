/* server/verbs/jq_compile.c: the keys of `jq:`.
 *
 * jq binds its $variables when a program is compiled, which costs 30 ms; so a program with
 * variables is wrapped into one that takes them from its input, and is compiled once, too. */
#include "server/expr/template_node.h"
#include "server/jq/jq_check.h"
#include "server/jq/jq_wire.h"
#include "server/verbs/jq.h"
#include <errno.h>

#define AT(field) offsetof(struct jq_config, field)
const struct setting jq_keys[] = {
	{ "from", SETTING_VALUE, AT(from_node),
	  .help = "What the program reads; null when not said." },
	{ "with", SETTING_MAP, AT(with_node), .help = "Values that it may use as $name." },
	{ "max_output", SETTING_SIZE, AT(max_output), "1m",
	  "How large all values that it gives may be together, as JSON; more is too_large.",
	  .min = 1, .max = JQ_OUTPUT_MAX },
	SETTINGS_END
};
#undef AT

#if WITH_JQ

/* ------------------------------------------------------------ what is wrong */

/* "syntax error, … at <top-level>, line 2:\n| @@ ." to what is wrong, and the number of the line
 * (0: it is not told). */
static struct str jq_read_message(struct str message, size_t *ret_line)
{
	static const char where[] = " at <top-level>, line ";
	struct str prefix = STR("jq: error: ");
	ptrdiff_t at = str_find(message, str_of(where));
	size_t line = 0;

	if (at >= 0) {
		struct str digits = str_skip(message, (size_t)at + strlen(where));

		for (; digits.len && char_is_digit(digits.ptr[0]); digits = str_skip(digits, 1))
			line = line * 10 + (size_t)(digits.ptr[0] - '0');
		message = str_first(message, (size_t)at);
	}
	if (str_starts_with(message, prefix))
		message = str_skip(message, prefix.len);
	at = str_find(message, STR(" (Unix shell quoting issues?)"));
	if (at >= 0)
		message = str_first(message, (size_t)at);
	at = str_find_char(message, '\n');
	*ret_line = line;
	return str_trim_space(at >= 0 ? str_first(message, (size_t)at) : message);
}

/* The line of a program of several lines, as it stands in the file. */
static struct place jq_line_place(const struct node *node, size_t line)
{
	struct place place = node->place;
	struct str rest = node->text, part = STR_NONE;
	size_t at = 0;

	for (size_t i = 1; i < line; i++) {
		ptrdiff_t end = str_find_char(rest, '\n');

		if (end < 0)
			return place;
		at += (size_t)end + 1;
		rest = str_skip(rest, (size_t)end + 1);
	}
	if (line < 2 || !str_next_part(&rest, '\n', &part))
		return place;
	place_find(&place, node->text, at, str_trim_space(part));
	return place;
}

static bool jq_refuse(struct verb_compiler *compiler, const struct node *node, struct str message)
{
	bool is_template = str_find(node->text, STR("${")) >= 0;
	struct str what;
	size_t line;

	what = jq_read_message(message, &line);
	diag_error(compiler->flow->diag, jq_line_place(node, line), "jq: %.*s%s", STR_ARG(what),
		   is_template ? "; values come into a program by `with: {name: …}`, as $name"
			       : "");
	return false;
}

static bool jq_ask(struct verb_compiler *compiler, const struct node *node, struct str program,
		   struct str names)
{
	struct flow_compiler *flow = compiler->flow;
	struct str message = STR_NONE;
	int r;

	if (!flow->jq_check)
		flow->jq_check = jq_check_create();
	r = jq_check_program(flow->jq_check, program, names, flow->arena, &message);
	if (r == 1)
		return jq_refuse(compiler, node, message);
	if (r < 0)
		diag_error(flow->diag, node->place,
			   r == -EPIPE       ? "jq crashes when it compiles this program (%s)"
			   : r == -ETIMEDOUT ? "jq does not get ready with this program (%s)"
					     : "this program cannot be checked by jq: %s",
			   strerrorname_np(-r));
	return r == 0;
}

/* ------------------------------------------------------------ with: */

static bool jq_name_is_good(struct str name)
{
	static const char *const words[] = { "and",  "as",     "break",   "catch", "def",
					     "elif", "else",   "end",     "ENV",   "foreach",
					     "if",   "import", "include", "label", "module",
					     "or",   "reduce", "then",    "try" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(name, str_of(words[i])))
			return false;
	for (size_t i = 0; i < name.len; i++)
		if (!char_is_alpha(name.ptr[i]) && name.ptr[i] != '_' &&
		    (i == 0 || !char_is_digit(name.ptr[i])))
			return false;
	return name.len > 0 && !str_starts_with(name, STR("__"));
}

static bool jq_compile_names(struct verb_compiler *compiler, const struct node *with,
			     struct str *ret_names, struct str *ret_pattern)
{
	struct arena *arena = compiler->flow->arena;
	bool ok = true;

	check(with);
	for (size_t i = 0; i < with->n_entries; i++) {
		struct str name = with->entries[i].key;

		if (!jq_name_is_good(name)) {
			diag_error(compiler->flow->diag, with->entries[i].key_place,
				   "\"%.*s\" cannot be a variable of jq; write letters, digits and "
				   "_, and no word of the language",
				   STR_ARG(str_first(name, 80)));
			ok = false;
		}
		*ret_names = arena_printf(arena, "%.*s%s%.*s", STR_ARG(*ret_names), i ? " " : "",
					  STR_ARG(name));
		*ret_pattern = arena_printf(arena, "%.*s%s%.*s: $%.*s", STR_ARG(*ret_pattern),
					    i ? ", " : "", STR_ARG(name), STR_ARG(name));
	}
	return ok;
}

/* As itself, so that errors are those of the program that was written; then as it will be run. */
static bool jq_compile_program(struct verb_compiler *compiler, const struct node *node,
			       struct jq_config *config)
{
	struct arena *arena = compiler->flow->arena;
	struct str names = STR(""), pattern = STR("");

	if (!config->with) {
		config->program = node->text;
		return jq_ask(compiler, node, node->text, names);
	}
	if (!jq_compile_names(compiler, config->with_node, &names, &pattern) ||
	    !jq_ask(compiler, node, node->text, names))
		return false;
	config->program = arena_printf(arena, ". as [$__from, {%.*s}] | $__from | (%.*s\n)",
				       STR_ARG(pattern), STR_ARG(node->text));
	return jq_ask(compiler, node, config->program, STR(""));
}

#else

static bool jq_compile_program(struct verb_compiler *compiler, const struct node *node,
			       struct jq_config *config)
{
	(void)config;
	diag_error(compiler->flow->diag, node->place,
		   "this leat was built without jq (WITH_JQ=no); install one that has it");
	return false;
}

#endif

bool jq_verb_compile(struct verb_compiler *compiler, const struct node *value, void *config_ptr)
{
	struct jq_config *config = config_ptr;
	bool ok = true;

	if (!node_is_scalar(value) || value->kind == NODE_NULL || str_has(value->text, '\0') ||
	    value->text.len > JQ_PROGRAM_MAX / 2) {
		diag_error(compiler->flow->diag, value->place,
			   "`jq` takes a program, as one text: '.orders | map(.total) | add'");
		return false;
	}
	if (config->from_node) {
		config->from = verb_public_tree(compiler, config->from_node, "from");
		ok &= config->from != NULL;
	}
	if (config->with_node && config->with_node->n_entries > 0) {
		config->with = verb_public_tree(compiler, config->with_node, "with");
		ok &= config->with != NULL;
	}
	return ok && jq_compile_program(compiler, value, config);
}
