/* server/expr/template_place.c: where a part of a scalar of several lines stands in its file.
 *
 * Blocks lose their indentation when they are read, so the part is searched: it is the n-th of its
 * kind behind the node as it is the n-th in the text. */
#include "server/expr/template_node.h"

static bool find_line(struct str source, uint32_t line, struct str *ret_rest)
{
	for (uint32_t at = 1; at < line; at++) {
		ptrdiff_t end = str_find_char(source, '\n');

		if (end < 0)
			return false;
		source = str_skip(source, (size_t)end + 1);
	}
	*ret_rest = source;
	return true;
}

bool place_find(struct place *place, struct str text, size_t at, struct str needle)
{
	size_t n_before = 0, n_lines = 1, window;
	struct str rest, seen = str_first(text, at);
	ptrdiff_t found;

	if (!place->source || !needle.len || !find_line(place->source->text, place->line, &rest))
		return false;
	for (size_t i = 0; i < text.len; i++)
		n_lines += text.ptr[i] == '\n';
	rest = str_skip(rest, place->col ? place->col - 1 : 0);
	window = 2 * text.len + n_lines * 80;
	rest = str_first(rest, window);
	while ((found = str_find(seen, needle)) >= 0) {
		seen = str_skip(seen, (size_t)found + 1);
		n_before++;
	}
	seen = rest;
	for (size_t i = 0; i <= n_before; i++) {
		found = str_find(seen, needle);
		if (found < 0)
			return false;
		seen = str_skip(seen, (size_t)found + (i < n_before));
	}
	for (const char *c = rest.ptr; c < seen.ptr; c++) {
		place->col = *c == '\n' ? 1 : place->col + 1;
		place->line += *c == '\n';
	}
	place->len = 0;
	return true;
}
