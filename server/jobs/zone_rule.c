/* server/jobs/zone_rule.c */
#include "server/jobs/zone_rule.h"
#include "core/base/check.h"
#include "server/jobs/civil.h"
#include <errno.h>

/* ------------------------------------------------------------------ reading
 *
 * Each takes what it reads off the front of `rest`, and is false when that is not there. */

static bool rule_take_char(struct str *rest, char c)
{
	if (rest->len == 0 || rest->ptr[0] != c)
		return false;
	*rest = str_skip(*rest, 1);
	return true;
}

static bool rule_take_number(struct str *rest, int max, int *ret)
{
	size_t len = 0;
	int number = 0;

	while (len < rest->len && len < 3 && char_is_digit(rest->ptr[len]))
		number = number * 10 + (rest->ptr[len++] - '0');
	if (len == 0 || number > max)
		return false;
	*rest = str_skip(*rest, len);
	*ret = number;
	return true;
}

/* [+-]hh[:mm[:ss]] */
static bool rule_take_time(struct str *rest, int hours_max, int32_t *ret_s)
{
	bool negative = rule_take_char(rest, '-');
	int hours, minutes = 0, seconds = 0;
	int32_t time_s;

	if (!negative)
		rule_take_char(rest, '+');
	if (!rule_take_number(rest, hours_max, &hours))
		return false;
	if (rule_take_char(rest, ':')) {
		if (!rule_take_number(rest, 59, &minutes))
			return false;
		if (rule_take_char(rest, ':') && !rule_take_number(rest, 59, &seconds))
			return false;
	}
	time_s = hours * 3600 + minutes * 60 + seconds;
	*ret_s = negative ? -time_s : time_s;
	return true;
}

static bool rule_is_name_char(char c, bool quoted)
{
	return char_is_alpha(c) || (quoted && (char_is_digit(c) || c == '+' || c == '-'));
}

/* "CET", or in angle brackets what has digits and signs: "<+0530>". */
static bool rule_take_name(struct str *rest, char name[ZONE_ABBREVIATION_MAX + 1])
{
	bool quoted = rule_take_char(rest, '<');
	size_t len = 0;

	while (len < rest->len && rule_is_name_char(rest->ptr[len], quoted))
		len++;
	if (len < 3 || len > ZONE_ABBREVIATION_MAX)
		return false;
	memcpy(name, rest->ptr, len);
	name[len] = '\0';
	*rest = str_skip(*rest, len);
	return !quoted || rule_take_char(rest, '>');
}

static bool rule_take_weekday(struct str *rest, struct zone_date *date)
{
	date->form = ZONE_DATE_WEEKDAY;
	return rule_take_number(rest, 12, &date->month) && date->month >= 1 &&
	       rule_take_char(rest, '.') && rule_take_number(rest, 5, &date->week) &&
	       date->week >= 1 && rule_take_char(rest, '.') &&
	       rule_take_number(rest, 6, &date->weekday);
}

static bool rule_take_day(struct str *rest, struct zone_date *date)
{
	if (rule_take_char(rest, 'M'))
		return rule_take_weekday(rest, date);
	if (rule_take_char(rest, 'J')) {
		date->form = ZONE_DATE_DAY_NO_LEAP;
		return rule_take_number(rest, 365, &date->day) && date->day >= 1;
	}
	date->form = ZONE_DATE_DAY;
	return rule_take_number(rest, 365, &date->day);
}

static bool rule_take_date(struct str *rest, struct zone_date *date)
{
	date->time_s = 2 * 3600;
	if (!rule_take_char(rest, ',') || !rule_take_day(rest, date))
		return false;
	return !rule_take_char(rest, '/') || rule_take_time(rest, 167, &date->time_s);
}

static bool rule_take_dst(struct str *rest, struct zone_rule *rule)
{
	int32_t west_s;

	rule->has_dst = true;
	rule->dst.is_dst = true;
	rule->dst.offset_s = rule->standard.offset_s + 3600;
	if (!rule_take_name(rest, rule->dst.abbreviation))
		return false;
	if (rest->len && rest->ptr[0] != ',') {
		if (!rule_take_time(rest, 24, &west_s))
			return false;
		rule->dst.offset_s = -west_s;
	}
	return rule_take_date(rest, &rule->dst_start) && rule_take_date(rest, &rule->dst_end);
}

int zone_rule_parse(struct str text, struct zone_rule *ret)
{
	struct zone_rule rule = { 0 };
	int32_t west_s;

	if (!rule_take_name(&text, rule.standard.abbreviation) ||
	    !rule_take_time(&text, 24, &west_s))
		return -EBADMSG;
	rule.standard.offset_s = -west_s;
	if (text.len && (!rule_take_dst(&text, &rule) || text.len))
		return -EBADMSG;
	*ret = rule;
	return 0;
}

/* ------------------------------------------------------------------ applying */

static int64_t rule_weekday_days(const struct zone_date *date, int64_t year)
{
	int64_t first = civil_days(year, date->month, 1);
	int day = (date->weekday - civil_weekday(first) + 7) % 7 + (date->week - 1) * 7;

	if (day >= civil_month_len(year, date->month))
		day -= 7;
	return first + day;
}

/* In seconds of the wall clock that was in force before the change. */
static int64_t rule_date_count(const struct zone_date *date, int64_t year)
{
	int64_t days = 0;

	switch (date->form) {
	case ZONE_DATE_WEEKDAY:
		days = rule_weekday_days(date, year);
		break;
	case ZONE_DATE_DAY:
		days = civil_days(year, 1, 1) + date->day;
		break;
	case ZONE_DATE_DAY_NO_LEAP:
		days = civil_days(year, 1, 1) + date->day - 1;
		if (date->day >= 60 && civil_month_len(year, 2) == 29)
			days++;
		break;
	}
	return days * SECONDS_PER_DAY + date->time_s;
}

struct change {
	int64_t at;
	const struct zone_kind *to;
};

enum { CHANGES = 10 };

/* Those of a year and of two on each side, since times may reach a week into another year. In
 * their order; at the same instant the change to DST is the later, so that DST all year round
 * works. */
static void rule_changes(const struct zone_rule *rule, int64_t year, struct change changes[CHANGES])
{
	size_t n = 0;

	for (int64_t y = year - 2; y <= year + 2; y++) {
		struct change both[] = {
			{ rule_date_count(&rule->dst_end, y) - rule->dst.offset_s,
			  &rule->standard },
			{ rule_date_count(&rule->dst_start, y) - rule->standard.offset_s,
			  &rule->dst },
		};

		for (size_t i = 0; i < ARRAY_LEN(both); i++, n++) {
			size_t to = n;

			for (; to > 0 && changes[to - 1].at > both[i].at; to--)
				changes[to] = changes[to - 1];
			changes[to] = both[i];
		}
	}
}

struct zone_span zone_rule_span(const struct zone_rule *rule, int64_t unix_s)
{
	struct zone_span span = { &rule->standard, INT64_MIN, INT64_MAX };
	struct change changes[CHANGES];

	if (!rule->has_dst)
		return span;
	rule_changes(rule, civil_of(unix_s + rule->standard.offset_s).year, changes);
	for (size_t i = 0; i < CHANGES; i++) {
		if (changes[i].at > unix_s) {
			span.end = changes[i].at;
			break;
		}
		span.start = changes[i].at;
		span.kind = changes[i].to;
	}
	return span;
}
