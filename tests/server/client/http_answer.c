/* tests/server/client/http_answer.c: however the bytes of a response are cut, it reads the same. */
#include "server/client/http_answer.h"
#include "tests/lib/tap.h"

struct result {
	enum http_answer_state state;
	enum http_call_error error;
	int status;
	size_t n_fields, body_len, n_used;
	char body[64];
	bool keep_alive;
};

static struct result read_in_pieces(struct str text, size_t size, bool closes, size_t body_max)
{
	struct http_answer answer;
	struct result result = { 0 };
	struct arena arena;

	arena_init(&arena, 1 << 20);
	http_answer_init(&answer, &arena, HTTP_GET, body_max);
	while (result.n_used < text.len) {
		struct str piece = str_first(str_skip(text, result.n_used), size);
		size_t used = http_answer_read(&answer, piece);

		result.n_used += used;
		if (used < piece.len)
			break;
	}
	if (closes)
		http_answer_end(&answer);
	result.state = answer.state;
	result.error = answer.error;
	if (answer.state == ANSWER_WHOLE) {
		result.status = answer.response.status;
		result.n_fields = answer.response.n_fields;
		result.keep_alive = answer.keep_alive;
		result.body_len = answer.response.body.len;
		check(result.body_len < sizeof(result.body));
		if (result.body_len)
			memcpy(result.body, answer.response.body.ptr, result.body_len);
	}
	http_answer_fini(&answer);
	arena_fini(&arena);
	return result;
}

/* Whole, then in pieces of every size: the same. */
static struct result read_all_ways(const char *text, bool closes, size_t body_max)
{
	struct str bytes = str_of(text);
	struct result whole = read_in_pieces(bytes, SIZE_MAX, closes, body_max);
	unsigned n_same = 0;

	for (size_t size = 1; size < bytes.len; size++) {
		struct result cut = read_in_pieces(bytes, size, closes, body_max);

		n_same += cut.state == whole.state && cut.error == whole.error &&
			  cut.status == whole.status && cut.n_fields == whole.n_fields &&
			  cut.body_len == whole.body_len && cut.keep_alive == whole.keep_alive &&
			  memcmp(cut.body, whole.body, sizeof(whole.body)) == 0 &&
			  (whole.state != ANSWER_WHOLE || cut.n_used == whole.n_used);
	}
	is_int(n_same, bytes.len - 1);
	return whole;
}

static void is_whole(const char *text, bool closes, int status, const char *body, size_t n_rest)
{
	struct result result = read_all_ways(text, closes, 60);

	is_int(result.state, ANSWER_WHOLE);
	is_int(result.status, status);
	is_text(result.body, body);
	is_int(strlen(text) - result.n_used, n_rest);
}

static void has_failed(const char *text, bool closes, size_t body_max, enum http_call_error error)
{
	struct result result = read_all_ways(text, closes, body_max);

	is_int(result.state, ANSWER_FAILED);
	is_int(result.error, error);
}

static void good_responses_read_the_same_however_cut(void)
{
	is_whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, "hello", 0);
	is_whole("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, 200, "", 0);
	is_whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP", false, 200, "hello", 4);
	is_whole("HTTP/1.1 204 No\r\n\r\n", false, 204, "", 0);
	is_whole("HTTP/1.1 200\r\n\r\nhello", true, 200, "hello", 0);
	is_whole("HTTP/1.1 200 OK\r\n\r\n", true, 200, "", 0);
	is_whole("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\n"
		 "HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx",
		 false, 404, "x", 0);
	is_whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "3;a=b\r\nhel\r\n002\r\nlo\r\n0\r\nT: 1\r\n\r\nHTTP",
		 false, 200, "hello", 4);
}

static void bad_responses_fail_the_same_however_cut(void)
{
	has_failed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", true, 60,
		   HTTP_CALL_BAD_RESPONSE);
	has_failed("HTTP/1.1 200 OK\r\nContent-Le", true, 60, HTTP_CALL_BAD_RESPONSE);
	has_failed("HT", true, 60, HTTP_CALL_BAD_RESPONSE);
	has_failed("HTTP/1.1 100 Continue\r\n\r\n", true, 60, HTTP_CALL_BAD_RESPONSE);
	has_failed("\r\nHTTP/1.1 200 OK\r\n\r\n", false, 60, HTTP_CALL_BAD_RESPONSE);
	has_failed("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", false, 60, HTTP_CALL_BAD_RESPONSE);
	has_failed("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", false, 60, HTTP_CALL_BAD_RESPONSE);
	has_failed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello", false, 60,
		   HTTP_CALL_BAD_RESPONSE);
	has_failed("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false,
		   60, HTTP_CALL_BAD_RESPONSE);
}

static void large_responses_fail_the_same_however_cut(void)
{
	has_failed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 4,
		   HTTP_CALL_TOO_LARGE);
	has_failed("HTTP/1.1 200 OK\r\n\r\nhello", true, 4, HTTP_CALL_TOO_LARGE);
	has_failed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n",
		   false, 4, HTTP_CALL_TOO_LARGE);
	has_failed("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", false, 60,
		   HTTP_CALL_TOO_LARGE);
	has_failed("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", false, 60,
		   HTTP_CALL_BAD_RESPONSE);
}

static void a_long_head_in_pieces_is_put_together(void)
{
	enum { VALUE = 9000 };
	static char text[VALUE + 100];
	struct http_answer answer;
	struct arena arena;
	int len = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nA: %0*d\r\nB: c\r\n\r\n", VALUE,
			   1);

	arena_init(&arena, 1 << 20);
	http_answer_init(&answer, &arena, HTTP_HEAD, 0);
	for (int at = 0; at < len; at += 100)
		http_answer_read(&answer, (struct str){ text + at, (size_t)MIN(100, len - at) });
	is_int(answer.state, ANSWER_WHOLE);
	is_int(answer.response.n_fields, 2);
	is_int(answer.response.fields[0].value.len, VALUE);
	is_int(answer.response.fields[0].value.ptr[VALUE - 1], '1');
	is_str(answer.response.fields[1].value, STR("c"));
	http_answer_fini(&answer);
	arena_fini(&arena);
}

/* A ceiling at every size: it fails for want of memory, or it works; it never writes where it
 * may not. */
static void any_ceiling_of_the_arena_is_safe(void)
{
	const struct str text = STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				    "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n");
	unsigned n_whole = 0, n_memory = 0;

	for (size_t max = 0; max < 8192; max += 16) {
		struct http_answer answer;
		struct arena arena;
		size_t at = 0;

		arena_init(&arena, max);
		http_answer_init(&answer, &arena, HTTP_GET, 4096);
		while (at < text.len && http_answer_read(&answer, str_first(str_skip(text, at), 7)))
			at += 7;
		n_whole += answer.state == ANSWER_WHOLE;
		n_memory += answer.state == ANSWER_FAILED && answer.error == HTTP_CALL_MEMORY;
		http_answer_fini(&answer);
		arena_fini(&arena);
	}
	is_int(n_whole + n_memory, 512);
	is_true(n_whole > 0);
	is_true(n_memory > 0);
}

int main(void)
{
	TEST(good_responses_read_the_same_however_cut);
	TEST(bad_responses_fail_the_same_however_cut);
	TEST(large_responses_fail_the_same_however_cut);
	TEST(a_long_head_in_pieces_is_put_together);
	TEST(any_ceiling_of_the_arena_is_safe);
	return tap_done();
}
