/* server/sql/sql_url.c */
#include "server/sql/sql_url.h"

struct str sql_url_scheme(struct str url)
{
	ptrdiff_t end = str_find_char(url, ':');

	return end < 0 ? STR("") : str_first(url, (size_t)end);
}

static struct str url_decode(struct str text, struct arena *arena, bool *ok)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '%') {
			bool whole = text.len - i > 2;
			int high = whole ? char_hex(text.ptr[i + 1]) : -1;
			int low = whole ? char_hex(text.ptr[i + 2]) : -1;

			if (high < 0 || low < 0) {
				*ok = false;
				return STR("");
			}
			c = (char)(high << 4 | low);
			i += 2;
		}
		*ok &= c != '\0';
		out[len++] = c;
	}
	out[len] = '\0';
	return (struct str){ out, len };
}

static bool url_read_port(struct str text, uint16_t *ret_port)
{
	uint64_t port = 0;

	if (text.len && (str_to_u64(text, &port) < 0 || port < 1 || port > UINT16_MAX))
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

static bool url_read_host(struct str text, struct arena *arena, struct sql_address *address)
{
	bool bracketed = text.len && text.ptr[0] == '[', ok = true;
	ptrdiff_t end = str_find_char(text, bracketed ? ']' : ':');
	struct str host = end < 0 ? text : str_first(text, (size_t)end), rest = STR("");

	if (bracketed && end < 0)
		return false;
	if (bracketed)
		host = str_skip(host, 1);
	if (end >= 0)
		rest = str_skip(text, (size_t)end + (bracketed ? 1 : 0));
	if (rest.len && rest.ptr[0] != ':')
		return false;
	address->host = url_decode(host, arena, &ok);
	return ok && url_read_port(str_skip(rest, 1), &address->port);
}

static bool url_read_user(struct str text, struct arena *arena, struct sql_address *address)
{
	ptrdiff_t colon = str_find_char(text, ':');
	bool ok = true;

	address->user = url_decode(colon < 0 ? text : str_first(text, (size_t)colon), arena, &ok);
	if (colon >= 0)
		address->password = url_decode(str_skip(text, (size_t)colon + 1), arena, &ok);
	return ok;
}

/* The last '@' ends the user: a password may have been written as it is. */
static ptrdiff_t url_find_at(struct str authority)
{
	for (size_t i = authority.len; i > 0; i--)
		if (authority.ptr[i - 1] == '@')
			return (ptrdiff_t)i - 1;
	return -1;
}

bool sql_url_read_server(struct str url, struct arena *arena, struct sql_address *ret_address)
{
	struct sql_address address = { .host = STR(""),
				       .user = STR(""),
				       .password = STR(""),
				       .database = STR(""),
				       .query = STR(""),
				       .path = STR("") };
	struct str rest = str_skip(url, sql_url_scheme(url).len + 1), authority;
	bool ok = true;
	ptrdiff_t at;

	if (!str_starts_with(rest, STR("//")) || str_has(rest, '#'))
		return false;
	rest = str_skip(rest, 2);
	at = str_find_char(rest, '?');
	if (at >= 0) {
		address.query = arena_str(arena, str_skip(rest, (size_t)at + 1));
		rest = str_first(rest, (size_t)at);
	}
	at = str_find_char(rest, '/');
	authority = at < 0 ? rest : str_first(rest, (size_t)at);
	if (at >= 0)
		address.database = url_decode(str_skip(rest, (size_t)at + 1), arena, &ok);
	at = url_find_at(authority);
	if (at >= 0)
		ok &= url_read_user(str_first(authority, (size_t)at), arena, &address);
	ok &= url_read_host(str_skip(authority, (size_t)(at + 1)), arena, &address);
	if (ok)
		*ret_address = address;
	return ok;
}

bool sql_url_read_file(struct str url, struct arena *arena, struct str *ret_path)
{
	struct str path = str_skip(url, sql_url_scheme(url).len + 1);

	if (path.len == 0 || str_has(path, '\0') || str_has(path, '?'))
		return false;
	*ret_path = arena_str(arena, path);
	return true;
}

/* ------------------------------------------------------------ the query */

static bool query_next(struct str *rest, struct str *ret_name, struct str *ret_value)
{
	struct str part;

	while (rest->len && str_next_part(rest, '&', &part)) {
		ptrdiff_t equals = str_find_char(part, '=');

		if (part.len == 0)
			continue;
		*ret_name = equals < 0 ? part : str_first(part, (size_t)equals);
		*ret_value = equals < 0 ? STR("") : str_skip(part, (size_t)equals + 1);
		return true;
	}
	return false;
}

bool sql_url_parameter(struct str query, const char *name, struct arena *arena,
		       struct str *ret_value)
{
	struct str found, value;
	bool ok = true;

	while (query_next(&query, &found, &value)) {
		if (!str_eq(found, str_of(name)))
			continue;
		*ret_value = url_decode(value, arena, &ok);
		return ok;
	}
	return false;
}

bool sql_url_stranger(struct str query, const char *const names[], struct str *ret_name)
{
	struct str found, value;

	while (query_next(&query, &found, &value)) {
		bool known = false;

		for (size_t i = 0; names[i]; i++)
			known |= str_eq(found, str_of(names[i]));
		if (known)
			continue;
		*ret_name = found;
		return true;
	}
	return false;
}
