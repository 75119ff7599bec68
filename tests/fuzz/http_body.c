/* tests/fuzz/http_body.c: a chunked body. The first byte says into which pieces the rest is cut,
 * and whether it is a response's; verdict, data and what was used must be those of the whole. */
#include "core/base/buf.h"
#include "core/base/check.h"
#include "server/http/body.h"
#include "server/http/fields.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_body_limits limits = {
	.body_max = 1000, .extensions_max = 40, .trailers_max = 60, .keep_trailers = true
};

struct verdict {
	enum http_body_step step;
	int status;
	size_t used;
	struct buf data, trailers;
};

/* Each piece is in memory of just its size. What a piece leaves unused comes again with the
 * next. */
static void read_piece(struct http_body *body, struct str piece, struct verdict *verdict)
{
	char *copy = malloc(piece.len);
	struct str rest = { copy, piece.len }, slice;
	size_t used;

	check(copy);
	memcpy(copy, piece.ptr, piece.len);
	do {
		verdict->step = http_body_read(body, rest, &used, &slice, &verdict->status);
		check(used <= rest.len);
		if (verdict->step == HTTP_BODY_DATA) {
			check(slice.len > 0 && slice.ptr >= rest.ptr);
			check(slice.ptr + slice.len <= rest.ptr + used);
			buf_add(&verdict->data, slice);
		}
		verdict->used += used;
		rest = str_skip(rest, used);
	} while (verdict->step == HTTP_BODY_DATA);
	check(verdict->step != HTTP_BODY_MORE || rest.len == 0);
	free(copy);
}

static void write_trailers(const struct http_body *body, struct buf *out)
{
	struct http_field fields[HTTP_TRAILERS_MAX];
	size_t n = http_body_trailers(body, fields);

	for (size_t i = 0; i < n; i++) {
		check(http_is_token(fields[i].name) && http_is_field_value(fields[i].value));
		http_field_write(out, &fields[i]);
	}
}

static void read_in_pieces(struct str bytes, size_t piece, bool is_response,
			   struct verdict *verdict)
{
	struct http_body *body = http_body_create(&limits, is_response);

	check(body);
	*verdict = (struct verdict){ .step = HTTP_BODY_MORE };
	buf_init(&verdict->data, limits.body_max);
	for (size_t at = 0; at < bytes.len && verdict->step == HTTP_BODY_MORE; at += piece)
		read_piece(body, str_first(str_skip(bytes, at), piece), verdict);
	buf_init(&verdict->trailers, limits.trailers_max * 2);
	if (verdict->step == HTTP_BODY_END)
		write_trailers(body, &verdict->trailers);
	http_body_destroy(body);
	check(verdict->data.error == 0 && verdict->trailers.error == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = { (const char *)data + 1, size ? size - 1 : 0 };
	struct verdict whole, pieces;

	if (size < 2)
		return 0;
	read_in_pieces(bytes, bytes.len, data[0] & 1, &whole);
	read_in_pieces(bytes, 1 + data[0] / 2 % 16, data[0] & 1, &pieces);
	check(whole.step == pieces.step);
	check(whole.step != HTTP_BODY_BAD || whole.status == pieces.status);
	check(whole.step == HTTP_BODY_BAD || whole.used == pieces.used);
	check(whole.step == HTTP_BODY_BAD || str_eq(buf_str(&whole.data), buf_str(&pieces.data)));
	check(str_eq(buf_str(&whole.trailers), buf_str(&pieces.trailers)));
	if (whole.step == HTTP_BODY_END)
		check(memcmp(bytes.ptr + whole.used - 4, "\r\n\r\n", 4) == 0);
	buf_fini(&whole.trailers);
	buf_fini(&pieces.trailers);
	buf_fini(&whole.data);
	buf_fini(&pieces.data);
	return 0;
}
