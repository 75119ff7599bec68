/* server/expr/fn_time.c: times, always in UTC, always in English. The C library's functions for it
 * take a lock and the process's locale. */
#include "core/base/clock.h"
#include "server/expr/functions.h"
#include "server/expr/number.h"
#include <errno.h>
#include <time.h>

enum { MS_PER_DAY = 86400000 };

/* A moment as a calendar shows it. */
struct moment {
	int64_t ms;           /* since 1970 */
	int year, month, day; /* month and day from 1 */
	int weekday, yearday; /* from 0: Sunday, the first of January */
	int hour, minute, second, milli;
};

/* Days are counted from the first of March of a year that 400 divides, so that the leap day is the
 * last of its year; 719468 of them lie before 1970. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t from_march = (month + 9) % 12, era_year, era;

	year -= month <= 2;
	era = year >= 0 ? year / 400 : (year - 399) / 400;
	era_year = year - era * 400;
	return era * 146097 + era_year * 365 + era_year / 4 - era_year / 100 +
	       (from_march * 153 + 2) / 5 + day - 1 - 719468;
}

static void moment_set_date(struct moment *moment, int64_t days)
{
	int64_t left = days + 719468, era = (left >= 0 ? left : left - 146096) / 146097;
	int64_t of_era = left - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t from_march = (5 * of_year + 2) / 153;

	moment->day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
	moment->month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
	moment->year = (int)(year + era * 400 + (moment->month <= 2));
	moment->weekday = (int)(((days + 4) % 7 + 7) % 7);
	moment->yearday = (int)(days - days_of(moment->year, 1, 1));
}

/* False past the years 0 to 9999, for which no format has room. */
static bool moment_of(int64_t ms, struct moment *ret)
{
	int64_t days = ms / MS_PER_DAY - (ms % MS_PER_DAY < 0);
	int64_t of_day = ms - days * MS_PER_DAY;

	if (days < days_of(0, 1, 1) || days >= days_of(10000, 1, 1))
		return false;
	*ret = (struct moment){
		.ms = ms,
		.hour = (int)(of_day / 3600000),
		.minute = (int)(of_day / 60000 % 60),
		.second = (int)(of_day / 1000 % 60),
		.milli = (int)(of_day % 1000),
	};
	moment_set_date(ret, days);
	return true;
}

int fn_now(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	(void)env;
	(void)args;
	(void)n_args;
	*ret = value_int(clock_wall_ns() / (int64_t)NS_PER_MS);
	return 0;
}

static const char *const weekdays[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
					"Thursday", "Friday", "Saturday" };
static const char *const months[] = { "January",   "February", "March",    "April",
				      "May",       "June",     "July",     "August",
				      "September", "October",  "November", "December" };

/* How many digits the letter behind a % stands for, and their number; 0: it is no number. */
static int moment_number(const struct moment *moment, char letter, int *ret_number)
{
	const struct {
		char letter;
		int n_digits, number;
	} numbers[] = {
		{ 'Y', 4, moment->year },
		{ 'm', 2, moment->month },
		{ 'd', 2, moment->day },
		{ 'H', 2, moment->hour },
		{ 'M', 2, moment->minute },
		{ 'S', 2, moment->second },
		{ 'L', 3, moment->milli },
		{ 'y', 2, moment->year % 100 },
		{ 'j', 3, moment->yearday + 1 },
		{ 'I', 2, moment->hour % 12 ? moment->hour % 12 : 12 },
		{ 'u', 1, moment->weekday ? moment->weekday : 7 },
	};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (numbers[i].letter != letter)
			continue;
		*ret_number = numbers[i].number;
		return numbers[i].n_digits;
	}
	return 0;
}

/* The same for a word; an empty text: it is none. */
static struct str moment_word(const struct moment *moment, char letter)
{
	switch (letter) {
	case 'p':
		return moment->hour < 12 ? STR("AM") : STR("PM");
	case 'a':
		return str_first(str_of(weekdays[moment->weekday]), 3);
	case 'A':
		return str_of(weekdays[moment->weekday]);
	case 'b':
		return str_first(str_of(months[moment->month - 1]), 3);
	case 'B':
		return str_of(months[moment->month - 1]);
	case 'Z':
		return STR("UTC");
	case 'z':
		return STR("+0000");
	case '%':
		return STR("%");
	default:
		return STR("");
	}
}

/* False when the letter has no meaning. */
static bool moment_write_part(const struct moment *moment, char letter, struct buf *out)
{
	struct str word = moment_word(moment, letter);
	int64_t seconds = moment->ms / 1000 - (moment->ms % 1000 < 0);
	int number = 0, n_digits = moment_number(moment, letter, &number);

	if (n_digits)
		buf_printf(out, "%0*d", n_digits, number);
	else if (letter == 'e')
		buf_printf(out, "%2d", moment->day);
	else if (letter == 's')
		buf_printf(out, "%lld", (long long)seconds);
	else
		buf_add(out, word);
	return n_digits || letter == 'e' || letter == 's' || word.len;
}

