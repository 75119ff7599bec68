/* tests/server/jobs/zone.c: against known instants, and against the C library over many. */
#include "server/jobs/zone.h"
#include "core/base/buf.h"
#include "core/base/memory.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static struct zone *load(const char *name)
{
	struct zone *zone = NULL;

	is_int(zone_load(name, &zone), 0);
	return zone;
}

static int64_t at(int64_t year, int month, int day, int hour, int minute)
{
	return civil_count(&(struct civil){ year, month, day, hour, minute, 0, 0 });
}

static void civil_days_count_from_1970(void)
{
	is_int(civil_days(1970, 1, 1), 0);
	is_int(civil_days(2000, 3, 1), 11017);
	is_int(civil_days(1969, 12, 31), -1);
	is_int(civil_days(0, 3, 1), -719468);
	is_int(civil_month_len(2000, 2), 29);
	is_int(civil_month_len(2100, 2), 28);
	is_int(civil_month_len(2024, 2), 29);
	is_int(civil_weekday(civil_days(2024, 2, 29)), 4);
}

static void civil_agrees_with_the_c_library_on_each_day_of_1200_years(void)
{
	unsigned n_wrong = 0;

	for (int64_t days = civil_days(1500, 1, 1); days < civil_days(2700, 1, 1); days++) {
		time_t seconds = days * SECONDS_PER_DAY + days % SECONDS_PER_DAY / 7 + 3601;
		struct civil c = civil_of(seconds);
		struct tm tm;

		gmtime_r(&seconds, &tm);
		n_wrong += c.year != tm.tm_year + 1900 || c.month != tm.tm_mon + 1 ||
			   c.day != tm.tm_mday || c.hour != tm.tm_hour || c.minute != tm.tm_min ||
			   c.second != tm.tm_sec || c.weekday != tm.tm_wday ||
			   civil_count(&c) != seconds;
	}
	is_int(n_wrong, 0);
}

static void paris_changes_in_march_and_october(void)
{
	struct zone *zone = load("Europe/Paris");
	struct zone_span span = zone_span(zone, at(2024, 7, 1, 0, 0));

	is_int(span.kind->offset_s, 7200);
	is_true(span.kind->is_dst);
	is_text(span.kind->abbreviation, "CEST");
	is_int(span.start, at(2024, 3, 31, 1, 0));
	is_int(span.end, at(2024, 10, 27, 1, 0));
	is_text(zone_span(zone, span.end).kind->abbreviation, "CET");
	is_text(zone_name(zone), "Europe/Paris");
	zone_destroy(zone);
}

static void the_rule_goes_on_for_ever(void)
{
	struct zone *zone = load("America/New_York");
	struct zone_span span = zone_span(zone, at(2999, 7, 1, 0, 0));

	is_text(span.kind->abbreviation, "EDT");
	is_int(span.start, at(2999, 3, 10, 7, 0));
	is_int(span.end, at(2999, 11, 3, 6, 0));
	is_int(zone_to_civil(zone, INT64_MAX).weekday, civil_of(ZONE_TIME_MAX).weekday);
	is_true(zone_to_civil(zone, INT64_MIN).year < -300000);
	zone_destroy(zone);
}

static void lord_howe_moves_by_half_an_hour(void)
{
	struct zone *zone = load("Australia/Lord_Howe");

	is_int(zone_span(zone, at(2024, 1, 1, 0, 0)).kind->offset_s, 11 * 3600);
	is_int(zone_span(zone, at(2024, 7, 1, 0, 0)).kind->offset_s, 10 * 3600 + 1800);
	is_int(zone_span(zone, at(2124, 7, 1, 0, 0)).kind->offset_s, 10 * 3600 + 1800);
	zone_destroy(zone);
}

static void kolkata_and_utc_never_change(void)
{
	struct zone *zone = load("Asia/Kolkata");

	is_int(zone_span(zone, at(2024, 7, 1, 0, 0)).kind->offset_s, 19800);
	is_int(zone_span(zone, at(2500, 1, 1, 0, 0)).end, INT64_MAX);
	zone_destroy(zone);
	zone = load("UTC");
	is_int(zone_span(zone, 0).kind->offset_s, 0);
	is_int(zone_span(zone, 0).end, INT64_MAX);
	is_int(zone_to_unix(zone, 12345), 12345);
	zone_destroy(zone);
}

