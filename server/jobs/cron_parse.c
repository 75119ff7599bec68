/* server/jobs/cron_parse.c: reads a cron schedule, and says what is wrong with one. */
#include "core/base/check.h"
#include "server/jobs/cron.h"
#include <errno.h>

struct field {
	const char *name;
	unsigned min, max;
	const char *const *names; /* of min, min + 1, ...; NULL: it has none */
};

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
					   "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekday_names[] = {
	"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL
};

enum field_id { MINUTE, HOUR, DAY, MONTH, WEEKDAY, N_FIELDS };

static const struct field fields[N_FIELDS] = {
	[MINUTE] = { "minute", 0, 59, NULL },           [HOUR] = { "hour", 0, 23, NULL },
	[DAY] = { "day of the month", 1, 31, NULL },    [MONTH] = { "month", 1, 12, month_names },
	[WEEKDAY] = { "weekday", 0, 7, weekday_names }, /* 7 becomes 0 at the end */
};

/* What is being read, so that an entry can point into it. */
struct reader {
	struct str text;
	struct place place; /* of the text */
	struct diag *diag;
	bool failed;
};

/* Where `part` of the text stands. */
static struct place cron_place(const struct reader *reader, struct str part)
{
	struct place place = reader->place;

	place.col += (uint32_t)(part.ptr - reader->text.ptr);
	place.len = (uint32_t)part.len;
	return place;
}

