/* tests/core/base/report.c: diag, log, clock. */
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/diag.h"
#include "core/base/log.h"
#include "tests/lib/tap.h"

static void diag_shows_the_line_and_a_caret(void)
{
	const struct source source = { "a.yaml", STR_INIT("one\n\ttwo: 2\nthree\n") };
	struct diag diag;
	struct buf out;

	diag_init(&diag);
	buf_init(&out, SIZE_MAX);
	diag_error(&diag, (struct place){ &source, 2, 2, 3 }, "unknown key \"%s\"", "two");
	diag_warning(&diag, (struct place){ 0 }, "no\nplace");
	diag_write(&diag, &out);
	is_str(buf_str(&out), STR("a.yaml:2:2: error: unknown key \"two\"\n"
				  "     2 |  two: 2\n"
				  "       |  ^~~\n"
				  "warning: no?place\n"));
	is_int(diag.n_errors, 1);
	is_int(diag.n_warnings, 1);
	buf_fini(&out);
	diag_fini(&diag);
}

static void diag_sorts_by_place_and_keeps_equals_in_order(void)
{
	const struct source source = { "a.yaml", STR_INIT("x\ny\n") };
	struct diag diag;

	diag_init(&diag);
	diag_error(&diag, (struct place){ &source, 2, 1, 0 }, "c");
	diag_error(&diag, (struct place){ &source, 1, 1, 0 }, "a");
	diag_error(&diag, (struct place){ &source, 1, 1, 0 }, "b");
	diag_sort(&diag);
	is_text(diag.entries[0].message, "a");
	is_text(diag.entries[1].message, "b");
	is_text(diag.entries[2].message, "c");
	diag_fini(&diag);
}

static void diag_keeps_a_thousand_and_counts_the_rest(void)
{
	struct diag diag;

	diag_init(&diag);
	for (unsigned i = 0; i < 1500; i++)
		diag_error(&diag, (struct place){ 0 }, "e");
	is_int(diag.n_entries, 1000);
	is_int(diag.n_errors, 1500);
	diag_fini(&diag);
}

static void nearest_needs_to_be_near(void)
{
	static const char *const names[] = { "tasks", "timeout", "reply", NULL };

	is_text(diag_nearest(STR("tsaks"), names), "tasks");
	is_text(diag_nearest(STR("time_out"), names), "timeout");
	is_null(diag_nearest(STR("banana"), names));
}

static void quoting_keeps_a_line_one_line(void)
{
	is_text(LOG_QUOTE(STR("/plain/path")), "/plain/path");
	is_text(LOG_QUOTE(STR("")), "\"\"");
	is_text(LOG_QUOTE(STR("a b=\"c\"\n\x01")), "\"a b=\\\"c\\\"\\n\\x01\"");
	is_int(strlen(log_quote((char[16]){ 0 }, 16, STR("a long value with spaces"))), 15);
}

static void frozen_clock_moves_only_when_told(void)
{
	clock_freeze(5 * NS_PER_S, 7);
	is_int(clock_monotonic_ns(), 5 * NS_PER_S);
	clock_advance(3600 * NS_PER_S);
	is_int(clock_monotonic_ns(), 3605 * NS_PER_S);
	is_int(clock_wall_ns(), 3600 * NS_PER_S + 7);
	clock_thaw();
	is_true(clock_wall_ns() > 1000000000 * (int64_t)NS_PER_S);
}

int main(void)
{
	TEST(diag_shows_the_line_and_a_caret);
	TEST(diag_sorts_by_place_and_keeps_equals_in_order);
	TEST(diag_keeps_a_thousand_and_counts_the_rest);
	TEST(nearest_needs_to_be_near);
	TEST(quoting_keeps_a_line_one_line);
	TEST(frozen_clock_moves_only_when_told);
	return tap_done();
}
