/* tests/fuzz/http_answer.c: a response reads the same however it is cut, and whether its body is
 * kept or passed on.
 *
 * The first byte says how: the size of the pieces, and whether HEAD was asked. */
#include "server/client/http_answer.h"
#include <stdlib.h>

enum { BODY_MAX = 512, ARENA_MAX = 1 << 20 };

struct reading {
	struct arena arena;
	struct http_answer answer;
	size_t n_used;
	char passed[BODY_MAX]; /* the body that was passed on */
	size_t n_passed;
};

/* One that passes its body on; returns how many of the bytes it has used. */
static size_t reading_pass(struct reading *reading, struct str bytes)
{
	struct http_answer *answer = &reading->answer;
	size_t used = http_answer_read(answer, bytes);
	size_t left = bytes.len - used;
	struct str piece;
	char *copy;

	if (left == 0 || answer->state == ANSWER_HEAD || answer->state == ANSWER_WHOLE ||
	    answer->state == ANSWER_FAILED)
		return used;
	copy = malloc(left); /* just as large: what is read behind it is found */
	check(copy);
	memcpy(copy, bytes.ptr + used, left);
	used += http_answer_piece(answer, copy, left, &piece);
	check(piece.len <= left && piece.ptr == copy);
	check(piece.len <= BODY_MAX - reading->n_passed);
	memcpy(reading->passed + reading->n_passed, piece.ptr, piece.len);
	reading->n_passed += piece.len;
	free(copy);
	return used;
}

static void reading_run(struct reading *reading, struct str bytes, enum http_method method,
			size_t size, bool streams)
{
	reading->n_used = reading->n_passed = 0;
	arena_init(&reading->arena, ARENA_MAX);
	http_answer_init(&reading->answer, &reading->arena, method, BODY_MAX);
	reading->answer.streams = streams;
	while (reading->n_used < bytes.len) {
		struct str piece = str_first(str_skip(bytes, reading->n_used), size);
		size_t used = streams ? reading_pass(reading, piece)
				      : http_answer_read(&reading->answer, piece);

		check(used <= piece.len);
		reading->n_used += used;
		if (reading->answer.state == ANSWER_WHOLE || reading->answer.state == ANSWER_FAILED)
			break;
		check(used == piece.len);
	}
	http_answer_end(&reading->answer);
	check(reading->answer.state == ANSWER_WHOLE || reading->answer.state == ANSWER_FAILED);
}

static void reading_fini(struct reading *reading)
{
	http_answer_fini(&reading->answer);
	arena_fini(&reading->arena);
}

static void reading_compare(const struct reading *a, const struct reading *b)
{
	const struct http_call_response *ra = &a->answer.response, *rb = &b->answer.response;

	check(a->answer.state == b->answer.state && a->answer.error == b->answer.error);
	if (a->answer.state != ANSWER_WHOLE)
		return;
	check(a->n_used == b->n_used && a->answer.keep_alive == b->answer.keep_alive);
	check(ra->status == rb->status && ra->n_fields == rb->n_fields);
	check(ra->body.len <= BODY_MAX);
	if (b->answer.streams)
		check(str_eq(ra->body, (struct str){ b->passed, b->n_passed }));
	else
		check(str_eq(ra->body, rb->body));
	for (size_t i = 0; i < ra->n_fields; i++)
		check(str_eq(ra->fields[i].name, rb->fields[i].name) &&
		      str_eq(ra->fields[i].value, rb->fields[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reading whole, cut, passed;
	struct str bytes;
	enum http_method method;
	size_t piece;

	if (size < 2)
		return 0;
	bytes = (struct str){ (const char *)data + 1, size - 1 };
	method = data[0] & 1 ? HTTP_HEAD : HTTP_GET;
	piece = (size_t)(data[0] >> 1) + 1;
	reading_run(&whole, bytes, method, SIZE_MAX, false);
	reading_run(&cut, bytes, method, piece, false);
	reading_run(&passed, bytes, method, piece, true);
	reading_compare(&whole, &cut);
	reading_compare(&whole, &passed);
	reading_fini(&whole);
	reading_fini(&cut);
	reading_fini(&passed);
	return 0;
}
