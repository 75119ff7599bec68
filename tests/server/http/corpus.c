/* tests/server/http/corpus.c: the byte streams of tests/e2e/corpus, through heads, paths and
 * bodies, without sockets.
 *
 * The application is that of the corpus: /echo, /static/a.txt, 404. What is asked: the first
 * status is one that the case allows, the number of answers too, nothing that must stay hidden
 * is served, and it is all the same when the bytes come one by one. The files' form is known, so
 * it is searched for rather than parsed. */
#include "core/base/buf.h"
#include "server/http/body.h"
#include "server/http/path.h"
#include "tests/lib/tap.h"
#include <stdlib.h>

static const struct http_limits limits = {
	.line_max = 8192, .head_max = 32768, .fields_max = 100, .body_max = 1 << 20
};
static const struct http_body_limits body_limits = { .body_max = 1 << 20,
						     .extensions_max = 16384,
						     .trailers_max = 16384 };
static struct arena arena;

/* ------------------------------------------------------------------ the server */

/* The input: `shown` bytes of it have come so far. */
struct input {
	struct str bytes;
	size_t at, shown, step;
};

struct answers {
	unsigned n;
	int first;       /* status; 0: none */
	struct buf text; /* all of it */
};

static struct str input_now(const struct input *in)
{
	return (struct str){ in->bytes.ptr + in->at, in->shown - in->at };
}

static bool input_more(struct input *in)
{
	if (in->shown == in->bytes.len)
		return false;
	in->shown += MIN(in->step, in->bytes.len - in->shown);
	return true;
}

static void answer(struct answers *answers, int status, struct str body)
{
	if (answers->n++ == 0)
		answers->first = status;
	buf_printf(&answers->text, "%d(%.*s) ", status, STR_ARG(body));
}

/* 0, 400 where the input ends before the head does, or nothing was sent: -1. */
static int read_head(struct input *in, struct http_head *head)
{
	struct http_scan scan = { 0 };
	enum http_step step;
	size_t size;
	int status;

	while ((step = http_head_scan(&scan, input_now(in), &limits, &size, &status)) == HTTP_MORE)
		if (!input_more(in))
			return in->at == in->shown ? -1 : 400;
	if (step == HTTP_BAD)
		return status;
	status = http_head_parse(str_first(input_now(in), size), &limits, head);
	in->at += size;
	return status;
}

static int read_length(struct input *in, uint64_t length, struct buf *body)
{
	while (in->shown - in->at < length)
		if (!input_more(in))
			return 400;
	buf_add(body, str_first(input_now(in), (size_t)length));
	in->at += (size_t)length;
	return 0;
}

static int read_chunked(struct input *in, struct http_body *chunks, struct buf *body)
{
	for (;;) {
		struct str data;
		size_t used;
		int status;
		enum http_body_step step =
			http_body_read(chunks, input_now(in), &used, &data, &status);

		in->at += used;
		if (step == HTTP_BODY_BAD)
			return status;
		if (step == HTTP_BODY_END)
			return 0;
		if (step == HTTP_BODY_DATA)
			buf_add(body, data);
		else if (!input_more(in))
			return 400;
	}
}

static int read_body(struct input *in, const struct http_head *head, struct buf *body)
{
	struct http_body *chunks;
	int status;

	if (!head->chunked)
		return read_length(in, head->length, body);
	chunks = http_body_create(&body_limits, false);
	status = read_chunked(in, chunks, body);
	http_body_destroy(chunks);
	return status;
}

static int apply(const struct http_head *head, struct str *body)
{
	struct str segments[HTTP_SEGMENTS_MAX], raws[HTTP_SEGMENTS_MAX];
	struct http_path path = { .segments = segments, .raw = raws };
	bool reads = head->method_id == HTTP_GET || head->method_id == HTTP_HEAD;
	bool is_echo, is_file;

	if (str_eq(head->path, STR("*")))
		return 204;
	if (http_path_parse(head->path, &arena, &path) < 0)
		return 400;
	is_echo = path.n_segments == 1 && str_eq(segments[0], STR("echo"));
	is_file = path.n_segments == 2 && str_eq(segments[0], STR("static")) &&
		  str_eq(segments[1], STR("a.txt"));
	if (!is_echo && !is_file)
		return 404;
	if (!reads && (is_file || head->method_id != HTTP_POST))
		return 405;
	if (is_file)
		*body = STR("abcdefghijklmnopqrstuvwxyz");
	else if (body->len == 0)
		*body = STR("hello");
	return 200;
}

/* One request; false when the connection closes. */
static bool serve(struct input *in, struct answers *answers)
{
	static struct http_field fields[HTTP_FIELDS_MAX];
	struct http_head head = { .fields = fields };
	struct str reply;
	struct buf body;
	int status;

	buf_init_arena(&body, &arena);
	status = read_head(in, &head);
	if (status == 0)
		status = read_body(in, &head, &body);
	if (status < 0)
		return false;
	if (status > 0) {
		answer(answers, status, STR(""));
		return false;
	}
	reply = buf_str(&body);
	status = apply(&head, &reply);
	answer(answers, status, status == 200 ? reply : STR(""));
	return head.keep_alive;
}

static void run(struct str bytes, size_t step, struct answers *answers)
{
	struct input in = { .bytes = bytes, .step = step };

	*answers = (struct answers){ 0 };
	buf_init_arena(&answers->text, &arena);
	while (serve(&in, answers))
		;
}

/* ------------------------------------------------------------------ the cases */

