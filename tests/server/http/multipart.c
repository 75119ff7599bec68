/* tests/server/http/multipart.c */
#include "tests/server/http/multipart.h"
#include "server/http/parameters.h"
#include "tests/lib/tap.h"

#define FIELD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n"

static const struct {
	const char *body, *want;
} bodies[] = {
	{ "--B\r\n" FIELD("a") "\r\n1\r\n--B--\r\n", "<a|-|text/plain>1</>." },
	{ "--B\r\n" FIELD("a") "\r\n1\r\n--B--", "<a|-|text/plain>1</>." },
	{ "--B--", "." },
	{ "--B--\r\n", "." },
	{ "--B-- \t\r\nepilogue\r\n--B\r\n", "." },
	{ "\r\n--B--", "." },
	{ "preamble\r\nmore\r\n--B\r\n" FIELD("a") "\r\n1\r\n--B--\r\nepilogue",
	  "<a|-|text/plain>1</>." },
	{ "--B \t \r\n" FIELD("a") "\r\n1\r\n--B \r\n" FIELD("b") "\r\n2\r\n--B--",
	  "<a|-|text/plain>1</><b|-|text/plain>2</>." },
	/* content that begins as a delimiter */
	{ "--B\r\n" FIELD("a") "\r\n\r\r\n\r\n-\r\n--\r\n--A\r\n\r\n--B--",
	  "<a|-|text/plain>\r\r\n\r\n-\r\n--\r\n--A\r\n</>." },
	{ "--B\r\n" FIELD("a") "\r\nx--B\n--B\r--B\r\n--B--",
	  "<a|-|text/plain>x--B\n--B\r--B</>." },
	{ "--B\r\n" FIELD("a") "\r\n\r\n--B--", "<a|-|text/plain></>." },
	{ "--B\r\n" FIELD("a") "\r\n--B--", "<a|-|text/plain></>." }, /* no body at all */
	{ "--B\r\n" FIELD("a") "\r\n--A\r\n--B--", "<a|-|text/plain>--A</>." },
	{ "--B\r\n" FIELD("a") "\r\n-\r\n--B--", "<a|-|text/plain>-</>." },
	{ "--B\r\n" FIELD("a") "\r\n\r\n\r\n\r\n--B--", "<a|-|text/plain>\r\n\r\n</>." },
	/* not whole */
	{ "", "?" },
	{ "no delimiter", "?" },
	{ "--B", "?" },
	{ "--B-", "?" },
	{ "--B--\r", "?" },
	{ "--B\r\n" FIELD("a") "\r\n1\r\n--B", "<a|-|text/plain>1</>?" },
	{ "--B\r\n" FIELD("a") "\r\n1\r\n--", "<a|-|text/plain>1?" },
	{ "--B\r\n" FIELD("a"), "?" },
	/* malformed */
	{ "--Bx\r\n", "!400 a line that begins as a delimiter and is none" },
	{ "--B\n" FIELD("a"), "!400 a line that begins as a delimiter and is none" },
	{ "--B\rx", "!400 a line that begins as a delimiter and is none" },
	{ "--B-x", "!400 a line that begins as a delimiter and is none" },
	{ "--B--x", "!400 a line that begins as a delimiter and is none" },
	{ "--B--\rx", "!400 a line that begins as a delimiter and is none" },
	{ "--B\r\n\r\n1\r\n--B--", "!400 a part without a Content-Disposition of form-data" },
	{ "--B\r\nContent-Disposition: attachment; name=a\r\n\r\n",
	  "!400 a part without a Content-Disposition of form-data" },
	{ "--B\r\nContent-Disposition: form-data\r\n\r\n", "!400 a part without a name" },
	{ "--B\r\nContent-Disposition: form-data; filename=x\r\n\r\n",
	  "!400 a part without a name" },
	{ "--B\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n",
	  "!400 a part with two names" },
	{ "--B\r\nContent-Disposition: form-data; name\r\n\r\n",
	  "!400 a malformed Content-Disposition" },
	{ "--B\r\nContent-Disposition: form-data; name=\"a\r\n\r\n",
	  "!400 a malformed Content-Disposition" },
	{ "--B\r\nContent-Disposition: form-data; name=\"a\" x\r\n\r\n",
	  "!400 a malformed Content-Disposition" },
	{ "--B\r\nContent-Disposition: form-data; name=\"a\\\"\r\n\r\n",
	  "!400 a malformed Content-Disposition" },
	{ "--B\r\n" FIELD("\xff") "\r\n", "!400 a part whose name is not UTF-8" },
	{ "--B\r\n" FIELD("a") FIELD("b") "\r\n", "!400 a field of a part is there twice" },
	{ "--B\r\n" FIELD("a") " folded\r\n\r\n", "!400 a field of a part is malformed" },
	{ "--B\r\n" FIELD("a") "X : 1\r\n\r\n", "!400 a field of a part is malformed" },
	{ "--B\r\n" FIELD("a") "X\r\n\r\n", "!400 a field of a part is malformed" },
	{ "--B\r\n" FIELD("a") "X: a\nb\r\n\r\n", "!400 a field of a part is malformed" },
	{ "--B\r\n" FIELD("a") "X: a\rb\r\n\r\n", "!400 a field of a part is malformed" },
	{ "--B\r\n" FIELD("a") "\rx\r\n\r\n", "!400 a field of a part is malformed" },
	{ "--B\r\n\n" FIELD("a") "\r\n", "!400 a field of a part is malformed" },
	{ "--B\r\n" FIELD("a") "\n\r\n", "!400 a field of a part is malformed" },
	{ "--B\r\n" FIELD("a") "Content-Transfer-Encoding: base64\r\n\r\n",
	  "!400 a Content-Transfer-Encoding; send the part as it is" },
	/* fields */
	{ "--B\r\ncontent-disposition:form-data;NAME=a;;filename=b.txt ; x=y\r\n"
	  "content-TYPE:\timage/png \r\nX-Other: 1\r\nContent-Transfer-Encoding: "
	  "Binary\r\n\r\n\r\n--B--",
	  "<a|b.txt|image/png></>." },
	{ "--B\r\nContent-Disposition: form-data; name=\"a\"; filename=\"\"\r\n\r\n\r\n--B--",
	  "<a||text/plain></>." },
	{ "--B\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n\r\n--B--",
	  "<|-|text/plain></>." },
	{ "--B\r\nContent-Disposition: form-data; name=\"a%22%0d%0A%2541%\"\r\n\r\n\r\n--B--",
	  "<a\"\r\n%2541%|-|text/plain></>." },
	{ "--B\r\nContent-Disposition: form-data; name=a; "
	  "filename=\"C:\\dir\\x\\\"y.txt\"\r\n\r\n\r\n--B--",
	  "<a|x\"y.txt|text/plain></>." },
	{ "--B\r\nContent-Disposition: form-data; name=a; "
	  "filename=\"../../etc/passwd\"\r\n\r\n\r\n--B--",
	  "<a|passwd|text/plain></>." },
	{ "--B\r\nContent-Disposition: form-data; name=a; filename*=UTF-8''x%2Fy; "
	  "filename=z\r\n\r\n\r\n--B--",
	  "<a|z|text/plain></>." },
	{ "--B\r\nContent-Disposition: form-data; name=a; filename*=UTF-8''x\r\n\r\n\r\n--B--",
	  "<a|-|text/plain></>." },
	{ "--B\r\n" FIELD("\xc3\xa9") "\r\n\r\n--B--", "<\xc3\xa9|-|text/plain></>." },
	/* as many as may be are four */
	{ "--B\r\n" FIELD("a") "\r\n--B\r\n" FIELD("a") "\r\n--B\r\n" FIELD(
		  "a") "\r\n--B\r\n" FIELD("a") "\r\n--B--",
	  "<a|-|text/plain></><a|-|text/plain></><a|-|text/plain></><a|-|text/plain></>." },
	{ "--B\r\n" FIELD("a") "\r\n--B\r\n" FIELD("a") "\r\n--B\r\n" FIELD(
		  "a") "\r\n--B\r\n" FIELD("a") "\r\n--B\r\n" FIELD("a") "\r\n--B--",
	  "<a|-|text/plain></><a|-|text/plain></><a|-|text/plain></><a|-|text/plain></>!413 too "
	  "many "
	  "parts" },
};

