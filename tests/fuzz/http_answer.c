/* tests/fuzz/http_answer.c: a response reads the same however it is cut.
 *
 * The first byte says how: the size of the pieces, and whether HEAD was asked. */
#include "server/client/http_answer.h"

enum { BODY_MAX = 512, ARENA_MAX = 1 << 20 };

struct reading {
	struct arena arena;
	struct http_answer answer;
	size_t n_used;
};

static void reading_run(struct reading *reading, struct str bytes, enum http_method method,
			size_t size)
{
	reading->n_used = 0;
	arena_init(&reading->arena, ARENA_MAX);
	http_answer_init(&reading->answer, &reading->arena, method, BODY_MAX);
	while (reading->n_used < bytes.len) {
		struct str piece = str_first(str_skip(bytes, reading->n_used), size);
		size_t used = http_answer_read(&reading->answer, piece);

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
	check(ra->body.len <= BODY_MAX && str_eq(ra->body, rb->body));
	for (size_t i = 0; i < ra->n_fields; i++)
		check(str_eq(ra->fields[i].name, rb->fields[i].name) &&
		      str_eq(ra->fields[i].value, rb->fields[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reading whole, cut;
	struct str bytes;

	if (size < 2)
		return 0;
	bytes = (struct str){ (const char *)data + 1, size - 1 };
	reading_run(&whole, bytes, data[0] & 1 ? HTTP_HEAD : HTTP_GET, SIZE_MAX);
	reading_run(&cut, bytes, data[0] & 1 ? HTTP_HEAD : HTTP_GET, (size_t)(data[0] >> 1) + 1);
	reading_compare(&whole, &cut);
	reading_fini(&whole);
	reading_fini(&cut);
	return 0;
}
