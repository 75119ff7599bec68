/* server/verbs/remove.c: `remove: PATH`, `rename: PATH` and `sync: PATH`. */
#include "server/verbs/file.h"

struct remove_config {
	struct file_path path, to;
	const struct node *to_node;
	bool durable, replace, folders, missing_ok;
};

struct remove_state {
	struct file_state file;
	bool done, removed;
};

#define AT(field) offsetof(struct remove_config, field)
#define DURABLE_KEY                                                                                \
	{                                                                                          \
		"durable", SETTING_BOOL, AT(durable), "true",                                      \
			"Whether it has reached the disk when the task ends."                      \
	}
static const struct setting remove_keys[] = { DURABLE_KEY,
					      { "missing_ok", SETTING_BOOL, AT(missing_ok), "false",
						"Whether that nothing is there is no failure." },
					      SETTINGS_END };

static const struct setting rename_keys[] = {
	DURABLE_KEY,
	{ "to", SETTING_TEMPLATE, AT(to_node), .help = "Its new path, beneath files_root, too.",
	  .required = true },
	{ "replace", SETTING_BOOL, AT(replace), "true",
	  "Whether what has that name already is replaced; else io_error, with EEXIST." },
	{ "folders", SETTING_BOOL, AT(folders), "false",
	  "Whether folders of the new path that are missing are made." },
	SETTINGS_END
};
#undef AT

static void remove_on_end(struct file_state *file, struct file_job *job)
{
	struct remove_state *state = container_of(file, struct remove_state, file);

	state->done = true;
	state->removed = job != NULL;
	step_done(file->step, ERROR_NONE, STR_NONE);
}

/* ------------------------------------------------------------ remove */

static bool remove_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct remove_config *own = config;

	return file_path_compile(compiler, value, "remove", false, &own->path);
}

static void remove_start(struct step_run *step)
{
	const struct remove_config *config = step->config;
	struct remove_state *state = step->state;
	struct file_place place;

	if (!file_path_eval(step, &config->path, &place))
		return;
	state->file.missing_ok = config->missing_ok;
	file_run(step, file_remove_create(&place, config->durable, file_budget(step)), place.path,
		 remove_on_end);
}

static int remove_field(struct step_run *step, struct str name, struct value *ret)
{
	const struct remove_state *state = step->state;

	(void)name;
	*ret = state->done ? value_bool(state->removed) : value_null();
	return 0;
}

/* ------------------------------------------------------------ rename */

static bool rename_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct remove_config *own = config;
	bool ok = file_path_compile(compiler, value, "rename", false, &own->path);

	return own->to_node && file_path_compile(compiler, own->to_node, "to", false, &own->to) &&
	       ok;
}

static void rename_start(struct step_run *step)
{
	const struct remove_config *config = step->config;
	const struct file_change change = { .durable = config->durable,
					    .replace = config->replace,
					    .folders = config->folders };
	struct file_place from, to;

	if (!file_path_eval(step, &config->path, &from) || !file_path_eval(step, &config->to, &to))
		return;
	file_run(step, file_rename_create(&from, to.path, &change, file_budget(step)), from.path,
		 remove_on_end);
}

/* ------------------------------------------------------------ sync */

static bool sync_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct remove_config *own = config;

	return file_path_compile(compiler, value, "sync", true, &own->path);
}

static void sync_start(struct step_run *step)
{
	const struct remove_config *config = step->config;
	struct file_place place;

	if (!file_path_eval(step, &config->path, &place))
		return;
	file_run(step, file_flush_create(&place, file_budget(step)), place.path, remove_on_end);
}

static const char *const remove_fields[] = { "removed", NULL };

const struct verb verb_remove = {
	.name = "remove",
	.help = "Removes a file or an empty folder beneath files_root: .removed says whether there "
		"was one.",
	.keys = remove_keys,
	.config_size = sizeof(struct remove_config),
	.state_size = sizeof(struct remove_state),
	.fields = remove_fields,
	.main_field = "removed",
	.compile = remove_compile,
	.start = remove_start,
	.cancel = file_cancel,
	.field = remove_field,
};

const struct verb verb_rename = {
	.name = "rename",
	.help = "Gives a file or folder beneath files_root another path.",
	.keys = rename_keys,
	.config_size = sizeof(struct remove_config),
	.state_size = sizeof(struct remove_state),
	.compile = rename_compile,
	.start = rename_start,
	.cancel = file_cancel,
	.field = step_field_none,
};

const struct verb verb_sync = {
	.name = "sync",
	.help = "Makes what was written to a file or folder beneath files_root reach the disk.",
	.config_size = sizeof(struct remove_config),
	.state_size = sizeof(struct remove_state),
	.is_idempotent = true,
	.acts = true,
	.compile = sync_compile,
	.start = sync_start,
	.cancel = file_cancel,
	.field = step_field_none,
};
