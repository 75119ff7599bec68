/* server/http/body.c: a chunked body, read twice at once.
 *
 *   SIZE --> EXTENSION --> LF --> DATA --> DATA_CR --> DATA_LF --> SIZE   (the next chunk)
 *      \________________/    \--> TRAILER --> NAME --> VALUE --> VALUE_LF --> TRAILER
 *                                    \--> END_LF --> END                  (after the last chunk)
 *
 * This machine is the authority: it looks at every byte of framing in its order, so its verdict
 * does not depend on how the bytes were cut. llhttp is fed the same bytes, in runs that end
 * where a line or the data of a chunk ends, and has to have found a chunk, data or the end there
 * and nowhere else; else it is a 400. Before our own error counts, llhttp is fed what came
 * before it, so that the earlier error wins. */
#include "server/http/body.h"
#include "core/base/buf.h"
#include "core/base/check.h"
#include "server/http/fields.h"
#include "server/http/grammar.h"
#include "server/http/llhttp_names.h"
#include <stdlib.h>

enum { SIZE_DIGITS_MAX = 16 }; /* further ones, which must be zeros in front, count as extension */

enum body_state {
	BODY_SIZE,      /* in the digits of a chunk's size */
	BODY_EXT_NAME,  /* behind ';' or in a name */
	BODY_EXT_VALUE, /* behind '=' or in a token */
	BODY_EXT_QUOTED,
	BODY_EXT_ESCAPED, /* behind a '\' between quotes */
	BODY_EXT_AFTER,   /* behind the closing quote */
	BODY_SIZE_LF,
	BODY_DATA, /* `left` bytes of the chunk are to come */
	BODY_DATA_CR,
	BODY_DATA_LF,
	BODY_TRAILER, /* at the start of a line behind the last chunk */
	BODY_TRAILER_NAME,
	BODY_TRAILER_VALUE,
	BODY_TRAILER_LF,
	BODY_END_LF,
	BODY_END,
	BODY_FAILED,
};

struct http_body {
	llhttp_t parser; /* first, so that a callback's parser is the struct */
	struct http_body_limits limits;
	enum body_state state;
	size_t n_digits, n_chars; /* of this size; of this name, token or trailer's name */
	size_t extensions, trailers;
	size_t n_trailers;
	struct buf kept; /* the trailer section as it came, with its empty line */
	uint64_t left;   /* of this chunk; while in its size, what that is so far */
	uint64_t got;    /* data of all chunks so far, this one's included once its size is known */
	int status;      /* when failed */

	/* what llhttp said during one run */
	unsigned n_chunk_headers, n_ends;
	const char *data_at; /* where the next piece of data has to begin */
	bool differs;
};

/* ------------------------------------------------------------------ the second reading */

static struct http_body *body_of(llhttp_t *parser)
{
	return (struct http_body *)(void *)parser;
}

static int body_on_chunk_header(llhttp_t *parser)
{
	body_of(parser)->n_chunk_headers++;
	return 0;
}

static int body_on_data(llhttp_t *parser, const char *at, size_t len)
{
	struct http_body *body = body_of(parser);

	body->differs |= len > 0 && at != body->data_at;
	body->data_at = at + len;
	return 0;
}

static int body_on_end(llhttp_t *parser)
{
	body_of(parser)->n_ends++;
	return HPE_PAUSED;
}

static const llhttp_settings_t body_settings = {
	.on_chunk_header = body_on_chunk_header,
	.on_body = body_on_data,
	.on_message_complete = body_on_end,
};

/* Feeds a run that ended in body->state; true when llhttp agrees on what is at its end. */
static bool body_agrees(struct http_body *body, enum body_state before, const char *from,
			const char *to)
{
	bool is_data = before == BODY_DATA;
	bool line_ended = before != body->state && before <= BODY_SIZE_LF &&
			  (body->state == BODY_DATA || body->state == BODY_TRAILER);
	llhttp_errno_t error;

	body->n_chunk_headers = body->n_ends = 0;
	body->data_at = from;
	error = llhttp_execute(&body->parser, from, (size_t)(to - from));
	if (body->differs || body->data_at != (is_data ? to : from))
		return false;
	if (body->n_chunk_headers != line_ended ||
	    (line_ended && body->parser.content_length != body->left))
		return false;
	if (body->state != BODY_END)
		return error == HPE_OK && body->n_ends == 0;
	return error == HPE_PAUSED && body->n_ends == 1 &&
	       llhttp_get_error_pos(&body->parser) == to;
}

