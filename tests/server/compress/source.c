/* tests/server/compress/source.c: coders in steps of any size, and a source that compresses
 * another, whatever that one does. */
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/compress/coded_cache.h"
#include "server/compress/compress_source.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { TEXT_SIZE = 200000, OUT_SIZE = 2 * TEXT_SIZE };

static char text[TEXT_SIZE];

/* Words that repeat, as in what people send, with numbers that do not. */
static void make_text(void)
{
	size_t len = 0;

	for (unsigned n = 0; len < TEXT_SIZE; n++) {
		char line[80];
		int size = snprintf(line, sizeof(line), "{\"id\": %u, \"name\": \"user %u\"},\n", n,
				    n * 7919 % 10007);

		memcpy(text + len, line, MIN((size_t)size, TEXT_SIZE - len));
		len += (size_t)size;
	}
}

/* ------------------------------------------------------------ decoding */

/* What comes out of the bytes so far; whether they are the whole. Of brotli there is no decoder
 * here: its bytes are compared with others, and decoded by the end-to-end tests. */
static struct str gunzip(struct str bytes, bool *ret_whole)
{
	static char out[OUT_SIZE];
	z_stream stream = { .next_in = (Bytef *)(uintptr_t)bytes.ptr,
			    .avail_in = (uInt)bytes.len,
			    .next_out = (Bytef *)out,
			    .avail_out = OUT_SIZE };

	inflateInit2(&stream, 31);
	*ret_whole = inflate(&stream, Z_SYNC_FLUSH) == Z_STREAM_END;
	is_int(stream.avail_in, 0);
	inflateEnd(&stream);
	return (struct str){ out, OUT_SIZE - stream.avail_out };
}

static struct str unzstd(struct str bytes, bool *ret_whole)
{
	static char out[OUT_SIZE];
	ZSTD_DStream *stream = ZSTD_createDStream();
	ZSTD_inBuffer from = { bytes.ptr, bytes.len, 0 };
	ZSTD_outBuffer to = { out, OUT_SIZE, 0 };
	size_t r = 1;

	while (from.pos < from.size && !ZSTD_isError(r))
		r = ZSTD_decompressStream(stream, &to, &from);
	is_false(ZSTD_isError(r));
	*ret_whole = r == 0;
	ZSTD_freeDStream(stream);
	return (struct str){ out, to.pos };
}

static void is_coded(enum coding coding, struct str bytes, struct str want, bool want_whole)
{
	bool whole = false;
	struct str got;

	if (coding == CODING_BR)
		return;
	got = coding == CODING_GZIP ? gunzip(bytes, &whole) : unzstd(bytes, &whole);
	is_int(got.len, want.len);
	is_true(got.len == want.len && memcmp(got.ptr, want.ptr, got.len) == 0);
	is_int(whole, want_whole);
}

/* ------------------------------------------------------------ coders */

/* Everything through a coder, with so much room at a time. */
static struct str code(struct coder *coder, struct str in, size_t room)
{
	static char out[OUT_SIZE];
	size_t len = 0, most = 0, n;
	int r = 0;

	is_true(coder_begin(coder, in.len));
	while (r == 0 && len < OUT_SIZE) {
		size_t before = in.len;

		r = coder_step(coder, &in, CODER_END, out + len, MIN(room, OUT_SIZE - len), &n);
		most = MAX(most, before - in.len);
		len += n;
	}
	is_true(most <= CODER_STEP);
	is_int(r, 1);
	is_int(in.len, 0);
	return (struct str){ out, len };
}

static void what_is_coded_is_the_same_whatever_room_there_is(void)
{
	static char first[OUT_SIZE];
	const size_t sizes[] = { 0, 1, 5000, CODER_STEP, CODER_STEP + 1, TEXT_SIZE };

	for (unsigned coding = 0; coding < N_CODINGS; coding++) {
		for (int level = CODER_LEVEL_MIN; level <= CODER_LEVEL_MAX; level++) {
			struct coder *coder = coder_create((enum coding)coding, level);

			for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
				struct str in = { text, sizes[i] },
					   once = code(coder, in, OUT_SIZE);

				is_coded((enum coding)coding, once, in, true);
				is_true(once.len < sizes[i] / 3 + 100);
				memcpy(first, once.ptr, once.len);
				is_str(code(coder, in, 7), ((struct str){ first, once.len }));
			}
			coder_destroy(coder);
		}
	}
}

