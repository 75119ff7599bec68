/* server/flow/queues.c */
#include "server/flow/queues.h"
#include "server/flow/flow.h"
#include "server/flow/step.h"

struct compute_config {
	int64_t weight, running, waiting;
};

#define AT(field) offsetof(struct compute_config, field)
const struct setting compute_keys[] = {
	{ "weight", SETTING_INT, AT(weight), "1",
	  "How many works in a row are begun when it is the queue's turn.", 1, 1000 },
	{ "running", SETTING_INT, AT(running), "0",
	  "How many run at once; 0: as many as there are threads.", 0, 1024 },
	{ "waiting", SETTING_INT, AT(waiting), "1000",
	  "How many may wait for a thread; past it queue_full.", 1, 1000000 },
	SETTINGS_END
};
#undef AT

static struct compute_queue compute_queue_of(struct str name, const struct compute_config *config)
{
	return (struct compute_queue){
		.name = name,
		.limits = { .weight = (unsigned)config->weight,
			    .running_max = (unsigned)config->running,
			    .waiting_max = (size_t)config->waiting },
	};
}

static bool queues_compile_one(struct compute_queues *queues, const struct node_entry *entry,
			       struct arena *arena, struct diag *diag)
{
	struct compute_config config = { 0 };
	const struct settings_part part = { compute_keys, &config };

	if (!name_is_valid(entry->key)) {
		diag_error(diag, entry->key_place,
			   "\"%.*s\" cannot be the name of a queue; write lower-case letters, "
			   "digits and _",
			   STR_ARG(str_first(entry->key, 80)));
		return false;
	}
	if (settings_read(&part, 1, entry->value, "a compute queue", arena, diag) > 0)
		return false;
	if (str_eq(entry->key, queues->queues[0].name))
		queues->queues[0] = compute_queue_of(entry->key, &config);
	else
		queues->queues[queues->n_queues++] = compute_queue_of(entry->key, &config);
	return true;
}

bool queues_compile(struct compute_queues *queues, const struct node *section, struct arena *arena,
		    struct diag *diag)
{
	size_t n_entries = section && section->kind == NODE_MAP ? section->n_entries : 0;
	struct compute_config plain = { 0 };
	bool ok = true;

	settings_defaults(compute_keys, &plain, arena);
	queues->queues = arena_alloc_array(arena, n_entries + 1, sizeof(*queues->queues));
	queues->names = arena_alloc_array(arena, n_entries + 1, sizeof(*queues->names));
	queues->queues[0] = compute_queue_of(STR("compute"), &plain);
	queues->n_queues = 1;
	for (size_t i = 0; i < n_entries; i++) {
		queues->names[i] = section->entries[i].key.ptr;
		ok &= queues_compile_one(queues, &section->entries[i], arena, diag);
	}
	queues->names[n_entries] = NULL;
	return ok;
}

static void queues_refuse(struct flow_compiler *compiler, const struct node *value)
{
	const struct compute_queues *queues = compiler->queues;
	const char *nearest = queues ? diag_nearest(value->text, queues->names) : NULL;

	if (nearest && str_eq(value->text, str_of(nearest)))
		return; /* it was declared, and wrong: that was told */
	if (nearest)
		diag_error(compiler->diag, value->place,
			   "there is no compute queue \"%.*s\"; did you mean \"%s\"?",
			   STR_ARG(str_first(value->text, 80)), nearest);
	else
		diag_error(compiler->diag, value->place,
			   "there is no compute queue \"%.*s\"; declare it under `compute:`, as in "
			   "{waiting: 100}",
			   STR_ARG(str_first(value->text, 80)));
}

const struct compute_queue *queues_find(struct flow_compiler *compiler, const struct node *value)
{
	static const struct compute_queue none;
	const struct compute_queues *queues = compiler->queues;

	if (!value)
		return queues ? &queues->queues[0] : &none;
	if (!node_is_scalar(value) || value->kind == NODE_NULL) {
		diag_error(compiler->diag, value->place,
			   "`queue` takes the name of a queue of `compute:`, not %s",
			   node_kind_name(value));
		return NULL;
	}
	for (size_t i = 0; queues && i < queues->n_queues; i++)
		if (str_eq(queues->queues[i].name, value->text))
			return &queues->queues[i];
	queues_refuse(compiler, value);
	return NULL;
}

void queues_open(struct compute_queues *queues, struct pool *pool)
{
	for (size_t i = 0; i < queues->n_queues; i++)
		queues->queues[i].open =
			pool_queue_open(pool, queues->queues[i].name, &queues->queues[i].limits);
}

void queues_close(struct compute_queues *queues)
{
	for (size_t i = 0; i < queues->n_queues; i++)
		pool_queue_close(take(&queues->queues[i].open));
}
