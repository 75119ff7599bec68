/* server/verbs/exec_input.c: arguments, environment and input of a program, from templates.
 *
 * No shell ever sees them: each argument of the list is one argument of the program, whatever it
 * holds; what it cannot hold is a NUL, which would end it early. */
#include "server/verbs/exec.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const char *const exec_variable_names[] = { "PATH", "HOME", "LANG", "TZ", NULL };

static int exec_refuse_nul(struct step_run *run, const char *what)
{
	struct expr_env *env = step_env(run);

	snprintf(env->message, sizeof(env->message),
		 "%s of a program cannot hold the character NUL", what);
	return -EBADMSG;
}

static int exec_make_argv(struct step_run *run, struct exec_input *input)
{
	const struct exec_config *config = run->config;
	const char **argv = arena_alloc_array(step_arena(run), config->n_args + 2, sizeof(*argv));

	if (!argv)
		return -ENOMEM;
	argv[0] = config->program;
	for (size_t i = 0; i < config->n_args; i++) {
		struct str text;
		int r = template_eval(config->args[i], step_env(run), &text);

		if (r < 0)
			return r;
		if (str_has(text, '\0'))
			return exec_refuse_nul(run, "an argument");
		argv[i + 1] = arena_str(step_arena(run), text).ptr;
		if (!argv[i + 1])
			return -ENOMEM;
	}
	argv[config->n_args + 1] = NULL;
	input->argv = argv;
	return 0;
}

/* ------------------------------------------------------------ environment */

static bool exec_is_set(const struct exec_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_variables; i++)
		if (str_eq(config->variables[i].name, str_of(name)))
			return true;
	return false;
}

/* Of leat's own environment as little as programs need: it holds what is none of theirs
 * (NOTIFY_SOCKET, CREDENTIALS_DIRECTORY, …). */
static const char *exec_passed(const char *name)
{
	const char *value = getenv(name);

	if (value)
		return value;
	return strcmp(name, "PATH") == 0   ? EXEC_PATH_DEFAULT
	       : strcmp(name, "LANG") == 0 ? "C.UTF-8"
					   : NULL;
}

static int exec_add_variable(struct step_run *run, struct str name, struct str value,
			     const char **envp, size_t *n_env)
{
	struct str text = arena_printf(step_arena(run), "%.*s=%.*s", STR_ARG(name), STR_ARG(value));

	if (str_has(value, '\0'))
		return exec_refuse_nul(run, "a variable");
	if (!text.ptr)
		return -ENOMEM;
	envp[(*n_env)++] = text.ptr;
	return 0;
}

static int exec_add_own(struct step_run *run, const struct exec_variable *variable,
			const char **envp, size_t *n_env)
{
	struct value value;
	struct buf text;
	int r = template_tree_eval(variable->value, step_env(run), &value);

	if (r < 0 || value_is_null(value))
		return r;
	buf_init_arena(&text, step_arena(run));
	value_write_text(value, &text);
	return text.error ? text.error
			  : exec_add_variable(run, variable->name, buf_str(&text), envp, n_env);
}

static int exec_make_envp(struct step_run *run, struct exec_input *input)
{
	const struct exec_config *config = run->config;
	const char **envp = arena_alloc_array(
		step_arena(run), config->n_variables + EXEC_PASSED_MAX + 1, sizeof(*envp));
	size_t n_env = 0;
	int r = 0;

	if (!envp)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && exec_variable_names[i]; i++) {
		const char *name = exec_variable_names[i], *value = exec_passed(name);

		if (value && !exec_is_set(config, name))
			r = exec_add_variable(run, str_of(name), str_of(value), envp, &n_env);
	}
	for (size_t i = 0; r == 0 && i < config->n_variables; i++)
		r = exec_add_own(run, &config->variables[i], envp, &n_env);
	envp[n_env] = NULL;
	input->envp = envp;
	return r;
}

/* ------------------------------------------------------------ input */

static int exec_make_stdin(struct step_run *run, struct exec_input *input)
{
	const struct exec_config *config = run->config;
	struct value value;
	struct buf text;
	int r;

	input->input = STR_NONE;
	if (!config->input)
		return 0;
	r = template_tree_eval(config->input, step_env(run), &value);
	if (r < 0 || value_is_null(value))
		return r;
	if (value.kind == VALUE_TEXT) {
		input->input = value_str(value);
		return 0;
	}
	buf_init_arena(&text, step_arena(run));
	value_write_json(value, &text);
	input->input = buf_str(&text);
	return text.error;
}

int exec_make_input(struct step_run *run, struct exec_input *ret_input)
{
	int r = exec_make_argv(run, ret_input);

	if (r == 0)
		r = exec_make_envp(run, ret_input);
	return r ? r : exec_make_stdin(run, ret_input);
}
