/* tests/server/http/head_verdict.h: what is made of a head, at once and byte by byte; for the tests
 * of heads. */
#pragma once
#include "server/http/head.h"
#include "tests/lib/tap.h"

enum { MORE = -1 };

static const struct http_limits limits = {
	.line_max = 200, .head_max = 1000, .fields_max = 10, .body_max = 1000
};
static struct http_field fields[HTTP_FIELDS_MAX];
static struct http_head head;
static size_t head_size;

/* 0: accepted; a status; or MORE. The bytes come `step` at a time. */
static inline int verdict_in_steps(struct str bytes, size_t step)
{
	struct http_scan scan = { 0 };
	enum http_step scanned = HTTP_MORE;
	int status = 0;

	for (size_t len = MIN(step, bytes.len); scanned == HTTP_MORE; len += step) {
		len = MIN(len, bytes.len);
		scanned =
			http_head_scan(&scan, str_first(bytes, len), &limits, &head_size, &status);
		if (len == bytes.len)
			break;
	}
	if (scanned == HTTP_MORE)
		return MORE;
	if (scanned == HTTP_BAD)
		return status;
	head = (struct http_head){ .fields = fields };
	return http_head_parse(str_first(bytes, head_size), &limits, &head);
}

static inline int verdict_of(struct str bytes, const char *file, int line)
{
	int whole = verdict_in_steps(bytes, bytes.len), by_byte = verdict_in_steps(bytes, 1);

	tap_ok(whole == by_byte, file, line, "%d at once, %d byte by byte", whole, by_byte);
	return whole;
}

/* A text may hold a NUL, so it is a literal. */
#define verdict(literal) verdict_of(STR(literal), __FILE__, __LINE__)
#define is_verdict(literal, want)                                                                  \
	tap_is_int(verdict(literal), (want), __FILE__, __LINE__, "the verdict on " #literal)
/* With a good line, or a good line and Host, around what is tested. */
#define is_line(line, want) is_verdict(line "\r\nHost: a\r\n\r\n", want)
#define is_target(target, want) is_line("GET " target " HTTP/1.1", want)
#define is_fields(lines, want) is_verdict("POST / HTTP/1.1\r\nHost: a\r\n" lines "\r\n", want)
#define is_host(host, want) is_verdict("GET / HTTP/1.1\r\nHost:" host "\r\n\r\n", want)
