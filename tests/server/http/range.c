/* tests/server/http/range.c: ranges, preconditions and codings. */
#include "server/http/range.h"
#include "core/base/check.h"
#include "server/http/conditional.h"
#include "tests/lib/tap.h"

static struct http_range ranges[HTTP_RANGES_MAX];
static size_t n_ranges;

static enum http_range_verdict read26(const char *field)
{
	n_ranges = 0;
	return http_range_read(str_of(field), 26, ranges, &n_ranges);
}

static void ranges_are_clipped_to_the_size(void)
{
	is_int(read26("bytes=0-4"), HTTP_RANGE_PARTIAL);
	is_int((long)ranges[0].len, 5);
	is_int(read26("bytes=20-99999999999999999999999"), HTTP_RANGE_PARTIAL);
	is_int((long)ranges[0].len, 6);
	is_int(read26("bytes=-100"), HTTP_RANGE_PARTIAL);
	is_int((long)ranges[0].len, 26);
	is_int(read26("bytes=0-1, 24-"), HTTP_RANGE_PARTIAL);
	is_int((long)n_ranges, 2);
	is_int((long)ranges[1].from, 24);
}

static void what_is_no_range_is_ignored(void)
{
	is_int(read26("items=0-1"), HTTP_RANGE_WHOLE);
	is_int(read26("bytes=5-2"), HTTP_RANGE_WHOLE);
	is_int(read26("bytes=abc"), HTTP_RANGE_WHOLE);
	is_int(read26("bytes="), HTTP_RANGE_WHOLE);
	is_int(read26("bytes=0-,0-"), HTTP_RANGE_WHOLE);
	is_int(read26("bytes=1-1,1-1,1-1,1-1,1-1,1-1,1-1,1-1,1-1,1-1,1-1,1-1,1-1,1-1,1-1,1-1,1-1"),
	       HTTP_RANGE_WHOLE);
}

static void a_range_outside_is_unsatisfiable(void)
{
	is_int(read26("bytes=26-"), HTTP_RANGE_UNSATISFIABLE);
	is_int(read26("bytes=-0"), HTTP_RANGE_UNSATISFIABLE);
}

static const struct http_validators now = { STR_INIT("\"a,b\""), 784111777, 784200000 };

static enum http_condition condition(const char *name, const char *value)
{
	struct http_field field = { str_of(name), str_of(value) };
	struct http_head head = { .n_fields = 1, .fields = &field };

	return http_condition_check(&head, &now);
}

static bool if_range(const char *value)
{
	struct http_field field = { STR("If-Range"), str_of(value) };
	struct http_head head = { .n_fields = 1, .fields = &field };

	return http_if_range_holds(&head, &now);
}

static void tags_are_compared_as_the_field_wants(void)
{
	is_int(condition("If-None-Match", "\"x\", W/\"a,b\""), HTTP_CONDITION_UNCHANGED);
	is_int(condition("If-None-Match", "\"a\""), HTTP_CONDITION_HOLDS);
	is_int(condition("If-Match", "W/\"a,b\""), HTTP_CONDITION_FAILED);
	is_int(condition("If-Match", "\"x\",\"a,b\""), HTTP_CONDITION_HOLDS);
	is_int(condition("If-Match", "*"), HTTP_CONDITION_HOLDS);
	is_true(if_range("\"a,b\""));
	is_false(if_range("W/\"a,b\""));
}

static void dates_are_compared_by_the_second(void)
{
	is_int(condition("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
	       HTTP_CONDITION_UNCHANGED);
	is_int(condition("If-Modified-Since", "yesterday"), HTTP_CONDITION_HOLDS);
	is_int(condition("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"),
	       HTTP_CONDITION_FAILED);
	is_true(if_range("Sun, 06 Nov 1994 08:49:37 GMT"));
	is_false(if_range("Sun, 06 Nov 1994 08:49:38 GMT"));
}

static void codings_have_weights(void)
{
	struct http_field field = { STR("Accept-Encoding"), STR("br;q=0.25, gzip, *;q=0") };
	struct http_head head = { .n_fields = 1, .fields = &field };

	is_int((int)http_coding_quality(&head, STR("br")), 250);
	is_int((int)http_coding_quality(&head, STR("gzip")), 1000);
	is_int((int)http_coding_quality(&head, STR("zstd")), 0);
}

static int type_quality(const char *accept, const char *type)
{
	struct http_field field = { STR("Accept"), str_of(accept) };
	struct http_head head = { .n_fields = accept ? 1 : 0, .fields = &field };

	return (int)http_type_quality(&head, str_of(type));
}

static void media_types_have_the_weight_of_what_says_most_of_them(void)
{
	is_int(type_quality(NULL, "text/html"), 1000);
	is_int(type_quality("text/html", "text/html"), 1000);
	is_int(type_quality("text/html", "application/json"), 0);
	is_int(type_quality("*/*;q=0.2", "application/json"), 200);
	is_int(type_quality("text/*;q=0.3, */*;q=0.8", "text/html"), 300);
	is_int(type_quality("*/*, text/*;q=0.3, TEXT/HTML;level=1;q=0.4", "text/html"), 400);
	is_int(type_quality("text/html;q=0, */*", "text/html"), 0);
	is_int(type_quality("te/*, text/ht, tex*, *", "text/html"), 0);
	is_int(type_quality("", "text/html"), 0);
	is_int(type_quality(";q=1,,/,*/html", "text/html"), 0);
}

int main(void)
{
	TEST(media_types_have_the_weight_of_what_says_most_of_them);
	TEST(ranges_are_clipped_to_the_size);
	TEST(what_is_no_range_is_ignored);
	TEST(a_range_outside_is_unsatisfiable);
	TEST(tags_are_compared_as_the_field_wants);
	TEST(dates_are_compared_by_the_second);
	TEST(codings_have_weights);
	return tap_done();
}
