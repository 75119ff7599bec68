/* server/verbs/reduce.c: `reduce:`: what the elements of a list make together, of all of them or
 * of each group.
 *
 * Each piece of the list is reduced into a table of its own (core/thread/sort.h); the tables are joined in the order
 * of the list, so that the groups stand in the order in which they first appear. Integers are added
 * exactly as long as they fit; what does not is an error, never a wrong number. */
#include "core/base/map.h"
#include "core/thread/sort.h"
#include "server/expr/number.h"
#include "server/verbs/all.h"
#include "server/verbs/array.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum combine {
	COMBINE_SUM,
	COMBINE_COUNT,
	COMBINE_AVG,
	COMBINE_MIN,
	COMBINE_MAX,
	COMBINE_FIRST,
	COMBINE_LAST,
};

static const char *const combine_choices[] = { "sum", "count", "avg",  "min",
					       "max", "first", "last", NULL };

/* What one group has so far. */
struct group {
	struct group *next; /* in its table, in the order of appearance */
	struct str name;    /* the key as JSON: what tells groups apart */
	uint64_t n;         /* elements whose value is not null */
	struct value value; /* min, max, first, last */
	bool is_real;
	int64_t integer; /* sum and avg, while !is_real */
	double real;
};

struct group_table {
	struct arena arena; /* of one piece */
	struct map by_name;
	struct buf name; /* of the group that is looked for */
	struct group *first, **last;
	int error;
	const char *what; /* with -EINVAL */
};

/* ------------------------------------------------------------ tables */

static void table_begin(void *into, void *context)
{
	struct group_table *table = into;
	const struct array_work *work = context;

	arena_init(&table->arena, work->arena.max);
	table->arena.budget = work->arena.budget;
	map_init(&table->by_name);
	buf_init(&table->name, work->arena.max);
	table->last = &table->first;
}

static void table_end(void *part, void *context)
{
	struct group_table *table = part;

	(void)context;
	buf_fini(&table->name);
	map_fini(&table->by_name);
	arena_fini(&table->arena);
}

/* Made when it is not there, with a name of its own. NULL without memory. */
static struct group *table_group(struct group_table *table, struct str name)
{
	struct group *group = map_find(&table->by_name, name);

	if (group)
		return group;
	group = arena_zalloc(&table->arena, sizeof(*group));
	if (group)
		group->name = arena_str(&table->arena, name);
	if (!group || !group->name.ptr) {
		table->error = -ENOMEM;
		return NULL;
	}
	map_set(&table->by_name, group->name, group);
	*table->last = group;
	table->last = &group->next;
	return group;
}

/* The first that is wrong is told. `what` is a static text. */
static void table_fail(struct group_table *table, const char *what)
{
	if (table->error)
		return;
	table->what = what;
	table->error = -EINVAL;
}

/* ------------------------------------------------------------ combining */

static void group_add_real(struct group *group, double real)
{
	if (!group->is_real)
		group->real = (double)group->integer;
	group->is_real = true;
	group->real += real;
}

static void group_add(struct group_table *table, struct group *group, const struct number *number)
{
	if (group->is_real || number->is_real)
		group_add_real(group, number->real);
	else if (!__builtin_add_overflow(group->integer, number->integer, &group->integer))
		return;
	else
		table_fail(table, "the sum is past 64 bits");
	if (group->is_real && !isfinite(group->real))
		table_fail(table, "the sum is past what a number can hold");
}

static void group_sum(struct group_table *table, struct group *group, struct value value)
{
	struct number number;

	if (!number_is(value) || number_of(value, &number) < 0)
		table_fail(table, "sum and avg are of numbers within 64 bits or a double");
	else
		group_add(table, group, &number);
}

