/* server/client/location.c
 *
 * The grammar is RFC 3986's, read from the left: scheme, authority, path, query. What two readers may
 * take for different hosts is refused: credentials before an '@', and backslashes. */
#include "server/client/location.h"
#include "server/client/upstream.h"
#include "server/http/head.h"
#include <errno.h>

enum { PORT_HTTP = 80, PORT_HTTPS = 443 };

/* A reference in its parts; those that are not there have no ptr. */
struct reference {
	struct str scheme, authority, path, query;
};

/* ------------------------------------------------------------ characters */

static bool location_is_encoded(char c)
{
	return (unsigned char)c >= 0x80 || c == ' ' || strchr("\"<>^`{|}", c);
}

/* In printable ASCII; -EINVAL when it has what cannot be meant. */
static int location_clean(struct arena *arena, struct str text, struct str *ret)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n_encoded = 0, at = 0;
	char *out;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < ' ' || c == 0x7f || c == '\\')
			return -EINVAL;
		n_encoded += location_is_encoded(text.ptr[i]);
	}
	out = arena_alloc(arena, text.len + 2 * n_encoded + 1);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (!location_is_encoded(text.ptr[i])) {
			out[at++] = text.ptr[i];
			continue;
		}
		out[at++] = '%';
		out[at++] = digits[c >> 4];
		out[at++] = digits[c & 15];
	}
	*ret = (struct str){ out, at };
	return 0;
}

/* ------------------------------------------------------------ parts */

static size_t location_span(struct str text, const char *ends)
{
	size_t n = 0;

	while (n < text.len && !strchr(ends, text.ptr[n]))
		n++;
	return n;
}

static bool location_is_scheme(struct str text)
{
	if (text.len == 0 || !char_is_alpha(text.ptr[0]))
		return false;
	for (size_t i = 1; i < text.len; i++)
		if (!char_is_alpha(text.ptr[i]) && !char_is_digit(text.ptr[i]) &&
		    !strchr("+-.", text.ptr[i]))
			return false;
	return true;
}

static struct reference location_split(struct str text)
{
	struct reference parts = { .path = STR_NONE };
	size_t colon = location_span(text, ":/?#"), n;

	text = str_first(text, location_span(text, "#"));
	if (colon < text.len && text.ptr[colon] == ':' &&
	    location_is_scheme(str_first(text, colon))) {
		parts.scheme = str_first(text, colon);
		text = str_skip(text, colon + 1);
	}
	if (str_starts_with(text, STR("//"))) {
		text = str_skip(text, 2);
		n = location_span(text, "/?");
		parts.authority = str_first(text, n);
		text = str_skip(text, n);
	}
	n = location_span(text, "?");
	parts.path = str_first(text, n);
	if (n < text.len)
		parts.query = str_skip(text, n + 1);
	return parts;
}

/* ------------------------------------------------------------ paths (RFC 3986 §5.2) */

/* The base's path up to its last '/', then this one. */
static struct str location_merge(struct arena *arena, struct str base, struct str path)
{
	size_t end = base.len;

	while (end > 0 && base.ptr[end - 1] != '/')
		end--;
	if (end == 0)
		return arena_printf(arena, "/%.*s", STR_ARG(path));
	return arena_printf(arena, "%.*s%.*s", (int)end, base.ptr, STR_ARG(path));
}

static bool location_is_dot(struct str segment, const char *dots)
{
	return str_eq(segment, str_of(dots));
}

/* Of an absolute path, in place: what is written never passes what is read. */
static struct str location_remove_dots(char *path, size_t len)
{
	size_t in = 0, out = 0;

	while (in < len) {
		size_t n = location_span((struct str){ path + in + 1, len - in - 1 }, "/");
		struct str segment = { path + in + 1, n };
		bool is_last = in + 1 + n == len;

		if (location_is_dot(segment, "..")) {
			while (out > 0 && path[--out] != '/')
				;
		} else if (!location_is_dot(segment, ".")) {
			memmove(path + out, path + in, n + 1);
			out += n + 1;
			is_last = false;
		}
		if (is_last) /* a dot at the end leaves its slash */
			path[out++] = '/';
		in += n + 1;
	}
	return (struct str){ path, out };
}

static int location_make_target(struct arena *arena, struct str path, struct str query,
				struct str *ret)
{
	struct str absolute = arena_printf(
		arena, "%s%.*s", path.len && path.ptr[0] == '/' ? "" : "/", STR_ARG(path));

