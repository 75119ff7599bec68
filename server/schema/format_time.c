/* server/schema/format_time.c: the times of RFC 3339. */
#include "server/jobs/civil.h"
#include "server/schema/format.h"

struct time_of_day {
	unsigned hour, minute, second;
};

/* Exactly `n_digits` digits from `*text`. */
static bool format_take_digits(struct str *text, size_t n_digits, unsigned *ret)
{
	unsigned number = 0;

	if (text->len < n_digits)
		return false;
	for (size_t i = 0; i < n_digits; i++) {
		if (!char_is_digit(text->ptr[i]))
			return false;
		number = number * 10 + (unsigned)(text->ptr[i] - '0');
	}
	*text = str_skip(*text, n_digits);
	*ret = number;
	return true;
}

static bool format_take_char(struct str *text, char c)
{
	if (text->len == 0 || char_lower(text->ptr[0]) != c)
		return false;
	*text = str_skip(*text, 1);
	return true;
}

static bool format_take_date(struct str *text)
{
	unsigned year, month, day;

	return format_take_digits(text, 4, &year) && format_take_char(text, '-') &&
	       format_take_digits(text, 2, &month) && format_take_char(text, '-') &&
	       format_take_digits(text, 2, &day) && month >= 1 && month <= 12 && day >= 1 &&
	       (int)day <= civil_month_len(year, (int)month);
}

/* "12:30" of a time or an offset. */
static bool format_take_minutes(struct str *text, struct time_of_day *time)
{
	return format_take_digits(text, 2, &time->hour) && format_take_char(text, ':') &&
	       format_take_digits(text, 2, &time->minute) && time->hour <= 23 && time->minute <= 59;
}

static bool format_take_second(struct str *text, struct time_of_day *time)
{
	unsigned digit;

	if (!format_take_char(text, ':') || !format_take_digits(text, 2, &time->second) ||
	    time->second > 60)
		return false;
	if (!format_take_char(text, '.'))
		return true;
	if (!format_take_digits(text, 1, &digit))
		return false;
	while (format_take_digits(text, 1, &digit))
		;
	return true;
}

/* The offset, in minutes east of Greenwich. */
static bool format_take_offset(struct str *text, int *ret_minutes)
{
	struct time_of_day offset = { 0 };
	bool west;

	*ret_minutes = 0;
	if (format_take_char(text, 'z'))
		return true;
	west = text->len && text->ptr[0] == '-';
	if ((!format_take_char(text, '-') && !format_take_char(text, '+')) ||
	    !format_take_minutes(text, &offset))
		return false;
	*ret_minutes = (int)(offset.hour * 60 + offset.minute) * (west ? -1 : 1);
	return true;
}

/* A leap second is the last one of a day in Greenwich. */
static bool format_take_time(struct str *text)
{
	enum { DAY = 24 * 60 };
	struct time_of_day time = { 0 };
	int offset, minutes;

	if (!format_take_minutes(text, &time) || !format_take_second(text, &time) ||
	    !format_take_offset(text, &offset))
		return false;
	minutes = (int)(time.hour * 60 + time.minute) - offset;
	return time.second < 60 || (minutes + 2 * DAY) % DAY == DAY - 1;
}

bool format_is_date(struct str text)
{
	return format_take_date(&text) && text.len == 0;
}

bool format_is_time(struct str text)
{
	return format_take_time(&text) && text.len == 0;
}

bool format_is_date_time(struct str text)
{
	return format_take_date(&text) && format_take_char(&text, 't') && format_take_time(&text) &&
	       text.len == 0;
}

/* Numbers with the units of `units`, which follow each other without a gap: "YMD" takes "1Y2M",
 * and not "1Y2D" (RFC 3339 appendix A). Returns how many. */
static unsigned format_take_units(struct str *text, const char *units)
{
	unsigned n_taken = 0;

	while (text->len) {
		struct str rest = *text;
		const char *unit;

		while (rest.len && char_is_digit(rest.ptr[0]))
			rest = str_skip(rest, 1);
		if (rest.len == text->len || rest.len == 0 || rest.ptr[0] == '\0')
			break;
		unit = strchr(units, rest.ptr[0]);
		if (!unit || (n_taken && unit != units))
			break;
		units = unit + 1;
		n_taken++;
		*text = str_skip(rest, 1);
	}
	return n_taken;
}

bool format_is_duration(struct str text)
{
	unsigned n_taken;

	if (text.len == 0 || text.ptr[0] != 'P')
		return false;
	text = str_skip(text, 1);
	n_taken = format_take_units(&text, "W");
	if (n_taken)
		return text.len == 0;
	n_taken = format_take_units(&text, "YMD");
	if (text.len && text.ptr[0] == 'T') {
		text = str_skip(text, 1);
		if (format_take_units(&text, "HMS") == 0)
			return false;
		n_taken++;
	}
	return n_taken && text.len == 0;
}