/* ------------------------------------------------------------------ the first reading */

static int body_to(struct http_body *body, enum body_state state)
{
	body->state = state;
	body->n_chars = 0;
	return 0;
}

/* Too large is said at the digit that makes it so. */
static int body_on_digit(struct http_body *body, uint64_t digit)
{
	uint64_t max = body->limits.body_max - body->got, size;

	if (__builtin_mul_overflow(body->left, 16, &size) ||
	    __builtin_add_overflow(size, digit, &size) || size > max)
		return 413;
	body->left = size;
	if (++body->n_digits > SIZE_DIGITS_MAX && ++body->extensions > body->limits.extensions_max)
		return 400;
	return 0;
}

static int body_on_size_lf(struct http_body *body)
{
	body->got += body->left;
	body->n_digits = 0;
	return body_to(body, body->left ? BODY_DATA : BODY_TRAILER);
}

/* *( ";" name [ "=" ( token / quoted-string ) ] ), RFC 9112 §7.1.1, without the bad white space. */
static int body_on_extension(struct http_body *body, char c)
{
	bool whole = body->n_chars > 0 || body->state == BODY_EXT_AFTER || body->state == BODY_SIZE;
	bool quoted = body->state == BODY_EXT_QUOTED || body->state == BODY_EXT_ESCAPED;

	if (c == '\r')
		return whole && !quoted ? body_to(body, BODY_SIZE_LF) : 400;
	if (++body->extensions > body->limits.extensions_max)
		return 400;
	if (quoted) {
		if (http_char_is(c, CHAR_CONTROL))
			return 400;
		if (body->state == BODY_EXT_ESCAPED)
			return body_to(body, BODY_EXT_QUOTED);
		if (c == '"')
			return body_to(body, BODY_EXT_AFTER);
		return c == '\\' ? body_to(body, BODY_EXT_ESCAPED) : 0;
	}
	if (c == ';')
		return whole ? body_to(body, BODY_EXT_NAME) : 400;
	if (c == '=' && body->state == BODY_EXT_NAME)
		return whole ? body_to(body, BODY_EXT_VALUE) : 400;
	if (c == '"' && body->state == BODY_EXT_VALUE && body->n_chars == 0)
		return body_to(body, BODY_EXT_QUOTED);
	if (body->state == BODY_SIZE || body->state == BODY_EXT_AFTER ||
	    !http_char_is(c, CHAR_TOKEN))
		return 400;
	body->n_chars++;
	return 0;
}

static int body_on_size(struct http_body *body, char c)
{
	int digit = char_hex(c);

	if (digit >= 0)
		return body_on_digit(body, (uint64_t)digit);
	return body->n_digits > 0 ? body_on_extension(body, c) : 400;
}

static int body_on_trailer(struct http_body *body, char c)
{
	bool starts = body->state == BODY_TRAILER;

	if (starts && c == '\r')
		return body_to(body, BODY_END_LF);
	if (++body->trailers > body->limits.trailers_max ||
	    (starts && ++body->n_trailers > HTTP_TRAILERS_MAX))
		return 431;
	if (body->state == BODY_TRAILER_LF)
		return c == '\n' ? body_to(body, BODY_TRAILER) : 400;
	if (body->state == BODY_TRAILER_VALUE) {
		if (c == '\r')
			return body_to(body, BODY_TRAILER_LF);
		return http_char_is(c, CHAR_CONTROL) ? 400 : 0;
	}
	if (c == ':' && !starts)
		return body_to(body, BODY_TRAILER_VALUE);
	if (!http_char_is(c, CHAR_TOKEN))
		return 400;
	return starts ? body_to(body, BODY_TRAILER_NAME) : 0;
}

static int body_on_byte(struct http_body *body, char c)
{
	switch (body->state) {
	case BODY_SIZE:
		return body_on_size(body, c);
	case BODY_EXT_NAME:
	case BODY_EXT_VALUE:
	case BODY_EXT_QUOTED:
	case BODY_EXT_ESCAPED:
	case BODY_EXT_AFTER:
		return body_on_extension(body, c);
	case BODY_SIZE_LF:
		return c == '\n' ? body_on_size_lf(body) : 400;
	case BODY_DATA_CR:
		return c == '\r' ? body_to(body, BODY_DATA_LF) : 400;
	case BODY_DATA_LF:
		return c == '\n' ? body_to(body, BODY_SIZE) : 400;
	case BODY_TRAILER:
	case BODY_TRAILER_NAME:
	case BODY_TRAILER_VALUE:
	case BODY_TRAILER_LF:
		return body_on_trailer(body, c);
	case BODY_END_LF:
		return c == '\n' ? body_to(body, BODY_END) : 400;
	case BODY_DATA:
	case BODY_END:
	case BODY_FAILED:
		break;
	}
	unreachable();
}

