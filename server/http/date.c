/* server/http/date.c: the dates of RFC 9110 §5.6.7, without the locale and the libc's time zone. */
#include "core/base/check.h"
#include "core/base/clock.h"
#include "server/http/status.h"
#include <errno.h>

struct date {
	int64_t year;
	unsigned month, day; /* month from 1 */
	unsigned hour, minute, second;
};

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char weekday_names[] = "SunMonTueWedThuFriSat";
static const struct str weekday_long_names[] = {
	STR_INIT("Sunday"),   STR_INIT("Monday"), STR_INIT("Tuesday"),  STR_INIT("Wednesday"),
	STR_INIT("Thursday"), STR_INIT("Friday"), STR_INIT("Saturday"),
};

/* Days since 1970-01-01 of the proleptic Gregorian calendar; the year begins in March, so that
 * the leap day is its last. */
static int64_t date_to_days(int64_t year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static void date_of_days(int64_t days, struct date *date)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * day_of_year + 2) / 153; /* 0 is March */

	date->day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1);
	date->month = (unsigned)(month < 10 ? month + 3 : month - 9);
	date->year = year_of_era + era * 400 + (date->month <= 2);
}

static void date_put(char *out, unsigned number, unsigned n_digits)
{
	while (n_digits-- > 0) {
		out[n_digits] = (char)('0' + number % 10);
		number /= 10;
	}
}

void http_date_write(char out[HTTP_DATE_LEN], int64_t unix_seconds)
{
	/* a year has four digits */
	const int64_t first = date_to_days(0, 1, 1) * 86400,
		      last = date_to_days(10000, 1, 1) * 86400 - 1;
	int64_t at = MIN(MAX(unix_seconds, first), last);
	int64_t days = (at >= 0 ? at : at - 86399) / 86400;
	unsigned second = (unsigned)(at - days * 86400);
	unsigned weekday = (unsigned)(((days + 4) % 7 + 7) % 7);
	struct date date;

	date_of_days(days, &date);
	memcpy(out, "Sun, 06 Nov 1994 08:49:37 GMT", HTTP_DATE_LEN);
	memcpy(out, weekday_names + weekday * 3, 3);
	date_put(out + 5, date.day, 2);
	memcpy(out + 8, month_names + (date.month - 1) * 3, 3);
	date_put(out + 12, (unsigned)date.year, 4);
	date_put(out + 17, second / 3600, 2);
	date_put(out + 20, second / 60 % 60, 2);
	date_put(out + 23, second % 60, 2);
}

/* ------------------------------------------------------------------ reading */

/* Takes `literal` off the front. */
static bool date_skip(struct str *rest, struct str literal)
{
	if (!str_starts_with(*rest, literal))
		return false;
	*rest = str_skip(*rest, literal.len);
	return true;
}

static bool date_take(struct str *rest, size_t n_digits, unsigned *ret_number)
{
	uint64_t number;

	if (rest->len < n_digits || str_to_u64(str_first(*rest, n_digits), &number) < 0)
		return false;
	*ret_number = (unsigned)number;
	*rest = str_skip(*rest, n_digits);
	return true;
}

/* A name of three letters in `names`: its index from 0. */
static bool date_take_name(struct str *rest, const char *names, unsigned *ret_index)
{
	for (unsigned i = 0; names[i * 3]; i++) {
		if (date_skip(rest, (struct str){ names + i * 3, 3 })) {
			*ret_index = i;
			return true;
		}
	}
	return false;
}

static bool date_take_month(struct str *rest, struct date *date)
{
	if (!date_take_name(rest, month_names, &date->month))
		return false;
	date->month++;
	return true;
}

static bool date_take_time(struct str *rest, struct date *date)
{
	return date_take(rest, 2, &date->hour) && date_skip(rest, STR(":")) &&
	       date_take(rest, 2, &date->minute) && date_skip(rest, STR(":")) &&
	       date_take(rest, 2, &date->second);
}

static bool date_take_year(struct str *rest, struct date *date)
{
	unsigned year;

	if (!date_take(rest, 4, &year))
		return false;
	date->year = year;
	return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool date_read_fixdate(struct str text, struct date *date)
{
	unsigned weekday;

	return date_take_name(&text, weekday_names, &weekday) && date_skip(&text, STR(", ")) &&
	       date_take(&text, 2, &date->day) && date_skip(&text, STR(" ")) &&
	       date_take_month(&text, date) && date_skip(&text, STR(" ")) &&
	       date_take_year(&text, date) && date_skip(&text, STR(" ")) &&
	       date_take_time(&text, date) && str_eq(text, STR(" GMT"));
}

/* "Sun Nov  6 08:49:37 1994" */
static bool date_read_asctime(struct str text, struct date *date)
{
	unsigned weekday;

	return date_take_name(&text, weekday_names, &weekday) && date_skip(&text, STR(" ")) &&
	       date_take_month(&text, date) && date_skip(&text, STR(" ")) &&
	       (date_skip(&text, STR(" ")) ? date_take(&text, 1, &date->day)
					   : date_take(&text, 2, &date->day)) &&
	       date_skip(&text, STR(" ")) && date_take_time(&text, date) &&
	       date_skip(&text, STR(" ")) && date_take_year(&text, date) && text.len == 0;
}

/* Two digits that seem more than 50 years ahead are the past century's. */
static int64_t date_full_year(unsigned two_digits)
{
	struct date now;
	int64_t year;

	date_of_days(clock_wall_ns() / (int64_t)NS_PER_S / 86400, &now);
	year = now.year - now.year % 100 + two_digits;
	return year > now.year + 50 ? year - 100 : year;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" */
static bool date_read_rfc850(struct str text, struct date *date)
{
	size_t day = 0;
	unsigned year;

	while (day < ARRAY_LEN(weekday_long_names) && !date_skip(&text, weekday_long_names[day]))
		day++;
	if (day == ARRAY_LEN(weekday_long_names) || !date_skip(&text, STR(", ")) ||
	    !date_take(&text, 2, &date->day) || !date_skip(&text, STR("-")) ||
	    !date_take_month(&text, date) || !date_skip(&text, STR("-")) ||
	    !date_take(&text, 2, &year) || !date_skip(&text, STR(" ")) ||
	    !date_take_time(&text, date))
		return false;
	date->year = date_full_year(year);
	return str_eq(text, STR(" GMT"));
}

static bool date_is_possible(const struct date *date)
{
	static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = date->year % 4 == 0 && (date->year % 100 != 0 || date->year % 400 == 0);
	unsigned last = days[date->month - 1] + (date->month == 2 && leap);

	/* a second of 60 is a leap second */
	return date->day >= 1 && date->day <= last && date->hour <= 23 && date->minute <= 59 &&
	       date->second <= 60;
}

int http_date_parse(struct str text, int64_t *ret_unix_seconds)
{
	struct date date = { 0 };

	if (!date_read_fixdate(text, &date) && !date_read_rfc850(text, &date) &&
	    !date_read_asctime(text, &date))
		return -EINVAL;
	if (!date_is_possible(&date))
		return -EINVAL;
	*ret_unix_seconds = date_to_days(date.year, date.month, date.day) * 86400 +
			    date.hour * 3600 + date.minute * 60 + date.second;
	return 0;
}