static void a_skipped_time_gives_the_end_of_the_gap_and_a_double_one_the_first(void)
{
	struct zone *zone = load("Europe/Paris");

	is_int(zone_to_unix(zone, at(2024, 3, 31, 1, 59)), at(2024, 3, 31, 0, 59));
	is_int(zone_to_unix(zone, at(2024, 3, 31, 2, 30)), at(2024, 3, 31, 1, 0));
	is_int(zone_to_unix(zone, at(2024, 3, 31, 3, 30)), at(2024, 3, 31, 1, 30));
	is_int(zone_to_unix(zone, at(2024, 10, 27, 2, 30)), at(2024, 10, 27, 0, 30));
	is_int(zone_to_unix(zone, at(2024, 10, 27, 3, 0)), at(2024, 10, 27, 2, 0));
	is_int(zone_latest_local(zone, at(2024, 10, 27, 1, 30)), at(2024, 10, 27, 3, 0) - 1);
	is_int(zone_latest_local(zone, at(2024, 10, 27, 0, 30)), at(2024, 10, 27, 2, 30));
	zone_destroy(zone);
}

static void a_day_that_a_place_left_out_is_a_gap(void)
{
	struct zone *zone = load("Pacific/Apia");

	is_int(zone_to_unix(zone, at(2011, 12, 30, 12, 0)), at(2011, 12, 30, 10, 0));
	is_int(zone_to_civil(zone, at(2011, 12, 30, 9, 59)).day, 29);
	is_int(zone_to_civil(zone, at(2011, 12, 30, 10, 0)).day, 31);
	zone_destroy(zone);
}

static unsigned differences(const char *name)
{
	struct zone *zone = load(name);
	unsigned n = 0;
	struct tm tm;

	setenv("TZ", name, 1);
	tzset();
	/* every 42 hours and some, so that each hour is met: from 1900 to 2500 */
	for (time_t s = at(1900, 1, 1, 0, 0); zone && s < at(2500, 1, 1, 0, 0); s += 152143) {
		struct zone_span span = zone_span(zone, s);

		localtime_r(&s, &tm);
		n += span.kind->offset_s != tm.tm_gmtoff || span.start > s || span.end <= s ||
		     span.kind->is_dst != (tm.tm_isdst > 0) ||
		     strcmp(span.kind->abbreviation, tm.tm_zone) != 0 ||
		     zone_to_civil(zone, s).hour != tm.tm_hour;
	}
	zone_destroy(zone);
	unsetenv("TZ");
	return n;
}