/* Up to the end of a line of framing, of the bytes, or to an error; *ret_status is 0 without
 * one. */
static const char *body_read_framing(struct http_body *body, const char *at, const char *end,
				     int *ret_status)
{
	*ret_status = 0;
	while (at < end) {
		*ret_status = body_on_byte(body, *at);
		if (*ret_status)
			return at;
		if (*at++ == '\n')
			return at;
	}
	return at;
}

/* ------------------------------------------------------------------ */

static bool body_prime(struct http_body *body, bool is_response)
{
	const struct str head = is_response ? STR("HTTP/1.1 200 OK\r\n"
						  "Transfer-Encoding: chunked\r\n\r\n")
					    : STR("POST / HTTP/1.1\r\nHost: a\r\n"
						  "Transfer-Encoding: chunked\r\n\r\n");

	llhttp_init(&body->parser, is_response ? HTTP_RESPONSE : HTTP_REQUEST, &body_settings);
	return llhttp_execute(&body->parser, head.ptr, head.len) == HPE_OK &&
	       (body->parser.flags & F_CHUNKED);
}

struct http_body *http_body_create(const struct http_body_limits *limits, bool is_response)
{
	struct http_body *body = calloc(1, sizeof(*body));

	if (!body)
		return NULL;
	body->limits = *limits;
	buf_init(&body->kept, limits->trailers_max + STR("\r\n").len);
	check(body_prime(body, is_response));
	return body;
}

void http_body_destroy(struct http_body *body)
{
	if (!body)
		return;
	buf_fini(&body->kept);
	free(body);
}

/* A line of the trailer section, or what has come of it. */
static bool body_keep(struct http_body *body, enum body_state before, const char *from,
		      const char *to)
{
	if (!body->limits.keep_trailers || before < BODY_TRAILER)
		return true;
	buf_add(&body->kept, str_range(from, to));
	return !body->kept.error;
}

size_t http_body_trailers(const struct http_body *body, struct http_field fields[HTTP_TRAILERS_MAX])
{
	struct str kept = buf_str(&body->kept);
	size_t n = 0;

	check(body->state == BODY_END);
	if (kept.len > 0) /* they were read by the same grammar already */
		check(http_fields_read(kept.ptr, kept.ptr + kept.len, HTTP_TRAILERS_MAX, fields,
				       &n) == 0);
	return n;
}

static enum http_body_step body_fail(struct http_body *body, int status, int *ret_status)
{
	body->state = BODY_FAILED;
	body->status = status;
	*ret_status = status;
	return HTTP_BODY_BAD;
}

static enum http_body_step body_read_data(struct http_body *body, struct str bytes,
					  size_t *ret_used, struct str *ret_data, int *ret_status)
{
	size_t size = (size_t)MIN(body->left, (uint64_t)bytes.len);

	body->left -= size;
	if (!body_agrees(body, BODY_DATA, bytes.ptr, bytes.ptr + size))
		return body_fail(body, 400, ret_status);
	if (body->left == 0)
		body_to(body, BODY_DATA_CR);
	*ret_used += size;
	*ret_data = str_first(bytes, size);
	return HTTP_BODY_DATA;
}

enum http_body_step http_body_read(struct http_body *body, struct str bytes, size_t *ret_used,
				   struct str *ret_data, int *ret_status)
{
	*ret_used = 0;
	while (*ret_used < bytes.len && body->state < BODY_END) {
		const char *at = bytes.ptr + *ret_used, *to;
		enum body_state before = body->state;
		int status;

		if (before == BODY_DATA)
			return body_read_data(body, str_skip(bytes, *ret_used), ret_used, ret_data,
					      ret_status);
		to = body_read_framing(body, at, bytes.ptr + bytes.len, &status);
		if (!body_agrees(body, before, at, to))
			status = 400;
		if (status == 0 && !body_keep(body, before, at, to))
			status = 503;
		if (status)
			return body_fail(body, status, ret_status);
		*ret_used += (size_t)(to - at);
	}
	if (body->state == BODY_FAILED)
		return body_fail(body, body->status, ret_status);
	return body->state == BODY_END ? HTTP_BODY_END : HTTP_BODY_MORE;
}
