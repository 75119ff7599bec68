/* server/verbs/exec_compile.c: the keys of `exec:`. */
#include "core/io/spawn.h"
#include "server/verbs/exec.h"
#include "server/verbs/stream.h"
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define AT(field) offsetof(struct exec_config, field)
const struct setting exec_keys[] = {
	{ "stdin", SETTING_VALUE, AT(stdin_node),
	  .help = "What the program reads: a text as it is, other values as JSON; nothing when not "
		  "said." },
	{ "env", SETTING_MAP, AT(env_node),
	  .help = "Variables of its environment, by name, besides PATH, HOME, LANG and TZ; null "
		  "takes one away." },
	{ "cwd", SETTING_TEXT, AT(cwd),
	  .help = "The folder it runs in, relative to this file; that of leat when not said." },
	{ "max_output", SETTING_SIZE, AT(max_output), "1m",
	  "How much it may write, on both outputs together; more is too_large.", .min = 1,
	  .max = INT64_C(1) << 30 },
	{ "running", SETTING_INT, AT(running), "4", "How many of this task run at once.", 1, 1024 },
	{ "waiting", SETTING_INT, AT(waiting), "16",
	  "How many more may wait for their turn; the next fails with queue_full.", 0, 100000 },
	{ "accept", SETTING_TEXTS, AT(accept),
	  .help = "The exit statuses that are no failure; 0 when not said." },
	{ "kill_after", SETTING_DURATION, AT(kill_after_ms), "2s",
	  "How long after SIGTERM a program that does not end is killed.", .min = 0, .max = 60000 },
	{ "stream", SETTING_BOOL, AT(stream), "false",
	  "Whether what it writes is not kept, but passed on as the reply's whole body while it "
	  "comes." },
	{ "idle", SETTING_DURATION, AT(idle_ms), "60s",
	  "With `stream`: how long it may write nothing, then it is ended.", .min = 1,
	  .max = 86400000 },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ the program */

/* DECISIONS 28: relative to the file that names it. Absolute, as the program may start in another
 * folder. */
static const char *exec_path(struct verb_compiler *compiler, struct place place, struct str path)
{
	struct arena *arena = compiler->flow->arena;
	struct str folder = str_of(place.source ? place.source->name : NULL);
	char here[PATH_MAX] = "";

	while (folder.len > 0 && folder.ptr[folder.len - 1] != '/')
		folder.len--;
	if (path.ptr[0] == '/')
		return arena_str(arena, path).ptr;
	if ((folder.len == 0 || folder.ptr[0] != '/') && !getcwd(here, sizeof(here)))
		return arena_str(arena, path).ptr;
	return arena_printf(arena, "%s%s%.*s%.*s", here, here[0] ? "/" : "", STR_ARG(folder),
			    STR_ARG(path))
		.ptr;
}

/* One that is not there is no error: it may be installed later, and a start must not depend on
 * it. */
static void exec_find(struct verb_compiler *compiler, const struct node *node,
		      struct exec_config *config)
{
	const char *search = getenv("PATH");
	char path[PATH_MAX];

	if (spawn_find(config->program, search ? search : EXEC_PATH_DEFAULT, path, sizeof(path))) {
		config->path = arena_strdup(compiler->flow->arena, path);
		return;
	}
	diag_warning(compiler->flow->diag, node->place,
		     strchr(config->program, '/')
			     ? "\"%s\" is not there, or is not executable; install it"
			     : "\"%s\" is not in the PATH of leat; install it, or name its path",
		     config->program);
}

static bool exec_compile_program(struct verb_compiler *compiler, const struct node *node,
				 struct exec_config *config)
{
	struct diag *diag = compiler->flow->diag;

	if (!node_is_scalar(node) || node->kind == NODE_NULL || node->text.len == 0 ||
	    str_has(node->text, '\0')) {
		diag_error(diag, node->place,
			   "`exec` takes a program and its arguments; write [PROGRAM, ARG, …], or "
			   "the program alone");
		return false;
	}
	if (str_find(node->text, STR("${")) >= 0) {
		diag_error(diag, node->place,
			   "the program is constant, so that no request can choose it; choose "
			   "between tasks with `when`");
		return false;
	}
	config->program = str_has(node->text, '/')
				  ? exec_path(compiler, node->place, node->text)
				  : arena_str(compiler->flow->arena, node->text).ptr;
	exec_find(compiler, node, config);
	return true;
}

static bool exec_compile_args(struct verb_compiler *compiler, const struct node *list,
			      struct exec_config *config)
{
	bool ok = true;

	config->n_args = list->n_entries - 1;
	config->args = arena_alloc_array(compiler->flow->arena, list->n_entries,
					 sizeof(struct template *));
	for (size_t i = 0; i < config->n_args; i++) {
		const struct node *node = list->entries[i + 1].value;

		config->args[i] = verb_public_text(compiler, node, "exec");
		ok &= config->args[i] != NULL;
	}
	return ok;
}

static bool exec_compile_argv(struct verb_compiler *compiler, const struct node *value,
			      struct exec_config *config)
{
	struct step *step = compiler->step;

	if (value->kind != NODE_LIST)
		return exec_compile_program(compiler, value, config);
	if (value->n_entries == 0) {
		diag_error(compiler->flow->diag, value->place,
			   "`exec` takes a program and its arguments; write [PROGRAM, ARG, …]");
		return false;
	}
	step->summary = value->entries[0].value->text;
	return exec_compile_program(compiler, value->entries[0].value, config) &
	       exec_compile_args(compiler, value, config);
}

/* ------------------------------------------------------------ the keys */

static bool exec_check_variable(struct verb_compiler *compiler, const struct node_entry *entry)
{
	bool ok = entry->key.len > 0 && !char_is_digit(entry->key.ptr[0]);

	for (size_t i = 0; ok && i < entry->key.len; i++) {
		char c = entry->key.ptr[i];

		ok = char_is_alpha(c) || char_is_digit(c) || c == '_';
	}
	if (!ok)
		diag_error(compiler->flow->diag, entry->key_place,
			   "\"%.*s\" cannot be the name of a variable; write letters, digits and _",
			   STR_ARG(str_first(entry->key, 80)));
	return ok;
}

static bool exec_compile_env(struct verb_compiler *compiler, struct exec_config *config)
{
	const struct node *node = config->env_node;
	bool ok = true;

	if (!node || node->n_entries == 0)
		return true;
	config->variables = arena_alloc_array(compiler->flow->arena, node->n_entries,
					      sizeof(*config->variables));
	for (size_t i = 0; i < node->n_entries; i++) {
		struct exec_variable *variable = &config->variables[config->n_variables++];

		variable->name = node->entries[i].key;
		variable->value = template_tree_compile(compiler->expr, node->entries[i].value);
		ok &= exec_check_variable(compiler, &node->entries[i]) & (variable->value != NULL);
	}
	return ok;
}

static bool exec_compile_accept(struct verb_compiler *compiler, struct exec_config *config)
{
	const struct setting_texts *accept = &config->accept;
	bool ok = true;

	if (accept->n_texts == 0)
		config->accepted[0] = 1;
	for (size_t i = 0; i < accept->n_texts; i++) {
		uint64_t status;

		if (str_to_u64(accept->texts[i], &status) == 0 && status <= 255) {
			config->accepted[status / 8] |= (uint8_t)(1U << status % 8);
			continue;
		}
		diag_error(compiler->flow->diag, accept->nodes[i]->place,
			   "\"%.*s\" is not an exit status; write a number from 0 to 255",
			   STR_ARG(str_first(accept->texts[i], 80)));
		ok = false;
	}
	return ok;
}

static bool exec_compile_cwd(struct verb_compiler *compiler, struct exec_config *config)
{
	const struct node *node = node_find(compiler->step->node, "cwd");

	if (config->cwd.len == 0)
		return true;
	if (str_has(config->cwd, '\0') || str_find(config->cwd, STR("${")) >= 0) {
		diag_error(compiler->flow->diag, node ? node->place : compiler->step->place,
			   "`cwd` is a constant folder");
		return false;
	}
	config->folder =
		exec_path(compiler, node ? node->place : compiler->step->place, config->cwd);
	return true;
}

bool exec_compile(struct verb_compiler *compiler, const struct node *value, void *config_ptr)
{
	struct exec_config *config = config_ptr;
	bool ok = exec_compile_argv(compiler, value, config) & exec_compile_env(compiler, config) &
		  exec_compile_accept(compiler, config) & exec_compile_cwd(compiler, config);

	if (config->stdin_node) {
		config->input = template_tree_compile(compiler->expr, config->stdin_node);
		ok &= config->input != NULL;
	}
	config->bounded = node_find(compiler->step->node, "max_output") != NULL;
	if (config->stream)
		ok &= stream_compile(compiler);
	config->permits = scope_path(compiler->names, compiler->task_name, compiler->flow->arena);
	return ok;
}
