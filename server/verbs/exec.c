/* server/verbs/exec.c: `exec: [PROGRAM, ARG, …]`: a program as a task.
 *
 *   permit (running, waiting) --> process --> result
 *
 * What can outlive the task is one block, struct exec_run: when the task is cancelled, or has seen
 * too much output, it ends at once, and the block goes on until the process is gone; it holds the
 * permit as long, so that `running` counts processes, not tasks. */
#include "server/verbs/exec.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

enum { STDERR_LINE_MAX = 200 };

/* ------------------------------------------------------------ the end */

static void exec_drop_output(struct exec_run *run)
{
	buf_fini(&run->out[0]);
	buf_fini(&run->out[1]);
	arena_budget_give_back(run->budget, run->n_budget);
	run->n_budget = 0;
}

void exec_run_destroy(struct exec_run *run)
{
	permit_release(&run->permit);
	exec_drop_output(run);
	free(run);
}

void exec_abandon(struct exec_run *run, enum error_code code, struct str detail)
{
	struct step_run *step = take(&run->step);
	struct exec_state *state = step->state;

	state->run = NULL;
	process_leave(&run->process);
	exec_drop_output(run);
	step_done(step, code, detail);
}

const char *exec_name(const struct exec_config *config)
{
	const char *slash = strrchr(config->program, '/');

	return slash ? slash + 1 : config->program;
}

static enum error_code exec_start_code(int error)
{
	switch (error) {
	case -EAGAIN:
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
	case -ENOSPC:
		return ERROR_UNAVAILABLE;
	case -E2BIG:
		return ERROR_TOO_LARGE;
	default:
		return ERROR_EXEC_FAILED;
	}
}

static void exec_fail_start(struct step_run *step, int error)
{
	struct str detail = arena_printf(step_arena(step), "%s cannot be started: %s",
					 exec_name(step->config), strerrorname_np(-error));

	step_done(step, exec_start_code(error), detail);
}

static struct str exec_signal_name(int number)
{
	const char *name = number ? sigabbrev_np(number) : NULL;

	return str_of(name ? name : "");
}

struct str exec_describe(const struct exec_config *config, const struct child_exit *exit,
			 struct str error_text, struct arena *arena)
{
	struct str line = str_trim_space(error_text);
	ptrdiff_t end = str_find_char(line, '\n');
	const char *name = exec_name(config);
	struct str how;

	line = str_first(str_trim_space(end < 0 ? line : str_first(line, (size_t)end)),
			 STDERR_LINE_MAX);
	if (exit->signal)
		how = arena_printf(arena, "%s was ended by SIG%.*s", name,
				   STR_ARG(exec_signal_name(exit->signal)));
	else
		how = arena_printf(arena, "%s ended with status %d", name, exit->status);
	return line.len ? arena_printf(arena, "%.*s: %.*s", STR_ARG(how), STR_ARG(line)) : how;
}

bool exec_is_accepted(const struct exec_config *config, const struct child_exit *exit)
{
	return exit->status >= 0 &&
	       (config->accepted[exit->status / 8] >> exit->status % 8 & 1) != 0;
}

static int exec_take_output(struct step_run *step, const struct buf *out, struct value *ret)
{
	struct str text = arena_str(step_arena(step), buf_str(out));

	*ret = value_text(text);
	return text.ptr ? 0 : -ENOMEM;
}

void exec_finish(struct exec_run *run)
{
	struct step_run *step = take(&run->step);
	struct exec_state *state = step->state;
	int r;

	state->run = NULL;
	if (run->process.error) {
		exec_fail_start(step, run->process.error);
		return;
	}
	r = exec_take_output(step, &run->out[PROCESS_STDOUT], &state->text);
	if (r == 0)
		r = exec_take_output(step, &run->out[PROCESS_STDERR], &state->error_text);
	if (r < 0) {
		step_done_errno(step, r);
		return;
	}
	state->ran = true;
	state->exit = run->process.exit;
	if (exec_is_accepted(run->config, &state->exit))
		step_done(step, ERROR_NONE, STR_NONE);
	else
		step_done(step, ERROR_EXEC_FAILED,
			  exec_describe(run->config, &state->exit, value_str(state->error_text),
					step_arena(step)));
}

static void exec_on_end(struct process *process)
{
	struct exec_run *run = container_of(process, struct exec_run, process);

	if (run->step)
		exec_finish(run);
	exec_run_destroy(run);
}

struct str exec_too_large(const struct exec_run *run)
{
	return arena_printf(run->context->arena, "%s has written more than %llu bytes",
			    exec_name(run->config), (unsigned long long)run->config->max_output);
}

static void exec_on_output(struct process *process, enum process_output output, struct str bytes)
{
	struct exec_run *run = container_of(process, struct exec_run, process);

	if (run->out[0].len + run->out[1].len + bytes.len > run->config->max_output) {
		exec_abandon(run, ERROR_TOO_LARGE, exec_too_large(run));
		return;
	}
	if (arena_budget_take(run->budget, bytes.len)) {
		run->n_budget += bytes.len;
		buf_add(&run->out[output], bytes);
	} else {
		run->out[output].error = -ENOMEM;
	}
	if (run->out[output].error)
		exec_abandon(run, ERROR_MEMORY_LIMIT, STR("no memory for its output"));
}

