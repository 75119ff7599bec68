/* server/jobs/civil.h: the proleptic Gregorian calendar.
 *
 * A civil time is what a clock on a wall and a calendar beside it show. Counted as seconds it is
 * as if the wall were in Greenwich: civil_of(civil_count(c)) is c. Years lie within a million of
 * year 0. Any thread. */
#pragma once
#include <stdint.h>

struct civil {
	int64_t year;
	int month, day; /* from 1 */
	int hour, minute, second;
	int weekday; /* 0 is Sunday; civil_count() does not look at it */
};

enum { SECONDS_PER_DAY = 86400 };

struct civil civil_of(int64_t seconds);
int64_t civil_count(const struct civil *civil);

/* Days from 1970-01-01; `month` is 1 to 12, `day` may lie outside its month. */
int64_t civil_days(int64_t year, int month, int day);
int civil_weekday(int64_t days);
int civil_month_len(int64_t year, int month);

/* Quotients towards minus infinity; `by` is positive. */
static inline int64_t floor_div(int64_t number, int64_t by)
{
	return number / by - (number % by < 0);
}

static inline int64_t floor_mod(int64_t number, int64_t by)
{
	return number % by + (number % by < 0 ? by : 0);
}
