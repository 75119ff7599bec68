/* tests/fuzz/path.c: paths, escapes, queries and dates. */
#include "server/http/path.h"
#include "core/base/check.h"
#include "server/http/status.h"
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_path(struct str raw, struct arena *arena)
{
	struct str segments[HTTP_SEGMENTS_MAX], raws[HTTP_SEGMENTS_MAX], again;
	struct http_path path = { .segments = segments, .raw = raws };
	int r = http_path_parse(raw, arena, &path);

	check(r == 0 || r == -EINVAL || r == -E2BIG || r == -ENOMEM);
	if (r < 0)
		return;
	check(path.n_segments >= 1 && path.n_segments <= HTTP_SEGMENTS_MAX);
	for (size_t i = 0; i < path.n_segments; i++) {
		check(!str_has(segments[i], '\0'));
		check(!str_eq(segments[i], STR(".")) && !str_eq(segments[i], STR("..")));
		check(raws[i].len >= segments[i].len && !str_has(raws[i], '/'));
		r = http_decode(raws[i], false, arena, &again);
		check(r == -ENOMEM || (r == 0 && str_eq(again, segments[i])));
	}
}

static void try_query(struct str rest, struct arena *arena)
{
	struct str name, value, out;

	while (http_query_next(&rest, &name, &value)) {
		check(!str_has(name, '=') && !str_has(name, '&') && !str_has(value, '&'));
		if (http_decode(value, true, arena, &out) == 0)
			check(out.len <= value.len && !str_has(out, '\0'));
	}
}

static void try_date(struct str text)
{
	char out[HTTP_DATE_LEN];
	int64_t seconds, again;

	if (http_date_parse(text, &seconds) < 0)
		return;
	http_date_write(out, seconds);
	check(http_date_parse((struct str){ out, sizeof(out) }, &again) == 0);
	check(seconds == again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + !size);
	struct str text = { copy, size };
	struct arena arena;

	check(copy);
	if (size)
		memcpy(copy, data, size);
	arena_init(&arena, 1 << 16);
	try_path(text, &arena);
	try_query(text, &arena);
	try_date(text);
	arena_fini(&arena);
	free(copy);
	return 0;
}
