/* server/http/scan.c: where a head ends.
 *
 * The verdict depends on the bytes alone, never on how they were cut: they are judged in their
 * order, each as soon as it is there. What may only be judged with the next byte (a CR) waits for
 * that one.
 *
 * Both limits count from the first byte of the buffer, so a buffer of head_max bytes is enough. */
#include "core/base/check.h"
#include "server/http/grammar.h"
#include "server/http/head.h"
#include "server/http/response.h"

/* The first byte of a line. Refusing white space here is what refuses obs-fold. */
static int http_scan_first(const struct http_scan *scan, char c, size_t fields_max)
{
	if (c == '\r')
		return 0;
	if (!http_char_is(c, CHAR_TOKEN))
		return 400;
	return scan->n_lines > fields_max ? 431 : 0;
}

static enum http_step http_scan_bad(int status, int *ret_status)
{
	*ret_status = status;
	return HTTP_BAD;
}

/* A CRLF was passed. HTTP_WHOLE behind the empty line that ends the head. */
static enum http_step http_scan_line(struct http_scan *scan, bool leading_crlf, int *ret_status)
{
	bool empty = scan->at == scan->line_start;

	scan->at += 2;
	scan->line_start = scan->at;
	if (!empty) {
		scan->n_lines++;
		return HTTP_MORE;
	}
	if (scan->n_lines > 0)
		return HTTP_WHOLE;
	/* RFC 9112 §2.2: one CRLF before a request line may be ignored, and no more */
	if (!leading_crlf || scan->start > 0)
		return http_scan_bad(400, ret_status);
	scan->start = scan->at;
	return HTTP_MORE;
}

static enum http_step http_scan_bytes(struct http_scan *scan, struct str bytes,
				      const struct http_limits *limits, bool leading_crlf,
				      size_t *ret_size, int *ret_status)
{
	size_t fields_max = MIN(limits->fields_max, (size_t)HTTP_FIELDS_MAX);
	size_t size = MIN(bytes.len, limits->head_max);
	const char *from = bytes.ptr;

	while (scan->at < size) {
		enum http_step step;
		int status = scan->at > scan->line_start
				     ? 0
				     : http_scan_first(scan, from[scan->at], fields_max);

		if (status)
			return http_scan_bad(status, ret_status);
		scan->at = (size_t)(http_find_control(from + scan->at, from + size) - from);
		if (scan->n_lines == 0 && scan->at - scan->line_start > limits->line_max)
			return http_scan_bad(414, ret_status);
		if (scan->at < size && from[scan->at] != '\r')
			return http_scan_bad(400, ret_status);
		if (size - scan->at < 2)
			break; /* inside a line, or at a CR whose next byte is not there yet */
		if (from[scan->at + 1] != '\n')
			return http_scan_bad(400, ret_status);
		step = http_scan_line(scan, leading_crlf, ret_status);
		if (step == HTTP_WHOLE)
			*ret_size = scan->at;
		if (step != HTTP_MORE)
			return step;
	}
	return bytes.len < limits->head_max ? HTTP_MORE : http_scan_bad(431, ret_status);
}

enum http_step http_head_scan(struct http_scan *scan, struct str bytes,
			      const struct http_limits *limits, size_t *ret_size, int *ret_status)
{
	return http_scan_bytes(scan, bytes, limits, true, ret_size, ret_status);
}

enum http_step http_response_scan(struct http_scan *scan, struct str bytes,
				  const struct http_limits *limits, size_t *ret_size)
{
	int status;

	return http_scan_bytes(scan, bytes, limits, false, ret_size, &status);
}
