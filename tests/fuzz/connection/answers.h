/* tests/fuzz/connection/answers.h: whether bytes are answers, as a strict client reads them. */
#pragma once
#include "core/base/check.h"
#include "server/http/body.h"
#include "server/http/response.h"

enum { ANSWERS_MAX = 8 << 20 };

/* As many as there are ends of lines with nothing between: what the server takes for a head has
 * one. */
static size_t count_heads(struct str sent)
{
	size_t n = 0, line = 0;

	for (size_t i = 0; i < sent.len; i++) {
		if (sent.ptr[i] == '\n') {
			n += line == 0;
			line = 0;
		} else if (sent.ptr[i] != '\r') {
			line++;
		}
	}
	return n;
}

struct answers {
	struct str bytes;
	bool may_be_head; /* an answer without the body that it tells of */
	bool unfinished;
	bool ended;
	size_t n_final, n_max;
};

/* The size of a chunked body, 0 when it is not whole. */
static size_t chunked_size(struct str bytes)
{
	const struct http_body_limits limits = { ANSWERS_MAX, 0, 1000 };
	struct http_body *body = http_body_create(&limits, true);
	size_t at = 0;

	check(body);
	for (;;) {
		struct str data;
		size_t used;
		int status;
		enum http_body_step step =
			http_body_read(body, str_skip(bytes, at), &used, &data, &status);

		check(step != HTTP_BODY_BAD);
		at += used;
		if (step == HTTP_BODY_DATA)
			continue;
		http_body_destroy(body);
		return step == HTTP_BODY_END ? at : 0;
	}
}

/* What follows 101 from the server: whole frames without a mask, of which the last may be cut off, and
 * nothing behind a close. */
static bool frames_are_good(struct str rest)
{
	while (rest.len >= 2) {
		uint8_t first = (uint8_t)rest.ptr[0], second = (uint8_t)rest.ptr[1];
		size_t n_bytes = second == 126 ? 2 : second == 127 ? 8 : 0;
		uint64_t size = second;

		if (!(first & 0x80) || first & 0x30 || second & 0x80)
			return false;
		if (rest.len < 2 + n_bytes)
			return true;
		for (size_t i = 0; i < n_bytes; i++)
			size = (i ? size << 8 : 0) | (uint8_t)rest.ptr[2 + i];
		if (size >= rest.len - 2 - n_bytes)
			return size == rest.len - 2 - n_bytes || (first & 0x0f) != 8 || size < 126;
		if ((first & 0x0f) == 8)
			return false;
		rest = str_skip(rest, 2 + n_bytes + (size_t)size);
	}
	return true;
}

/* It goes on until its client or the server has enough. */
static bool is_event_stream(const struct http_response_head *head)
{
	for (size_t i = 0; i < head->n_fields; i++)
		if (str_eq_nocase(head->fields[i].name, STR("content-type")) &&
		    str_eq(head->fields[i].value, STR("text/event-stream")))
			return true;
	return false;
}

static bool answers_read(struct answers *answers, size_t at, size_t n_final);

static bool answers_rest(struct answers *answers, const struct http_response_head *head,
			 size_t body_at, bool is_head, size_t n_final)
{
	struct str rest = str_skip(answers->bytes, body_at);
	size_t size = 0;

	if (!is_head && head->framing == HTTP_FRAMING_LENGTH)
		size = (size_t)head->length;
	else if (!is_head && head->framing == HTTP_FRAMING_CHUNKED && !(size = chunked_size(rest)))
		return answers->unfinished || is_event_stream(head);
	else if (!is_head && head->framing == HTTP_FRAMING_CLOSE)
		return answers->ended;
	if (size > rest.len)
		return answers->unfinished;
	if (head->status >= 200 && !head->keep_alive)
		return rest.len == size && (answers->ended || answers->unfinished);
	return answers_read(answers, body_at + size, n_final);
}

/* Whether the bytes from `at` on are answers. That to a HEAD looks like one whose body is
 * missing, so both are tried where there was one. */
static bool answers_read(struct answers *answers, size_t at, size_t n_final)
{
	static const struct http_limits limits = { .line_max = 8192,
						   .head_max = 16384,
						   .fields_max = HTTP_FIELDS_MAX,
						   .body_max = ANSWERS_MAX };
	struct http_field fields[HTTP_FIELDS_MAX];
	struct http_response_head head = { .fields = fields };
	struct http_scan scan = { 0 };
	struct str rest = str_skip(answers->bytes, at);
	size_t size;

	if (rest.len == 0)
		return true;
	switch (http_response_scan(&scan, rest, &limits, &size)) {
	case HTTP_MORE:
		return answers->unfinished;
	case HTTP_BAD:
		return false;
	case HTTP_WHOLE:
		break;
	}
	if (http_response_parse(str_first(rest, size), HTTP_GET, &limits, &head) < 0)
		return false;
	if (head.status == 101)
		return frames_are_good(str_skip(answers->bytes, at + size));
	n_final += head.status >= 200;
	if (n_final > answers->n_max)
		return false;
	return answers_rest(answers, &head, at + size, false, n_final) ||
	       (answers->may_be_head && head.framing != HTTP_FRAMING_NONE &&
		answers_rest(answers, &head, at + size, true, n_final));
}
