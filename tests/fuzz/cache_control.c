/* tests/fuzz/cache_control.c: whatever fields say, a cache never keeps longer, or uses more, than one
 * who reads the same with less in it would be sure of.
 *
 * The input is the fields of a response, a line each, those of the request behind an empty line. */
#include "core/base/check.h"
#include "server/http/freshness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 16 };

struct lines {
	struct http_field fields[LINES_MAX + 1];
	size_t n;
};

static void lines_read(struct str *rest, struct lines *lines)
{
	struct str line;

	while (lines->n < LINES_MAX && rest->ptr && str_next_part(rest, '\n', &line)) {
		ptrdiff_t colon = str_find_char(line, ':');

		if (line.len == 0)
			return;
		if (colon > 0)
			lines->fields[lines->n++] =
				(struct http_field){ str_first(line, (size_t)colon),
						     str_trim(str_skip(line, (size_t)colon + 1)) };
	}
}

static bool try_keep(const struct lines *request, const struct lines *response,
		     struct http_lifetime *ret)
{
	const struct http_exchanged exchanged = { .method = HTTP_GET,
						  .request = request->fields,
						  .n_request = request->n,
						  .status = 200,
						  .response = response->fields,
						  .n_response = response->n,
						  .now = 784111777 };
	const struct http_heuristics heuristics = { .ttl = 10 };

	return http_may_keep(&exchanged, &heuristics, ret);
}

static void lifetime_check(const struct http_lifetime *lifetime)
{
	check(lifetime->age >= 0 && lifetime->age <= HTTP_DELTA_MAX);
	check(lifetime->fresh >= 0 && lifetime->fresh <= HTTP_DELTA_MAX);
	check(lifetime->while_revalidate >= 0 && lifetime->if_error >= 0);
	check(!lifetime->strict || (lifetime->while_revalidate == 0 && lifetime->if_error == 0));
}

/* A field more can only take away. */
static void try_with(const struct lines *request, const struct lines *response, const char *value)
{
	struct lines more = *response;
	struct http_lifetime lifetime;

	more.fields[more.n++] = (struct http_field){ STR("Cache-Control"), str_of(value) };
	check(!try_keep(request, &more, &lifetime));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size };
	struct lines response = { .n = 0 }, request = { .n = 0 };
	struct http_cache_control control, asked;
	struct http_lifetime lifetime;
	char vary[HTTP_VARY_MAX];
	size_t len;

	lines_read(&rest, &response);
	lines_read(&rest, &request);
	http_cache_control_read(response.fields, response.n, &control);
	http_request_control_read(request.fields, request.n, &asked);
	if (http_vary_read(response.fields, response.n, vary, &len))
		check(len <= sizeof(vary));
	if (try_keep(&request, &response, &lifetime)) {
		lifetime_check(&lifetime);
		check(!control.is_private && !asked.no_store);
		if (http_may_reuse(&asked, lifetime.age, &lifetime) == HTTP_REUSE_FRESH)
			check(lifetime.age < lifetime.fresh && !control.no_cache);
	}
	try_with(&request, &response, "private");
	if (!control.must_understand)
		try_with(&request, &response, "no-store");
	return 0;
}
