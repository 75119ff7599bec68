/* server/verbs/write.c: `write: PATH` makes or replaces a file, whole or not at all; `append: PATH` adds
 * to its end. Unless `durable: false`, both have reached the disk when they end; appends that wait
 * for that at once share one fsync(). */
#include "core/io/file_sync.h"
#include "server/verbs/file.h"
#include <errno.h>

struct write_config {
	struct file_path path;
	const struct node *from_node;
	struct template_tree *from;
	struct str upload, mode;
	struct file_change change;
	bool durable, replace, folders;
};

struct write_state {
	struct file_state file;
	struct file_sync_wait sync;
	bool syncs; /* it waits for that */
	bool done;
	uint64_t size;
};

#define AT(field) offsetof(struct write_config, field)
#define WRITE_KEYS                                                                                 \
	{ "from", SETTING_VALUE, AT(from_node),                                                    \
	  .help = "What is written: a text as it is, other values as JSON." },                     \
		{ "mode", SETTING_TEXT, AT(mode),                                                  \
		  .help = "Who may do what with a file that is made: \"0640\"; as the umask says " \
			  "when not said, and of a file that is replaced its own." },              \
		{ "durable", SETTING_BOOL, AT(durable), "true",                                    \
		  "Whether it has reached the disk when the task ends." },                         \
	{                                                                                          \
		"folders", SETTING_BOOL, AT(folders), "false",                                     \
			"Whether folders of the path that are missing are made."                   \
	}

static const struct setting write_keys[] = {
	WRITE_KEYS,
	{ "upload", SETTING_TEXT, AT(upload),
	  .help = "In place of `from`: the name of a file of the request's multipart form." },
	{ "replace", SETTING_BOOL, AT(replace), "true",
	  "Whether what has the name already is replaced; else io_error, with EEXIST." },
	SETTINGS_END
};

static const struct setting append_keys[] = { WRITE_KEYS, SETTINGS_END };
#undef AT

/* ------------------------------------------------------------ compiling */

static bool write_compile_from(struct verb_compiler *compiler, struct write_config *config,
			       const char *verb)
{
	if (!config->from_node && !config->upload.len) {
		diag_error(compiler->flow->diag, compiler->step->place,
			   "`%s` needs to know what to write; add `from`", verb);
		return false;
	}
	if (config->from_node && config->upload.len) {
		diag_error(compiler->flow->diag, compiler->step->place,
			   "`%s` writes one thing; keep `from` or `upload`", verb);
		return false;
	}
	if (!config->from_node)
		return true;
	config->from = template_tree_compile(compiler->expr, config->from_node);
	return config->from != NULL;
}

static bool write_compile_all(struct verb_compiler *compiler, const struct node *value,
			      struct write_config *config, const char *verb)
{
	bool ok = file_path_compile(compiler, value, verb, false, &config->path) &
		  write_compile_from(compiler, config, verb) &
		  file_mode_compile(compiler, config->mode, &config->change.mode);

	config->change.durable = config->durable;
	config->change.replace = config->replace;
	config->change.folders = config->folders;
	return ok;
}

/* The form is the only place where a path outside of files_root comes from, and it is leat's own. */
static bool write_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct write_config *own = config;
	bool ok = write_compile_all(compiler, value, own, "write");

	if (own->upload.len)
		compiler->expr->uses->roots |= ROOT_BIT(ROOT_FORM);
	return ok;
}

static bool append_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	return write_compile_all(compiler, value, config, "append");
}

/* ------------------------------------------------------------ write */

static void write_on_end(struct file_state *file, struct file_job *job)
{
	struct write_state *state = container_of(file, struct write_state, file);

	state->done = true;
	state->size = file_store_size(job);
	step_done(file->step, ERROR_NONE, STR_NONE);
}

/* The path of a file of the form. A member `path` is made by leat alone: a field of a form is a
 * text. */