static int base64_digit(char c)
{
	if (char_is_alpha(c))
		return c >= 'a' ? c - 'a' + 26 : c - 'A';
	if (char_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void add_base64(struct buf *out, struct str text)
{
	uint32_t bits = 0;
	unsigned n_bits = 0;

	for (size_t i = 0; i < text.len && base64_digit(text.ptr[i]) >= 0; i++) {
		bits = bits << 6 | (uint32_t)base64_digit(text.ptr[i]);
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			buf_add_char(out, (char)(bits >> n_bits));
		}
	}
}

/* What stands behind the first `before` in the text; .ptr NULL when it is not there. */
static struct str behind(struct str text, struct str before)
{
	ptrdiff_t at = str_find(text, before);

	return at < 0 ? STR_NONE : str_skip(text, (size_t)at + before.len);
}

static struct str until(struct str text, char c)
{
	ptrdiff_t at = str_find_char(text, c);

	return at < 0 ? text : str_first(text, (size_t)at);
}

/* The bytes of all steps of "send"; strings in it are base64, keys, or the numbers' neighbours. */
static struct str case_bytes(struct str send)
{
	struct str repeated = STR_NONE, part;
	bool is_repeated = false;
	struct buf out;

	buf_init_arena(&out, &arena);
	for (struct str rest = send; rest.ptr;) {
		rest = behind(rest, STR("\""));
		if (!rest.ptr)
			break;
		part = until(rest, '"');
		rest = str_skip(rest, part.len + 1);
		if (str_eq(part, STR("b64"))) {
			is_repeated = true;
		} else if (str_eq(part, STR("times"))) {
			for (int n = atoi(behind(rest, STR(":")).ptr); n > 0; n--)
				add_base64(&out, repeated);
		} else if (is_repeated) {
			repeated = part;
			is_repeated = false;
		} else if (rest.len && rest.ptr[0] != ':') {
			add_base64(&out, part);
		}
	}
	return buf_str(&out);
}

/* Is `number` in the list that follows one of the keys in the text? */
static bool case_allows(struct str expect, struct str key, int number)
{
	struct str rest = expect, part;

	while ((rest = behind(rest, key)).ptr) {
		struct str list = until(rest, ']');

		while (str_next_part(&list, ',', &part))
			if (part.len && atoi(part.ptr) == number)
				return true;
	}
	return false;
}

static bool case_is_in(struct str line, const char *const areas[])
{
	struct str area = until(behind(line, STR("\"area\":\"")), '"');

	for (; *areas; areas++)
		if (str_eq(area, str_of(*areas)))
			return true;
	return false;
}

/* One answer where there is a "status", else as many as "statuses" or "responses" say. */
static bool case_allows_count(struct str expect, unsigned n)
{
	struct str rest = expect;

	if (n == 1 && str_find(expect, STR("\"status\":[")) >= 0)
		return true;
	while ((rest = behind(rest, STR("\"statuses\":["))).ptr) {
		struct str lists = str_first(rest, (size_t)str_find(rest, STR("]]")));
		unsigned n_lists = 0;

		for (size_t i = 0; i < lists.len; i++)
			n_lists += lists.ptr[i] == '[';
		if (n_lists == n)
			return true;
	}
	for (rest = expect; (rest = behind(rest, STR("\"responses\":"))).ptr;)
		if ((unsigned)atoi(rest.ptr) == n)
			return true;
	return false;
}

static bool case_is_met(struct str expect, const struct answers *answers)
{
	bool hidden = str_find(expect, STR("\"must_not\":\"abcdefgh")) >= 0;
	bool quiet = str_find(expect, STR("\"close_ok\"")) >= 0 ||
		     str_find(expect, STR("\"responses\":0")) >= 0;

	if (answers->n == 0)
		return quiet;
	if (hidden && str_find(buf_str(&answers->text), STR("(abcdefgh")) >= 0)
		return false;
	if (!case_allows_count(expect, answers->n))
		return false;
	return case_allows(expect, STR("\"status\":["), answers->first) ||
	       case_allows(expect, STR("\"statuses\":[["), answers->first);
}

static void case_check(struct str line)
{
	struct str id = until(behind(line, STR("\"id\":\"")), '"');
	struct str send = behind(line, STR("\"send\":["));
	ptrdiff_t end = str_find(send, STR("\"expect\":"));
	struct answers whole, by_byte;
	struct str bytes;

	check(end > 0);
	bytes = case_bytes(str_first(send, (size_t)end));
	run(bytes, bytes.len ? bytes.len : 1, &whole);
	tap_ok(case_is_met(str_skip(send, (size_t)end), &whole), __FILE__, __LINE__,
	       "%.*s: %u answers: %.*s", STR_ARG(id), whole.n,
	       STR_ARG(str_first(buf_str(&whole.text), 60)));
	run(bytes, bytes.len > 20000 ? 1021 : 1, &by_byte);
	tap_ok(str_eq(buf_str(&whole.text), buf_str(&by_byte.text)), __FILE__, __LINE__,
	       "%.*s: the same byte by byte", STR_ARG(id));
}

static void every_stream_of_the_corpus_is_read_as_it_asks(void)
{
	static const char *const areas[] = { "base", "line",  "field", "target", "host", "cl",
					     "te",   "chunk", "frag",  "conn",   NULL };
	FILE *file = fopen("tests/e2e/corpus/h1-cases.jsonl", "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	check(file);
	while ((len = getline(&line, &size, file)) > 0) {
		struct str text = { line, (size_t)len };

		if (case_is_in(text, areas))
			case_check(text);
		arena_reset(&arena);
	}
	free(line);
	fclose(file);
}

int main(void)
{
	arena_init_required(&arena);
	TEST(every_stream_of_the_corpus_is_read_as_it_asks);
	arena_fini(&arena);
	return tap_done();
}