/* Whether `value` stands before what the group has, in the direction of `sign`. */
static bool group_prefers(struct group_table *table, const struct group *group, struct value value,
			  int sign)
{
	int order = 0;

	if (number_is(value) && number_is(group->value))
		order = number_compare(value, group->value);
	else if (value.kind == VALUE_TEXT && group->value.kind == VALUE_TEXT)
		order = str_cmp(value_str(value), value_str(group->value));
	else
		table_fail(table, "min and max are of numbers only, or of texts only");
	return order * sign > 0;
}

static void group_choose(struct group_table *table, struct group *group, struct value value,
			 int sign)
{
	if (group->n > 0) {
		if (group_prefers(table, group, value, sign))
			group->value = value;
	} else if (number_is(value) || value.kind == VALUE_TEXT) {
		group->value = value;
	} else {
		table_fail(table, "min and max are of numbers or of texts");
	}
}

/* One more value, which is not null. */
static void group_take(struct group_table *table, struct group *group, struct value value,
		       enum combine combine)
{
	switch (combine) {
	case COMBINE_SUM:
	case COMBINE_AVG:
		group_sum(table, group, value);
		break;
	case COMBINE_COUNT:
		break;
	case COMBINE_MIN:
		group_choose(table, group, value, -1);
		break;
	case COMBINE_MAX:
		group_choose(table, group, value, 1);
		break;
	case COMBINE_FIRST:
		if (group->n == 0)
			group->value = value;
		break;
	case COMBINE_LAST:
		group->value = value;
		break;
	}
	group->n++;
}

/* `from` stands behind `into` in the list. */
static void group_join(struct group_table *table, struct group *into, const struct group *from,
		       enum combine combine)
{
	const struct number number = { from->is_real, from->integer,
				       from->is_real ? from->real : (double)from->integer };
	uint64_t n = into->n + from->n;

	if (from->n == 0)
		return;
	if (combine == COMBINE_SUM || combine == COMBINE_AVG)
		group_add(table, into, &number);
	else
		group_take(table, into, from->value, combine);
	into->n = n;
}

/* ------------------------------------------------------------ on the pool */

/* The key as JSON: a text is behind a quote, so that no other kind can be taken for it. */
static struct str table_name(struct group_table *table, struct value key)
{
	buf_clear(&table->name);
	value_write_json(key, &table->name);
	if (table->name.error)
		table->error = -ENOMEM;
	return buf_str(&table->name);
}

static void table_combine(void *into, const void *element, void *context)
{
	struct group_table *table = into;
	const struct value *of = element;
	const struct array_work *work = context;
	struct value value = array_at(*of, &work->of);
	struct str name = STR("");
	struct group *group;

	if (table->error)
		return;
	if (work->n_keys)
		name = table_name(table, array_at(*of, &work->keys[0]));
	group = table->error ? NULL : table_group(table, name);
	if (group && !value_is_null(value))
		group_take(table, group, value, (enum combine)work->combine);
}

static void table_join(void *into, void *part, void *context)
{
	struct group_table *table = into;
	const struct group_table *from = part;
	const struct array_work *work = context;

	if (!table->error && from->error) {
		table->error = from->error;
		table->what = from->what;
	}
	for (struct group *group = from->first; group && !table->error; group = group->next) {
		struct group *own = table_group(table, group->name);

		if (own)
			group_join(table, own, group, (enum combine)work->combine);
	}
}

static struct value group_result(const struct group *group, enum combine combine)
{
	double real = group->is_real ? group->real : (double)group->integer;

	if (combine == COMBINE_COUNT)
		return value_int((int64_t)group->n);
	if (combine == COMBINE_SUM)
		return group->is_real ? value_real(real) : value_int(group->integer);
	if (group->n == 0)
		return value_null();
	return combine == COMBINE_AVG ? value_real(real / (double)group->n) : group->value;
}

