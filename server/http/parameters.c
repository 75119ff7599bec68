/* server/http/parameters.c */
#include "server/http/parameters.h"
#include "server/http/grammar.h"

struct str http_parameters_begin(struct str *rest)
{
	ptrdiff_t semicolon = str_find_char(*rest, ';');
	struct str value = semicolon < 0 ? *rest : str_first(*rest, (size_t)semicolon);

	*rest = str_skip(*rest, value.len);
	return str_trim(value);
}

/* The end of a quoted string whose first byte (behind the quote) is `at`, or NULL. */
static const char *quoted_end(const char *at, const char *end)
{
	for (; at < end && *at != '"'; at++)
		if (*at == '\\')
			at++;
	return at < end ? at : NULL;
}

static const char *parameter_value(const char *at, const char *end, struct http_parameter *ret)
{
	const char *from = at;

	ret->quoted = at < end && *at == '"';
	if (!ret->quoted) {
		at = http_skip(at, end, CHAR_TOKEN);
		ret->value = str_range(from, at);
		return at > from ? at : NULL;
	}
	at = quoted_end(from + 1, end);
	if (!at)
		return NULL;
	ret->value = str_range(from + 1, at);
	return at + 1;
}

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

int http_parameters_next(struct str *rest, struct http_parameter *ret)
{
	const char *at = rest->ptr, *end = rest->ptr + rest->len, *from;

	at = skip_space(at, end);
	while (at < end && *at == ';')
		at = skip_space(at + 1, end);
	*rest = str_range(at, end);
	if (at == end)
		return 0;
	from = at;
	at = http_skip(at, end, CHAR_TOKEN);
	ret->name = str_range(from, at);
	if (at == from || at == end || *at != '=')
		return -1;
	at = parameter_value(at + 1, end, ret);
	if (!at)
		return -1;
	at = skip_space(at, end);
	if (at < end && *at != ';')
		return -1;
	*rest = str_range(at, end);
	return 1;
}