static int moment_write(struct expr_env *env, const struct moment *moment, struct str format,
			struct buf *out)
{
	for (size_t i = 0; i < format.len; i++) {
		char letter = i + 1 < format.len ? format.ptr[i + 1] : '\0';
		int r = 0;

		if (format.ptr[i] != '%') {
			buf_add_char(out, format.ptr[i]);
			continue;
		}
		i++;
		if (letter == 'F')
			r = moment_write(env, moment, STR("%Y-%m-%d"), out);
		else if (letter == 'T')
			r = moment_write(env, moment, STR("%H:%M:%S"), out);
		else if (!moment_write_part(moment, letter, out))
			r = expr_fail(env, "knows no such letter behind \"%%\" in a format");
		if (r < 0)
			return r;
	}
	return 0;
}

int fn_format_time(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	struct str format = STR("%FT%T.%LZ");
	struct number number = { 0 };
	struct moment moment;
	struct buf out;
	int r = n_args == 2 ? fn_take_text(env, args[1], &format) : 0;

	if (r < 0)
		return r;
	if (!number_is(args[0]))
		return expr_fail(env, "takes milliseconds since 1970, got %s",
				 expr_kind_with_article(args[0]));
	if (number_of(args[0], &number) < 0 || number.is_real ||
	    !moment_of(number.integer, &moment))
		return expr_fail(env, "takes an integer within the years 0 to 9999");
	buf_init_arena(&out, env->arena);
	r = moment_write(env, &moment, format, &out);
	return r < 0 ? r : fn_give_buf(&out, ret);
}

/* Takes `n` digits off the text; false when there are not so many. */
static bool take_digits(struct str *text, size_t n, int64_t *ret)
{
	uint64_t number;

	if (text->len < n || str_to_u64(str_first(*text, n), &number) < 0)
		return false;
	*text = str_skip(*text, n);
	*ret = (int64_t)number;
	return true;
}

static bool take_char(struct str *text, const char *set)
{
	if (text->len == 0 || !text->ptr[0] || !strchr(set, text->ptr[0]))
		return false;
	*text = str_skip(*text, 1);
	return true;
}

static bool take_date(struct str *text, int64_t *ret_days)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t year, month, day;
	bool leap;

	if (!take_digits(text, 4, &year) || !take_char(text, "-") ||
	    !take_digits(text, 2, &month) || !take_char(text, "-") || !take_digits(text, 2, &day))
		return false;
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (month < 1 || month > 12 || day < 1 || day > lengths[month - 1] + (leap && month == 2))
		return false;
	*ret_days = days_of(year, month, day);
	return true;
}

/* A fraction of a second; what is less than a millisecond is dropped. */
static bool take_fraction(struct str *text, int64_t *ret_ms)
{
	int64_t ms = 0, scale = 100;

	if (!take_char(text, "."))
		return true;
	if (text->len == 0 || !char_is_digit(text->ptr[0]))
		return false;
	for (; text->len && char_is_digit(text->ptr[0]); scale /= 10, *text = str_skip(*text, 1))
		ms += (text->ptr[0] - '0') * scale;
	*ret_ms += ms;
	return true;
}

static bool take_clock(struct str *text, int64_t *ret_ms)
{
	int64_t hour, minute, second;

	if (!take_digits(text, 2, &hour) || !take_char(text, ":") ||
	    !take_digits(text, 2, &minute) || !take_char(text, ":") ||
	    !take_digits(text, 2, &second))
		return false;
	*ret_ms = ((hour * 60 + minute) * 60 + second) * 1000;
	/* a leap second is the first of the next minute, as in the time of POSIX */
	return hour <= 23 && minute <= 59 && second <= 60 && take_fraction(text, ret_ms);
}

static bool take_offset(struct str *text, int64_t *ret_ms)
{
	bool west = text->len && text->ptr[0] == '-';
	int64_t hour, minute;

	*ret_ms = 0;
	if (take_char(text, "Zz"))
		return true;
	if (!take_char(text, "+-") || !take_digits(text, 2, &hour) || !take_char(text, ":") ||
	    !take_digits(text, 2, &minute) || hour > 23 || minute > 59)
		return false;
	*ret_ms = (hour * 60 + minute) * (west ? -60000 : 60000);
	return true;
}

int fn_parse_time(struct expr_env *env, const struct value *args, size_t n_args, struct value *ret)
{
	int64_t days, ms, offset;
	struct str text;
	int r = fn_take_text(env, args[0], &text);

	(void)n_args;
	if (r < 0)
		return r;
	if (!take_date(&text, &days) || !take_char(&text, "Tt ") || !take_clock(&text, &ms) ||
	    !take_offset(&text, &offset) || text.len)
		return expr_fail(env, "takes a time as RFC 3339 writes it: 2026-01-31T23:59:59Z");
	*ret = value_int(days * MS_PER_DAY + ms - offset);
	return 0;
}