/* Without groups the value; with them [{"key":…,"value":…,"count":…},…]. */
static void reduce_write(struct array_work *work, const struct group_table *table)
{
	enum combine combine = (enum combine)work->combine;
	const struct group none = { .n = 0 };
	struct buf out;

	buf_init_arena(&out, &work->arena);
	if (work->n_keys == 0)
		value_write_json(group_result(table->first ? table->first : &none, combine), &out);
	else
		buf_add_char(&out, '[');
	for (struct group *group = table->first; work->n_keys && group; group = group->next) {
		buf_add(&out, group == table->first ? STR("{\"key\":") : STR(",{\"key\":"));
		buf_add(&out, group->name);
		buf_add(&out, STR(",\"value\":"));
		value_write_json(group_result(group, combine), &out);
		buf_add(&out, STR(",\"count\":"));
		buf_add_u64(&out, group->n);
		buf_add_char(&out, '}');
	}
	if (work->n_keys)
		buf_add_char(&out, ']');
	work->out = buf_str(&out);
	work->error = out.error ? -ENOMEM : 0;
}

static void reduce_on_pool(struct array_work *work)
{
	struct group_table table = { .first = NULL };
	struct reduce reduce = {
		.size = sizeof(struct value),
		.into = &table,
		.into_size = sizeof(table),
		.begin = table_begin,
		.combine = table_combine,
		.join = table_join,
		.end = table_end,
		.context = work,
	};
	struct value list;

	if (!array_read(work, &list))
		return;
	reduce.elements = list.items;
	reduce.n = list.len;
	table_begin(&table, work);
	work->error = reduce_run(work->queue, &reduce);
	if (work->error == 0)
		work->error = table.error;
	if (work->error == -EINVAL)
		array_fail(work, "%s", table.what);
	else if (work->error == 0)
		reduce_write(work, &table);
	table_end(&table, work);
}

/* ------------------------------------------------------------ the verb */

struct reduce_config {
	struct template_tree *list;
	const struct compute_queue *queue;
	const struct node *by, *of, *queue_node;
	int combine;
	struct array_work spec;
};

#define AT(field) offsetof(struct reduce_config, field)
static const struct setting reduce_keys[] = {
	{ "combine", SETTING_CHOICE, AT(combine), "sum",
	  "What is made of the values; null is none.", .choices = combine_choices },
	{ "of", SETTING_NODE, AT(of),
	  .help = "Where the value is in an element: a name, as in price or customer.age; without "
		  "it, the element itself." },
	{ "by", SETTING_NODE, AT(by),
	  .help = "Where the name of its group is; the result is then a list of key, value and "
		  "count." },
	{ "queue", SETTING_NODE, AT(queue_node), .help = "A queue of the section `compute`." },
	SETTINGS_END
};
#undef AT

static bool reduce_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct reduce_config *own = config;
	bool ok = array_compile_path(compiler, own->by, "by", &own->spec.keys[0]);

	own->spec.n_keys = own->by ? 1 : 0;
	ok &= array_compile_path(compiler, own->of, "of", &own->spec.of);
	own->spec.combine = own->combine;
	own->spec.run = reduce_on_pool;
	own->queue = queues_find(compiler->flow, own->queue_node);
	own->list = verb_public_tree(compiler, value, "reduce");
	return ok && own->queue && own->list;
}

static void reduce_start(struct step_run *run)
{
	const struct reduce_config *config = run->config;
	struct offload *offload = array_offload(run, config->list, &config->spec);

	if (offload)
		array_start(run, config->queue, offload);
}

const struct verb verb_reduce = {
	.name = "reduce",
	.help = "What the elements of a list make together, by several threads: their sum, count, "
		"average, least, greatest, first or last; of all or of each group.",
	.keys = reduce_keys,
	.config_size = sizeof(struct reduce_config),
	.state_size = sizeof(struct array_state),
	.is_idempotent = true,
	.fields = array_fields,
	.main_field = "result",
	.compile = reduce_compile,
	.start = reduce_start,
	.cancel = array_cancel,
	.field = array_field,
};
