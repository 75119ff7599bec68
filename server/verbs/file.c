/* server/verbs/file.c */
#include "server/verbs/file.h"
#include "server/expr/number.h"
#include <errno.h>
#include <stdio.h>
#include <time.h>

/* ------------------------------------------------------------ paths */

static bool file_path_check(struct verb_compiler *compiler, const struct node *node,
			    const char *what, bool root_too, const struct template *text)
{
	struct str sample = template_sample(text, compiler->flow->arena);

	if (!file_path_is_proper(sample)) {
		diag_error(compiler->flow->diag, node->place,
			   "`%s` takes a path beneath files_root; write it without a / at its "
			   "beginning or end, and without ., .. or empty parts",
			   what);
		return false;
	}
	if (!str_eq(sample, STR(".")) || root_too)
		return true;
	diag_error(compiler->flow->diag, node->place,
		   "`%s` takes the path of a file; . is files_root itself", what);
	return false;
}

bool file_path_compile(struct verb_compiler *compiler, const struct node *node, const char *what,
		       bool root_too, struct file_path *ret_path)
{
	struct data_root *root = compiler->flow->data_root;

	ret_path->text = verb_public_path(compiler, node, what);
	if (!ret_path->text || !file_path_check(compiler, node, what, root_too, ret_path->text))
		return false;
	ret_path->root = root;
	if (root && !root->used)
		root->place = node->place;
	if (root)
		root->used = true;
	return true;
}

bool file_path_eval(struct step_run *step, const struct file_path *path,
		    struct file_place *ret_place)
{
	struct str text;
	int r;

	if (!step->run->context->files || !path->root || !path->root->handle) {
		step_done(step, ERROR_UNAVAILABLE, STR("there are no files here"));
		return false;
	}
	r = template_eval(path->text, step_env(step), &text);
	if (r == 0 && text.len > 4000) {
		snprintf(step_env(step)->message, sizeof(step_env(step)->message),
			 "the path of a file is too long");
		r = -EBADMSG;
	}
	if (r < 0) {
		step_done_errno(step, r);
		return false;
	}
	*ret_place = (struct file_place){ .root = path->root->handle, .path = text };
	return true;
}

/* ------------------------------------------------------------ values */

int file_eval_bytes(struct step_run *step, struct template_tree *from, struct str *ret_bytes)
{
	struct value value;
	struct buf text;
	int r = template_tree_eval(from, step_env(step), &value);

	*ret_bytes = STR("");
	if (r < 0 || value_is_null(value))
		return r;
	if (value.kind == VALUE_TEXT) {
		*ret_bytes = value_str(value);
		return 0;
	}
	buf_init_arena(&text, step_arena(step));
	value_write_json(value, &text);
	*ret_bytes = buf_str(&text);
	return text.error ? -ENOMEM : 0;
}

int file_eval_number(struct step_run *step, struct template *number, uint64_t otherwise,
		     const char *what, uint64_t *ret)
{
	struct value value = value_null();
	struct number got;
	int r = number ? template_eval_value(number, step_env(step), &value) : 0;

	*ret = otherwise;
	if (r < 0 || value_is_null(value))
		return r;
	if (number_is(value) && number_of(value, &got) == 0 && !got.is_real && got.integer >= 0) {
		*ret = (uint64_t)got.integer;
		return 0;
	}
	snprintf(step_env(step)->message, sizeof(step_env(step)->message),
		 "%s takes a whole number of bytes, and this is a %s that is none", what,
		 value_kind_name(value));
	return -EBADMSG;
}

bool file_mode_compile(struct verb_compiler *compiler, struct str text, int *ret_mode)
{
	const struct node *node = node_find(compiler->step->node, "mode");
	int mode = 0;
	bool ok = text.len >= 3 && text.len <= 4;

	*ret_mode = FILE_MODE_DEFAULT;
	if (!text.len)
		return true;
	for (size_t i = 0; ok && i < text.len; i++) {
		ok = text.ptr[i] >= '0' && text.ptr[i] <= '7';
		mode = mode * 8 + (text.ptr[i] - '0');
	}
	if (ok && mode <= 0777) {
		*ret_mode = mode;
		return true;
	}
	diag_error(compiler->flow->diag, node ? node->place : compiler->step->place,
		   "\"%.*s\" is not a mode of a file; write three octal digits, as in \"0640\"",
		   STR_ARG(str_first(text, 40)));
	return false;
}

const char *file_type_name(mode_t mode)
{
	return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "folder" : S_ISLNK(mode) ? "link" : "other";
}

struct str file_time(struct arena *arena, int64_t seconds)
{
	time_t time = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&time, &tm))
		return STR("");
	return arena_printf(arena, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
			    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

struct str file_mode_text(struct arena *arena, mode_t mode)
{
	return arena_printf(arena, "%04o", mode & 07777);
}

/* ------------------------------------------------------------ failures */

static enum error_code file_error_code(int error, enum file_call_kind call)
{
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
		return ERROR_NOT_FOUND;
	case -EXDEV:
	case -ELOOP:
		return call == FILE_CALL_OPEN ? ERROR_INVALID_INPUT : ERROR_IO_ERROR;
	case -ENAMETOOLONG:
		return ERROR_INVALID_INPUT;
	case -EMSGSIZE:
		return ERROR_TOO_LARGE;
	case -ENOMEM:
		return ERROR_MEMORY_LIMIT;
	case -EMFILE:
	case -ENFILE:
	case -EBUSY:
		return call == FILE_CALL_OPEN ? ERROR_UNAVAILABLE : ERROR_IO_ERROR;
	default:
		return ERROR_IO_ERROR;
	}
}

void file_fail(struct step_run *step, int error, enum file_call_kind call, struct str path)
{
	const char *name = strerrorname_np(-error);
	struct failure failure = { .code = file_error_code(error, call), .errno_name = name };

	if (error == -EMSGSIZE)
		failure.errno_name = NULL;
	failure.detail =
		failure.errno_name
			? arena_printf(step_arena(step), "%s: %s of %.*s", name,
				       file_call_name(call), STR_ARG(path))
			: arena_printf(step_arena(step), "%.*s has more than `max`", STR_ARG(path));
	step_fail(step, &failure);
}

struct arena_budget *file_budget(struct step_run *step)
{
	return step_arena(step)->budget;
}

/* ------------------------------------------------------------ the job */

static void file_on_end(struct task *task)
{
	struct file_state *state = container_of(task, struct file_state, task.task);
	struct step_run *step = state->step;
	struct file_job *job = take(&state->task.job);
	int error = job ? job->error : 0;

	if (task->outcome != OUTCOME_OK)
		step_fail_reason(step, state->task.reason, ERROR_QUEUE_FULL);
	else if (error == 0)
		state->on_end(state, job);
	else if (state->missing_ok && (error == -ENOENT || error == -ENOTDIR))
		state->on_end(state, NULL);
	else
		file_fail(step, error, job->failed, state->path);
	file_job_drop(job);
}

void file_run(struct step_run *step, struct file_job *job, struct str path, file_end_fn *on_end)
{
	struct file_state *state = step->state;

	if (!job) {
		step_done_errno(step, -ENOMEM);
		return;
	}
	step->sent = true;
	state->step = step;
	state->path = path;
	state->on_end = on_end;
	file_task_init(&state->task, step->run->context->files, job, file_on_end);
	task_start(&state->task.task, &step->run->scope);
}

void file_cancel(struct step_run *step)
{
	struct file_state *state = step->state;

	task_cancel(&state->task.task);
}