/* Every name is found, and no other. */
static void codings_have_names(void)
{
	enum coding coding;

	for (unsigned i = 0; i < N_CODINGS; i++) {
		is_true(coding_find(coding_name((enum coding)i), &coding));
		is_int(coding, i);
	}
	is_false(coding_find(STR("deflate"), &coding));
	is_false(coding_find(STR("identity"), &coding));
}

/* ------------------------------------------------------------ a source that does as it is told */

enum { GIVE, WAIT, FAIL, END };

struct told {
	struct body_source source;
	const struct telling {
		int act;
		size_t size;
	} * at;
	size_t given;
	struct ready ready;
	bool closed, held; /* held: on_more() is called when the test says so */
	unsigned n_reads;
};

static struct loop *loop;
static struct coders coders;
static struct arena arena;
static struct arena_budget budget;
static struct told told;
static struct body_source *source;
static struct buf got;
static unsigned n_more;
static int result;

static void told_on_ready(struct ready *ready)
{
	(void)ready;
	told.source.on_more(&told.source);
}

static int told_read(struct body_source *own, struct str *ret_bytes)
{
	const struct telling *telling = told.at++;

	is_ptr(own, &told.source);
	told.n_reads++;
	switch (telling->act) {
	case GIVE:
		*ret_bytes = (struct str){ text + told.given, telling->size };
		told.given += telling->size;
		return 1;
	case WAIT:
		if (!told.held)
			loop_ready_next(loop, &told.ready);
		return -EAGAIN;
	case FAIL:
		return -EIO;
	default:
		return 0;
	}
}

static void told_close(struct body_source *own)
{
	is_ptr(own, &told.source);
	is_false(told.closed);
	told.closed = true;
}

static void read_on(void)
{
	struct str piece;

	while ((result = body_source_read(source, &piece)) == 1) {
		is_true(piece.len > 0 && piece.len <= COMPRESS_OUT);
		buf_add(&got, piece);
	}
}

static void on_more(struct body_source *own)
{
	is_ptr(own, source);
	n_more++;
	read_on();
}

static void begin(enum coding coding, uint64_t size, const struct telling *tellings)
{
	static const struct body_source_ops ops = { told_read, told_close };
	struct compress_from from = { &told.source, STR_NONE, NULL };

	is_int(loop_create(&loop), 0);
	budget = (struct arena_budget){ .max = SIZE_MAX };
	arena_init(&arena, 16 << 20);
	arena.budget = &budget;
	coders_init(&coders, loop, &budget);
	told = (struct told){ .source = { .ops = &ops, .size = size }, .at = tellings };
	ready_init(&told.ready, told_on_ready);
	buf_init(&got, SIZE_MAX);
	n_more = 0;
	source = compress_source_create(&arena, &coders, coding, CODER_LEVEL_DEFAULT, &from);
	is_true(source && source->size == BODY_SIZE_UNKNOWN);
	source->on_more = on_more;
}

/* Until it waits for the source that it pulls from, and not for its share of a turn. */
static void run_until_it_waits(void)
{
	const struct compress_source *own = container_of(source, struct compress_source, source);

	while (!own->waiting || !own->inner_waits || list_is_linked(&own->turn.link))
		loop_run_once(loop, false);
}

static void run_to_the_end(void)
{
	read_on();
	while (result == -EAGAIN)
		loop_run_once(loop, false);
}

static void end(void)
{
	body_source_close(source);
	is_true(told.closed);
	coders_fini(&coders);
	is_int(atomic_load(&budget.used), arena.used);
	arena_fini(&arena);
	loop_ready_cancel(&told.ready);
	loop_destroy(loop);
	buf_fini(&got);
}

/* ------------------------------------------------------------ sources */

static void pieces_of_any_size_become_one_body(void)
{
	static const struct telling tellings[] = { { GIVE, 1 },      { GIVE, 70000 },
						   { WAIT, 0 },      { GIVE, 3 },
						   { WAIT, 0 },      { GIVE, 8192 },
						   { GIVE, 121804 }, { END, 0 } };

	for (unsigned coding = 0; coding < N_CODINGS; coding++) {
		begin((enum coding)coding, TEXT_SIZE, tellings);
		run_to_the_end();
		is_int(result, 0);
		is_coded((enum coding)coding, buf_str(&got), (struct str){ text, TEXT_SIZE }, true);
		end();
	}
}

static void an_empty_body_is_a_whole_one(void)
{
	static const struct telling tellings[] = { { WAIT, 0 }, { END, 0 } };

	for (unsigned coding = 0; coding < N_CODINGS; coding++) {
		begin((enum coding)coding, BODY_SIZE_UNKNOWN, tellings);
		run_to_the_end();
		is_int(result, 0);
		is_coded((enum coding)coding, buf_str(&got), STR(""), true);
		end();
	}
}