static void bodies_are_read_alike_however_they_are_cut(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		for (size_t cut = 1; cut <= 40; cut = cut < 8 ? cut + 1 : cut * 5) {
			struct buf out;

			buf_init(&out, 1 << 16);
			multipart_transcribe(STR("B"), str_of(bodies[i].body), cut, &out);
			tap_is_str(buf_str(&out), str_of(bodies[i].want), __FILE__, __LINE__,
				   bodies[i].body);
			buf_fini(&out);
		}
}

static void a_head_has_a_bound(void)
{
	struct buf body, out;

	buf_init(&body, 1 << 16);
	buf_init(&out, 1 << 16);
	buf_add(&body, STR("--B\r\nX: "));
	while (body.len < 5 + MULTIPART_HEAD_MAX)
		buf_add_char(&body, 'x');
	multipart_transcribe(STR("B"), buf_str(&body), SIZE_MAX / 2, &out);
	is_str(buf_str(&out), STR("?"));
	buf_clear(&out);
	buf_add_char(&body, 'x');
	multipart_transcribe(STR("B"), buf_str(&body), SIZE_MAX / 2, &out);
	is_str(buf_str(&out), STR("!400 the fields of a part are too long"));
	buf_fini(&body);
	buf_fini(&out);
}

static void long_boundaries_match(void)
{
	const struct str boundary =
		STR("0123456789012345678901234567890123456789012345678901234567890123456789");
	struct buf body, out;

	buf_init(&body, 1 << 16);
	buf_init(&out, 1 << 16);
	buf_printf(&body, "--%.*s\r\n" FIELD("a") "\r\n\r\n--%.*s\r\n--%.*s--", STR_ARG(boundary),
		   69, boundary.ptr, STR_ARG(boundary));
	multipart_transcribe(boundary, buf_str(&body), 7, &out);
	is_int(out.len, strlen("<a|-|text/plain></>.") + 2 + 2 + 69);
	buf_fini(&body);
	buf_fini(&out);
}