static int write_find_upload(struct step_run *step, const char **ret_path)
{
	const struct write_config *config = step->config;
	struct expr_env *env = step_env(step);
	struct value value, path;
	int r = env->root(env, ROOT_FORM, config->upload, &value);

	if (r < 0)
		return r;
	if (value.kind == VALUE_OBJECT && value_member(value, STR("path"), &path) &&
	    path.kind == VALUE_TEXT) {
		*ret_path = arena_str(step_arena(step), value_str(path)).ptr;
		return *ret_path ? 0 : -ENOMEM;
	}
	snprintf(env->message, sizeof(env->message), "the form has no file %.*s",
		 STR_ARG(str_first(config->upload, 80)));
	return -EBADMSG;
}

static void write_start(struct step_run *step)
{
	const struct write_config *config = step->config;
	const char *from = NULL;
	struct file_place place;
	struct file_job *job;
	struct str bytes;
	int r = config->from ? file_eval_bytes(step, config->from, &bytes)
			     : write_find_upload(step, &from);

	if (r < 0) {
		step_done_errno(step, r);
		return;
	}
	if (!file_path_eval(step, &config->path, &place))
		return;
	job = from ? file_copy_create(&place, &config->change, from, file_budget(step))
		   : file_store_create(&place, &config->change, bytes, file_budget(step));
	file_run(step, job, place.path, write_on_end);
}

/* ------------------------------------------------------------ append */

static void append_on_synced(struct file_sync_wait *wait, int error)
{
	struct write_state *state = container_of(wait, struct write_state, sync);

	state->syncs = false;
	if (error)
		file_fail(state->file.step, error, FILE_CALL_SYNC, state->file.path);
	else
		step_done(state->file.step, ERROR_NONE, STR_NONE);
}

static void append_on_end(struct file_state *file, struct file_job *job)
{
	struct write_state *state = container_of(file, struct write_state, file);
	int fd = file_append_take(job), r;

	state->done = true;
	if (fd < 0) {
		step_done(file->step, ERROR_NONE, STR_NONE);
		return;
	}
	r = file_sync_join(file->task.io, fd, file_append_stat(job), &state->sync,
			   append_on_synced);
	state->syncs = r == 0;
	if (r == -EAGAIN || r == -EBUSY)
		step_fail_reason(file->step, r == -EAGAIN ? REASON_FULL : REASON_UNAVAILABLE,
				 ERROR_QUEUE_FULL);
	else if (r < 0)
		step_done_errno(file->step, r);
}

static void append_start(struct step_run *step)
{
	const struct write_config *config = step->config;
	struct write_state *state = step->state;
	struct file_place place;
	struct str bytes;
	int r = file_eval_bytes(step, config->from, &bytes);

	if (r < 0) {
		step_done_errno(step, r);
		return;
	}
	if (!file_path_eval(step, &config->path, &place))
		return;
	state->size = bytes.len;
	file_run(step, file_append_create(&place, &config->change, bytes, file_budget(step)),
		 place.path, append_on_end);
}

static void append_cancel(struct step_run *step)
{
	struct write_state *state = step->state;

	if (!state->syncs) {
		file_cancel(step);
		return;
	}
	state->syncs = false;
	file_sync_leave(&state->sync);
	step_done(step, ERROR_CANCELLED, STR("cancelled while it was synced"));
}

/* ------------------------------------------------------------ the result */

static int write_field(struct step_run *step, struct str name, struct value *ret)
{
	const struct write_state *state = step->state;

	(void)name;
	*ret = state->done ? value_int((int64_t)state->size) : value_null();
	return 0;
}

static const char *const write_fields[] = { "size", NULL };

const struct verb verb_write = {
	.name = "write",
	.help = "Makes or replaces a file beneath files_root, whole or not at all: .size is the "
		"number of its bytes.",
	.keys = write_keys,
	.config_size = sizeof(struct write_config),
	.state_size = sizeof(struct write_state),
	.is_idempotent = true,
	.acts = true,
	.fields = write_fields,
	.main_field = "size",
	.compile = write_compile,
	.start = write_start,
	.cancel = file_cancel,
	.field = write_field,
};

const struct verb verb_append = {
	.name = "append",
	.help = "Adds to the end of a file beneath files_root: .size is the number of bytes that "
		"were added.",
	.keys = append_keys,
	.config_size = sizeof(struct write_config),
	.state_size = sizeof(struct write_state),
	.fields = write_fields,
	.main_field = "size",
	.compile = append_compile,
	.start = append_start,
	.cancel = append_cancel,
	.field = write_field,
};
