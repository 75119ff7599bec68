/* server/verbs/exec_stream.c: `exec:` with `stream: true`: what a program writes is passed on.
 *
 *   no output yet --(its first bytes, or its end without any)--> the task ends, the source is open
 *       source: [piece] <--> [nothing: waiting for on_readable(), for the end] --> whole, or lost
 *
 * A program that fails before it has written anything is a failure of the task like any other; one
 * that fails later cuts the answer. It is read only when the client has taken what was there: until
 * then it waits at its full pipe. The block lives until the process is gone and the source closed. */
#include "core/base/log.h"
#include "server/verbs/exec.h"
#include <errno.h>
#include <stdlib.h>

enum {
	EXEC_PIECE = 64 << 10,
	EXEC_STDERR_KEPT = 4 << 10, /* of what it complains; the rest is read, and dropped */
};

/* ------------------------------------------------------------ the buffer */

static bool exec_need_buffer(struct exec_run *run)
{
	if (run->buffer)
		return true;
	run->buffer = malloc(EXEC_PIECE);
	if (run->buffer)
		arena_budget_add(run->budget, EXEC_PIECE);
	return run->buffer != NULL;
}

static void exec_drop_buffer(struct exec_run *run)
{
	if (!run->buffer)
		return;
	free(take(&run->buffer));
	run->piece = STR_NONE;
	arena_budget_give_back(run->budget, EXEC_PIECE);
}

/* The next piece: 1: it is there; 0: the end of the output; -EAGAIN; -ENOMEM; -EFBIG. */
static int exec_pull(struct exec_run *run)
{
	ssize_t n;

	if (!exec_need_buffer(run))
		return -ENOMEM;
	n = process_pull(&run->process, run->buffer, EXEC_PIECE);
	if (n <= 0) {
		exec_drop_buffer(run);
		return (int)n;
	}
	run->n_passed += (size_t)n;
	if (run->config->bounded && run->n_passed > run->config->max_output) {
		exec_drop_buffer(run);
		return -EFBIG;
	}
	run->piece = (struct str){ run->buffer, (size_t)n };
	return 1;
}

/* ------------------------------------------------------------ the source */

static void exec_log_cut(struct exec_run *run, struct str detail)
{
	log_warning("program failed while its output was passed on program=%s detail=%s id=%.*s",
		    LOG_QUOTE(str_of(exec_name(run->config))), LOG_QUOTE(detail),
		    STR_ARG(run->context->id));
}

static int exec_lose(struct exec_run *run, int error)
{
	run->error = error;
	if (!run->ended)
		process_leave(&run->process);
	return error;
}

/* Its output and itself have ended. */
static int exec_verdict(struct exec_run *run)
{
	const struct child_exit *exit = &run->process.exit;

	if (exec_is_accepted(run->config, exit))
		return 0;
	exec_log_cut(run, exec_describe(run->config, exit, buf_str(&run->out[PROCESS_STDERR]),
					run->context->arena));
	return exec_lose(run, -EIO);
}

static int exec_wait(struct exec_run *run)
{
	run->waiting = true;
	timer_start(&run->idle, run->config->idle_ms);
	return -EAGAIN;
}

static int exec_read(struct body_source *source, struct str *ret_bytes)
{
	struct exec_run *run = container_of(source, struct exec_run, source);
	int r = 1;

	check(!run->waiting);
	if (run->piece.len == 0 && !run->error)
		r = exec_pull(run);
	if (run->piece.len > 0) {
		*ret_bytes = run->piece;
		run->piece = STR_NONE;
		return 1;
	}
	if (run->error)
		return run->error;
	if (r == -EAGAIN || (r == 0 && !run->ended))
		return exec_wait(run);
	return r < 0 ? exec_lose(run, r) : exec_verdict(run);
}

static void exec_tell(struct exec_run *run)
{
	if (!run->waiting)
		return;
	run->waiting = false;
	timer_stop(&run->idle);
	run->source.on_more(&run->source);
}

static void exec_on_idle(struct timer *timer)
{
	struct exec_run *run = container_of(timer, struct exec_run, idle);

	exec_lose(run, -ETIMEDOUT);
	exec_tell(run);
}

static void exec_close(struct body_source *source)
{
	struct exec_run *run = container_of(source, struct exec_run, source);

	run->waiting = run->open = false;
	timer_stop(&run->idle);
	exec_drop_buffer(run);
	if (run->ended)
		exec_run_destroy(run);
	else
		process_leave(&run->process);
}

/* ------------------------------------------------------------ the task's end */

static void exec_begin(struct exec_run *run)
{
	static const struct body_source_ops ops = { exec_read, exec_close };
	struct step_run *step = take(&run->step);
	struct exec_state *state = step->state;

	run->source = (struct body_source){ .ops = &ops, .size = BODY_SIZE_UNKNOWN };
	if (run->ended)
		run->source.size = 0;
	run->open = true;
	timer_init(&run->idle, run->context->loop, exec_on_idle);
	state->run = NULL;
	state->source = &run->source;
	context_leave_open(run->context, &run->source);
	step_done(step, ERROR_NONE, STR_NONE);
}

static void exec_first(struct exec_run *run)
{
	int r = exec_pull(run);

	if (r > 0)
		exec_begin(run);
	else if (r == -EFBIG)
		exec_abandon(run, ERROR_TOO_LARGE, exec_too_large(run));
	else if (r == -ENOMEM)
		exec_abandon(run, ERROR_MEMORY_LIMIT, STR("no memory for its output"));
}

static void exec_stream_on_readable(struct process *process)
{
	struct exec_run *run = container_of(process, struct exec_run, process);

	if (run->step)
		exec_first(run);
	else
		exec_tell(run);
}

static void exec_stream_on_output(struct process *process, enum process_output output,
				  struct str bytes)
{
	struct exec_run *run = container_of(process, struct exec_run, process);
	struct buf *out = &run->out[output];

	buf_add(out, str_first(bytes, EXEC_STDERR_KEPT - MIN(out->len, (size_t)EXEC_STDERR_KEPT)));
}

/* One that has failed before it wrote anything, or to start, is as one without `stream`. */
static void exec_stream_on_end(struct process *process)
{
	struct exec_run *run = container_of(process, struct exec_run, process);

	run->ended = true;
	permit_release(&run->permit);
	if (run->open) {
		exec_tell(run); /* who takes the end may close, and free it */
	} else if (run->step && !process->error && exec_is_accepted(run->config, &process->exit)) {
		exec_begin(run);
	} else {
		if (run->step)
			exec_finish(run);
		exec_run_destroy(run);
	}
}

const struct process_ops exec_stream_ops = { .on_output = exec_stream_on_output,
					     .on_readable = exec_stream_on_readable,
					     .on_end = exec_stream_on_end };

struct body_source *exec_source(struct step_run *step)
{
	struct exec_state *state = step->state;

	return take(&state->source);
}
