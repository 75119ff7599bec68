/* server/router_pattern.c: what the pattern of a route says.
 *
 * A pattern that could never match (an escape, a dot segment, a method that llhttp does not
 * know) is refused, since whoever wrote it meant another. */
#include "core/base/check.h"
#include "server/http/second.h"
#include "server/router.h"

enum { HOST_MAX = 253 }; /* RFC 1035 §2.3.4, as text */

struct pattern_reader {
	struct route_pattern *pattern;
	struct place place;
	struct arena *arena;
	struct diag *diag;
	bool failed;
};

#define pattern_error(reader, ...)                                                                 \
	((reader)->failed = true, diag_error((reader)->diag, (reader)->place, __VA_ARGS__))

static void pattern_read_method(struct pattern_reader *r, struct str method)
{
	static const char *const common[] = { "GET",    "HEAD",    "POST",  "PUT", "PATCH",
					      "DELETE", "OPTIONS", "TRACE", NULL };
	const char *nearest;

	r->pattern->method = method;
	if (str_eq(method, STR("CONNECT"))) {
		pattern_error(r, "CONNECT cannot be routed; it is answered 405");
		return;
	}
	if (http_method_find(method) != HTTP_OTHER || second_knows_method(method))
		return;
	nearest = diag_nearest(method, common);
	for (size_t i = 0; common[i]; i++)
		nearest = str_eq_nocase(method, str_of(common[i])) ? common[i] : nearest;
	if (nearest)
		pattern_error(r, "unknown method \"%.*s\"; did you mean \"%s\"?", STR_ARG(method),
			      nearest);
	else
		pattern_error(r,
			      "unknown method \"%.*s\"; write one of GET, HEAD, POST, PUT, "
			      "PATCH, DELETE, OPTIONS, or none for any",
			      STR_ARG(method));
}

/* Labels of letters, digits, '-' and '_', none of them empty. */
static bool pattern_is_name(struct str host)
{
	struct str label;

	while (str_next_part(&host, '.', &label)) {
		if (label.len == 0)
			return false;
		for (size_t i = 0; i < label.len; i++)
			if (!char_is_alpha(label.ptr[i]) && !char_is_digit(label.ptr[i]) &&
			    label.ptr[i] != '-' && label.ptr[i] != '_')
				return false;
	}
	return true;
}

static void pattern_read_host(struct pattern_reader *r, struct str host)
{
	struct str name = str_starts_with(host, STR("*.")) ? str_skip(host, 2) : host;
	struct str copy = arena_str(r->arena, host);
	char *lower = (char *)(uintptr_t)copy.ptr;

	if (host.len == 0)
		return;
	if (http_method_find(host) != HTTP_OTHER) {
		pattern_error(r, "no space behind \"%.*s\"; write it as \"%.*s /path\"",
			      STR_ARG(host), STR_ARG(host));
	} else if (host.ptr[0] == '[') {
		if (!http_is_host(host) || host.ptr[host.len - 1] != ']')
			pattern_error(r,
				      "bad host \"%.*s\"; an IPv6 address is written as [::1], "
				      "without a port",
				      STR_ARG(host));
	} else if (str_has(host, ':')) {
		pattern_error(r, "bad host \"%.*s\"; a host has no scheme and no port here",
			      STR_ARG(host));
	} else if (host.len > HOST_MAX || !pattern_is_name(name)) {
		pattern_error(r,
			      "bad host \"%.*s\"; write it as example.org, or *.example.org "
			      "for what is below it",
			      STR_ARG(host));
	}
	for (size_t i = 0; i < copy.len; i++)
		lower[i] = char_lower(lower[i]);
	r->pattern->host = copy;
}

static bool pattern_is_param_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!char_is_alpha(name.ptr[i]) && name.ptr[i] != '_' &&
		    (i == 0 || !char_is_digit(name.ptr[i])))
			return false;
	return name.len > 0;
}

