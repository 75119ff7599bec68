/* tests/server/http/second.c: that the second reading sees it, wherever the first one is wrong.
 *
 * What the first reading would find is made here, and then made wrong in one place at a time. */
#include "server/http/second.h"
#include "tests/lib/tap.h"

/* ------------------------------------------------------------ the right reading */

static struct str between(struct str bytes, const char *begin, size_t len)
{
	ptrdiff_t at = str_find(bytes, str_of(begin));

	check(at >= 0);
	return str_first(str_skip(bytes, (size_t)at), len);
}

static const struct str request_bytes = STR_INIT("POST /a?b HTTP/1.1\r\nHost: example.org\r\n"
						 "Content-Length: 12\r\nX-Empty:\r\n\r\n");
static const struct str chunked_bytes = STR_INIT("PUT /a HTTP/1.1\r\nHost: example.org\r\n"
						 "Transfer-Encoding: chunked\r\n\r\n");
static const struct str response_bytes = STR_INIT("HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n"
						  "X: \ty \r\n\r\n");

static struct http_field fields[4];

static struct http_field field_of(struct str bytes, const char *name, const char *value)
{
	struct str own = between(bytes, name, strlen(name));
	struct str rest = str_skip(bytes, (size_t)(own.ptr + own.len - bytes.ptr));

	return (struct http_field){ own, *value ? between(rest, value, strlen(value))
						: (struct str){ "", 0 } };
}

static struct second_expected of_request(void)
{
	fields[0] = field_of(request_bytes, "Host", "example.org");
	fields[1] = field_of(request_bytes, "Content-Length", "12");
	fields[2] = field_of(request_bytes, "X-Empty", "");
	return (struct second_expected){ .method = between(request_bytes, "POST", 4),
					 .target = between(request_bytes, "/a?b", 4),
					 .has_length = true,
					 .length = 12,
					 .fields = fields,
					 .n_fields = 3,
					 .minor = between(request_bytes, "1\r", 1).ptr };
}

static struct second_expected of_chunked(void)
{
	fields[0] = field_of(chunked_bytes, "Host", "example.org");
	fields[1] = field_of(chunked_bytes, "Transfer-Encoding", "chunked");
	return (struct second_expected){ .method = between(chunked_bytes, "PUT", 3),
					 .target = between(chunked_bytes, "/a", 2),
					 .chunked = true,
					 .fields = fields,
					 .n_fields = 2,
					 .minor = between(chunked_bytes, "1\r", 1).ptr };
}

static struct second_expected of_response(void)
{
	fields[0] = field_of(response_bytes, "Content-Length", "12");
	fields[1] = field_of(response_bytes, "X", "y");
	return (struct second_expected){ .status = 404,
					 .has_length = true,
					 .length = 12,
					 .fields = fields,
					 .n_fields = 2,
					 .minor = between(response_bytes, "1 4", 1).ptr };
}

static void what_is_right_is_agreed_on(void)
{
	struct second_expected request = of_request();

	is_true(second_agrees_on_request(request_bytes, &request));
	request = of_chunked();
	is_true(second_agrees_on_request(chunked_bytes, &request));
	request = of_response();
	is_true(second_agrees_on_response(response_bytes, &request));
}

/* ------------------------------------------------------------ wrong ones */

#define is_seen_in(make, agrees, bytes, change)                                                    \
	do {                                                                                       \
		struct second_expected expected = make();                                          \
                                                                                                   \
		change;                                                                            \
		is_false(agrees(bytes, &expected));                                                \
	} while (0)
#define is_seen(change) is_seen_in(of_request, second_agrees_on_request, request_bytes, change)
#define is_seen_in_chunked(change)                                                                 \
	is_seen_in(of_chunked, second_agrees_on_request, chunked_bytes, change)
#define is_seen_in_response(change)                                                                \
	is_seen_in(of_response, second_agrees_on_response, response_bytes, change)

static void a_line_that_is_cut_otherwise_is_seen(void)
{
	is_seen(expected.method.len--);
	is_seen(expected.method = str_skip(expected.method, 1));
	is_seen(expected.target.len--);
	is_seen(expected.target = str_skip(expected.target, 1));
	is_seen_in_response(expected.status = 405);
}

static void a_field_that_is_cut_otherwise_is_seen(void)
{
	is_seen(fields[0].name.len--);
	is_seen(fields[0].name = str_skip(fields[0].name, 1));
	is_seen(fields[0].value.len--);
	is_seen(fields[0].value = str_skip(fields[0].value, 1));
	is_seen(fields[2].value = fields[0].value);
	is_seen_in_response(fields[1].value.len++); /* the white space behind it */
	is_seen_in_response(fields[1].value.ptr--);
}

static void a_field_too_many_or_too_few_is_seen(void)
{
	is_seen(expected.n_fields--);
	is_seen(expected.n_fields = 0);
	is_seen(fields[3] = fields[2]; expected.n_fields++);
	is_seen_in_response(expected.n_fields--);
}

static void another_framing_is_seen(void)
{
	is_seen(expected.length = 11);
	is_seen(expected.has_length = false; expected.length = 0);
	is_seen(expected.chunked = true);
	is_seen_in_chunked(expected.chunked = false);
	is_seen_in_chunked(expected.has_length = true);
	is_seen_in_response(expected.has_length = false; expected.length = 0);
}

/* "GET /1 HTTP/1.?", with "Host: a". */
static struct second_expected of_get(struct str bytes)
{
	fields[0] = field_of(bytes, "Host", "a");
	return (struct second_expected){ .method = between(bytes, "GET", 3),
					 .target = between(bytes, "/1", 2),
					 .fields = fields,
					 .n_fields = 1,
					 .minor = between(bytes, "\r", 1).ptr - 1 };
}

static void a_head_that_ends_elsewhere_is_seen(void)
{
	static const struct str longer = STR_INIT("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET");
	struct second_expected expected = of_get(longer);

	is_true(second_agrees_on_request(str_first(longer, longer.len - 3), &expected));
	is_false(second_agrees_on_request(longer, &expected));
	is_false(second_agrees_on_request(str_first(longer, longer.len - 4), &expected));
	is_false(second_agrees_on_request(str_first(longer, longer.len - 5), &expected));
}

static void a_higher_minor_version_is_read_as_1_1(void)
{
	static const struct str bytes = STR_INIT("GET /1 HTTP/1.7\r\nHost: a\r\n\r\n");
	struct second_expected expected = of_get(bytes);

	is_true(second_agrees_on_request(bytes, &expected));
	expected.target.len--;
	is_false(second_agrees_on_request(bytes, &expected));
	expected.target.len++;
	fields[0].value.len++;
	is_false(second_agrees_on_request(bytes, &expected));
}

static void methods_are_known_by_their_whole_name(void)
{
	is_true(second_knows_method(STR("GET")));
	is_true(second_knows_method(STR("M-SEARCH")));
	is_false(second_knows_method(STR("get")));
	is_false(second_knows_method(STR("GE")));
	is_false(second_knows_method(STR("GETS")));
	is_false(second_knows_method(STR("")));
}

int main(void)
{
	TEST(what_is_right_is_agreed_on);
	TEST(a_line_that_is_cut_otherwise_is_seen);
	TEST(a_field_that_is_cut_otherwise_is_seen);
	TEST(a_field_too_many_or_too_few_is_seen);
	TEST(another_framing_is_seen);
	TEST(a_head_that_ends_elsewhere_is_seen);
	TEST(a_higher_minor_version_is_read_as_1_1);
	TEST(methods_are_known_by_their_whole_name);
	return tap_done();
}
