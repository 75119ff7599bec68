/* server/http/conditional.c */
#include "server/http/conditional.h"
#include "server/http/fields.h"
#include "server/http/status.h"

/* ------------------------------------------------------------ entity tags */

static bool etag_is_char(char c)
{
	return (unsigned char)c >= 0x21 && c != '"' && c != 0x7f;
}

/* Takes one entity tag off the front of a list; false at its end, or at what is none. Commas may
 * stand inside. */
static bool etag_next(struct str *rest, struct str *ret_opaque, bool *ret_weak)
{
	struct str s = *rest;
	size_t len = 1;

	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t' || s.ptr[0] == ','))
		s = str_skip(s, 1);
	*ret_weak = str_starts_with(s, STR("W/"));
	if (*ret_weak)
		s = str_skip(s, 2);
	if (s.len < 2 || s.ptr[0] != '"')
		return false;
	while (len < s.len && etag_is_char(s.ptr[len]))
		len++;
	if (len == s.len || s.ptr[len] != '"')
		return false;
	*ret_opaque = str_first(s, len + 1);
	*rest = str_skip(s, len + 1);
	return true;
}

/* Whether the fields of that name list the tag (or say "*": anything that exists). */
static bool etag_is_listed(const struct http_head *head, struct str name, struct str etag,
			   bool strong)
{
	struct str opaque;
	bool weak;

	for (size_t i = 0; i < head->n_fields; i++) {
		struct str rest = head->fields[i].value;

		if (!str_eq_nocase(head->fields[i].name, name))
			continue;
		if (str_eq(rest, STR("*")))
			return true;
		while (etag_next(&rest, &opaque, &weak))
			if (etag.len && str_eq(opaque, etag) && !(strong && weak))
				return true;
	}
	return false;
}

/* ------------------------------------------------------------ conditions */

static bool date_of_field(const struct http_head *head, struct str name, int64_t *ret)
{
	const struct http_field *field = http_head_find(head, name);

	return field && http_date_parse(field->value, ret) == 0;
}

enum http_condition http_condition_check(const struct http_head *head,
					 const struct http_validators *now)
{
	int64_t date;

	if (http_head_find(head, STR("if-match"))) {
		if (!etag_is_listed(head, STR("if-match"), now->weak ? STR_NONE : now->etag, true))
			return HTTP_CONDITION_FAILED;
	} else if (!now->undated && date_of_field(head, STR("if-unmodified-since"), &date) &&
		   now->modified > date) {
		return HTTP_CONDITION_FAILED;
	}
	if (http_head_find(head, STR("if-none-match")))
		return etag_is_listed(head, STR("if-none-match"), now->etag, false)
			       ? HTTP_CONDITION_UNCHANGED
			       : HTTP_CONDITION_HOLDS;
	if (!now->undated && date_of_field(head, STR("if-modified-since"), &date) &&
	    now->modified <= date)
		return HTTP_CONDITION_UNCHANGED;
	return HTTP_CONDITION_HOLDS;
}

bool http_if_range_holds(const struct http_head *head, const struct http_validators *now)
{
	const struct http_field *field = http_head_find(head, STR("if-range"));
	struct str rest, opaque;
	int64_t date;
	bool weak;

	if (!field)
		return true;
	rest = field->value;
	if (etag_next(&rest, &opaque, &weak))
		return !weak && rest.len == 0 && now->etag.len && str_eq(opaque, now->etag);
	return http_date_parse(field->value, &date) == 0 && date == now->modified &&
	       now->modified + 1 < now->now;
}

/* ------------------------------------------------------------ codings */

/* "0.5" is 500. What is no weight is 0: nobody is sent what he may not have wanted. */
static unsigned quality_read(struct str text)
{
	unsigned quality, unit = 100;

	if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') ||
	    (text.len > 1 && text.ptr[1] != '.'))
		return 0;
	quality = text.ptr[0] == '1' ? 1000 : 0;
	for (size_t i = 2; i < text.len; i++, unit /= 10) {
		if (!char_is_digit(text.ptr[i]))
			return 0;
		quality += (unsigned)(text.ptr[i] - '0') * unit;
	}
	return quality > 1000 ? 1000 : quality;
}

static unsigned quality_of_element(struct str element, struct str *ret_coding)
{
	ptrdiff_t semicolon = str_find_char(element, ';');
	struct str weight;

	*ret_coding = str_trim(semicolon < 0 ? element : str_first(element, (size_t)semicolon));
	if (semicolon < 0)
		return 1000;
	weight = str_trim(str_skip(element, (size_t)semicolon + 1));
	return str_eq_nocase(str_first(weight, 2), STR("q=")) ? quality_read(str_skip(weight, 2))
							      : 0;
}

unsigned http_coding_quality(const struct http_head *head, struct str coding)
{
	bool identity = str_eq(coding, STR("identity"));
	unsigned any = identity;
	bool has_any = false;

	for (size_t i = 0; i < head->n_fields; i++) {
		struct str rest = head->fields[i].value, element, name;

		if (!str_eq_nocase(head->fields[i].name, STR("accept-encoding")))
			continue;
		while (http_list_next(&rest, &element)) {
			unsigned quality = quality_of_element(element, &name);

			if (str_eq_nocase(name, coding))
				return quality;
			if (str_eq(name, STR("*")) && !has_any && !identity) {
				any = quality;
				has_any = true;
			}
		}
	}
	return any;
}

/* ------------------------------------------------------------ media types */

/* "text/html;level=1;q=0.5" */
static unsigned quality_of_range(struct str element, struct str *ret_range)
{
	struct str part;
	unsigned quality = 1000;

	*ret_range = STR_NONE;
	while (str_next_part(&element, ';', &part)) {
		part = str_trim(part);
		if (!ret_range->ptr)
			*ret_range = part;
		else if (str_eq_nocase(str_first(part, 2), STR("q=")))
			quality = quality_read(str_skip(part, 2));
	}
	return quality;
}

/* How exactly a range of media types says it: 3 the type, 2 its first half, 1 any; 0 not at all. */
static unsigned range_match(struct str range, struct str type)
{
	size_t half = (size_t)str_find_char(type, '/') + 1;

	if (!range.ptr)
		return 0;
	if (str_eq_nocase(range, type))
		return 3;
	if (range.len == half + 1 && range.ptr[half] == '*' &&
	    str_eq_nocase(str_first(range, half), str_first(type, half)))
		return 2;
	return str_eq(range, STR("*/*"));
}

unsigned http_type_quality(const struct http_head *head, struct str type)
{
	unsigned best = 0, quality = 0;
	bool has_field = false;

	for (size_t i = 0; i < head->n_fields; i++) {
		struct str rest = head->fields[i].value, element, range;

		if (!str_eq_nocase(head->fields[i].name, STR("accept")))
			continue;
		has_field = true;
		while (http_list_next(&rest, &element)) {
			unsigned wanted = quality_of_range(element, &range);
			unsigned match = range_match(range, type);

			if (match > best) {
				best = match;
				quality = wanted;
			}
		}
	}
	return has_field ? quality : 1000;
}
