/* server/native/verb.c
 *
 * A module's verb is a struct verb in the arena of its generation, found by the compiler in that
 * generation's table and afterwards only by the pointer in the step: a run does not know the
 * difference. */
#include "server/native/verb.h"
#include "server/flow/queues.h"
#include "server/native/natives.h"

struct native_verb {
	struct verb verb;
	const struct leat_verb *row;
	struct library *library;
	size_t n_keys;
};

/* What a row may leave out. */
static const struct leat_key any_value = { .help = "Anything.", .flags = LEAT_EXPRESSION };

#define AT(field) offsetof(struct native_config, field)
#define QUEUE_ROW                                                                                  \
	{                                                                                          \
		"queue", SETTING_NODE, AT(queue_node), .help = "A queue of the section `compute`." \
	}
const struct setting native_keys[] = { QUEUE_ROW,
				       { "with", SETTING_VALUE, AT(with_node),
					 .help = "What the function reads as its input." },
				       SETTINGS_END };

/* ------------------------------------------------------------ making */

size_t library_n_verbs(const struct library *library)
{
	const struct leat_verb *rows = library->module->verbs;
	size_t n = 0;

	while (rows && rows[n].name)
		n++;
	return n;
}

static size_t leat_keys_count(const struct leat_key *keys)
{
	size_t n = 0;

	while (keys && keys[n].name)
		n++;
	return n;
}

static const struct setting *native_settings(const struct leat_verb *row, size_t n_keys,
					     struct arena *arena)
{
	static const struct setting queue = QUEUE_ROW, end = SETTINGS_END;
	struct setting *settings = arena_alloc_array(arena, n_keys + 2, sizeof(*settings));

	for (size_t i = 0; i < n_keys; i++)
		settings[i] = native_setting(&row->keys[i], row->keys[i].name,
					     AT(slots) + i * sizeof(union native_slot));
	settings[n_keys] = queue;
	settings[n_keys + 1] = end;
	return settings;
}

const struct verb *native_verb_make(struct library *library, size_t number, struct arena *arena)
{
	const struct leat_verb *row = &library->module->verbs[number];
	struct native_verb *native = arena_alloc(arena, sizeof(*native));
	size_t n_keys = leat_keys_count(row->keys);

	*native = (struct native_verb){
		.verb = { .name = row->name,
			  .help = row->help,
			  .keys = native_settings(row, n_keys, arena),
			  .config_size =
				  sizeof(struct native_config) + n_keys * sizeof(union native_slot),
			  .state_size = sizeof(struct native_state),
			  .is_idempotent = row->flags & LEAT_IDEMPOTENT,
			  .fields = native_fields,
			  .main_field = "result",
			  .compile = native_verb_compile,
			  .start = native_start,
			  .cancel = native_cancel,
			  .field = native_field },
		.row = row,
		.library = library,
		.n_keys = n_keys,
	};
	return &native->verb;
}

/* ------------------------------------------------------------ compiling a task */

static bool native_compile_value(struct verb_compiler *compiler, const struct leat_verb *row,
				 const struct node *value, struct native_config *config)
{
	const struct leat_key *key = row->value ? row->value : &any_value;
	const struct setting setting = native_setting(key, row->name, 0);
	union native_slot slot = { 0 };

	config->input = (struct native_key){ .row = key, .name = row->name };
	return setting_read_value(&setting, value, &slot, compiler->flow->arena,
				  compiler->flow->diag) &&
	       native_key_compile(compiler, &config->input, &slot, value);
}

bool native_verb_compile(struct verb_compiler *compiler, const struct node *value, void *config_ptr)
{
	struct native_config *config = config_ptr;
	const struct native_verb *native =
		container_of(compiler->step->verb, struct native_verb, verb);
	const struct leat_verb *row = native->row;
	bool ok = native_compile_value(compiler, row, value, config);

	config->target = (struct native_target){ .library = native->library,
						 .name = row->name,
						 .fn = row->run ? row->run : row->start,
						 .on_loop = row->start != NULL,
						 .state_size = row->state_size,
						 .release = row->release };
	config->n_keys = native->n_keys;
	config->keys =
		arena_alloc_array(compiler->flow->arena, config->n_keys + 1, sizeof(*config->keys));
	for (size_t i = 0; i < config->n_keys; i++) {
		const struct leat_key *key = &row->keys[i];

		config->keys[i] = (struct native_key){ .row = key, .name = key->name };
		ok &= native_key_compile(compiler, &config->keys[i], &config->slots[i],
					 node_find(compiler->step->node, key->name));
	}
	config->natives = compiler->flow->natives;
	config->queue = queues_find(compiler->flow, config->queue_node);
	return ok && config->queue;
}
