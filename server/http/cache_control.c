/* server/http/cache_control.c */
#include "server/http/cache_control.h"
#include "core/base/check.h"

struct directive {
	struct str name, value; /* without quotes; escapes are left in */
};

/* The end of a quoted text that begins at `at`, behind its last quote; the end of all where it has
 * none. */
static size_t quoted_end(struct str text, size_t at)
{
	for (at++; at < text.len && text.ptr[at] != '"'; at++)
		if (text.ptr[at] == '\\' && at + 1 < text.len)
			at++;
	return at < text.len ? at + 1 : text.len;
}

/* The next element, of which commas in quotes are a part. False at the end. */
static bool directive_next(struct str *rest, struct str *ret_element)
{
	size_t at = 0;

	if (rest->len == 0)
		return false;
	while (at < rest->len && rest->ptr[at] != ',')
		at = rest->ptr[at] == '"' ? quoted_end(*rest, at) : at + 1;
	*ret_element = str_trim(str_first(*rest, at));
	*rest = str_skip(*rest, at + 1);
	return true;
}

static struct directive directive_split(struct str element)
{
	ptrdiff_t equals = str_find_char(element, '=');
	struct directive directive = { .name = element };

	if (equals < 0)
		return directive;
	directive.name = str_trim(str_first(element, (size_t)equals));
	directive.value = str_trim(str_skip(element, (size_t)equals + 1));
	if (directive.value.len >= 2 && directive.value.ptr[0] == '"' &&
	    directive.value.ptr[directive.value.len - 1] == '"')
		directive.value = str_first(str_skip(directive.value, 1), directive.value.len - 2);
	return directive;
}

static int64_t delta_read(struct str value)
{
	int64_t seconds = 0;

	if (value.len == 0)
		return 0;
	for (size_t i = 0; i < value.len; i++) {
		if (!char_is_digit(value.ptr[i]))
			return 0;
		if (seconds < HTTP_DELTA_MAX)
			seconds = seconds * 10 + (value.ptr[i] - '0');
	}
	return MIN(seconds, (int64_t)HTTP_DELTA_MAX);
}

static void delta_note(struct http_delta *delta, struct str value)
{
	int64_t seconds = delta_read(value);

	delta->seconds = delta->said ? MIN(delta->seconds, seconds) : seconds;
	delta->said = true;
}

#define AT(field) offsetof(struct http_cache_control, field)
static const struct {
	struct str name;
	size_t flag, delta;
} rows[] = {
	{ STR_INIT("no-store"), AT(no_store), 0 },
	{ STR_INIT("no-cache"), AT(no_cache), 0 },
	{ STR_INIT("no-transform"), AT(no_transform), 0 },
	{ STR_INIT("only-if-cached"), AT(only_if_cached), 0 },
	{ STR_INIT("public"), AT(is_public), 0 },
	{ STR_INIT("private"), AT(is_private), 0 },
	{ STR_INIT("must-revalidate"), AT(must_revalidate), 0 },
	{ STR_INIT("proxy-revalidate"), AT(proxy_revalidate), 0 },
	{ STR_INIT("must-understand"), AT(must_understand), 0 },
	{ STR_INIT("immutable"), AT(immutable), 0 },
	{ STR_INIT("max-age"), 0, AT(max_age) },
	{ STR_INIT("s-maxage"), 0, AT(s_maxage) },
	{ STR_INIT("min-fresh"), 0, AT(min_fresh) },
	{ STR_INIT("stale-while-revalidate"), 0, AT(stale_while_revalidate) },
	{ STR_INIT("stale-if-error"), 0, AT(stale_if_error) },
};
#undef AT

static void directive_note(const struct directive *directive, struct http_cache_control *control)
{
	char *base = (char *)control;

	if (str_eq_nocase(directive->name, STR("max-stale"))) {
		if (directive->value.ptr)
			delta_note(&control->max_stale, directive->value);
		else
			control->any_stale = true;
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!str_eq_nocase(directive->name, rows[i].name))
			continue;
		if (rows[i].delta)
			delta_note((struct http_delta *)(void *)(base + rows[i].delta),
				   directive->value);
		else
			*(bool *)(base + rows[i].flag) = true;
		return;
	}
}

void http_cache_control_read(const struct http_field *fields, size_t n_fields,
			     struct http_cache_control *ret)
{
	*ret = (struct http_cache_control){ 0 };
	for (size_t i = 0; i < n_fields; i++) {
		struct str rest = fields[i].value, element;

		if (!str_eq_nocase(fields[i].name, STR("cache-control")))
			continue;
		while (directive_next(&rest, &element)) {
			const struct directive directive = directive_split(element);

			directive_note(&directive, ret);
		}
	}
}
