/* tests/fuzz/range.c: ranges, preconditions and codings. */
#include "server/http/range.h"
#include "core/base/check.h"
#include "server/http/conditional.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_fields(struct str text)
{
	static const struct str names[] = {
		STR_INIT("if-match"),
		STR_INIT("if-none-match"),
		STR_INIT("if-modified-since"),
		STR_INIT("if-range"),
		STR_INIT("if-unmodified-since"),
		STR_INIT("accept-encoding"),
		STR_INIT("accept"),
	};
	const struct http_validators now = { STR("\"a\""), 1000, 2000 };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct http_field field = { names[i], text };
		struct http_head head = { .n_fields = 1, .fields = &field };

		check(http_condition_check(&head, &now) <= HTTP_CONDITION_FAILED);
		http_if_range_holds(&head, &now);
		check(http_coding_quality(&head, STR("br")) <= 1000);
		check(http_type_quality(&head, STR("text/html")) <= 1000);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_range ranges[HTTP_RANGES_MAX];
	char *copy = malloc(size + !size);
	struct str text = { copy, size };
	size_t n_ranges = 0;
	uint64_t sum = 0;

	check(copy);
	if (size)
		memcpy(copy, data, size);
	if (http_range_read(text, 1000, ranges, &n_ranges) == HTTP_RANGE_PARTIAL)
		check(n_ranges > 0 && n_ranges <= HTTP_RANGES_MAX);
	for (size_t i = 0; i < n_ranges; i++) {
		check(ranges[i].len > 0 && ranges[i].from < 1000);
		sum += ranges[i].len;
	}
	check(sum <= 1000);
	try_fields(text);
	free(copy);
	return 0;
}
