/* core/thread/sort.c
 *
 * A merge sort: each thread sorts runs of its own, then runs are merged by pairs, level by level.
 * A level is cut into pieces of equal output, wherever they fall in a pair: by how many elements
 * of the left run stand before a place in the output (its co-rank) each piece knows what it
 * reads, so that the last merge, of two halves, keeps all threads busy too. */
#include "core/thread/sort.h"
#include "core/base/memory.h"
#include "core/thread/fork.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	RUN_SMALL = 12,      /* sorted by insertion */
	PIECE_MIN = 8192,    /* elements: below it a thread costs more than it saves */
	RUNS_PER_THREAD = 2, /* so that a thread that is late does not hold up the others */
	PIECES_PER_THREAD = 4,
	SIZE_INLINE = 64,
};

struct sorting {
	char *from, *to; /* elements and scratch, or the other way round */
	size_t n, size;
	compare_fn *compare;
	void *context;
	const size_t *starts; /* of the runs in `from`, and n behind them */
	size_t n_runs;
	size_t piece_len;
};

/* Sizes that the compiler can copy by a move or two. */
static inline void sort_copy(void *to, const void *from, size_t size)
{
	if (size == 8)
		memcpy(to, from, 8);
	else if (size == 16)
		memcpy(to, from, 16);
	else if (size == 4)
		memcpy(to, from, 4);
	else
		memcpy(to, from, size);
}

static inline char *sort_at(char *base, size_t index, size_t size)
{
	return base + index * size;
}

/* ------------------------------------------------------------ one thread */

static void sort_insertion(const struct sorting *s, char *base, size_t n)
{
	char buf[SIZE_INLINE], *held = s->size <= SIZE_INLINE ? buf : NULL;

	for (size_t i = 1; held && i < n; i++) {
		size_t at = i;

		if (s->compare(sort_at(base, i - 1, s->size), sort_at(base, i, s->size),
			       s->context) <= 0)
			continue;
		sort_copy(held, sort_at(base, i, s->size), s->size);
		while (at > 0 && s->compare(sort_at(base, at - 1, s->size), held, s->context) > 0)
			at--;
		memmove(sort_at(base, at + 1, s->size), sort_at(base, at, s->size),
			(i - at) * s->size);
		sort_copy(sort_at(base, at, s->size), held, s->size);
	}
}

struct run {
	const char *at, *end;
};

static inline struct run sort_run_of(const struct sorting *s, const char *base, size_t index,
				     size_t n)
{
	return (struct run){ base + index * s->size, base + (index + n) * s->size };
}

/* Merges both runs into `out`; of equals those of `a` come first. */
static void sort_merge_two(const struct sorting *s, struct run a, struct run b, char *out)
{
	while (a.at < a.end && b.at < b.end) {
		struct run *from = s->compare(a.at, b.at, s->context) <= 0 ? &a : &b;

		sort_copy(out, from->at, s->size);
		from->at += s->size;
		out += s->size;
	}
	if (a.at < a.end)
		memcpy(out, a.at, (size_t)(a.end - a.at));
	if (b.at < b.end)
		memcpy(out, b.at, (size_t)(b.end - b.at));
}

/* Sorts `base`; the result is in `base`, or in `scratch` when `into_scratch`. */
static void sort_alone(const struct sorting *s, char *base, char *scratch, size_t n,
		       bool into_scratch)
{
	size_t half = n / 2;
	const char *from;

	if (n <= (s->size <= SIZE_INLINE ? RUN_SMALL : 1)) {
		sort_insertion(s, base, n);
		if (into_scratch)
			memcpy(scratch, base, n * s->size);
		return;
	}
	sort_alone(s, base, scratch, half, !into_scratch);
	sort_alone(s, sort_at(base, half, s->size), sort_at(scratch, half, s->size), n - half,
		   !into_scratch);
	from = into_scratch ? base : scratch;
	sort_merge_two(s, sort_run_of(s, from, 0, half), sort_run_of(s, from, half, n - half),
		       into_scratch ? scratch : base);
}

/* ------------------------------------------------------------ pieces of a merge */

/* How many of the first `k` merged elements come from `a`. */
static size_t sort_corank(const struct sorting *s, size_t k, char *a, size_t n_a, char *b,
			  size_t n_b)
{
	size_t low = k > n_b ? k - n_b : 0, high = MIN(k, n_a);

	while (low < high) {
		size_t i = low + (high - low) / 2, j = k - i;

		/* a[i] belongs to the first k when it is not greater than b[j - 1] */
		if (j > 0 &&
		    s->compare(sort_at(a, i, s->size), sort_at(b, j - 1, s->size), s->context) <= 0)
			low = i + 1;
		else
			high = i;
	}
	return low;
}

/* The part of the output from `begin` to `end`, which lies in the pair of runs lo, mid, hi. */
static void sort_merge_part(const struct sorting *s, size_t lo, size_t mid, size_t hi, size_t begin,
			    size_t end)
{
	char *a = sort_at(s->from, lo, s->size), *b = sort_at(s->from, mid, s->size);
	size_t n_a = mid - lo, n_b = hi - mid;
	size_t a_begin = sort_corank(s, begin - lo, a, n_a, b, n_b);
	size_t a_end = sort_corank(s, end - lo, a, n_a, b, n_b);
	size_t b_begin = begin - lo - a_begin, b_end = end - lo - a_end;

	sort_merge_two(s, sort_run_of(s, a, a_begin, a_end - a_begin),
		       sort_run_of(s, b, b_begin, b_end - b_begin), sort_at(s->to, begin, s->size));
}

