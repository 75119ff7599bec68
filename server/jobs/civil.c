/* server/jobs/civil.c
 *
 * Inside, a year begins in March, so that the leap day is its last day and the lengths of the
 * months before it follow one line: 153 days in each 5 months. */
#include "server/jobs/civil.h"
#include <stdbool.h>

enum { DAYS_PER_400_YEARS = 146097, DAYS_0000_03_01_TO_1970 = 719468 };

int64_t civil_days(int64_t year, int month, int day)
{
	int64_t march_year = month > 2 ? year : year - 1;
	int64_t era = floor_div(march_year, 400), year_of_era = floor_mod(march_year, 400);
	int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

	return era * DAYS_PER_400_YEARS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - DAYS_0000_03_01_TO_1970;
}

int civil_weekday(int64_t days)
{
	return (int)floor_mod(days + 4, 7); /* 1970-01-01 was a Thursday */
}

int civil_month_len(int64_t year, int month)
{
	static const int lens[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return lens[month - 1] + (month == 2 && leap);
}

struct civil civil_of(int64_t seconds)
{
	int64_t days = floor_div(seconds, SECONDS_PER_DAY);
	int second_of_day = (int)floor_mod(seconds, SECONDS_PER_DAY);
	int64_t shifted = days + DAYS_0000_03_01_TO_1970;
	int64_t day = floor_mod(shifted, DAYS_PER_400_YEARS);
	/* takes the leap days out: one in 4 years, none in 100, one in 400 */
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int march_month;

	day -= year * 365 + year / 4 - year / 100;
	march_month = (int)(5 * day + 2) / 153;
	year += floor_div(shifted, DAYS_PER_400_YEARS) * 400;
	return (struct civil){
		.year = march_month >= 10 ? year + 1 : year,
		.month = march_month >= 10 ? march_month - 9 : march_month + 3,
		.day = (int)day - (153 * march_month + 2) / 5 + 1,
		.hour = second_of_day / 3600,
		.minute = second_of_day / 60 % 60,
		.second = second_of_day % 60,
		.weekday = civil_weekday(days),
	};
}

int64_t civil_count(const struct civil *civil)
{
	return civil_days(civil->year, civil->month, civil->day) * SECONDS_PER_DAY +
	       civil->hour * 3600 + civil->minute * 60 + civil->second;
}