static void before_it_waits_all_that_has_come_can_be_read(void)
{
	static const struct telling tellings[] = { { GIVE, 10 }, { WAIT, 0 }, { GIVE, 20000 },
						   { WAIT, 0 },  { WAIT, 0 }, { END, 0 } };
	size_t len;

	for (unsigned coding = 0; coding < N_CODINGS; coding++) {
		begin((enum coding)coding, BODY_SIZE_UNKNOWN, tellings);
		told.held = true;
		read_on();
		run_until_it_waits();
		is_coded((enum coding)coding, buf_str(&got), (struct str){ text, 10 }, false);
		is_true(got.len > 0);
		told.source.on_more(&told.source);
		run_until_it_waits();
		is_coded((enum coding)coding, buf_str(&got), (struct str){ text, 20010 }, false);
		len = got.len;
		told.source.on_more(&told.source); /* it has nothing after all */
		run_until_it_waits();
		is_int(got.len, len); /* and nothing is flushed again */
		told.source.on_more(&told.source);
		while (result == -EAGAIN)
			loop_run_once(loop, false);
		is_int(result, 0);
		is_coded((enum coding)coding, buf_str(&got), (struct str){ text, 20010 }, true);
		end();
	}
}

static void a_source_that_fails_is_never_ended(void)
{
	static const struct telling tellings[] = { { GIVE, 20000 }, { FAIL, 0 } };

	for (unsigned coding = 0; coding < N_CODINGS; coding++) {
		begin((enum coding)coding, BODY_SIZE_UNKNOWN, tellings);
		run_to_the_end();
		is_int(result, -EIO);
		if (coding == CODING_GZIP) {
			bool whole;

			gunzip(buf_str(&got), &whole);
			is_false(whole);
		}
		end();
	}
}

static void a_source_that_does_not_keep_its_promise_fails(void)
{
	static const struct telling less[] = { { GIVE, 99 }, { END, 0 } },
				    more[] = { { GIVE, 101 } };

	for (unsigned coding = 0; coding < N_CODINGS; coding++) {
		begin((enum coding)coding, 100, less);
		run_to_the_end();
		is_int(result, -EPROTO);
		end();
		begin((enum coding)coding, 100, more);
		run_to_the_end();
		is_int(result, -EPROTO);
		end();
	}
}

static void one_that_is_closed_in_the_middle_leaves_nothing(void)
{
	static const struct telling tellings[] = { { GIVE, TEXT_SIZE }, { WAIT, 0 } };
	struct str piece;
	int r;

	for (unsigned coding = 0; coding < N_CODINGS; coding++) {
		begin((enum coding)coding, BODY_SIZE_UNKNOWN, tellings);
		r = body_source_read(source, &piece);
		is_true(r == 1 || r == -EAGAIN); /* its share of the turn may be used */
		end();
		begin((enum coding)coding, BODY_SIZE_UNKNOWN, tellings);
		told.held = true;
		read_on();
		run_until_it_waits();
		end();
	}
}

/* ------------------------------------------------------------ time, memory, keeping */

static void on_turn(struct coder_turn *turn)
{
	(void)turn;
	n_more++;
}

static void all_of_a_loop_share_its_time(void)
{
	static const struct telling tellings[] = { { END, 0 } };
	struct coder_turn turns[3];

	begin(CODING_GZIP, BODY_SIZE_UNKNOWN, tellings);
	for (size_t i = 0; i < ARRAY_LEN(turns); i++)
		coder_turn_init(&turns[i], on_turn);
	is_true(coders_may_work(&coders, &turns[0]));
	coders_worked(&coders, clock_monotonic_ns() - CODERS_TURN_NS);
	for (size_t i = 0; i < ARRAY_LEN(turns); i++)
		is_false(coders_may_work(&coders, &turns[i]));
	is_false(coders_may_work(&coders, &turns[0])); /* waits once */
	coder_turn_cancel(&turns[1]);
	is_int(n_more, 0);
	loop_run_once(loop, false);
	is_int(n_more, 2);
	is_true(coders_may_work(&coders, &turns[0]));
	run_to_the_end();
	end();
}

