/* tests/fuzz/conditional.c: dates, and preconditions of several fields that meet.
 *
 * The first eight bytes are a time, the rest are fields: a byte that says which, the value, a
 * newline. Each date that is written is read as the same; of what is read the order of RFC 9110
 * §13.2.2 must hold, whatever else stands in the fields. */
#include "server/http/conditional.h"
#include "core/base/check.h"
#include "server/http/status.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 16, MODIFIED = 784111777, NOW = MODIFIED + 1000 };

/* The last second of the year 9999. */
#define TIME_MAX INT64_C(253402300799)

static const struct str names[] = {
	STR_INIT("If-Match"),          STR_INIT("If-None-Match"),
	STR_INIT("If-Modified-Since"), STR_INIT("If-Unmodified-Since"),
	STR_INIT("If-Range"),          STR_INIT("Accept-Encoding"),
};

static const struct http_validators now = { STR_INIT("\"abc\""), MODIFIED, NOW };

/* ------------------------------------------------------------ dates */

static void check_date(int64_t time)
{
	char text[HTTP_DATE_LEN];
	int64_t again = -1;

	http_date_write(text, time);
	check(http_date_parse((struct str){ text, sizeof(text) }, &again) == 0 && again == time);
}

static void check_date_of(struct str text)
{
	int64_t time;

	if (http_date_parse(text, &time) < 0)
		return;
	if (time < 0 || time > TIME_MAX) /* an old form, before 1970 */
		return;
	check_date(time);
}

/* ------------------------------------------------------------ preconditions */

static bool has(const struct http_head *head, struct str name)
{
	return http_head_find(head, name) != NULL;
}

static struct str value_of(const struct http_head *head, struct str name)
{
	return http_head_find(head, name)->value;
}

/* The verdict of a head that has one of its fields only (all of that name). */
static enum http_condition verdict_of(const struct http_head *head, struct str name)
{
	struct http_field fields[FIELDS_MAX];
	struct http_head one = { .fields = fields };

	for (size_t i = 0; i < head->n_fields; i++)
		if (str_eq_nocase(head->fields[i].name, name))
			fields[one.n_fields++] = head->fields[i];
	return http_condition_check(&one, &now);
}

static enum http_condition verdict_in_order(const struct http_head *head)
{
	struct str first = has(head, names[0]) ? names[0] : names[3];
	struct str second = has(head, names[1]) ? names[1] : names[2];

	if (verdict_of(head, first) == HTTP_CONDITION_FAILED)
		return HTTP_CONDITION_FAILED;
	return verdict_of(head, second);
}

static void check_head(const struct http_head *head)
{
	static const struct http_validators none = { STR_INIT(""), MODIFIED, NOW };
	static const struct str codings[] = { STR_INIT("br"), STR_INIT("gzip"),
					      STR_INIT("identity") };

	check(http_condition_check(head, &now) == verdict_in_order(head));
	if (has(head, names[0]) && str_eq(value_of(head, names[0]), STR("*")))
		check(http_condition_check(head, &now) != HTTP_CONDITION_FAILED);
	if (!has(head, names[4]))
		check(http_if_range_holds(head, &now));
	if (http_if_range_holds(head, &none) && has(head, names[4])) /* then by its date */
		check(!str_has(value_of(head, names[4]), '"'));
	for (size_t i = 0; i < ARRAY_LEN(codings); i++)
		check(http_coding_quality(head, codings[i]) <= 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_field fields[FIELDS_MAX];
	struct http_head head = { .fields = fields };
	char *copy = malloc(size + !size);
	struct str rest = { copy, size }, line;
	uint64_t time = 0;

	check(copy);
	if (size)
		memcpy(copy, data, size);
	memcpy(&time, copy, MIN(size, sizeof(time)));
	check_date((int64_t)(time % ((uint64_t)TIME_MAX + 1)));
	rest = str_skip(rest, MIN(size, sizeof(time)));
	while (head.n_fields < FIELDS_MAX && str_next_part(&rest, '\n', &line)) {
		if (line.len == 0)
			continue;
		fields[head.n_fields++] =
			(struct http_field){ names[(unsigned char)line.ptr[0] % ARRAY_LEN(names)],
					     str_trim(str_skip(line, 1)) };
		check_date_of(str_trim(str_skip(line, 1)));
	}
	check_head(&head);
	free(copy);
	return 0;
}