static const struct process_ops exec_process_ops = { .on_output = exec_on_output,
						     .on_end = exec_on_end };

/* ------------------------------------------------------------ the start */

/* One that was not there at load may be there now. */
static const char *exec_find_path(const struct exec_config *config, char path[PATH_MAX])
{
	const char *search = getenv("PATH");

	if (config->path)
		return config->path;
	if (spawn_find(config->program, search ? search : EXEC_PATH_DEFAULT, path, PATH_MAX))
		return path;
	return NULL;
}

static int exec_start_process(struct step_run *step, struct exec_run *run)
{
	const struct exec_config *config = step->config;
	char path[PATH_MAX];
	const struct process_spec spec = {
		.path = exec_find_path(config, path),
		.cwd = config->folder,
		.argv = run->input.argv,
		.envp = run->input.envp,
		.input = run->input.input,
		.kill_after_ms = config->kill_after_ms,
		.pulled = config->stream,
	};

	if (!spec.path)
		return -ENOENT;
	return process_start(&run->process, step->run->context->processes, &spec,
			     config->stream ? &exec_stream_ops : &exec_process_ops);
}

static void exec_on_permit(struct task *task)
{
	struct exec_run *run = container_of(task, struct exec_run, permit.task);
	enum reason reason = wait_reason(&run->permit);
	struct step_run *step = run->step;
	struct exec_state *state = step->state;
	int r = 0;

	if (reason == REASON_NONE && step->cancelling)
		reason = REASON_CANCELLED;
	if (reason == REASON_EXPIRED) /* `waiting: 0` */
		reason = REASON_FULL;
	if (reason == REASON_NONE)
		r = exec_start_process(step, run);
	step->sent = reason == REASON_NONE && r == 0;
	if (step->sent)
		return;
	state->run = NULL;
	exec_run_destroy(run);
	if (reason)
		step_fail_reason(step, reason, ERROR_QUEUE_FULL);
	else
		exec_fail_start(step, r);
}

static void exec_start(struct step_run *step)
{
	const struct exec_config *config = step->config;
	struct context *context = step->run->context;
	struct exec_state *state = step->state;
	const struct acquire acquire = { .n_permits = (uint32_t)config->running,
					 .n_wait_max = (uint32_t)config->waiting,
					 .wait_ms = config->waiting ? WAIT_FOREVER : 0 };
	struct exec_input input;
	int r;

	if (!context->homes || !context->processes) {
		step_done(step, ERROR_UNAVAILABLE, STR("no program can be run here"));
		return;
	}
	r = exec_make_input(step, &input);
	if (r == 0) {
		state->run = calloc(1, sizeof(*state->run));
		r = state->run ? 0 : -ENOMEM;
	}
	if (r < 0) {
		step_done_errno(step, r);
		return;
	}
	state->run->step = step;
	state->run->config = config;
	state->run->context = context;
	state->run->budget = context->arena->budget;
	state->run->input = input;
	buf_init(&state->run->out[0], config->max_output);
	buf_init(&state->run->out[1], config->max_output);
	acquire_init(&state->run->permit, context->homes, config->permits, &acquire,
		     exec_on_permit);
	task_start(&state->run->permit.task, &step->run->scope);
}

/* While the permit is on its way, exec_on_permit() will find that it was cancelled. */
static void exec_cancel(struct step_run *step)
{
	struct exec_state *state = step->state;
	struct exec_run *run = state->run;

	if (run->permit.task.state == TASK_ENDED)
		exec_abandon(run, ERROR_CANCELLED, STR("cancelled while it ran"));
	else
		task_cancel(&run->permit.task);
}

/* ------------------------------------------------------------ the result */

static int exec_field(struct step_run *step, struct str name, struct value *ret)
{
	const struct exec_state *state = step->state;

	*ret = value_null();
	if (!state->ran)
		return 0;
	if (str_eq(name, STR("text")))
		*ret = state->text;
	else if (str_eq(name, STR("stderr")))
		*ret = state->error_text;
	else if (str_eq(name, STR("status")) && state->exit.status >= 0)
		*ret = value_int(state->exit.status);
	else if (str_eq(name, STR("signal")) && state->exit.signal)
		*ret = value_text(exec_signal_name(state->exit.signal));
	return 0;
}

static const char *const exec_fields[] = { "text", "stderr", "status", "signal", NULL };

const struct verb verb_exec = {
	.name = "exec",
	.help = "Runs a program with these arguments, without a shell: .text is what it has "
		"written.",
	.keys = exec_keys,
	.config_size = sizeof(struct exec_config),
	.state_size = sizeof(struct exec_state),
	.fields = exec_fields,
	.main_field = "text",
	.compile = exec_compile,
	.start = exec_start,
	.cancel = exec_cancel,
	.field = exec_field,
	.source = exec_source,
};