static bool cron_fail(struct reader *reader, struct str part, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool cron_fail(struct reader *reader, struct str part, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag_add(reader->diag, DIAG_ERROR, cron_place(reader, part), format, args);
	va_end(args);
	reader->failed = true;
	return false;
}

/* ------------------------------------------------------------------ one field */

static bool cron_parse_name(struct reader *reader, const struct field *field, struct str text,
			    unsigned *ret)
{
	const char *nearest;

	if (!field->names)
		return cron_fail(reader, text, "\"%.*s\" is not a number; the %s is %u to %u",
				 STR_ARG(text), field->name, field->min, field->max);
	for (unsigned i = 0; field->names[i]; i++)
		if (str_eq_nocase(text, str_of(field->names[i]))) {
			*ret = field->min + i;
			return true;
		}
	nearest = diag_nearest(str_first(text, 3), field->names);
	return cron_fail(reader, text, "unknown %s \"%.*s\"; %s \"%s\"%s", field->name,
			 STR_ARG(text),
			 nearest ? "did you mean" : "write a number or three letters, as",
			 nearest ? nearest : field->names[1], nearest ? "?" : "");
}

static bool cron_parse_value(struct reader *reader, const struct field *field, struct str text,
			     unsigned *ret)
{
	uint64_t number;

	if (text.len == 0)
		return cron_fail(reader, text, "a value is missing in the %s", field->name);
	if (!char_is_digit(text.ptr[0]))
		return cron_parse_name(reader, field, text, ret);
	if (str_to_u64(text, &number) == -EINVAL)
		return cron_fail(reader, text, "\"%.*s\" is not a number; the %s is %u to %u",
				 STR_ARG(text), field->name, field->min, field->max);
	if (str_to_u64(text, &number) < 0 || number < field->min || number > field->max)
		return cron_fail(reader, text, "the %s is %u to %u, not %.*s", field->name,
				 field->min, field->max, STR_ARG(text));
	*ret = (unsigned)number;
	return true;
}

static bool cron_parse_range(struct reader *reader, const struct field *field, struct str text,
			     unsigned *ret_from, unsigned *ret_to)
{
	ptrdiff_t dash = str_find_char(text, '-');
	struct str to;

	if (str_eq(text, STR("*"))) {
		*ret_from = field->min;
		*ret_to = field->names == weekday_names ? 6 : field->max;
		return true;
	}
	if (dash < 0) {
		if (!cron_parse_value(reader, field, text, ret_from))
			return false;
		*ret_to = *ret_from;
		return true;
	}
	to = (struct str){ text.ptr + dash + 1, text.len - (size_t)dash - 1 };
	if (!cron_parse_value(reader, field, str_first(text, (size_t)dash), ret_from) ||
	    !cron_parse_value(reader, field, to, ret_to))
		return false;
	if (field->names == weekday_names && *ret_to == 0 && *ret_from > 0)
		*ret_to = 7; /* "sat-sun": the week ends with Sunday, too */
	if (*ret_from > *ret_to)
		return cron_fail(reader, text, "the range runs backwards; write %u-%u,%u-%u",
				 *ret_from, field->names == weekday_names ? 6 : field->max,
				 field->min, *ret_to);
	return true;
}

static bool cron_parse_step(struct reader *reader, const struct field *field, struct str text,
			    unsigned *ret)
{
	uint64_t step;

	if (str_to_u64(text, &step) < 0 || step == 0 || step > 1000)
		return cron_fail(reader, text, "\"%.*s\" is not a step; write a number from 1 on",
				 STR_ARG(text));
	if (step > field->max - field->min)
		diag_warning(reader->diag, cron_place(reader, text),
			     "a step of %.*s is more than the %s has; each field counts anew",
			     STR_ARG(text), field->name);
	*ret = (unsigned)step;
	return true;
}

/* One part of a list: "*", "5", "1-5", "*" or a range with "/2". */
static void cron_parse_part(struct reader *reader, const struct field *field, struct str part,
			    uint64_t *set)
{
	ptrdiff_t slash = str_find_char(part, '/');
	struct str range = slash < 0 ? part : str_first(part, (size_t)slash);
	unsigned from, to, step = 1;

	if (!cron_parse_range(reader, field, range, &from, &to))
		return;
	if (slash >= 0) {
		struct str text = { range.ptr + slash + 1, part.len - (size_t)slash - 1 };

		if (!str_eq(range, STR("*")) && !str_has(range, '-')) {
			cron_fail(reader, part,
				  "a step stands behind * or a range; write %u-%u/%.*s", from,
				  field->max, STR_ARG(text));
			return;
		}
		if (!cron_parse_step(reader, field, text, &step))
			return;
	}
	for (unsigned value = from; value <= to; value += step)
		*set |= UINT64_C(1) << value;
}

static uint64_t cron_parse_field(struct reader *reader, const struct field *field, struct str text)
{
	struct str part;
	uint64_t set = 0;

	while (str_next_part(&text, ',', &part))
		cron_parse_part(reader, field, part, &set);
	return set;
}

/* ------------------------------------------------------------------ the whole */

static bool cron_is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* How many fields there are; the first five of them in `ret`. */
static size_t cron_split(struct str text, struct str ret[N_FIELDS])
{
	size_t n = 0;

	for (size_t at = 0; at < text.len;) {
		size_t from = at;

		while (at < text.len && !cron_is_space(text.ptr[at]))
			at++;
		if (at > from && n++ < N_FIELDS)
			ret[n - 1] = (struct str){ text.ptr + from, at - from };
		while (at < text.len && cron_is_space(text.ptr[at]))
			at++;
	}
	return n;
}

static bool cron_parse_fields(struct reader *reader, struct str text, struct cron *ret)
{
	struct str parts[N_FIELDS];
	size_t n = cron_split(text, parts);
	uint64_t sets[N_FIELDS];

	if (n != N_FIELDS)
		return cron_fail(
			reader, text,
			"a schedule has five fields, minute hour day month weekday, not %zu; %s", n,
			n == N_FIELDS + 1 ? "leave out the seconds or the year"
					  : "for each day at 3:00 write 0 3 * * *");
	for (size_t i = 0; i < N_FIELDS; i++)
		sets[i] = cron_parse_field(reader, &fields[i], parts[i]);
	if (reader->failed)
		return false;
	sets[WEEKDAY] |= sets[WEEKDAY] >> 7 & 1;
	*ret = (struct cron){
		.minutes = sets[MINUTE],
		.hours = (uint32_t)sets[HOUR],
		.days = (uint32_t)sets[DAY],
		.months = (uint32_t)sets[MONTH],
		.weekdays = (uint32_t)sets[WEEKDAY] & 0x7f,
		.has_fixed_hours = !str_has(parts[HOUR], '*') && !str_has(parts[HOUR], '/'),
		.either_day_enough = parts[DAY].ptr[0] != '*' && parts[WEEKDAY].ptr[0] != '*',
	};
	return true;
}

/* "@daily" and so on; NULL in the table ends it. */
static const char *const short_names[] = { "@yearly", "@annually", "@monthly", "@weekly",
					   "@daily",  "@midnight", "@hourly",  NULL };
static const char *const short_schedules[] = { "0 0 1 1 *", "0 0 1 1 *", "0 0 1 * *", "0 0 * * 0",
					       "0 0 * * *", "0 0 * * *", "0 * * * *" };

static bool cron_parse_short(struct reader *reader, struct str text, struct cron *ret)
{
	const char *nearest;

	for (size_t i = 0; short_names[i]; i++)
		if (str_eq_nocase(text, str_of(short_names[i])))
			return cron_parse_fields(reader, str_of(short_schedules[i]), ret);
	if (str_starts_with(text, STR("@every")))
		return cron_fail(
			reader, text,
			"no schedule is named \"@every\"; write every: 5m in place of cron");
	if (str_starts_with(text, STR("@reboot")))
		return cron_fail(
			reader, text,
			"no schedule is named \"@reboot\"; write delay: 1s in place of cron");
	nearest = diag_nearest(text, short_names);
	return cron_fail(reader, text, "unknown schedule \"%.*s\"; %s\"%s\"%s",
			 STR_ARG(str_first(text, 40)),
			 nearest ? "did you mean " : "the names are @yearly to ",
			 nearest ? nearest : "@hourly", nearest ? "?" : "");
}

/* True for February 30 and its like: no month of the schedule is long enough for its first day. */
static bool cron_never_comes(const struct cron *cron)
{
	static const uint32_t short_months = 1 << 2 | 1 << 4 | 1 << 6 | 1 << 9 | 1 << 11;
	unsigned first_day = (unsigned)__builtin_ctz(cron->days);

	if (cron->either_day_enough)
		return false;
	return (first_day == 31 && (cron->months & ~short_months) == 0) ||
	       (first_day == 30 && cron->months == 1 << 2);
}

bool cron_parse(struct str text, struct place place, struct diag *diag, struct cron *ret)
{
	struct str trimmed = str_trim(text);
	struct reader reader = { text, place, diag, false };
	bool ok;

	if (trimmed.len == 0)
		return cron_fail(&reader, text,
				 "the schedule is empty; for each day at 3:00 write 0 3 * * *");
	ok = trimmed.ptr[0] == '@' ? cron_parse_short(&reader, trimmed, ret)
				   : cron_parse_fields(&reader, trimmed, ret);
	if (ok && cron_never_comes(ret))
		diag_warning(diag, cron_place(&reader, trimmed),
			     "this never runs; no month of the schedule has such a day");
	return ok;
}
