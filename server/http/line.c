/* server/http/line.c
 *
 * One SP between the three parts, nothing before and behind them: RFC 9112 §3 lets a server be
 * lenient here, and each leniency is a second way to read the line. */
#include "server/http/line.h"
#include "server/http/grammar.h"

static const struct str method_names[] = {
	[HTTP_GET] = STR_INIT("GET"),         [HTTP_HEAD] = STR_INIT("HEAD"),
	[HTTP_POST] = STR_INIT("POST"),       [HTTP_PUT] = STR_INIT("PUT"),
	[HTTP_PATCH] = STR_INIT("PATCH"),     [HTTP_DELETE] = STR_INIT("DELETE"),
	[HTTP_OPTIONS] = STR_INIT("OPTIONS"), [HTTP_TRACE] = STR_INIT("TRACE"),
	[HTTP_CONNECT] = STR_INIT("CONNECT"), [HTTP_OTHER] = STR_INIT(""),
};

struct str http_method_name(enum http_method method)
{
	return method_names[method];
}

enum http_method http_method_find(struct str name)
{
	for (enum http_method method = HTTP_GET; method < HTTP_OTHER; method++)
		if (str_eq(method_names[method], name))
			return method;
	return HTTP_OTHER;
}

int http_version_read(const char *at, const char *end)
{
	if (end - at < 8 || memcmp(at, "HTTP/", 5) != 0 || !char_is_digit(at[5]) || at[6] != '.' ||
	    !char_is_digit(at[7]))
		return -1;
	if (at[5] != '1')
		return -2;
	return at[7] == '0' ? 0 : 1;
}

/* True when each '%' begins an escape, and none of them is a NUL. */
static bool http_escapes_are_good(struct str path)
{
	const char *at = path.ptr, *end = at + path.len;

	for (; (at = memchr(at, '%', (size_t)(end - at))); at += 3) {
		if (end - at < 3 || char_hex(at[1]) < 0 || char_hex(at[2]) < 0)
			return false;
		if (at[1] == '0' && at[2] == '0')
			return false;
	}
	return true;
}

/* path [ "?" query ], where the path begins with '/'. */
static bool http_origin_read(struct str text, struct http_head *head)
{
	const char *end = text.ptr + text.len;
	const char *path_end = http_skip(text.ptr, end, CHAR_PATH);

	head->path = str_range(text.ptr, path_end);
	if (path_end < end && *path_end == '?') {
		head->query = str_range(path_end + 1, end);
		path_end = http_skip(path_end + 1, end, CHAR_QUERY);
	}
	return path_end == end && http_escapes_are_good(head->path);
}

/* "http://" or "https://", then an authority without user, then what origin form has, or
 * nothing. */
static bool http_absolute_read(struct str target, struct http_head *head, struct str *ret_authority)
{
	bool secure = str_eq_nocase(str_first(target, 8), STR("https://"));
	const char *end = target.ptr + target.len, *from, *slash;

	if (!secure && !str_eq_nocase(str_first(target, 7), STR("http://")))
		return false;
	from = target.ptr + (secure ? 8 : 7);
	slash = from;
	while (slash < end && *slash != '/' && *slash != '?')
		slash++;
	*ret_authority = str_range(from, slash);
	if (!http_is_host(*ret_authority))
		return false;
	if (slash < end && *slash == '/')
		return http_origin_read(str_range(slash, end), head);
	head->path =
		str_range(from - 1, from); /* the '/' before the authority: an empty path is "/" */
	if (slash == end)
		return true;
	head->query = str_range(slash + 1, end);
	return http_skip(slash + 1, end, CHAR_QUERY) == end;
}

static bool http_target_read(struct http_head *head, struct str *ret_authority)
{
	struct str target = head->target;

	if (target.len && target.ptr[0] == '/')
		return http_origin_read(target, head);
	if (str_eq(target, STR("*"))) {
		head->path = target;
		return head->method_id == HTTP_OPTIONS;
	}
	return http_absolute_read(target, head, ret_authority);
}

/* The shape of the line alone: where its parts are. */
static bool http_line_split(struct str bytes, struct http_head *head, const char **ret_version)
{
	const char *end = bytes.ptr + bytes.len;
	const char *sp = http_skip(bytes.ptr, end, CHAR_TOKEN), *target, *target_end;

	if (sp == bytes.ptr || sp == end || *sp != ' ')
		return false;
	target = sp + 1;
	target_end = http_skip(target, end, CHAR_PATH | CHAR_QUERY);
	if (target_end == target || target_end == end || *target_end != ' ')
		return false;
	head->method = str_range(bytes.ptr, sp);
	head->target = str_range(target, target_end);
	*ret_version = target_end + 1;
	return end - *ret_version >= 10 && (*ret_version)[8] == '\r' && (*ret_version)[9] == '\n';
}

int http_line_read(struct str bytes, struct http_head *head, struct str *ret_authority,
		   const char **ret_minor, const char **ret_rest)
{
	const char *version;
	int minor;

	if (!http_line_split(bytes, head, &version))
		return 400;
	minor = http_version_read(version, version + 8);
	if (minor < 0)
		return minor == -1 ? 400 : 505;
	head->minor = (uint8_t)minor;
	head->method_id = http_method_find(head->method);
	if (head->method_id == HTTP_CONNECT)
		return 405;
	*ret_authority = STR_NONE;
	if (!http_target_read(head, ret_authority))
		return 400;
	*ret_minor = version + 7;
	*ret_rest = version + 10;
	return 0;
}