static void coders_are_used_again_and_their_memory_is_counted(void)
{
	static const struct telling tellings[] = { { END, 0 } };
	struct coder *first, *again;

	begin(CODING_GZIP, BODY_SIZE_UNKNOWN, tellings);
	first = coders_take(&coders, CODING_ZSTD, 3, 100);
	coders_give_back(&coders, first);
	again = coders_take(&coders, CODING_ZSTD, 3, 100);
	is_ptr(again, first);
	coders_give_back(&coders, again);
	atomic_store(&budget.max, atomic_load(&budget.used) + coder_size(CODING_ZSTD, 3) - 1);
	is_null(coders_take(&coders, CODING_ZSTD, 3, 100));
	is_null(compress_bytes(&arena, &coders, CODING_ZSTD, 3, STR("aaaaaaaaaaaaaaaaa")).ptr);
	atomic_store(&budget.max, SIZE_MAX);
	run_to_the_end();
	end();
}

static void small_bodies_are_compressed_at_once_if_they_become_smaller(void)
{
	static const struct telling tellings[] = { { END, 0 } };
	struct str in = { text, 5000 }, out;

	begin(CODING_GZIP, BODY_SIZE_UNKNOWN, tellings);
	for (unsigned coding = 0; coding < N_CODINGS; coding++) {
		out = compress_bytes(&arena, &coders, (enum coding)coding, 5, in);
		is_true(out.len > 0 && out.len < 2000);
		is_coded((enum coding)coding, out, in, true);
		is_null(compress_bytes(&arena, &coders, (enum coding)coding, 5, STR("abcdefg"))
				.ptr);
	}
	run_to_the_end();
	end();
}

struct keeping {
	struct compress_keeper keeper;
	struct coded_cache *cache;
};

static void on_whole(struct compress_keeper *keeper, struct str bytes)
{
	struct keeping *keeping = container_of(keeper, struct keeping, keeper);

	coded_cache_add(keeping->cache, (struct str){ text, TEXT_SIZE }, CODING_GZIP, bytes);
}

static void what_is_constant_is_kept_when_it_is_whole(void)
{
	static const struct telling tellings[] = { { END, 0 } };
	struct coded_cache *cache = mem_zalloc(sizeof(*cache));
	struct str whole = { text, TEXT_SIZE }, kept;

	for (size_t max = 100; max <= TEXT_SIZE; max += TEXT_SIZE - 100) {
		struct keeping keeping = { { on_whole, max }, cache };
		const struct compress_from from = { NULL, whole, &keeping.keeper };
		struct body_source *inner;

		begin(CODING_GZIP, BODY_SIZE_UNKNOWN, tellings);
		inner = source;
		source = compress_source_create(&arena, &coders, CODING_GZIP, 5, &from);
		source->on_more = on_more;
		is_null(coded_cache_find(cache, whole, CODING_GZIP).ptr);
		run_to_the_end();
		is_int(result, 0);
		kept = coded_cache_find(cache, whole, CODING_GZIP);
		is_int(kept.len, max == 100 ? 0 : got.len);
		body_source_close(source);
		source = inner;
		end();
	}
	is_coded(CODING_GZIP, kept, whole, true);
	is_null(coded_cache_find(cache, whole, CODING_BR).ptr);
	is_null(coded_cache_find(cache, (struct str){ text, 5 }, CODING_GZIP).ptr);
	coded_cache_fini(cache);
	free(cache);
}

static void the_cache_has_an_end(void)
{
	struct coded_cache *cache = mem_zalloc(sizeof(*cache));
	char *bytes = mem_zalloc(CODED_BODY_MAX);
	size_t n_found = 0;

	for (size_t i = 0; i < 20; i++) {
		struct str body = { text + i, 1 };

		coded_cache_add(cache, body, CODING_BR, (struct str){ bytes, CODED_BODY_MAX });
		n_found += coded_cache_find(cache, body, CODING_BR).ptr != NULL;
	}
	is_int(n_found, CODED_CACHE_MAX / CODED_BODY_MAX - 1);
	coded_cache_fini(cache);
	free(cache);
	free(bytes);
}

int main(void)
{
	make_text();
	TEST(what_is_coded_is_the_same_whatever_room_there_is);
	TEST(codings_have_names);
	TEST(pieces_of_any_size_become_one_body);
	TEST(an_empty_body_is_a_whole_one);
	TEST(before_it_waits_all_that_has_come_can_be_read);
	TEST(a_source_that_fails_is_never_ended);
	TEST(a_source_that_does_not_keep_its_promise_fails);
	TEST(one_that_is_closed_in_the_middle_leaves_nothing);
	TEST(all_of_a_loop_share_its_time);
	TEST(coders_are_used_again_and_their_memory_is_counted);
	TEST(small_bodies_are_compressed_at_once_if_they_become_smaller);
	TEST(what_is_constant_is_kept_when_it_is_whole);
	TEST(the_cache_has_an_end);
	return tap_done();
}