static void pattern_add_param(struct pattern_reader *r, struct str name)
{
	struct route_pattern *pattern = r->pattern;

	if (!pattern_is_param_name(name))
		pattern_error(r,
			      "bad parameter name \"%.*s\"; use letters, digits and '_', "
			      "not a digit first",
			      STR_ARG(name));
	for (size_t i = 0; i < pattern->n_params; i++)
		if (str_eq(pattern->params[i], name))
			pattern_error(r, "two parameters are called \"%.*s\"; rename one",
				      STR_ARG(name));
	if (pattern->n_params == ROUTER_PARAMS_MAX)
		pattern_error(r, "too many parameters; there may be %d", ROUTER_PARAMS_MAX);
	else
		pattern->params[pattern->n_params++] = name;
}

static void pattern_read_param(struct pattern_reader *r, struct str segment, bool is_last)
{
	struct str name = str_first(str_skip(segment, 1), segment.len - 2);

	if (segment.ptr[segment.len - 1] != '}' || str_has(name, '{') || str_has(name, '}')) {
		pattern_error(r, "bad parameter \"%.*s\"; a parameter is a whole segment: {name}",
			      STR_ARG(segment));
		return;
	}
	if (!str_ends_with(name, STR("..."))) {
		pattern_add_param(r, name);
		return;
	}
	if (!is_last)
		pattern_error(r, "\"%.*s\" is not last; nothing may follow {name...}",
			      STR_ARG(segment));
	r->pattern->has_rest = true;
	pattern_add_param(r, str_first(name, name.len - 3));
}

static void pattern_read_literal(struct pattern_reader *r, struct str segment)
{
	if (str_has(segment, '{') || str_has(segment, '}'))
		pattern_error(r, "bad segment \"%.*s\"; a parameter is a whole segment: {name}",
			      STR_ARG(segment));
	if (str_has(segment, '%'))
		pattern_error(r, "'%%' in \"%.*s\"; write the decoded character", STR_ARG(segment));
	if (str_has(segment, '?'))
		pattern_error(r, "'?' in \"%.*s\"; a pattern has no query", STR_ARG(segment));
	if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
		pattern_error(r, "\"%.*s\" cannot match; dot segments are removed before routing",
			      STR_ARG(segment));
	for (size_t i = 0; i < segment.len; i++) {
		if ((unsigned char)segment.ptr[i] < 0x20 || segment.ptr[i] == 0x7f) {
			pattern_error(r, "control character in the path; remove it");
			return;
		}
	}
}

static void pattern_read_path(struct pattern_reader *r, struct str path)
{
	struct str rest = str_skip(path, 1), segment;
	size_t n_segments = 0;

	r->pattern->path = path;
	while (str_next_part(&rest, '/', &segment)) {
		if (segment.len > 0 && segment.ptr[0] == '{')
			pattern_read_param(r, segment, rest.ptr == NULL);
		else
			pattern_read_literal(r, segment);
		n_segments++;
	}
	if (n_segments > HTTP_SEGMENTS_MAX)
		pattern_error(r, "too many segments; a path may have %d", HTTP_SEGMENTS_MAX);
}

bool route_pattern_read(struct str text, struct place place, struct arena *arena, struct diag *diag,
			struct route_pattern *ret_pattern)
{
	struct route_pattern pattern = { .text = text };
	struct pattern_reader r = { &pattern, place, arena, diag, false };
	ptrdiff_t slash = str_find_char(text, '/'), space;

	if (slash < 0) {
		pattern_error(&r, "\"%.*s\" has no path; write it as \"GET /path\"", STR_ARG(text));
		return false;
	}
	space = str_find_char(str_first(text, (size_t)slash), ' ');
	if (space >= 0)
		pattern_read_method(&r, str_first(text, (size_t)space));
	pattern_read_host(&r, str_range(text.ptr + space + 1, text.ptr + slash));
	pattern_read_path(&r, str_skip(text, (size_t)slash));
	if (!r.failed)
		*ret_pattern = pattern;
	return !r.failed;
}
