/* server/jobs/cron.c: which instants a schedule means; cron_parse.c reads them. */
#include "server/jobs/cron.h"
#include "core/base/check.h"

/* The calendar repeats after 400 years: what does not come in them never comes. */
enum { YEARS_SEARCHED = 400, SECONDS_PER_MINUTE = 60 };

static bool cron_has_day(const struct cron *cron, int day, int weekday)
{
	bool in_month = cron->days >> day & 1, in_week = cron->weekdays >> weekday & 1;

	return cron->either_day_enough ? in_month || in_week : in_month && in_week;
}

/* Moves `c` to midnight of the first day at or after its own that the schedule has; leaves a day
 * that it has as it is. */
static bool cron_seek_day(const struct cron *cron, struct civil *c)
{
	const int64_t last_year = c->year + YEARS_SEARCHED;
	struct civil at = *c;

	for (; at.year <= last_year; at.month = at.month % 12 + 1, at.year += at.month == 1) {
		int len = civil_month_len(at.year, at.month);

		if (cron->months >> at.month & 1) {
			int weekday = civil_weekday(civil_days(at.year, at.month, at.day));

			for (; at.day <= len; at.day++, weekday = (weekday + 1) % 7)
				if (cron_has_day(cron, at.day, weekday)) {
					*c = at;
					return true;
				}
		}
		at = (struct civil){ .year = at.year, .month = at.month, .day = 1 };
	}
	return false;
}

/* The first bit of `set` from `from` on, or -1. */
static int cron_first(uint64_t set, int from)
{
	set = set >> from << from;
	return set ? __builtin_ctzll(set) : -1;
}

static bool cron_seek_time(const struct cron *cron, struct civil *c)
{
	int hour = cron_first(cron->hours, c->hour);
	int minute = cron_first(cron->minutes, hour == c->hour ? c->minute : 0);

	if (hour >= 0 && minute < 0) {
		hour = cron_first(cron->hours, hour + 1);
		minute = cron_first(cron->minutes, 0);
	}
	if (hour < 0)
		return false;
	c->hour = hour;
	c->minute = minute;
	return true;
}

/* The first clock time at or after `local_s` that matches; INT64_MAX when none ever does. */
static int64_t cron_next_local(const struct cron *cron, int64_t local_s)
{
	const int64_t minute = -floor_div(-local_s, SECONDS_PER_MINUTE);
	struct civil c = civil_of(minute * SECONDS_PER_MINUTE), day;

	for (;;) {
		day = c;
		if (!cron_seek_day(cron, &day))
			return INT64_MAX;
		if (day.day != c.day || day.month != c.month || day.year != c.year)
			day.hour = day.minute = 0;
		if (cron_seek_time(cron, &day))
			return civil_count(&day);
		c = civil_of((civil_days(day.year, day.month, day.day) + 1) * SECONDS_PER_DAY);
	}
}

/* The first instant at or after `unix_s` whose clock time is a whole minute: not every offset of
 * the past was one. */
static int64_t cron_whole_minute(const struct zone *zone, int64_t unix_s)
{
	for (;;) {
		struct zone_span span = zone_span(zone, unix_s);
		int64_t wait_s = floor_mod(-(unix_s + span.kind->offset_s), SECONDS_PER_MINUTE);

		if (unix_s + wait_s < span.end)
			return unix_s + wait_s;
		unix_s = span.end;
	}
}

/* Clock times that were shown before, up to now, are done, even if they come again. */
static int64_t cron_next_fixed(const struct cron *cron, const struct zone *zone, int64_t after_s)
{
	int64_t local_s = zone_latest_local(zone, after_s), found;

	do {
		local_s = cron_next_local(cron, local_s + 1);
		if (local_s == INT64_MAX)
			return INT64_MAX;
		found = cron_whole_minute(zone, zone_to_unix(zone, local_s));
	} while (found <= after_s);
	return found;
}

static int64_t cron_next_running(const struct cron *cron, const struct zone *zone, int64_t after_s)
{
	int64_t at = after_s + 1;

	for (;;) {
		struct zone_span span = zone_span(zone, at);
		int64_t local_s = cron_next_local(cron, at + span.kind->offset_s);

		if (local_s == INT64_MAX)
			return INT64_MAX;
		if (local_s - span.kind->offset_s < span.end)
			return local_s - span.kind->offset_s;
		at = span.end;
	}
}

int64_t cron_next(const struct cron *cron, const struct zone *zone, int64_t after_unix_s)
{
	if (after_unix_s > ZONE_TIME_MAX / 2)
		return INT64_MAX;
	after_unix_s = MAX(after_unix_s, -ZONE_TIME_MAX / 2);
	return cron->has_fixed_hours ? cron_next_fixed(cron, zone, after_unix_s)
				     : cron_next_running(cron, zone, after_unix_s);
}
