/* tests/server/jobs/cron.c: what is read, what is refused, and each run against a second way of
 * finding it: looking at every minute. */
#include "server/jobs/cron.h"
#include "tests/lib/tap.h"
#include <stdlib.h>
#include <time.h>

static int64_t at(int64_t year, int month, int day, int hour, int minute)
{
	return civil_count(&(struct civil){ year, month, day, hour, minute, 0, 0 });
}

static struct cron parse(const char *text)
{
	struct cron cron = { 0 };
	struct diag diag;

	diag_init(&diag);
	is_true(cron_parse(str_of(text), (struct place){ 0 }, &diag, &cron));
	diag_fini(&diag);
	return cron;
}

static struct zone *load(const char *name)
{
	struct zone *zone = NULL;

	is_int(zone_load(name, &zone), 0);
	return zone;
}

/* ------------------------------------------------------------------ reading */

static void fields_become_sets(void)
{
	struct cron cron = parse("5,10-12,*/30 1-5/2 1,15 jan,Mar-may mon-fri");

	is_int(cron.minutes, 1 << 5 | 1 << 10 | 1 << 11 | 1 << 12 | 1 | 1 << 30);
	is_int(cron.hours, 1 << 1 | 1 << 3 | 1 << 5);
	is_int(cron.days, 1 << 1 | 1 << 15);
	is_int(cron.months, 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5);
	is_int(cron.weekdays, 0x3e);
	is_true(cron.either_day_enough);
	is_false(cron.has_fixed_hours);
	cron = parse("  59\t23  31 12 7 ");
	is_int(cron.minutes, INT64_C(1) << 59);
	is_int(cron.weekdays, 1);
	is_true(cron.has_fixed_hours);
}

static void sunday_is_0_and_7_and_ends_a_range(void)
{
	is_int(parse("0 0 * * 0").weekdays, 1);
	is_int(parse("0 0 * * 7").weekdays, 1);
	is_int(parse("0 0 * * 5-7").weekdays, 0x61);
	is_int(parse("0 0 * * sat-sun").weekdays, 0x41);
	is_int(parse("0 0 * * sun-mon").weekdays, 3);
	is_int(parse("0 0 * * *").weekdays, 0x7f);
	is_int(parse("0 0 * * */2").weekdays, 0x55);
}

static void the_short_names_are_schedules(void)
{
	struct cron cron = parse("@yearly");

	is_int(cron.months, 2);
	is_int(parse("@monthly").days, 2);
	is_int(parse("@weekly").weekdays, 1);
	is_int(parse("@daily").hours, 1);
	is_int(parse("@MIDNIGHT").hours, 1);
	is_int(parse("@hourly").hours, 0xffffff);
	is_int(parse("@annually").months, 2);
}

static void stars_decide_whether_both_days_must_match(void)
{
	is_true(parse("0 0 13 * 5").either_day_enough);
	is_false(parse("0 0 * * 5").either_day_enough);
	is_false(parse("0 0 13 * *").either_day_enough);
	is_false(parse("0 0 */2 * 5").either_day_enough);
}

static const char *message(const char *text)
{
	static const struct source source = { "f", STR_INIT("") };
	static char shown[500];
	struct cron cron;
	struct diag diag;
	bool ok;

	diag_init(&diag);
	ok = cron_parse(str_of(text), (struct place){ &source, 1, 1, 0 }, &diag, &cron);
	if (diag.n_entries == 0)
		snprintf(shown, sizeof(shown), "fine");
	else
		snprintf(shown, sizeof(shown), "%u+%u %s%s", diag.entries[0].col,
			 diag.entries[0].len, ok ? "warning: " : "", diag.entries[0].message);
	diag_fini(&diag);
	return shown;
}