	if (!absolute.ptr)
		return -ENOMEM;
	absolute = location_remove_dots((char *)(uintptr_t)absolute.ptr, absolute.len);
	*ret = query.ptr ? arena_printf(arena, "%.*s?%.*s", STR_ARG(absolute), STR_ARG(query))
			 : absolute;
	return ret->ptr ? 0 : -ENOMEM;
}

/* ------------------------------------------------------------ whole references */

static int location_read_scheme(struct str scheme, bool *ret_secure)
{
	if (str_eq_nocase(scheme, STR("https")))
		*ret_secure = true;
	else if (str_eq_nocase(scheme, STR("http")))
		*ret_secure = false;
	else
		return -EINVAL;
	return 0;
}

static int location_of(struct str authority, bool secure, struct upstream_server *ret_server)
{
	if (!http_is_host(authority))
		return -EINVAL;
	return upstream_read_address(authority, secure ? PORT_HTTPS : PORT_HTTP, ret_server);
}

/* Another host than the base's. */
static int location_absolute(struct arena *arena, const struct reference *parts,
			     struct location *location)
{
	struct upstream_server server;

	if (!parts->authority.ptr || location_of(parts->authority, location->secure, &server) < 0)
		return -EINVAL;
	location->authority = parts->authority;
	return location_make_target(arena, parts->path, parts->query, &location->target);
}

static int location_relative(struct arena *arena, const struct location *base,
			     const struct reference *parts, struct location *location)
{
	struct reference from = location_split(base->target);
	struct str path = parts->path, query = parts->query;

	location->authority = base->authority;
	if (path.len == 0) {
		path = from.path;
		query = query.ptr ? query : from.query;
	} else if (path.ptr[0] != '/') {
		path = location_merge(arena, from.path, path);
		if (!path.ptr)
			return -ENOMEM;
	}
	return location_make_target(arena, path, query, &location->target);
}

int location_resolve(struct arena *arena, const struct location *base, struct str reference,
		     struct location *ret)
{
	struct location location = { .secure = base->secure };
	struct reference parts;
	int r = location_clean(arena, str_trim(reference), &reference);

	if (r < 0)
		return r;
	parts = location_split(reference);
	if (parts.scheme.ptr && location_read_scheme(parts.scheme, &location.secure) < 0)
		return -EINVAL;
	if (parts.scheme.ptr || parts.authority.ptr)
		r = location_absolute(arena, &parts, &location);
	else
		r = location_relative(arena, base, &parts, &location);
	if (r == 0)
		*ret = location;
	return r;
}

/* ------------------------------------------------------------ origins */

uint16_t location_port(const struct location *location)
{
	struct upstream_server server;

	return location_of(location->authority, location->secure, &server) < 0 ? 0 : server.port;
}

bool location_is_same_host(const struct location *a, const struct location *b)
{
	struct upstream_server p, q;

	return location_of(a->authority, a->secure, &p) == 0 &&
	       location_of(b->authority, b->secure, &q) == 0 && str_eq_nocase(p.host, q.host);
}

bool location_is_same_origin(const struct location *a, const struct location *b)
{
	return a->secure == b->secure && location_is_same_host(a, b) &&
	       location_port(a) == location_port(b);
}

static bool location_pattern_has_port(struct str pattern)
{
	ptrdiff_t bracket = str_find_char(pattern, ']');

	return str_has(bracket < 0 ? pattern : str_skip(pattern, (size_t)bracket), ':');
}

bool location_pattern_is_valid(struct str pattern)
{
	struct upstream_server server;

	if (str_eq(pattern, STR("*")))
		return true;
	if (str_starts_with(pattern, STR("*.")))
		pattern = str_skip(pattern, 2);
	return location_of(pattern, false, &server) == 0;
}

bool location_is_at(const struct location *location, struct str pattern)
{
	bool beneath = str_starts_with(pattern, STR("*."));
	struct upstream_server server, wanted;
	struct str tail;

	if (str_eq(pattern, STR("*")))
		return true;
	if (beneath)
		pattern = str_skip(pattern, 2);
	if (location_of(location->authority, location->secure, &server) < 0 ||
	    location_of(pattern, location->secure, &wanted) < 0 ||
	    (location_pattern_has_port(pattern) && wanted.port != server.port))
		return false;
	if (!beneath)
		return str_eq_nocase(server.host, wanted.host);
	if (server.host.len <= wanted.host.len + 1)
		return false;
	tail = str_skip(server.host, server.host.len - wanted.host.len);
	return str_eq_nocase(tail, wanted.host) && tail.ptr[-1] == '.';
}
