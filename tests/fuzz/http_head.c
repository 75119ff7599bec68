/* tests/fuzz/http_head.c: the head of a request. The first byte says into which pieces the rest
 * is cut; the verdict must be that of the whole, and what is accepted must hold what its header
 * promises. */
#include "core/base/check.h"
#include "server/http/head.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits limits = {
	.line_max = 100, .head_max = 400, .fields_max = 8, .body_max = 1000
};

struct verdict {
	enum http_step step;
	size_t size;
	int status;
};

/* Each piece is in memory of just its size, so that a byte too far is found. */
static struct verdict scan_in_pieces(struct str bytes, size_t piece)
{
	struct verdict verdict = { .step = HTTP_MORE };
	struct http_scan scan = { 0 };

	for (size_t len = MIN(piece, bytes.len);; len = MIN(len + piece, bytes.len)) {
		char *copy = malloc(len + !len);

		check(copy);
		if (len)
			memcpy(copy, bytes.ptr, len);
		verdict.step = http_head_scan(&scan, (struct str){ copy, len }, &limits,
					      &verdict.size, &verdict.status);
		free(copy);
		check(scan.at <= len);
		if (verdict.step != HTTP_MORE || len == bytes.len)
			return verdict;
	}
}

static bool is_inside(struct str part, struct str whole)
{
	return !part.ptr || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_head(const struct http_head *head, struct str bytes)
{
	check(http_is_token(head->method) && head->target.len > 0 && head->path.len > 0);
	check(head->path.ptr[0] == '/' || str_eq(head->path, STR("*")));
	check(is_inside(head->target, bytes) && is_inside(head->path, bytes));
	check(is_inside(head->query, bytes) && is_inside(head->host, bytes));
	check(head->n_fields <= limits.fields_max && head->length <= limits.body_max);
	check(!head->chunked || (!head->has_length && head->minor == 1));
	check(head->minor == 0 || http_head_find(head, STR("host")));
	for (size_t i = 0; i < head->n_fields; i++) {
		check(http_is_token(head->fields[i].name));
		check(http_is_field_value(head->fields[i].value));
		check(is_inside(head->fields[i].value, bytes));
		check(str_eq(str_trim(head->fields[i].value), head->fields[i].value));
	}
}

static int parse(struct str bytes)
{
	struct http_field fields[HTTP_FIELDS_MAX];
	struct http_head head = { .fields = fields };
	char *copy = malloc(bytes.len + !bytes.len);
	int status;

	check(copy);
	if (bytes.len)
		memcpy(copy, bytes.ptr, bytes.len);
	bytes.ptr = copy;
	status = http_head_parse(bytes, &limits, &head);
	if (status == 0)
		check_head(&head, bytes);
	free(copy);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = { (const char *)data + 1, size ? size - 1 : 0 };
	struct verdict whole, pieces;
	int status;

	if (size == 0)
		return 0;
	whole = scan_in_pieces(bytes, bytes.len ? bytes.len : 1);
	pieces = scan_in_pieces(bytes, 1 + data[0] % 16);
	check(whole.step == pieces.step);
	check(whole.step != HTTP_WHOLE || whole.size == pieces.size);
	check(whole.step != HTTP_BAD || whole.status == pieces.status);
	if (whole.step == HTTP_WHOLE) {
		status = parse(str_first(bytes, whole.size));
		check(status == 0 || (status >= 400 && status <= 505));
	}
	/* what no scan has passed is read safely too; were it accepted, a scan would have passed
	 * it */
	status = parse(bytes);
	check(status == 0 || (status >= 400 && status <= 505));
	if (status == 0 && bytes.len <= limits.head_max && whole.status != 414)
		check(whole.step == HTTP_WHOLE && whole.size == bytes.len);
	return 0;
}