static void mistakes_are_said_with_their_place_and_mend(void)
{
	static const char *const cases[][2] = {
		{ "0 3 * * *", "fine" },
		{ "", "1+0 the schedule is empty; for each day at 3:00 write 0 3 * * *" },
		{ "0 3 * *",
		  "1+7 a schedule has five fields, minute hour day month weekday, not 4; for each "
		  "day at 3:00 write 0 3 * * *" },
		{ " 0 0 3 * * *", "2+11 a schedule has five fields, minute hour day month weekday, "
				  "not 6; leave out "
				  "the seconds or the year" },
		{ "60 * * * *", "1+2 the minute is 0 to 59, not 60" },
		{ "0 24 * * *", "3+2 the hour is 0 to 23, not 24" },
		{ "0 0 0 * *", "5+1 the day of the month is 1 to 31, not 0" },
		{ "0 0 1 13 *", "7+2 the month is 1 to 12, not 13" },
		{ "0 0 1 1 8", "9+1 the weekday is 0 to 7, not 8" },
		{ "99999999999999999999 0 1 1 *",
		  "1+20 the minute is 0 to 59, not 99999999999999999999" },
		{ "0 0 L * *", "5+1 \"L\" is not a number; the day of the month is 1 to 31" },
		{ "0 1h * * *", "3+2 \"1h\" is not a number; the hour is 0 to 23" },
		{ "0 0 1 janu *", "7+4 unknown month \"janu\"; did you mean \"jan\"?" },
		{ "0 0 * * monday", "9+6 unknown weekday \"monday\"; did you mean \"mon\"?" },
		{ "0 0 * * xyz",
		  "9+3 unknown weekday \"xyz\"; write a number or three letters, as \"mon\"" },
		{ "0,,5 0 * * *", "3+0 a value is missing in the minute" },
		{ "0, 0 * * *", "3+0 a value is missing in the minute" },
		{ "5- 0 * * *", "3+0 a value is missing in the minute" },
		{ "-5 0 * * *", "1+0 a value is missing in the minute" },
		{ "5-1 0 * * *", "1+3 the range runs backwards; write 5-59,0-1" },
		{ "0 22-2 * * *", "3+4 the range runs backwards; write 22-23,0-2" },
		{ "0 0 * * fri-mon", "9+7 the range runs backwards; write 5-6,0-1" },
		{ "5/10 * * * *", "1+4 a step stands behind * or a range; write 5-59/10" },
		{ "*/0 * * * *", "3+1 \"0\" is not a step; write a number from 1 on" },
		{ "*/ * * * *", "3+0 \"\" is not a step; write a number from 1 on" },
		{ "*/2/2 * * * *", "3+3 \"2/2\" is not a step; write a number from 1 on" },
		{ "*/90 * * * *",
		  "3+2 warning: a step of 90 is more than the minute has; each field counts anew" },
		{ "** * * * *", "1+2 \"**\" is not a number; the minute is 0 to 59" },
		{ "0 0 30 2 *",
		  "1+10 warning: this never runs; no month of the schedule has such a day" },
		{ "0 0 31 4,6,9,11,2 *",
		  "1+19 warning: this never runs; no month of the schedule has such a day" },
		{ "0 0 29 2 *", "fine" },
		{ "0 0 30 2 1", "fine" },
		{ "@dayly", "1+6 unknown schedule \"@dayly\"; did you mean \"@daily\"?" },
		{ "@", "1+1 unknown schedule \"@\"; the names are @yearly to \"@hourly\"" },
		{ "@every 5m",
		  "1+9 no schedule is named \"@every\"; write every: 5m in place of cron" },
		{ "@reboot",
		  "1+7 no schedule is named \"@reboot\"; write delay: 1s in place of cron" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		is_text(message(cases[i][0]), cases[i][1]);
}

static void all_mistakes_of_a_schedule_are_found_in_one_run(void)
{
	struct cron cron;
	struct diag diag;

	diag_init(&diag);
	is_false(cron_parse(STR("60 24 32 13 8"), (struct place){ 0 }, &diag, &cron));
	is_int(diag.n_errors, 5);
	diag_fini(&diag);
}

/* ------------------------------------------------------------------ single instants */

static int64_t next(const char *text, const char *zone_name, int64_t after)
{
	struct zone *zone = load(zone_name);
	struct cron cron = parse(text);
	int64_t found = cron_next(&cron, zone, after);

	zone_destroy(zone);
	return found;
}

static void next_is_strictly_after(void)
{
	is_int(next("0 3 * * *", "UTC", at(2024, 1, 1, 3, 0)), at(2024, 1, 2, 3, 0));
	is_int(next("0 3 * * *", "UTC", at(2024, 1, 1, 3, 0) - 1), at(2024, 1, 1, 3, 0));
	is_int(next("* * * * *", "UTC", at(2024, 1, 1, 3, 0)), at(2024, 1, 1, 3, 1));
	is_int(next("59 23 31 12 *", "UTC", at(2024, 12, 31, 23, 59)), at(2025, 12, 31, 23, 59));
}

static void a_day_that_never_comes_has_no_next(void)
{
	is_int(next("0 0 30 2 *", "UTC", 0), INT64_MAX);
	is_int(next("*/5 * 31 4 *", "Europe/Paris", 0), INT64_MAX);
	is_int(next("* * * * *", "UTC", INT64_MAX), INT64_MAX);
	is_true(next("* * * * *", "UTC", INT64_MIN) < 0);
}

static void rare_days_are_found(void)
{
	is_int(next("0 0 29 2 *", "UTC", at(2096, 3, 1, 0, 0)), at(2104, 2, 29, 0, 0));
	is_int(next("0 0 29 2 */7", "UTC", at(2088, 3, 1, 0, 0)), at(2128, 2, 29, 0, 0));
	is_int(next("0 12 13 * 5", "UTC", at(2024, 9, 10, 0, 0)), at(2024, 9, 13, 12, 0));
}

static void a_skipped_time_runs_once_at_the_next_minute(void)
{
	is_int(next("30 2 * * *", "Europe/Paris", at(2024, 3, 30, 12, 0)), at(2024, 3, 31, 1, 0));
	is_int(next("30 2 * * *", "Europe/Paris", at(2024, 3, 31, 1, 0)), at(2024, 4, 1, 0, 30));
	is_int(next("*/10 2 * * *", "Europe/Paris", at(2024, 3, 31, 0, 59)), at(2024, 3, 31, 1, 0));
	is_int(next("*/10 2 * * *", "Europe/Paris", at(2024, 3, 31, 1, 0)), at(2024, 4, 1, 0, 0));
	is_int(next("15 2 * * *", "Australia/Lord_Howe", at(2024, 10, 5, 0, 0)),
	       at(2024, 10, 5, 15, 30));
}

static void a_time_that_comes_twice_runs_the_first_time(void)
{
	is_int(next("30 2 * * *", "Europe/Paris", at(2024, 10, 26, 12, 0)),
	       at(2024, 10, 27, 0, 30));
	is_int(next("30 2 * * *", "Europe/Paris", at(2024, 10, 27, 0, 30)),
	       at(2024, 10, 28, 1, 30));
	is_int(next("0 1 * * *", "America/New_York", at(2024, 11, 3, 5, 30)),
	       at(2024, 11, 4, 6, 0));
}

static void stars_and_steps_in_the_hour_run_each_real_time(void)
{
	is_int(next("30 * * * *", "Europe/Paris", at(2024, 10, 27, 0, 30)),
	       at(2024, 10, 27, 1, 30));
	is_int(next("30 */2 * * *", "Europe/Paris", at(2024, 10, 27, 0, 30)),
	       at(2024, 10, 27, 1, 30));
	is_int(next("30 */2 * * *", "Europe/Paris", at(2024, 3, 31, 0, 0)), at(2024, 3, 31, 2, 30));
}

/* ------------------------------------------------------------------ against each minute */

static bool matches(const struct cron *cron, const struct tm *tm)
{
	bool day = cron->days >> tm->tm_mday & 1, weekday = cron->weekdays >> tm->tm_wday & 1;

	return cron->minutes >> tm->tm_min & 1 && cron->hours >> tm->tm_hour & 1 &&
	       cron->months >> (tm->tm_mon + 1) & 1 &&
	       (cron->either_day_enough ? day || weekday : day && weekday);
}

/* Whether a time that clocks never showed, in (from, to] by the minute, matches. */
static bool skipped_matches(const struct cron *cron, int64_t from, int64_t to)
{
	for (time_t local = from + 60; local <= to; local += 60) {
		struct tm tm;

		gmtime_r(&local, &tm);
		if (matches(cron, &tm))
			return true;
	}
	return false;
}

/* How often cron_next() differs from a walk over all minutes with the C library's clock. */
static unsigned differences(const char *text, const char *zone_name, int from_year, int to_year)
{
	struct zone *zone = load(zone_name);
	struct cron cron = parse(text);
	const int64_t start = at(from_year, 1, 1, 0, 0), end = at(to_year, 1, 1, 0, 0);
	int64_t planned = cron_next(&cron, zone, start - 1), latest = INT64_MAX;
	unsigned n = 0;

	setenv("TZ", zone_name, 1);
	tzset();
	for (time_t now = start; now < end; now += 60) {
		struct tm tm;
		int64_t local;
		bool runs;

		localtime_r(&now, &tm);
		local = now + tm.tm_gmtoff;
		runs = matches(&cron, &tm);
		if (cron.has_fixed_hours && latest != INT64_MAX)
			runs = local > latest && skipped_matches(&cron, latest, local);
		latest = latest == INT64_MAX ? local : MAX(latest, local);
		n += runs != (planned == now);
		if (planned <= now)
			planned = cron_next(&cron, zone, now);
	}
	unsetenv("TZ");
	zone_destroy(zone);
	return n;
}

static void runs_are_those_that_a_look_at_each_minute_finds(void)
{
	static const char *const zones[] = { "UTC", "Europe/Paris", "America/New_York",
					     "Australia/Lord_Howe", "Asia/Kolkata" };
	static const char *const texts[] = {
		"30 2 * * *",        "*/7 1-3 * * *",   "15 */3 * * *", "0 0 1,15 * mon",
		"* 1,2 * mar,oct 0", "59 23 28-31 * *", "*/20 * * * 0",
	};

	for (size_t z = 0; z < ARRAY_LEN(zones); z++)
		for (size_t t = 0; t < ARRAY_LEN(texts); t++)
			is_int(differences(texts[t], zones[z], 2024, 2025), 0);
}

static void odd_zones_agree_too(void)
{
	is_int(differences("0 0 * * *", "America/Havana", 2023, 2025), 0);
	is_int(differences("*/30 0-2 * * *", "Africa/Casablanca", 2023, 2025), 0);
	is_int(differences("0 12 * * *", "Pacific/Apia", 2011, 2012), 0);
	is_int(differences("30 0,12 * * *", "Antarctica/Troll", 2040, 2042), 0);
	is_int(differences("0 2 * * *", "Europe/Dublin", 2090, 2092), 0);
}

int main(void)
{
	TEST(fields_become_sets);
	TEST(sunday_is_0_and_7_and_ends_a_range);
	TEST(the_short_names_are_schedules);
	TEST(stars_decide_whether_both_days_must_match);
	TEST(mistakes_are_said_with_their_place_and_mend);
	TEST(all_mistakes_of_a_schedule_are_found_in_one_run);
	TEST(next_is_strictly_after);
	TEST(a_day_that_never_comes_has_no_next);
	TEST(rare_days_are_found);
	TEST(a_skipped_time_runs_once_at_the_next_minute);
	TEST(a_time_that_comes_twice_runs_the_first_time);
	TEST(stars_and_steps_in_the_hour_run_each_real_time);
	TEST(runs_are_those_that_a_look_at_each_minute_finds);
	TEST(odd_zones_agree_too);
	return tap_done();
}
