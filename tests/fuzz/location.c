/* tests/fuzz/location.c: where redirects lead to: two lines, a URL's path and a reference. */
#include "server/client/location.h"
#include "core/base/check.h"
#include "server/http/head.h"
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What goes into a request breaks no line, and leads to the same place when it is read again. */
static void check_location(struct arena *arena, const struct location *base,
			   const struct location *to)
{
	struct location again;
	struct str whole = arena_printf(arena, "%s://%.*s%.*s", to->secure ? "https" : "http",
					STR_ARG(to->authority), STR_ARG(to->target));

	check(to->target.len > 0 && to->target.ptr[0] == '/' && !str_has(to->target, '#'));
	for (size_t i = 0; i < to->target.len; i++)
		check(to->target.ptr[i] > ' ' && to->target.ptr[i] < 0x7f);
	check(http_is_host(to->authority) && !str_has(to->authority, '@'));
	check(location_port(to) > 0);
	check(location_is_same_origin(to, to) && location_is_at(to, STR("*")));
	if (!whole.ptr)
		return;
	check(location_resolve(arena, base, whole, &again) == 0);
	check(str_eq(again.target, to->target) && location_is_same_origin(&again, to));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { malloc(size + !size), size };
	struct location base = { size % 2 == 0, STR("a.example"), STR("/") }, to;
	struct arena arena;
	ptrdiff_t end;
	int r;

	check(text.ptr);
	if (size)
		memcpy((char *)(uintptr_t)text.ptr, data, size);
	arena_init(&arena, 1 << 20);
	end = str_find_char(text, '\n');
	if (end >= 0 && location_resolve(&arena, &base, str_first(text, (size_t)end), &to) == 0) {
		base.target = to.target;
		r = location_resolve(&arena, &base, str_skip(text, (size_t)end + 1), &to);
		check(r == 0 || r == -EINVAL || r == -ENOMEM);
		if (r == 0)
			check_location(&arena, &base, &to);
	}
	location_pattern_is_valid(text);
	arena_fini(&arena);
	free((char *)(uintptr_t)text.ptr);
	return 0;
}
