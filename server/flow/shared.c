/* server/flow/shared.c: the section `shared:`, and finding what it declares. */
#include "server/flow/shared.h"
#include "server/flow/flow.h"
#include "server/flow/step.h"

struct shared_config {
	int64_t permits, queue, waiting;
	uint64_t bytes;
	int full; /* enum queue_policy */
};

static const char *const full_choices[] = {
	[QUEUE_REJECT] = "reject", [QUEUE_WAIT] = "wait", [QUEUE_DROP_OLDEST] = "drop_oldest", NULL
};

#define AT(field) offsetof(struct shared_config, field)
const struct setting shared_keys[] = {
	{ "permits", SETTING_INT, AT(permits), .help = "A pool: how many may hold one at once.",
	  .min = 1, .max = 1000000 },
	{ "queue", SETTING_INT, AT(queue), .help = "A queue: how many messages lie in it.",
	  .min = 1, .max = 10000000 },
	{ "full", SETTING_CHOICE, AT(full), "reject", "What happens to a message for a full queue.",
	  .choices = full_choices },
	{ "bytes", SETTING_SIZE, AT(bytes), "16m", "What the messages of a queue take together.",
	  1024, INT64_C(1) << 40 },
	{ "waiting", SETTING_INT, AT(waiting), "1000",
	  "How many may wait for a permit, a message or room at once.", 1, 1000000 },
	SETTINGS_END
};
#undef AT

static bool shared_compile_one(struct shared_thing *thing, const struct node_entry *entry,
			       struct arena *arena, struct diag *diag)
{
	static const char *const queue_only[] = { "full", "bytes" };
	struct shared_config config = { 0 };
	const struct settings_part part = { shared_keys, &config };

	if (!name_is_valid(entry->key)) {
		diag_error(diag, entry->key_place,
			   "\"%.*s\" cannot be the name of something shared; write lower-case "
			   "letters, digits and _",
			   STR_ARG(str_first(entry->key, 80)));
		return false;
	}
	if (settings_read(&part, 1, entry->value, "shared", arena, diag) > 0)
		return false;
	if (!config.permits == !config.queue) {
		diag_error(diag, entry->key_place,
			   "\"%.*s\" is a pool or a queue; write {permits: 4} or {queue: 100}",
			   STR_ARG(entry->key));
		return false;
	}
	for (size_t i = 0; config.permits && i < ARRAY_LEN(queue_only); i++) {
		const struct node_entry *wrong = node_entry_find(entry->value, queue_only[i]);

		if (!wrong)
			continue;
		diag_error(diag, wrong->key_place,
			   "`%s` belongs to a queue, and \"%.*s\" is a pool", queue_only[i],
			   STR_ARG(entry->key));
		return false;
	}
	*thing = (struct shared_thing){
		.name = entry->key,
		.kind = config.permits ? SHARED_POOL : SHARED_QUEUE,
		.n_permits = (uint32_t)config.permits,
		.n_wait_max = (uint32_t)config.waiting,
		.n_max = (size_t)config.queue,
		.max_bytes = (size_t)config.bytes,
		.full = (enum queue_policy)config.full,
	};
	return true;
}

bool shared_compile(struct shared_things *things, const struct node *section, struct arena *arena,
		    struct diag *diag)
{
	size_t n_entries = section && section->kind == NODE_MAP ? section->n_entries : 0;
	bool ok = true;

	*things = (struct shared_things){
		.things = arena_alloc_array(arena, n_entries + 1, sizeof(*things->things)),
		.names = arena_alloc_array(arena, n_entries + 1, sizeof(*things->names)),
	};
	for (size_t i = 0; i < n_entries; i++) {
		things->names[i] = section->entries[i].key.ptr;
		if (shared_compile_one(&things->things[things->n_things], &section->entries[i],
				       arena, diag))
			things->n_things++;
		else
			ok = false;
	}
	things->names[n_entries] = NULL;
	return ok;
}

static const char *shared_kind_name(enum shared_kind kind)
{
	return kind == SHARED_POOL ? "pool" : "queue";
}

/* The name was declared, perhaps wrongly: that was told then. */
static void shared_refuse(struct flow_compiler *compiler, const struct node *value,
			  enum shared_kind kind)
{
	const struct shared_things *things = compiler->shared;
	const char *nearest = things ? diag_nearest(value->text, things->names) : NULL;

	if (nearest && str_eq(value->text, str_of(nearest)))
		return;
	if (nearest)
		diag_error(compiler->diag, value->place,
			   "there is no %s \"%.*s\" in `shared:`; did you mean \"%s\"?",
			   shared_kind_name(kind), STR_ARG(str_first(value->text, 80)), nearest);
	else
		diag_error(compiler->diag, value->place,
			   "there is no %s \"%.*s\"; declare it under `shared:` as {%s}",
			   shared_kind_name(kind), STR_ARG(str_first(value->text, 80)),
			   kind == SHARED_POOL ? "permits: 4" : "queue: 100");
}

const struct shared_thing *shared_find(struct flow_compiler *compiler, const struct node *value,
				       enum shared_kind kind, const char *key)
{
	const struct shared_things *things = compiler->shared;

	if (!node_is_scalar(value) || value->kind == NODE_NULL) {
		diag_error(compiler->diag, value->place,
			   "`%s` takes the name of a %s of `shared:`, not %s", key,
			   shared_kind_name(kind), node_kind_name(value));
		return NULL;
	}
	for (size_t i = 0; things && i < things->n_things; i++) {
		const struct shared_thing *thing = &things->things[i];

		if (!str_eq(thing->name, value->text))
			continue;
		if (thing->kind == kind)
			return thing;
		diag_error(compiler->diag, value->place, "\"%.*s\" is a %s, and `%s` takes a %s",
			   STR_ARG(thing->name), shared_kind_name(thing->kind), key,
			   shared_kind_name(kind));
		return NULL;
	}
	shared_refuse(compiler, value, kind);
	return NULL;
}

void shared_watch(const struct shared_things *things, struct homes *homes)
{
	for (size_t i = 0; i < things->n_things; i++)
		homes_watch(homes,
			    things->things[i].kind == SHARED_QUEUE ? HOME_FIGURES_QUEUE
								   : HOME_FIGURES_POOL,
			    things->things[i].name);
}
