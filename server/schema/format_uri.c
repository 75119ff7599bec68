/* server/schema/format_uri.c: the grammar of RFC 3986, and of RFC 3987 where `iri` is true. */
#include "server/schema/format.h"

static bool is_unreserved(char c)
{
	return char_is_alpha(c) || char_is_digit(c) || (c != '\0' && strchr("-._~", c) != NULL);
}

static bool is_sub_delimiter(char c)
{
	return c != '\0' && strchr("!$&'()*+,;=", c) != NULL;
}

/* Of bytes that are not ASCII only those of U+00A0 and above may stand in an IRI; the text is UTF-8
 * then. */
static bool is_beyond_ascii(struct str text, size_t at)
{
	unsigned char c = (unsigned char)text.ptr[at];

	return c >= 0x80 &&
	       !(c == 0xc2 && at + 1 < text.len && (unsigned char)text.ptr[at + 1] < 0xa0);
}

/* Only unreserved bytes, escapes, sub-delimiters and those of `more`. */
static bool format_is_uri_part(struct str text, const char *more, bool iri)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '%') {
			if (text.len - i < 3 || char_hex(text.ptr[i + 1]) < 0 ||
			    char_hex(text.ptr[i + 2]) < 0)
				return false;
			i += 2;
		} else if (!is_unreserved(c) && !is_sub_delimiter(c) &&
			   (c == '\0' || !strchr(more, c)) && (!iri || !is_beyond_ascii(text, i))) {
			return false;
		}
	}
	return true;
}

/* "[::1]", "[v1.x]": without the brackets. */
static bool format_is_ip_literal(struct str text)
{
	size_t dot;

	if (text.len == 0 || char_lower(text.ptr[0]) != 'v')
		return format_is_ipv6(text);
	for (dot = 1; dot < text.len && char_hex(text.ptr[dot]) >= 0; dot++)
		;
	if (dot == 1 || dot + 1 >= text.len || text.ptr[dot] != '.')
		return false;
	return str_find_char(text, '%') < 0 &&
	       format_is_uri_part(str_skip(text, dot + 1), ":", false);
}

static bool format_is_port(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!char_is_digit(text.ptr[i]))
			return false;
	return true;
}

static bool format_is_authority(struct str text, bool iri)
{
	ptrdiff_t at = str_find_char(text, '@'), end, colon;

	if (at >= 0) {
		if (!format_is_uri_part(str_first(text, (size_t)at), ":", iri))
			return false;
		text = str_skip(text, (size_t)at + 1);
	}
	if (text.len && text.ptr[0] == '[') {
		end = str_find_char(text, ']');
		if (end < 0 || !format_is_ip_literal((struct str){ text.ptr + 1, (size_t)end - 1 }))
			return false;
		text = str_skip(text, (size_t)end + 1);
		return text.len == 0 || (text.ptr[0] == ':' && format_is_port(str_skip(text, 1)));
	}
	colon = str_find_char(text, ':');
	if (colon >= 0 && !format_is_port(str_skip(text, (size_t)colon + 1)))
		return false;
	return format_is_uri_part(colon < 0 ? text : str_first(text, (size_t)colon), "", iri);
}

/* Takes what is behind the first `c` off the text. */
static struct str format_cut(struct str *text, char c)
{
	ptrdiff_t at = str_find_char(*text, c);
	struct str tail = STR_NONE;

	if (at >= 0) {
		tail = str_skip(*text, (size_t)at + 1);
		*text = str_first(*text, (size_t)at);
	}
	return tail;
}

/* The length of the scheme, without its colon; 0: there is none. */
static size_t format_scheme(struct str text)
{
	size_t len = 0;

	if (text.len == 0 || !char_is_alpha(text.ptr[0]))
		return 0;
	while (len < text.len &&
	       (char_is_alpha(text.ptr[len]) || char_is_digit(text.ptr[len]) ||
		text.ptr[len] == '+' || text.ptr[len] == '-' || text.ptr[len] == '.'))
		len++;
	return len < text.len && text.ptr[len] == ':' ? len : 0;
}

static bool format_is_reference(struct str text, bool with_scheme, bool iri)
{
	struct str fragment, query, path = text, authority;
	size_t scheme;
	ptrdiff_t slash;

	if (iri && !str_is_utf8(text))
		return false;
	fragment = format_cut(&path, '#');
	query = format_cut(&path, '?');
	if (!format_is_uri_part(fragment, ":@/?", iri) || !format_is_uri_part(query, ":@/?", iri))
		return false;
	scheme = format_scheme(path);
	if (scheme)
		path = str_skip(path, scheme + 1);
	else if (with_scheme)
		return false;
	if (!str_starts_with(path, STR("//"))) {
		slash = str_find_char(path, '/');
		if (!scheme && str_has(slash < 0 ? path : str_first(path, (size_t)slash), ':'))
			return false;
		return format_is_uri_part(path, ":@/", iri);
	}
	authority = str_skip(path, 2);
	slash = str_find_char(authority, '/');
	path = slash < 0 ? STR_NONE : str_skip(authority, (size_t)slash);
	if (slash >= 0)
		authority = str_first(authority, (size_t)slash);
	return format_is_authority(authority, iri) && format_is_uri_part(path, ":@/", iri);
}

bool format_is_uri(struct str text)
{
	return format_is_reference(text, true, false);
}

bool format_is_uri_reference(struct str text)
{
	return format_is_reference(text, false, false);
}

bool format_is_iri(struct str text)
{
	return format_is_reference(text, true, true);
}

bool format_is_iri_reference(struct str text)
{
	return format_is_reference(text, false, true);
}
