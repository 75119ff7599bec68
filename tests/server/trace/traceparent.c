/* tests/server/trace/traceparent.c */
#include "server/trace/traceparent.h"
#include "tests/lib/tap.h"

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static struct traceparent read_back;

static bool reads(const char *text)
{
	return traceparent_read(str_of(text), &read_back);
}

static void what_is_read_is_written_again(void)
{
	char out[TRACEPARENT_LEN];

	is_int(reads("00-" ID "-" SPAN "-01"), true);
	is_int(read_back.flags, TRACE_SAMPLED);
	is_int(read_back.span == 0x00f067aa0ba902b7, true);
	is_int(read_back.high == 0x4bf92f3577b34da6 && read_back.low == 0xa3ce929d0e0e4736, true);
	traceparent_write(out, &read_back);
	is_int(memcmp(out, "00-" ID "-" SPAN "-01", TRACEPARENT_LEN), 0);
	is_int(memcmp(out + TRACEPARENT_SPAN_AT, SPAN, SPAN_ID_LEN), 0);
}

static void flags_that_are_not_known_are_not_passed_on(void)
{
	is_int(reads("00-" ID "-" SPAN "-ff"), true);
	is_int(read_back.flags, 1);
	is_int(reads("00-" ID "-" SPAN "-fe"), true);
	is_int(read_back.flags, 0);
}

static void whatever_has_another_form_is_none(void)
{
	static const char *const bad[] = {
		"",
		"00",
		"ff-" ID "-" SPAN "-01",
		"0g-" ID "-" SPAN "-01",
		"00-" ID "-" SPAN "-0",
		"00-" ID "-" SPAN "-012",
		"00-" ID "-" SPAN "-01-",
		"01-" ID "-" SPAN "-01x",
		"00_" ID "-" SPAN "-01",
		"00-" ID "_" SPAN "-01",
		"00-" ID "-" SPAN "_01",
		"00-4BF92f3577b34da6a3ce929d0e0e4736-" SPAN "-01",
		"00-00000000000000000000000000000000-" SPAN "-01",
		"00-" ID "-0000000000000000-01",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(reads(bad[i]), false);
}

static void a_later_version_is_read_as_far_as_this_one_goes(void)
{
	is_int(reads("01-" ID "-" SPAN "-01"), true);
	is_int(reads("fe-" ID "-" SPAN "-01-what-comes-later"), true);
}

static void a_state_is_a_list_of_pairs(void)
{
	char big[700];

	is_int(tracestate_is_good(STR("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")), true);
	is_int(tracestate_is_good(STR("a=1, ,b@c=2 x")), true);
	is_int(tracestate_is_good(STR("")), false);
	is_int(tracestate_is_good(STR(",")), false);
	is_int(tracestate_is_good(STR("a")), false);
	is_int(tracestate_is_good(STR("=1")), false);
	is_int(tracestate_is_good(STR("a=")), false);
	is_int(tracestate_is_good(STR("A=1")), false);
	is_int(tracestate_is_good(STR("a=b=c")), false);
	is_int(tracestate_is_good(STR("a=\x7f")), false);
	memset(big, 'x', sizeof(big));
	big[0] = 'a';
	big[1] = '=';
	is_int(tracestate_is_good((struct str){ big, 258 }), true);
	is_int(tracestate_is_good((struct str){ big, 259 }), false);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = "a=1,"[i % 4];
	is_int(tracestate_is_good((struct str){ big, 32 * 4 }), true);
	is_int(tracestate_is_good((struct str){ big, 33 * 4 }), false);
}

int main(void)
{
	TEST(what_is_read_is_written_again);
	TEST(flags_that_are_not_known_are_not_passed_on);
	TEST(whatever_has_another_form_is_none);
	TEST(a_later_version_is_read_as_far_as_this_one_goes);
	TEST(a_state_is_a_list_of_pairs);
	return tap_done();
}
