/* tests/server/http/status.c: reasons and dates. */
#include "server/http/status.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <time.h>

static void reasons_are_the_registered_ones(void)
{
	is_str(http_status_reason(100), STR("Continue"));
	is_str(http_status_reason(200), STR("OK"));
	is_str(http_status_reason(404), STR("Not Found"));
	is_str(http_status_reason(413), STR("Content Too Large"));
	is_str(http_status_reason(429), STR("Too Many Requests"));
	is_str(http_status_reason(431), STR("Request Header Fields Too Large"));
	is_str(http_status_reason(499), STR("Client Closed Request"));
	is_str(http_status_reason(511), STR("Network Authentication Required"));
	is_str(http_status_reason(299), STR("Unknown"));
	is_str(http_status_reason(0), STR("Unknown"));
	is_str(http_status_reason(-1), STR("Unknown"));
	is_str(http_status_reason(600), STR("Unknown"));
}

static struct str written(int64_t seconds)
{
	static char out[HTTP_DATE_LEN];

	http_date_write(out, seconds);
	return (struct str){ out, sizeof(out) };
}

static void dates_are_written(void)
{
	is_str(written(784111777), STR("Sun, 06 Nov 1994 08:49:37 GMT"));
	is_str(written(0), STR("Thu, 01 Jan 1970 00:00:00 GMT"));
	is_str(written(-1), STR("Wed, 31 Dec 1969 23:59:59 GMT"));
	is_str(written(951782400), STR("Tue, 29 Feb 2000 00:00:00 GMT"));
	is_str(written(INT64_C(4107542400)), STR("Mon, 01 Mar 2100 00:00:00 GMT"));
	is_str(written(INT64_MAX), STR("Fri, 31 Dec 9999 23:59:59 GMT"));
	is_str(written(INT64_MIN), STR("Sat, 01 Jan 0000 00:00:00 GMT"));
}

static void every_day_is_as_the_libc_has_it(void)
{
	unsigned wrong = 0;

	for (int64_t at = -INT64_C(86400) * 40000; at < INT64_C(86400) * 80000; at += 86400) {
		time_t seconds = at + 12345;
		char text[64];
		struct tm tm;
		int64_t back;

		gmtime_r(&seconds, &tm);
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		wrong += !str_eq(written(seconds), str_of(text));
		wrong += http_date_parse(str_of(text), &back) != 0 || back != seconds;
	}
	is_int(wrong, 0);
}

static int64_t parsed(const char *text)
{
	int64_t seconds;
	int r = http_date_parse(str_of(text), &seconds);

	return r < 0 ? r : seconds;
}

static void the_three_forms_are_read(void)
{
	is_int(parsed("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
	is_int(parsed("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
	is_int(parsed("Sun Nov  6 08:49:37 1994"), 784111777);
	is_int(parsed("Wed Nov 16 08:49:37 1994"), 784975777);
	is_int(parsed("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228800);
}

static void years_of_two_digits_are_near(void)
{
	clock_freeze(0, INT64_C(1700000000) * (int64_t)NS_PER_S);                /* 2023 */
	is_int(parsed("Thursday, 01-Jan-70 00:00:00 GMT"), INT64_C(3155760000)); /* 2070 */
	is_int(parsed("Tuesday, 01-Jan-74 00:00:00 GMT"), 126230400);            /* 1974 */
	clock_thaw();
}

static void bad_dates_are_refused(void)
{
	static const char *const bad[] = {
		"",
		"now",
		"0",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"sun, 06 nov 1994 08:49:37 gmt",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Wed, 29 Feb 2023 08:49:37 GMT",
		"Thu, 29 Feb 1900 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 06 Nov 1994 8:49:37 GMT",
		"Sun, 06 Nov +994 08:49:37 GMT",
		"Sun,  6 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37",
		"Sun Nov 6 08:49:37 1994",
		"Sun Nov  6 08:49:37 1994 GMT",
		"Xyz, 06 Nov 1994 08:49:37 GMT",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(parsed(bad[i]), -EINVAL);
}

int main(void)
{
	TEST(reasons_are_the_registered_ones);
	TEST(dates_are_written);
	TEST(every_day_is_as_the_libc_has_it);
	TEST(the_three_forms_are_read);
	TEST(years_of_two_digits_are_near);
	TEST(bad_dates_are_refused);
	return tap_done();
}
