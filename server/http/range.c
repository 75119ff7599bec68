/* server/http/range.c */
#include "server/http/range.h"
#include "core/base/check.h"
#include "server/http/fields.h"
#include <errno.h>

enum spec { SPEC_BAD, SPEC_OUTSIDE, SPEC_GOOD };

/* Digits; what does not fit is as good as endless. */
static bool range_number(struct str text, uint64_t *ret)
{
	int r = str_to_u64(text, ret);

	if (r == -ERANGE)
		*ret = UINT64_MAX;
	return r == 0 || r == -ERANGE;
}

static enum spec range_suffix(struct str text, uint64_t size, struct http_range *range)
{
	uint64_t len;

	if (!range_number(text, &len))
		return SPEC_BAD;
	if (len == 0 || size == 0)
		return SPEC_OUTSIDE;
	range->len = MIN(len, size);
	range->from = size - range->len;
	return SPEC_GOOD;
}

static enum spec range_spec(struct str text, uint64_t size, struct http_range *range)
{
	ptrdiff_t dash = str_find_char(text, '-');
	uint64_t from, last = UINT64_MAX;

	if (dash < 0)
		return SPEC_BAD;
	if (dash == 0)
		return range_suffix(str_skip(text, 1), size, range);
	if (!range_number(str_first(text, (size_t)dash), &from))
		return SPEC_BAD;
	text = str_skip(text, (size_t)dash + 1);
	if (text.len && (!range_number(text, &last) || last < from))
		return SPEC_BAD;
	if (from >= size)
		return SPEC_OUTSIDE;
	range->from = from;
	range->len = MIN(last, size - 1) - from + 1;
	return SPEC_GOOD;
}

enum http_range_verdict http_range_read(struct str field, uint64_t size,
					struct http_range ranges[HTTP_RANGES_MAX],
					size_t *ret_n_ranges)
{
	size_t n_specs = 0, n_ranges = 0;
	uint64_t left = size;
	struct str text;

	if (field.len < 6 || !str_eq_nocase(str_first(field, 6), STR("bytes=")))
		return HTTP_RANGE_WHOLE;
	field = str_skip(field, 6);
	while (http_list_next(&field, &text)) {
		struct http_range range;
		enum spec spec = range_spec(text, size, &range);

		if (spec == SPEC_BAD || n_specs++ == HTTP_RANGES_MAX)
			return HTTP_RANGE_WHOLE;
		if (spec == SPEC_OUTSIDE)
			continue;
		if (range.len > left)
			return HTTP_RANGE_WHOLE;
		left -= range.len;
		ranges[n_ranges++] = range;
	}
	if (n_ranges == 0)
		return n_specs ? HTTP_RANGE_UNSATISFIABLE : HTTP_RANGE_WHOLE;
	*ret_n_ranges = n_ranges;
	return HTTP_RANGE_PARTIAL;
}
