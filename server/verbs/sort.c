/* server/verbs/sort.c: `sort:` and `merge:`: lists in order.
 *
 * The keys are taken out of the elements once, by several threads; then an array of them is sorted
 * or merged (core/thread/sort.h), and the elements are written in its order. Null comes before
 * everything, false before true; numbers are compared as numbers whatever their form, texts by their
 * bytes; keys of different kinds are an error, as everywhere. */
#include "core/thread/sort.h"
#include "core/thread/fork.h"
#include "server/expr/number.h"
#include "server/verbs/all.h"
#include "server/verbs/array.h"
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { KEY_PIECE = 4096 };

enum key_rank { RANK_NULL, RANK_BOOL, RANK_NUMBER, RANK_TEXT, RANK_OTHER };

struct sort_key {
	double real; /* of a number; those that are near are compared exactly */
	uint8_t rank;
	struct value value;
};

struct sort_entry {
	const struct sort_key *keys;
	uint32_t index;
};

struct sort_job {
	struct array_work *work;
	struct value list;
	struct sort_key *keys;
	struct sort_entry *entries;
	atomic_uint ranks[ARRAY_KEYS_MAX]; /* bits of enum key_rank */
};

/* ------------------------------------------------------------ keys */

static struct sort_key sort_key_of(struct value value)
{
	struct sort_key key = { .rank = RANK_OTHER, .value = value };
	struct number number;

	if (value.kind == VALUE_NULL)
		key.rank = RANK_NULL;
	else if (value.kind == VALUE_BOOL)
		key.rank = RANK_BOOL;
	else if (value.kind == VALUE_TEXT)
		key.rank = RANK_TEXT;
	else if (number_is(value) && number_of(value, &number) == 0)
		key = (struct sort_key){ number.real, RANK_NUMBER, value };
	else if (number_is(value)) /* past what a double holds: only its sign is known here */
		key = (struct sort_key){ value.ptr[0] == '-' ? -HUGE_VAL : HUGE_VAL, RANK_NUMBER,
					 value };
	return key;
}

static void sort_key_piece(void *data, size_t index)
{
	struct sort_job *job = data;
	size_t n_keys = job->work->n_keys;
	size_t end = MIN((index + 1) * KEY_PIECE, (size_t)job->list.len);
	unsigned ranks[ARRAY_KEYS_MAX] = { 0 };

	for (size_t i = index * KEY_PIECE; i < end; i++) {
		struct sort_key *keys = &job->keys[i * n_keys];

		for (size_t k = 0; k < n_keys; k++) {
			keys[k] = sort_key_of(array_at(job->list.items[i], &job->work->keys[k]));
			ranks[k] |= 1U << keys[k].rank;
		}
		job->entries[i] = (struct sort_entry){ keys, (uint32_t)i };
	}
	for (size_t k = 0; k < n_keys; k++)
		atomic_fetch_or(&job->ranks[k], ranks[k]);
}

static bool sort_check_ranks(struct sort_job *job)
{
	static const char *const names[] = { "null", "boolean", "number", "text",
					     "a list or an object" };

	for (size_t k = 0; k < job->work->n_keys; k++) {
		unsigned ranks = job->ranks[k] & ~(1U << RANK_NULL);

		if (ranks & 1U << RANK_OTHER) {
			array_fail(job->work, "lists and objects have no order; say by what, as in "
					      "by: price");
			return false;
		}
		if (ranks & (ranks - 1)) {
			array_fail(job->work, "what it sorts by is sometimes %s, sometimes %s",
				   names[__builtin_ctz(ranks)], names[31 - __builtin_clz(ranks)]);
			return false;
		}
	}
	return true;
}

static int sort_compare_key(const struct sort_key *a, const struct sort_key *b)
{
	if (a->rank != b->rank)
		return (a->rank > b->rank) - (a->rank < b->rank);
	switch ((enum key_rank)a->rank) {
	case RANK_NUMBER: /* rounding keeps the order of those that differ as doubles */
		if (a->real != b->real)
			return a->real > b->real ? 1 : -1;
		return number_compare(a->value, b->value);
	case RANK_TEXT:
		return str_cmp(value_str(a->value), value_str(b->value));
	case RANK_BOOL:
		return (int)a->value.boolean - (int)b->value.boolean;
	case RANK_NULL:
	case RANK_OTHER:
		return 0;
	}
	unreachable();
}

static int sort_compare(const void *a, const void *b, void *context)
{
	const struct sort_entry *x = a, *y = b;
	const struct array_work *work = context;

	for (size_t k = 0; k < work->n_keys; k++) {
		int order = sort_compare_key(&x->keys[k], &y->keys[k]);

		if (order)
			return work->keys[k].descending ? -order : order;
	}
	return 0;
}

/* ------------------------------------------------------------ on the pool */

static bool sort_take_keys(struct sort_job *job)
{
	struct array_work *work = job->work;
	size_t n = job->list.len, n_keys = work->n_keys;

	job->keys = arena_alloc_array(&work->arena, n * n_keys + 1, sizeof(*job->keys));
	job->entries = arena_alloc_array(&work->arena, 2 * n + 1, sizeof(*job->entries));
	if (!job->keys || !job->entries) {
		work->error = -ENOMEM;
		return false;
	}
	fork_run(work->queue, (n + KEY_PIECE - 1) / KEY_PIECE, sort_key_piece, job);
	return sort_check_ranks(job);
}

static struct sort sort_of(const struct sort_job *job)
{
	return (struct sort){ .elements = job->entries,
			      .scratch = job->entries + job->list.len,
			      .n = job->list.len,
			      .size = sizeof(*job->entries),
			      .compare = sort_compare,
			      .context = job->work };
}

