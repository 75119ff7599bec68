/* server/verbs/reduce.c: `reduce:`: what the elements of a list make together, of all of them or
 * of each group.
 *
 * Each thread reduces pieces of the list into a table of its own; the tables are joined in the order
 * of the list, so that the groups stand in the order in which they first appear. Integers are added
 * exactly as long as they fit; what does not is an error, never a wrong number. */
#include "core/base/map.h"
#include "core/base/memory.h"
#include "core/thread/fork.h"
#include "server/expr/number.h"
#include "server/verbs/all.h"
#include "server/verbs/array.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { REDUCE_PIECES_MAX = 64, REDUCE_PIECE_MIN = 4096 };

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
	struct group *first, **last;
	int error;
	const char *what; /* with -EINVAL */
};

struct reduce_job {
	struct array_work *work;
	struct value list;
	size_t piece_len;
	struct group_table *tables;
};

/* ------------------------------------------------------------ tables */

static void table_init(struct group_table *table, const struct array_work *work)
{
	*table = (struct group_table){ .last = NULL };
	arena_init(&table->arena, work->arena.max);
	table->arena.budget = work->arena.budget;
	map_init(&table->by_name);
	table->last = &table->first;
}

static void table_fini(struct group_table *table)
{
	map_fini(&table->by_name);
	arena_fini(&table->arena);
}

static struct group *table_group(struct group_table *table, struct str name)
{
	struct group *group = map_find(&table->by_name, name);

	if (group)
		return group;
	group = arena_zalloc(&table->arena, sizeof(*group));
	if (!group) {
		table->error = -ENOMEM;
		return NULL;
	}
	group->name = name;
	map_set(&table->by_name, name, group);
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

/* A text is its own name behind a quote, so that no other kind of key can be taken for it. */
static struct str reduce_name(struct group_table *table, struct value key)
{
	struct buf name;

	buf_init_arena(&name, &table->arena);
	value_write_json(key, &name);
	if (name.error)
		table->error = -ENOMEM;
	return buf_str(&name);
}

static void reduce_element(struct group_table *table, const struct array_work *work,
			   struct value element)
{
	struct value value = array_at(element, &work->of);
	struct str name = work->n_keys ? reduce_name(table, array_at(element, &work->keys[0]))
				       : STR("");
	struct group *group = table->error ? NULL : table_group(table, name);

	if (group && !value_is_null(value))
		group_take(table, group, value, (enum combine)work->combine);
}

static void reduce_piece(void *data, size_t index)
{
	const struct reduce_job *job = data;
	struct group_table *table = &job->tables[index];
	size_t end = MIN((index + 1) * job->piece_len, (size_t)job->list.len);

	for (size_t i = index * job->piece_len; i < end && !table->error; i++)
		reduce_element(table, job->work, job->list.items[i]);
}

/* All into the first. */
static void reduce_join(struct reduce_job *job, size_t n_pieces)
{
	struct group_table *all = &job->tables[0];

	for (size_t i = 0; i < n_pieces && !all->error; i++) {
		const struct group_table *table = &job->tables[i];

		if (table->error && i > 0) {
			all->error = table->error;
			all->what = table->what;
		}
		for (struct group *group = table->first; i > 0 && group; group = group->next) {
			struct group *into = table_group(all, group->name);

			if (into)
				group_join(all, into, group, (enum combine)job->work->combine);
		}
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

static void reduce_tables(struct reduce_job *job, size_t n_pieces)
{
	struct array_work *work = job->work;

	for (size_t i = 0; i < n_pieces; i++)
		table_init(&job->tables[i], work);
	fork_run(work->queue, n_pieces, reduce_piece, job);
	reduce_join(job, n_pieces);
	if (job->tables[0].error == -EINVAL)
		array_fail(work, "%s", job->tables[0].what);
	else if (job->tables[0].error)
		work->error = job->tables[0].error;
	else
		reduce_write(work, &job->tables[0]);
	for (size_t i = 0; i < n_pieces; i++)
		table_fini(&job->tables[i]);
}

static void reduce_on_pool(struct array_work *work)
{
	struct group_table tables[REDUCE_PIECES_MAX];
	struct reduce_job job = { .work = work, .tables = tables };
	size_t n_pieces;

	if (!array_read(work, &job.list))
		return;
	n_pieces = MIN(job.list.len / REDUCE_PIECE_MIN + 1, (size_t)REDUCE_PIECES_MAX);
	n_pieces = MIN(n_pieces, (size_t)fork_n_threads(work->queue) * 4);
	job.piece_len = (job.list.len + n_pieces - 1) / n_pieces;
	reduce_tables(&job, n_pieces);
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
