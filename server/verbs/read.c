/* server/verbs/read.c: `read: PATH`: a file as a text, or, with `stream: true`, as the reply's body. */
#include "server/body_source.h"
#include "server/verbs/file.h"
#include "server/verbs/stream.h"
#include <errno.h>

struct read_config {
	struct file_path path;
	const struct node *offset_node, *length_node;
	struct template *offset, *length;
	uint64_t max;
	bool stream;
};

struct read_state {
	struct file_state file;
	uint64_t offset, length;
	bool known;
	uint64_t size; /* of the whole file */
	int64_t mtime;
	struct str text;
	struct body_source *source; /* NULL: none, or taken */
};

#define AT(field) offsetof(struct read_config, field)
static const struct setting read_keys[] = {
	{ "offset", SETTING_TEMPLATE, AT(offset_node),
	  .help = "Where it begins to read, in bytes; 0 when not said." },
	{ "length", SETTING_TEMPLATE, AT(length_node),
	  .help = "How many bytes it reads; to the end when not said." },
	{ "max", SETTING_SIZE, AT(max), "1m",
	  "The most it reads; more is too_large. Not with `stream`.", .min = 1,
	  .max = INT64_C(1) << 30 },
	{ "stream", SETTING_BOOL, AT(stream), "false",
	  "Whether the file is not kept, but passed on as the reply's whole body." },
	SETTINGS_END
};
#undef AT

static bool read_compile_number(struct verb_compiler *compiler, const struct node *node,
				struct template **ret)
{
	if (!node)
		return true;
	*ret = template_compile(compiler->expr, node, TEMPLATE_PLAIN);
	return *ret != NULL;
}

static bool read_compile(struct verb_compiler *compiler, const struct node *value, void *config_ptr)
{
	struct read_config *config = config_ptr;
	bool ok = file_path_compile(compiler, value, "read", false, &config->path);

	ok &= read_compile_number(compiler, config->offset_node, &config->offset);
	ok &= read_compile_number(compiler, config->length_node, &config->length);
	if (config->stream)
		ok &= stream_compile(compiler);
	return ok;
}

static void read_note(struct read_state *state, const struct statx *stat)
{
	state->known = true;
	state->size = stat->stx_size;
	state->mtime = stat->stx_mtime.tv_sec;
}

/* The bytes become the request's without a copy. */
static void read_on_loaded(struct file_state *file, struct file_job *job)
{
	struct read_state *state = container_of(file, struct read_state, file);
	struct step_run *step = file->step;
	size_t size;
	struct arena_block *block = file_load_take(job, &size);

	if (block && !arena_adopt(step_arena(step), block)) {
		arena_block_destroy(block);
		step_done_errno(step, -ENOMEM);
		return;
	}
	read_note(state, file_load_stat(job));
	state->text = block ? (struct str){ arena_block_bytes(block), size } : STR("");
	step_done(step, ERROR_NONE, STR_NONE);
}

static void read_on_opened(struct file_state *file, struct file_job *job)
{
	struct read_state *state = container_of(file, struct read_state, file);
	struct step_run *step = file->step;
	uint64_t size;

	read_note(state, file_open_stat(job));
	size = MIN(state->size - MIN(state->size, state->offset), state->length);
	state->source =
		file_stream_create(step, file_open_take(job), state->offset, size, file->path);
	if (!state->source) {
		step_done_errno(step, -ENOMEM);
		return;
	}
	context_leave_open(step->run->context, state->source);
	step_done(step, ERROR_NONE, STR_NONE);
}

static void read_start(struct step_run *step)
{
	const struct read_config *config = step->config;
	struct read_state *state = step->state;
	struct arena *arena = step_arena(step);
	struct file_range range = { .max = config->max };
	struct file_place place;
	int r = file_eval_number(step, config->offset, 0, "offset", &range.offset);

	if (r == 0)
		r = file_eval_number(step, config->length, UINT64_MAX, "length", &range.length);
	if (r < 0) {
		step_done_errno(step, r);
		return;
	}
	if (!file_path_eval(step, &config->path, &place))
		return;
	state->offset = range.offset;
	state->length = range.length;
	if (config->stream)
		file_run(step, file_open_create(&place, file_budget(step)), place.path,
			 read_on_opened);
	else
		file_run(step, file_load_create(&place, &range, arena->budget), place.path,
			 read_on_loaded);
}

static int read_field(struct step_run *step, struct str name, struct value *ret)
{
	const struct read_state *state = step->state;
	struct str time;

	*ret = value_null();
	if (!state->known)
		return 0;
	if (str_eq(name, STR("size"))) {
		*ret = value_int((int64_t)state->size);
	} else if (str_eq(name, STR("mtime"))) {
		time = file_time(step_arena(step), state->mtime);
		*ret = value_text(time);
		return time.ptr ? 0 : -ENOMEM;
	} else if (state->text.ptr) {
		*ret = value_text(state->text);
	}
	return 0;
}

static struct body_source *read_source(struct step_run *step)
{
	struct read_state *state = step->state;

	return take(&state->source);
}

static const char *const read_fields[] = { "text", "size", "mtime", NULL };

const struct verb verb_read = {
	.name = "read",
	.help = "Reads a file beneath files_root: .text is what is in it.",
	.keys = read_keys,
	.config_size = sizeof(struct read_config),
	.state_size = sizeof(struct read_state),
	.is_idempotent = true,
	.fields = read_fields,
	.main_field = "text",
	.compile = read_compile,
	.start = read_start,
	.cancel = file_cancel,
	.field = read_field,
	.source = read_source,
};