static void zones_agree_with_the_c_library_for_600_years(void)
{
	static const char *const names[] = {
		"Europe/Paris",    "America/New_York",  "Australia/Lord_Howe", "Asia/Kolkata",
		"Europe/Dublin",   "Africa/Casablanca", "America/Sao_Paulo",   "Asia/Gaza",
		"Pacific/Apia",    "America/Nuuk",      "Antarctica/Troll",    "Asia/Tehran",
		"Africa/Monrovia", "EST5EDT",           "Etc/GMT+12",          "Pacific/Kiritimati",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		is_int(differences(names[i]), 0);
}

static void names_cannot_leave_the_folder(void)
{
	static const char *const names[] = {
		"",         "/etc/passwd", "../passwd", "Europe/../UTC", "Europe/Paris\n",
		"zone.tab", "a b",         "./UTC"
	};
	struct zone *zone = NULL;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		is_int(zone_load(names[i], &zone), -EINVAL);
	is_int(zone_load("Europe/Atlantis", &zone), -ENOENT);
	is_int(zone_load("Europe", &zone), -ENOENT);
	is_int(zone_load("Europe/Paris/x", &zone), -ENOENT);
	is_int(zone_load("leapseconds", &zone), -EBADMSG);
	is_null(zone);
	zone_destroy(zone);
}

static void local_is_always_there(void)
{
	zone_destroy(load("local"));
}

static void rules_are_read_strictly(void)
{
	static const char *const good[] = { "UTC0",
					    "<+0530>-5:30",
					    "CET-1CEST,M3.5.0,M10.5.0/3",
					    "IST-1GMT0,M10.5.0,M3.5.0/1",
					    "XXX3EDT4,0/0,J365/23",
					    "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
					    "EST5EDT,M3.2.0/02:00:00,M11.1.0" };
	static const char *const bad[] = { "",
					   "UT0",
					   "UTC",
					   "UTC25",
					   "UTC0:60",
					   "UTC0 ",
					   "<UTC0",
					   "CET-1CEST",
					   "CET-1CEST,M3.5.0",
					   "CET-1CEST,M3.5.0,M10.5.0/3x",
					   "CET-1CEST,M13.5.0,M10.5.0",
					   "CET-1CEST,M3.0.0,M10.5.0",
					   "CET-1CEST,M3.5.7,M10.5.0",
					   "CET-1CEST,J0,J365",
					   "CET-1CEST,366,1",
					   "CET-1CEST,M3.5.0/168,M10.5.0",
					   "ABCDEFGHIJKLMNOP0" };
	struct zone_rule rule;

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		is_int(zone_rule_parse(str_of(good[i]), &rule), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(zone_rule_parse(str_of(bad[i]), &rule), -EBADMSG);
}

/* The span of each instant contains it, and the next begins where it ends. */
static void spans_of_odd_rules_follow_each_other(void)
{
	static const char *const texts[] = { "AAA0BBB,0/-167,J1/-167", "AAA0BBB,365/167,364/167",
					     "AAA24BBB-24,J59,J60", "AAA0BBB0,J1/0,J1/0" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct zone_rule rule;
		int64_t s = at(1999, 12, 20, 0, 0);
		bool follows = zone_rule_parse(str_of(texts[i]), &rule) == 0;

		for (unsigned n = 0; n < 40 && follows; n++) {
			struct zone_span span = zone_rule_span(&rule, s);

			follows = span.end > s && span.end < s + 400 * SECONDS_PER_DAY &&
				  zone_rule_span(&rule, span.end - 1).end == span.end;
			s = span.end;
		}
		is_true(follows);
	}
}

static void dst_all_year_round_is_dst(void)
{
	struct zone_rule rule;

	is_int(zone_rule_parse(STR("XXX3EDT4,0/0,J365/23"), &rule), 0);
	for (int64_t year = 2023; year < 2026; year++) {
		is_true(zone_rule_span(&rule, at(year, 1, 1, 3, 0)).kind->is_dst);
		is_true(zone_rule_span(&rule, at(year, 12, 31, 23, 59)).kind->is_dst);
	}
}

/* ------------------------------------------------------------------ hostile files */

static void add_u32(struct buf *buf, uint32_t number)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_add_char(buf, (char)(number >> shift));
}

static void add_header(struct buf *buf, uint32_t leaps, uint32_t changes, uint32_t kinds,
		       uint32_t names)
{
	buf_add(buf, STR("TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
	add_u32(buf, 0);
	add_u32(buf, 0);
	add_u32(buf, leaps);
	add_u32(buf, changes);
	add_u32(buf, kinds);
	add_u32(buf, names);
}

/* A whole file with one change; each test breaks one thing of it. */
struct made {
	uint32_t leaps, changes, kinds;
	int offset_s, change_kind, name_at;
	const char *footer;
	int want;
};

static int parse_made(const struct made *m)
{
	struct zone *zone = NULL;
	struct buf buf;
	int rc;

	buf_init(&buf, SIZE_MAX);
	add_header(&buf, 0, 0, 1, 4);
	buf_add(&buf, STR("\0\0\0\0\0\0AAA\0"));
	add_header(&buf, m->leaps, m->changes, m->kinds, 4);
	for (uint32_t i = 0; i < m->changes && i < 9000; i++) {
		add_u32(&buf, 0);
		add_u32(&buf, 7);
	}
	for (uint32_t i = 0; i < m->changes && i < 9000; i++)
		buf_add_char(&buf, (char)m->change_kind);
	add_u32(&buf, (uint32_t)m->offset_s);
	buf_add_char(&buf, 0);
	buf_add_char(&buf, (char)m->name_at);
	buf_add(&buf, STR("AAA\0"));
	buf_add(&buf, str_of(m->footer));
	rc = zone_parse("made", buf_str(&buf), &zone);
	zone_destroy(zone);
	buf_fini(&buf);
	return rc;
}

static void broken_files_are_refused(void)
{
	static const struct made mades[] = {
		{ 0, 1, 1, 3600, 0, 0, "\nAAA-1\n", 0 },
		{ 0, 1, 1, 3600, 0, 0, "\n\n", 0 },
		{ 0, 0, 1, 3600, 0, 0, "\n\n", 0 },
		{ 0, 1, 1, 3600, 0, 0, "\nAAA-1", -EBADMSG },
		{ 0, 1, 1, 3600, 0, 0, "", -EBADMSG },
		{ 0, 1, 1, 3600, 0, 0, "\nbad rule\n", -EBADMSG },
		{ 1, 1, 1, 3600, 0, 0, "\n\n", -EBADMSG },
		{ 0, 1, 0, 3600, 0, 0, "\n\n", -EBADMSG },
		{ 0, 1, 257, 3600, 0, 0, "\n\n", -EBADMSG },
		{ 0, 1, 200, 3600, 0, 0, "\n\n", -EBADMSG },
		{ 0, 2, 1, 3600, 0, 0, "\n\n", -EBADMSG }, /* not ascending */
		{ 0, 1, 1, 3600, 1, 0, "\n\n", -EBADMSG }, /* of no kind */
		{ 0, 1, 1, 3600, 255, 0, "\n\n", -EBADMSG },
		{ 0, 1, 1, 26 * 3600, 0, 0, "\n\n", -EBADMSG },
		{ 0, 1, 1, INT32_MIN, 0, 0, "\n\n", -EBADMSG },
		{ 0, 1, 1, 3600, 0, 4, "\n\n", -EBADMSG },
		{ 0, 1, 1, 3600, 0, 255, "\n\n", -EBADMSG },
		{ 0, UINT32_MAX, 1, 3600, 0, 0, "\n\n", -EBADMSG },
		{ 0, 8193, 1, 3600, 0, 0, "\n\n", -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_LEN(mades); i++)
		is_int(parse_made(&mades[i]), mades[i].want);
}

static void each_cut_of_a_file_is_refused(void)
{
	char content[8192];
	FILE *file = fopen("/usr/share/zoneinfo/Europe/Paris", "re");
	size_t size = file ? fread(content, 1, sizeof(content), file) : 0;
	struct zone *zone = NULL;
	unsigned n_taken = 0;

	if (file)
		fclose(file);
	is_true(size > 100);
	for (size_t cut = 0; cut < size; cut++) {
		char *copy = mem_strndup(content, 0);

		copy = mem_realloc(copy, cut + 1);
		memcpy(copy, content, cut);
		if (zone_parse("cut", (struct str){ copy, cut }, &zone) == 0) {
			n_taken++;
			zone_destroy(zone);
		}
		free(copy);
	}
	is_int(n_taken, 0);
}

static const char *message(const char *name)
{
	static char text[300];
	struct zone *zone = NULL;
	struct diag diag;

	diag_init(&diag);
	if (zone_find(str_of(name), (struct place){ 0 }, &diag, &zone))
		snprintf(text, sizeof(text), "fine");
	else
		snprintf(text, sizeof(text), "%s", diag.entries[0].message);
	zone_destroy(zone);
	diag_fini(&diag);
	return text;
}

static void an_unknown_zone_is_said_with_what_was_meant(void)
{
	is_text(message("Europe/Paris"), "fine");
	is_text(message("Europe/Pariss"),
		"unknown time zone \"Europe/Pariss\"; did you mean \"Europe/Paris\"?");
	is_text(message("paris"), "unknown time zone \"paris\"; did you mean \"Europe/Paris\"?");
	is_text(message("../../etc/passwd"),
		"unknown time zone \"../../etc/passwd\"; write UTC, local or a name of the IANA "
		"database, such as Europe/Paris");
	is_text(message("leapseconds"), "the file of time zone \"leapseconds\" is broken or has "
					"leap seconds; reinstall the package tzdata");
}

int main(void)
{
	TEST(civil_days_count_from_1970);
	TEST(civil_agrees_with_the_c_library_on_each_day_of_1200_years);
	TEST(paris_changes_in_march_and_october);
	TEST(the_rule_goes_on_for_ever);
	TEST(lord_howe_moves_by_half_an_hour);
	TEST(kolkata_and_utc_never_change);
	TEST(a_skipped_time_gives_the_end_of_the_gap_and_a_double_one_the_first);
	TEST(a_day_that_a_place_left_out_is_a_gap);
	TEST(zones_agree_with_the_c_library_for_600_years);
	TEST(names_cannot_leave_the_folder);
	TEST(local_is_always_there);
	TEST(rules_are_read_strictly);
	TEST(spans_of_odd_rules_follow_each_other);
	TEST(dst_all_year_round_is_dst);
	TEST(broken_files_are_refused);
	TEST(each_cut_of_a_file_is_refused);
	TEST(an_unknown_zone_is_said_with_what_was_meant);
	return tap_done();
}
