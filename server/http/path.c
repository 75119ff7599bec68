/* server/http/path.c
 *
 * Each byte is looked at a fixed number of times, and all decoded segments share one block of
 * memory, so that a path of thousands of escapes or dot segments costs what its length says. */
#include "server/http/path.h"
#include <errno.h>

/* The decoded length, or -1 for a bad escape or a NUL; *ret_same when nothing has to be decoded. */
static ptrdiff_t http_decoded_len(struct str text, bool plus_is_space, bool *ret_same)
{
	size_t len = 0;

	*ret_same = true;
	for (size_t i = 0; i < text.len; i++, len++) {
		if (text.ptr[i] == '\0')
			return -1;
		if (plus_is_space && text.ptr[i] == '+')
			*ret_same = false;
		if (text.ptr[i] != '%')
			continue;
		if (text.len - i < 3 || char_hex(text.ptr[i + 1]) < 0 ||
		    char_hex(text.ptr[i + 2]) < 0 ||
		    (text.ptr[i + 1] == '0' && text.ptr[i + 2] == '0'))
			return -1;
		*ret_same = false;
		i += 2;
	}
	return (ptrdiff_t)len;
}

/* The text has passed http_decoded_len(). */
static void http_decode_into(char *out, struct str text, bool plus_is_space)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '%') {
			c = (char)(char_hex(text.ptr[i + 1]) << 4 | char_hex(text.ptr[i + 2]));
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		*out++ = c;
	}
}

int http_decode(struct str text, bool plus_is_space, struct arena *arena, struct str *ret)
{
	bool same;
	ptrdiff_t len = http_decoded_len(text, plus_is_space, &same);
	char *out;

	if (len < 0)
		return -EINVAL;
	if (same) {
		*ret = text;
		return 0;
	}
	out = arena_alloc(arena, (size_t)len);
	if (!out)
		return -ENOMEM;
	http_decode_into(out, text, plus_is_space);
	*ret = (struct str){ out, (size_t)len };
	return 0;
}

/* Where decoded segments go; made when the first one needs it. What is decoded is never longer
 * than what is left of the raw path. */
struct http_decoder {
	struct arena *arena;
	char *at;
};

static int http_decode_segment(struct http_decoder *decoder, struct str rest, struct str segment,
			       struct str *ret)
{
	bool same;
	ptrdiff_t len = http_decoded_len(segment, false, &same);

	*ret = segment;
	if (len < 0)
		return -EINVAL;
	if (same)
		return 0;
	if (!decoder->at)
		decoder->at = arena_alloc(decoder->arena, segment.len + rest.len);
	if (!decoder->at)
		return -ENOMEM;
	http_decode_into(decoder->at, segment, false);
	*ret = (struct str){ decoder->at, (size_t)len };
	decoder->at += len;
	return 0;
}

static int http_path_push(struct http_path *path, struct str segment, struct str raw)
{
	if (path->n_segments == HTTP_SEGMENTS_MAX)
		return -E2BIG;
	path->segments[path->n_segments] = segment;
	path->raw[path->n_segments++] = raw;
	return 0;
}

/* RFC 3986 §5.2.4: "." goes away, ".." takes what is before it along; at the end of the path
 * either leaves an empty segment, as "/a/." is "/a/". */
static int http_path_add(struct http_path *path, struct str segment, struct str raw, bool is_last)
{
	bool up = str_eq(segment, STR(".."));

	if (!up && !str_eq(segment, STR(".")))
		return http_path_push(path, segment, raw);
	path->changed = true;
	if (up && path->n_segments > 0)
		path->n_segments--;
	return is_last ? http_path_push(path, str_first(raw, 0), str_first(raw, 0)) : 0;
}

int http_path_parse(struct str raw, struct arena *arena, struct http_path *path)
{
	struct http_decoder decoder = { .arena = arena };
	struct str rest = raw, part, segment;
	int r = 0;

	path->n_segments = 0;
	path->changed = false;
	if (raw.len == 0 || raw.ptr[0] != '/')
		return -EINVAL;
	rest = str_skip(raw, 1);
	while (r == 0 && str_next_part(&rest, '/', &part)) {
		r = http_decode_segment(&decoder, rest, part, &segment);
		if (r == 0)
			r = http_path_add(path, segment, part, rest.ptr == NULL);
	}
	return r;
}

bool http_query_next(struct str *rest, struct str *ret_name, struct str *ret_value)
{
	struct str pair;
	ptrdiff_t equals;

	while (str_next_part(rest, '&', &pair)) {
		if (pair.len == 0)
			continue;
		equals = str_find_char(pair, '=');
		*ret_name = equals < 0 ? pair : str_first(pair, (size_t)equals);
		*ret_value = equals < 0 ? str_skip(pair, pair.len)
					: str_skip(pair, (size_t)equals + 1);
		return true;
	}
	return false;
}