static void a_boundary_is_one_of_rfc_2046(void)
{
	static const struct {
		const char *type, *want; /* NULL: none */
	} rows[] = {
		{ "multipart/form-data; boundary=abc", "abc" },
		{ "multipart/form-data;BOUNDARY=\"a b:c=?\";charset=utf-8", "a b:c=?" },
		{ "multipart/form-data; charset=utf-8; "
		  "boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
		  "----WebKitFormBoundary7MA4YWxkTrZu0gW" },
		{ "multipart/form-data", NULL },
		{ "multipart/form-data; boundary=", NULL },
		{ "multipart/form-data; boundary=\"\"", NULL },
		{ "multipart/form-data; boundary=\"a \"", NULL },
		{ "multipart/form-data; boundary=a; boundary=a", NULL },
		{ "multipart/form-data; boundary=a:b", NULL },
		{ "multipart/form-data; boundary=\"a\\\"b\"", NULL },
		{ "multipart/form-data; boundary=\"\xc3\xa9\"", NULL },
		{ "multipart/form-data; boundary=a b", NULL },
		{ "multipart/form-data; "
		  "boundary=01234567890123456789012345678901234567890123456789012345"
		  "678901234567890",
		  NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str got = multipart_boundary(str_of(rows[i].type));

		tap_ok((got.ptr != NULL) == (rows[i].want != NULL) &&
			       (!got.ptr || str_eq(got, str_of(rows[i].want))),
		       __FILE__, __LINE__, "%s: %.*s", rows[i].type, STR_ARG(got));
	}
}

static void parameters_are_taken_one_by_one(void)
{
	struct str rest = STR(" text/plain ; a=b ;; c = d");
	struct http_parameter parameter;

	is_str(http_parameters_begin(&rest), STR("text/plain"));
	is_int(http_parameters_next(&rest, &parameter), 1);
	is_str(parameter.name, STR("a"));
	is_str(parameter.value, STR("b"));
	is_int(http_parameters_next(&rest, &parameter), -1);
	rest = STR("x; a=\"\\\"\\\\;\"");
	http_parameters_begin(&rest);
	is_int(http_parameters_next(&rest, &parameter), 1);
	is_true(parameter.quoted);
	is_str(parameter.value, STR("\\\"\\\\;"));
	is_int(http_parameters_next(&rest, &parameter), 0);
}

int main(void)
{
	TEST(bodies_are_read_alike_however_they_are_cut);
	TEST(a_head_has_a_bound);
	TEST(long_boundaries_match);
	TEST(a_boundary_is_one_of_rfc_2046);
	TEST(parameters_are_taken_one_by_one);
	return tap_done();
}