static void sort_write(struct sort_job *job)
{
	struct array_work *work = job->work;
	size_t n = MIN((size_t)job->list.len, work->take);
	struct buf out;

	buf_init_arena(&out, &work->arena);
	buf_add_char(&out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(&out, ',');
		value_write_json(job->list.items[job->entries[i].index], &out);
	}
	buf_add_char(&out, ']');
	work->out = buf_str(&out);
	work->error = out.error ? -ENOMEM : 0;
}

static void sort_on_pool(struct array_work *work)
{
	struct sort_job job = { .work = work };

	struct sort sort;

	if (!array_read(work, &job.list) || !sort_take_keys(&job))
		return;
	sort = sort_of(&job);
	sort_run(work->queue, &sort);
	sort_write(&job);
}

/* The lists one behind the other, and where each begins. */
static bool merge_join(struct array_work *work, struct value lists, struct value *ret,
		       size_t **ret_starts)
{
	size_t n = 0, *starts = arena_alloc_array(&work->arena, lists.len + 1, sizeof(*starts));
	struct value *items;

	for (size_t i = 0; i < lists.len; i++) {
		if (lists.items[i].kind != VALUE_LIST) {
			array_fail(work, "it merges lists, and number %zu is %s", i + 1,
				   value_kind_name(lists.items[i]));
			return false;
		}
		n += lists.items[i].len;
	}
	items = arena_alloc_array(&work->arena, n + 1, sizeof(*items));
	if (!items || !starts) {
		work->error = -ENOMEM;
		return false;
	}
	*ret = value_list(items, n);
	*ret_starts = starts;
	for (size_t i = 0; i < lists.len; i++) {
		const struct value *list = &lists.items[i];

		starts[i] = (size_t)(items - ret->items);
		if (list->len)
			memcpy(items, list->items, list->len * sizeof(*items));
		items += list->len;
	}
	return true;
}

/* Merging what is not in order would give what is not in order either, silently. */
static bool merge_check(struct sort_job *job, const size_t *starts, size_t n_lists)
{
	for (size_t i = 0; i < n_lists; i++) {
		size_t end = i + 1 < n_lists ? starts[i + 1] : job->list.len;

		for (size_t k = starts[i] + 1; k < end; k++) {
			if (sort_compare(&job->entries[k - 1], &job->entries[k], job->work) <= 0)
				continue;
			array_fail(job->work,
				   "list %zu is not in order: its element %zu comes before the one "
				   "in front of it",
				   i + 1, k - starts[i] + 1);
			return false;
		}
	}
	return true;
}

static void merge_on_pool(struct array_work *work)
{
	struct sort_job job = { .work = work };
	struct value lists;
	struct sort sort;
	size_t *starts;

	if (!array_read(work, &lists) || !merge_join(work, lists, &job.list, &starts) ||
	    !sort_take_keys(&job) || !merge_check(&job, starts, lists.len))
		return;
	sort = sort_of(&job);
	sort_merge(work->queue, &sort, starts, lists.len);
	sort_write(&job);
}

/* ------------------------------------------------------------ the verbs */

struct sort_config {
	struct template_tree *list;
	const struct compute_queue *queue;
	const struct node *by, *queue_node;
	int64_t take;
	struct array_work spec;
};

#define AT(field) offsetof(struct sort_config, field)
static const struct setting sort_keys[] = {
	{ "by", SETTING_NODE, AT(by),
	  .help = "What of the elements decides: a name, as in price or customer.name, with a - in "
		  "front for the greatest first; or a list of these." },
	{ "take", SETTING_INT, AT(take), .help = "Only the first so many are kept.", .min = 1,
	  .max = INT64_MAX },
	{ "queue", SETTING_NODE, AT(queue_node), .help = "A queue of the section `compute`." },
	SETTINGS_END
};
#undef AT

static bool sort_compile(struct verb_compiler *compiler, const struct node *value, void *config)
{
	struct sort_config *own = config;
	bool ok = array_compile_keys(compiler, own->by, "by", own->spec.keys, &own->spec.n_keys);

	if (!own->by) /* the element itself: a path without names */
		own->spec.n_keys = 1;
	own->spec.take = own->take ? (size_t)own->take : SIZE_MAX;
	own->queue = queues_find(compiler->flow, own->queue_node);
	own->list = verb_public_tree(compiler, value, compiler->step->verb_name.ptr);
	return ok && own->queue && own->list;
}

static void sort_begin(struct step_run *run, array_fn *on_pool)
{
	const struct sort_config *config = run->config;
	struct array_work spec = config->spec;
	struct offload *offload;

	spec.run = on_pool;
	offload = array_offload(run, config->list, &spec);
	if (offload)
		array_start(run, config->queue, offload);
}

static void sort_start(struct step_run *run)
{
	sort_begin(run, sort_on_pool);
}

static void merge_start(struct step_run *run)
{
	sort_begin(run, merge_on_pool);
}

const struct verb verb_sort = {
	.name = "sort",
	.help = "A list in order, by several threads; equal elements keep their order.",
	.keys = sort_keys,
	.config_size = sizeof(struct sort_config),
	.state_size = sizeof(struct array_state),
	.is_idempotent = true,
	.fields = array_fields,
	.main_field = "result",
	.compile = sort_compile,
	.start = sort_start,
	.cancel = array_cancel,
	.field = array_field,
};

const struct verb verb_merge = {
	.name = "merge",
	.help = "Lists that are in order, made into one that is.",
	.keys = sort_keys,
	.config_size = sizeof(struct sort_config),
	.state_size = sizeof(struct array_state),
	.is_idempotent = true,
	.fields = array_fields,
	.main_field = "result",
	.compile = sort_compile,
	.start = merge_start,
	.cancel = array_cancel,
	.field = array_field,
};