static void sort_merge_piece(void *data, size_t index)
{
	const struct sorting *s = data;
	size_t begin = index * s->piece_len, end = MIN(begin + s->piece_len, s->n);

	for (size_t i = 0; i < s->n_runs && s->starts[i] < end; i += 2) {
		size_t lo = s->starts[i], hi = s->starts[MIN(i + 2, s->n_runs)];

		if (hi > begin)
			sort_merge_part(s, lo, s->starts[MIN(i + 1, s->n_runs)], hi, MAX(lo, begin),
					MIN(hi, end));
	}
}

static size_t sort_n_pieces(struct pool_queue *queue, size_t n, size_t per_thread)
{
	size_t n_pieces = MIN(n / PIECE_MIN, (size_t)fork_n_threads(queue) * per_thread);

	return MAX(n_pieces, (size_t)1);
}

static void sort_merge_level(struct pool_queue *queue, struct sorting *s)
{
	size_t n_pieces = sort_n_pieces(queue, s->n, PIECES_PER_THREAD);

	s->piece_len = (s->n + n_pieces - 1) / n_pieces;
	fork_run(queue, n_pieces, sort_merge_piece, s);
}

/* `starts` has n_runs + 1 entries, the last of which is n. The result is in `elements`. */
static void sort_merge_all(struct pool_queue *queue, struct sorting *s, size_t *starts,
			   char *elements)
{
	while (s->n_runs > 1) {
		size_t n_merged = (s->n_runs + 1) / 2;
		char *was = s->from;

		s->starts = starts;
		sort_merge_level(queue, s);
		for (size_t i = 0; i < n_merged; i++)
			starts[i] = starts[2 * i];
		starts[n_merged] = s->n;
		s->n_runs = n_merged;
		s->from = s->to;
		s->to = was;
	}
	if (s->from != elements)
		memcpy(elements, s->from, s->n * s->size);
}

/* ------------------------------------------------------------ */

static void sort_piece(void *data, size_t index)
{
	const struct sorting *s = data;
	size_t lo = s->starts[index], n = s->starts[index + 1] - lo;

	sort_alone(s, sort_at(s->from, lo, s->size), sort_at(s->to, lo, s->size), n, false);
}

static struct sorting sorting_of(const struct sort *sort, size_t n_runs)
{
	return (struct sorting){ .from = sort->elements,
				 .to = sort->scratch,
				 .n = sort->n,
				 .size = sort->size,
				 .compare = sort->compare,
				 .context = sort->context,
				 .n_runs = n_runs };
}

void sort_run(struct pool_queue *queue, const struct sort *sort)
{
	enum { RUNS_MAX = 256 };
	size_t starts[RUNS_MAX + 1], n_runs = sort_n_pieces(queue, sort->n, RUNS_PER_THREAD);
	struct sorting s = sorting_of(sort, MIN(n_runs, (size_t)RUNS_MAX));

	for (size_t i = 0; i <= s.n_runs; i++)
		starts[i] = (size_t)((unsigned __int128)s.n * i / s.n_runs);
	s.starts = starts;
	fork_run(queue, s.n_runs, sort_piece, &s);
	sort_merge_all(queue, &s, starts, sort->elements);
}

void sort_merge(struct pool_queue *queue, const struct sort *sort, size_t *starts, size_t n_runs)
{
	struct sorting s = sorting_of(sort, n_runs);

	if (n_runs == 0)
		return;
	starts[n_runs] = s.n;
	sort_merge_all(queue, &s, starts, sort->elements);
}

/* ------------------------------------------------------------ reducing */

struct reducing {
	const struct reduce *reduce;
	char *parts; /* of into_size each */
	size_t piece_len;
};

static void reduce_piece(void *data, size_t index)
{
	const struct reducing *reducing = data;
	const struct reduce *reduce = reducing->reduce;
	size_t first = index * reducing->piece_len;
	const char *at = (const char *)reduce->elements + first * reduce->size;
	size_t n = MIN(reducing->piece_len, reduce->n - first);
	char *part = reducing->parts + index * reduce->into_size;

	reduce->begin(part, reduce->context);
	for (size_t i = 0; i < n; i++)
		reduce->combine(part, at + i * reduce->size, reduce->context);
}

int reduce_run(struct pool_queue *queue, const struct reduce *reduce)
{
	size_t n_pieces = sort_n_pieces(queue, reduce->n, PIECES_PER_THREAD);
	struct reducing reducing = { reduce, NULL, (reduce->n + n_pieces - 1) / n_pieces };

	if (reduce->n == 0)
		return 0;
	n_pieces = (reduce->n + reducing.piece_len - 1) / reducing.piece_len;
	reducing.parts = calloc(n_pieces, reduce->into_size);
	if (!reducing.parts)
		return -ENOMEM;
	fork_run(queue, n_pieces, reduce_piece, &reducing);
	for (size_t i = 0; i < n_pieces; i++) {
		char *part = reducing.parts + i * reduce->into_size;

		reduce->join(reduce->into, part, reduce->context);
		if (reduce->end)
			reduce->end(part, reduce->context);
	}
	free(reducing.parts);
	return 0;
}
