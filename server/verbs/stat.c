/* server/verbs/stat.c: `stat: PATH` and `list: PATH`: what a file is, what is in a folder. */
#include "server/verbs/file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct stat_config {
	struct file_path path;
	bool missing_ok;
	/* list */
	int64_t max, take;
	int by; /* enum list_order, in pairs: the second is the reverse */
	bool hidden;
};

struct stat_state {
	struct file_state file;
	struct value result; /* an object; or a list */
};

enum list_order {
	LIST_NAME,
	LIST_NAME_DOWN,
	LIST_SIZE,
	LIST_SIZE_DOWN,
	LIST_MTIME,
	LIST_MTIME_DOWN
};

static const char *const list_orders[] = {
	"name", "-name", "size", "-size", "mtime", "-mtime", NULL
};

#define AT(field) offsetof(struct stat_config, field)
static const struct setting stat_keys[] = {
	{ "missing_ok", SETTING_BOOL, AT(missing_ok), "false",
	  "Whether that nothing is there is no failure: then the result is null." },
	SETTINGS_END
};

static const struct setting list_keys[] = {
	{ "max", SETTING_INT, AT(max), "10000", "The most entries; more is too_large.", 1,
	  1000000 },
	{ "by", SETTING_CHOICE, AT(by), "name", "The order: name, size or mtime; with - downwards.",
	  .choices = list_orders },
	{ "take", SETTING_INT, AT(take), "0", "Only the first so many of them; 0: all.", 0,
	  1000000 },
	{ "hidden", SETTING_BOOL, AT(hidden), "false",
	  "Whether names that begin with a dot are listed, too." },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ values */

enum { ENTRY_MEMBERS = 5 };

static int entry_value(struct arena *arena, struct str name, uint64_t size, int64_t mtime,
		       mode_t mode, struct value *ret)
{
	struct member *members = arena_alloc_array(arena, ENTRY_MEMBERS, sizeof(*members));
	struct str time = file_time(arena, mtime), text = file_mode_text(arena, mode);

	if (!members || !time.ptr || !text.ptr)
		return -ENOMEM;
	members[0] = (struct member){ value_text(STR("name")), value_text(name) };
	members[1] = (struct member){ value_text(STR("type")),
				      value_text(str_of(file_type_name(mode))) };
	members[2] = (struct member){ value_text(STR("size")), value_int((int64_t)size) };
	members[3] = (struct member){ value_text(STR("mtime")), value_text(time) };
	members[4] = (struct member){ value_text(STR("mode")), value_text(text) };
	*ret = value_object(members, ENTRY_MEMBERS);
	return 0;
}

/* ------------------------------------------------------------ stat */

static bool stat_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct stat_config *own = config;

	return file_path_compile(compiler, value, "stat", true, &own->path);
}

static void stat_on_end(struct file_state *file, struct file_job *job)
{
	struct stat_state *state = container_of(file, struct stat_state, file);
	struct str name = file->path, rest = file->path;
	const struct statx *stat;
	int r = 0;

	while (str_next_part(&rest, '/', &name))
		;
	if (job) {
		stat = file_stat_found(job);
		r = entry_value(step_arena(file->step), name, stat->stx_size,
				stat->stx_mtime.tv_sec, stat->stx_mode, &state->result);
	}
	step_done_errno(file->step, r);
}

static void stat_start(struct step_run *step)
{
	const struct stat_config *config = step->config;
	struct stat_state *state = step->state;
	struct file_place place;

	if (!file_path_eval(step, &config->path, &place))
		return;
	state->file.missing_ok = config->missing_ok;
	file_run(step, file_stat_create(&place, file_budget(step)), place.path, stat_on_end);
}

static int stat_field(struct step_run *step, struct str name, struct value *ret)
{
	const struct stat_state *state = step->state;

	*ret = state->result;
	if (!str_eq(name, STR("result")) && !value_member(state->result, name, ret))
		*ret = value_null();
	return 0;
}

/* ------------------------------------------------------------ list */

static bool list_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct stat_config *own = config;

	return file_path_compile(compiler, value, "list", true, &own->path);
}

static int list_compare(const void *a_ptr, const void *b_ptr, void *by_ptr)
{
	const struct file_entry *a = a_ptr, *b = b_ptr;
	const int by = *(const int *)by_ptr;
	int order = 0;

	if (by == LIST_SIZE || by == LIST_SIZE_DOWN)
		order = (a->size > b->size) - (a->size < b->size);
	else if (by == LIST_MTIME || by == LIST_MTIME_DOWN)
		order = (a->mtime_ns > b->mtime_ns) - (a->mtime_ns < b->mtime_ns);
	if (order == 0)
		order = strcmp(a->name, b->name);
	return by % 2 ? -order : order;
}

static int list_value(struct step_run *step, struct file_job *job, struct value *ret)
{
	const struct stat_config *config = step->config;
	struct arena *arena = step_arena(step);
	const struct file_entry *entries;
	size_t n = file_list_entries(job, &entries);
	struct value *items;
	int r = 0;

	if (config->take > 0)
		n = MIN(n, (size_t)config->take);
	items = arena_alloc_array(arena, n + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct str name = arena_str(arena, str_of(entries[i].name));

		r = name.ptr ? entry_value(arena, name, entries[i].size,
					   entries[i].mtime_ns / INT64_C(1000000000),
					   entries[i].mode, &items[i])
			     : -ENOMEM;
	}
	*ret = r == 0 ? value_list(items, n) : value_null();
	return r;
}

static void list_on_end(struct file_state *file, struct file_job *job)
{
	struct stat_state *state = container_of(file, struct stat_state, file);

	step_done_errno(file->step, list_value(file->step, job, &state->result));
}

static void list_start(struct step_run *step)
{
	const struct stat_config *config = step->config;
	struct file_list_spec spec = { .n_max = (size_t)config->max,
				       .hidden = config->hidden,
				       .compare = list_compare,
				       .order = config->by };
	struct file_place place;

	if (!file_path_eval(step, &config->path, &place))
		return;
	file_run(step, file_list_create(&place, &spec, file_budget(step)), place.path, list_on_end);
}

static int list_field(struct step_run *step, struct str name, struct value *ret)
{
	const struct stat_state *state = step->state;

	(void)name;
	*ret = state->result;
	return 0;
}

static const char *const stat_fields[] = {
	"result", "name", "type", "size", "mtime", "mode", NULL
};
static const char *const list_fields[] = { "entries", NULL };

const struct verb verb_stat = {
	.name = "stat",
	.help = "What a file or folder beneath files_root is: .type, .size, .mtime, .mode.",
	.keys = stat_keys,
	.config_size = sizeof(struct stat_config),
	.state_size = sizeof(struct stat_state),
	.is_idempotent = true,
	.fields = stat_fields,
	.main_field = "result",
	.compile = stat_compile,
	.start = stat_start,
	.cancel = file_cancel,
	.field = stat_field,
};

const struct verb verb_list = {
	.name = "list",
	.help = "What is in a folder beneath files_root: .entries, each {name, type, size, mtime, "
		"mode}.",
	.keys = list_keys,
	.config_size = sizeof(struct stat_config),
	.state_size = sizeof(struct stat_state),
	.is_idempotent = true,
	.fields = list_fields,
	.main_field = "entries",
	.compile = list_compile,
	.start = list_start,
	.cancel = file_cancel,
	.field = list_field,
};
