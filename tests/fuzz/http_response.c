/* tests/fuzz/http_response.c: the head of a response, cut into pieces as in http_head.c. */
#include "core/base/check.h"
#include "server/http/response.h"
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits limits = {
	.line_max = 100, .head_max = 400, .fields_max = 8, .body_max = 1000
};

static enum http_step scan_in_pieces(struct str bytes, size_t piece, size_t *ret_size)
{
	struct http_scan scan = { 0 };

	for (size_t len = MIN(piece, bytes.len);; len = MIN(len + piece, bytes.len)) {
		enum http_step step =
			http_response_scan(&scan, str_first(bytes, len), &limits, ret_size);

		if (step != HTTP_MORE || len == bytes.len)
			return step;
	}
}

static void parse(struct str bytes, enum http_method request)
{
	struct http_field fields[HTTP_FIELDS_MAX];
	struct http_response_head head = { .fields = fields };
	char *copy = malloc(bytes.len + !bytes.len);
	int r;

	check(copy);
	if (bytes.len)
		memcpy(copy, bytes.ptr, bytes.len);
	r = http_response_parse((struct str){ copy, bytes.len }, request, &limits, &head);
	check(r == 0 || r == -EBADMSG);
	if (r == 0) {
		check(head.status >= 100 && head.status <= 599 && head.minor <= 1);
		check(head.framing != HTTP_FRAMING_CLOSE || !head.keep_alive);
		check(head.framing != HTTP_FRAMING_CHUNKED || head.minor == 1);
		check(head.framing != HTTP_FRAMING_LENGTH || head.length > 0);
		check(request != HTTP_HEAD || head.framing == HTTP_FRAMING_NONE);
		check(http_is_field_value(head.reason));
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = { (const char *)data + 1, size ? size - 1 : 0 };
	enum http_step whole, pieces;
	size_t whole_size = 0, pieces_size = 0;

	if (size == 0)
		return 0;
	whole = scan_in_pieces(bytes, bytes.len ? bytes.len : 1, &whole_size);
	pieces = scan_in_pieces(bytes, 1 + data[0] / 2 % 16, &pieces_size);
	check(whole == pieces && whole_size == pieces_size);
	if (whole == HTTP_WHOLE)
		parse(str_first(bytes, whole_size), data[0] & 1 ? HTTP_HEAD : HTTP_GET);
	parse(bytes, HTTP_GET);
	return 0;
}
