/* tests/bench/json.c: megabytes a second of JSON, and nanoseconds a simple expression. */
#include "server/expr/json.h"
#include "core/base/clock.h"
#include "server/expr/expr.h"
#include <stdio.h>

static const uint64_t duration_ns = 200 * NS_PER_MS;

static struct str make_text(struct arena *arena)
{
	struct buf out;

	buf_init_arena(&out, arena);
	buf_add_char(&out, '[');
	for (unsigned i = 0; i < 5000; i++)
		buf_printf(
			&out,
			"%s{\"id\":%u,\"name\":\"user number %u\",\"email\":\"user%u@example.com\","
			"\"price\":%u.99,\"active\":true,\"tags\":[\"one\",\"two\",\"three\"],"
			"\"text\":\"a line that is somewhat longer than the others, as they are\"}",
			i ? "," : "", i, i, i, i);
	buf_add_char(&out, ']');
	return buf_str(&out);
}

static void report(const char *what, size_t bytes, uint64_t ns)
{
	printf("%-12s %7.0f MB/s\n", what, (double)bytes * 1e3 / (double)ns);
}

static void bench_check(struct str text)
{
	uint64_t start = clock_monotonic_ns(), now = start;
	size_t bytes = 0;

	for (; now - start < duration_ns; now = clock_monotonic_ns(), bytes += text.len)
		check(json_check(text, NULL));
	report("json_check", bytes, now - start);
}

static void bench_read(struct str text)
{
	uint64_t start = clock_monotonic_ns(), now = start;
	size_t bytes = 0, used = 0;
	struct arena arena;
	struct value value;

	for (; now - start < duration_ns; now = clock_monotonic_ns(), bytes += text.len) {
		arena_init(&arena, SIZE_MAX);
		check(json_read(text, &arena, &value, NULL) == 0);
		used = arena.used;
		arena_fini(&arena);
	}
	report("json_read", bytes, now - start);
	printf("%-12s %7.2f times the text\n", "its memory", (double)used / (double)text.len);
}

static void bench_write(struct str text)
{
	struct arena arena;
	struct value value;
	struct buf out;
	size_t bytes = 0;
	uint64_t start, now;

	arena_init(&arena, SIZE_MAX);
	buf_init(&out, SIZE_MAX);
	check(json_read(text, &arena, &value, NULL) == 0);
	start = now = clock_monotonic_ns();
	for (; now - start < duration_ns; now = clock_monotonic_ns(), bytes += text.len) {
		buf_clear(&out);
		value_write_json(value, &out);
	}
	report("write", bytes, now - start);
	buf_fini(&out);
	arena_fini(&arena);
}

static int get_root(struct expr_env *env, enum expr_root root, struct str key, struct value *ret)
{
	(void)env;
	(void)root;
	(void)key;
	*ret = value_int(40);
	return 0;
}

static void bench_expr(const char *text)
{
	struct expr_names names = { .roots = ROOT_BIT(ROOT_QUERY) };
	struct arena load, run;
	struct diag diag;
	struct expr_compiler compiler = { &load, &diag, &names, NULL };
	struct expr_env env = { .arena = &run, .root = get_root };
	struct expr *expr;
	struct value value;
	uint64_t start, now, n = 0;

	arena_init_required(&load);
	arena_init(&run, 1 << 16);
	diag_init(&diag);
	expr = expr_compile(&compiler, str_of(text), (struct place){ 0 });
	check(expr);
	start = now = clock_monotonic_ns();
	for (; now - start < duration_ns; now = clock_monotonic_ns(), n += 1000)
		for (unsigned i = 0; i < 1000; i++)
			check(expr_eval(expr, &env, &value) == 0);
	printf("%-12s %7.1f ns  %s\n", "expr_eval", (double)(now - start) / (double)n, text);
	diag_fini(&diag);
	arena_fini(&run);
	arena_fini(&load);
}

int main(void)
{
	struct arena arena;
	struct str text;

	arena_init(&arena, SIZE_MAX);
	text = make_text(&arena);
	bench_check(text);
	bench_read(text);
	bench_write(text);
	bench_expr("query.n");
	bench_expr("query.n + 2 == 42 && query.n > 1");
	arena_fini(&arena);
	return 0;
}
