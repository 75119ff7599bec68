/* tests/server/http/libprocess.c: libprocess' form of a message, byte by byte. */
#include "server/http/libprocess.h"
#include "tests/lib/tap.h"

static struct http_field fields[HTTP_FIELDS_MAX];
static struct http_head head = { .fields = fields };
static struct libprocess_message message;

static const struct http_limits limits = {
	.line_max = 8192, .head_max = 32768, .fields_max = 100, .body_max = UINT64_MAX
};

/* A whole head: true when it is a message's, which is read then. */
static bool reads(const char *text)
{
	check(http_head_parse(str_of(text), &limits, &head) == 0);
	return libprocess_is_message(&head) && libprocess_read(&head, &message);
}

static void what_libprocess_sends_is_a_message(void)
{
	is_true(reads("POST /me/pong HTTP/1.1\r\n"
		      "User-Agent: libprocess/hello@127.0.0.1:15050\r\n"
		      "Libprocess-From: hello@127.0.0.1:15050\r\n"
		      "Connection: Keep-Alive\r\n"
		      "Host: 127.0.0.1:15099\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n"));
	is_str(message.to, STR("me"));
	is_str(message.name, STR("pong"));
	is_str(message.from, STR("hello@127.0.0.1:15050"));
	is_true(head.keep_alive);
}

static void a_host_that_old_versions_leave_empty_is_no_fault(void)
{
	is_true(reads(
		"POST /me/pong HTTP/1.1\r\nUser-Agent: libprocess/a@10.0.0.1:1\r\nHost: \r\n\r\n"));
	is_str(message.from, STR("a@10.0.0.1:1"));
}

static void either_field_makes_a_post_a_message_and_nothing_else_does(void)
{
	is_true(reads("POST /a/b HTTP/1.1\r\nHost: a\r\nLibprocess-From: x@1.2.3.4:5\r\n\r\n"));
	is_true(reads("POST /a/b HTTP/1.1\r\nHost: a\r\nuser-agent: libprocess/\r\n\r\n"));
	is_false(reads("GET /a/b HTTP/1.1\r\nHost: a\r\nLibprocess-From: x@1.2.3.4:5\r\n\r\n"));
	is_false(reads(
		"PUT /a/b HTTP/1.1\r\nHost: a\r\nUser-Agent: libprocess/x@1.2.3.4:5\r\n\r\n"));
	is_false(reads("POST /a/b HTTP/1.1\r\nHost: a\r\nUser-Agent: curl libprocess/\r\n\r\n"));
	is_false(reads("POST /a/b HTTP/1.1\r\nHost: a\r\n\r\n"));
}

static void libprocess_from_wins_and_what_cannot_be_read_is_nobody(void)
{
	is_true(reads("POST /a/b HTTP/1.1\r\nHost: a\r\nUser-Agent: libprocess/y@1.2.3.4:6\r\n"
		      "Libprocess-From: x@1.2.3.4:5\r\n\r\n"));
	is_str(message.from, STR("x@1.2.3.4:5"));
	is_true(reads("POST /a/b HTTP/1.1\r\nHost: a\r\nUser-Agent: libprocess/y@1.2.3.4:6\r\n"
		      "Libprocess-From: ?\r\n\r\n"));
	is_str(message.from, STR(""));
}

static void the_name_is_the_rest_of_the_path_as_it_is(void)
{
	is_true(reads(
		"POST /slave%281%29/a/b%20/c HTTP/1.1\r\nHost: a\r\nLibprocess-From: x\r\n\r\n"));
	is_str(message.to, STR("slave%281%29"));
	is_str(message.name, STR("a/b%20/c"));
	is_true(reads("POST /name HTTP/1.1\r\nHost: a\r\nLibprocess-From: x\r\n\r\n"));
	is_str(message.to, STR("name"));
	is_str(message.name, STR(""));
	is_true(reads("POST //name HTTP/1.1\r\nHost: a\r\nLibprocess-From: x\r\n\r\n"));
	is_str(message.to, STR(""));
	is_str(message.name, STR("name"));
}

static void a_pid_is_an_id_and_an_address(void)
{
	static const char *const bad[] = { "",          "@",         "a",        "a@",
					   "a@b",       "a@b:",      "a@b:0",    "a@b:65536",
					   "a@b:-1",    "@b:1",      "a@:1",     "a b@c:1",
					   "a@b@c:1",   "a@b c:1",   "a@::1:80", "a@[::1:80",
					   "a@b:1\x7f", "a\r\nb@c:1" };
	struct libprocess_pid pid;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (!is_false(libprocess_pid_read(str_of(bad[i]), &pid)))
			printf("# %s\n", bad[i]);
	is_true(libprocess_pid_read(STR("slave(1)@10.0.0.9:5051"), &pid));
	is_str(pid.id, STR("slave(1)"));
	is_str(pid.host, STR("10.0.0.9"));
	is_int(pid.port, 5051);
	is_true(libprocess_pid_read(STR("\xc3\xa9/?+@10.0.0.9:5051"), &pid));
	is_str(pid.id, STR("\xc3\xa9/?+"));
	is_false(libprocess_pid_read(STR("\xc3@10.0.0.9:5051"), &pid));
	is_true(libprocess_pid_read(STR("a@[2001:db8::1]:65535"), &pid));
	is_str(pid.host, STR("2001:db8::1"));
	is_int(pid.port, 65535);
}

static void nothing_that_would_change_the_path_is_sent(void)
{
	static const char *const bad[] = { "",   ".",   "..",   "a\r\nb", "a\tb",
					   "a%", "a%4", "a%zz", "a\x7f" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (!is_false(libprocess_id_is_right(str_of(bad[i]))))
			printf("# %s\n", bad[i]);
	is_false(libprocess_id_is_right((struct str){ "a\0b", 3 }));
	is_true(libprocess_id_is_right(STR("slave(1)")));
	is_true(libprocess_id_is_right(STR("cart%2Falice")));
	is_true(libprocess_name_is_right(STR("mesos.internal.PingMessage")));
	is_true(libprocess_name_is_right(STR("a/b")));
	is_false(libprocess_name_is_right(STR("a/../b")));
	is_false(libprocess_name_is_right(STR("..")));
	is_false(libprocess_name_is_right(STR("a%20b")));
	is_false(libprocess_name_is_right(STR("a b")));
	is_false(libprocess_name_is_right(STR("")));
}

static void what_is_sent_has_these_bytes_and_no_others(void)
{
	struct libprocess_letter letter = { .to = STR("pong"),
					    .name = STR("ping"),
					    .to_addr = STR("10.0.0.9:5050"),
					    .from = STR("me"),
					    .from_addr = STR("10.0.0.2:8080"),
					    .body = STR("payload is 26 bytes long..") };
	struct buf out;

	buf_init(&out, SIZE_MAX);
	libprocess_write(&letter, &out);
	is_str(buf_str(&out), STR("POST /pong/ping HTTP/1.1\r\n"
				  "User-Agent: libprocess/me@10.0.0.2:8080\r\n"
				  "Libprocess-From: me@10.0.0.2:8080\r\n"
				  "Connection: Keep-Alive\r\n"
				  "Host: 10.0.0.9:5050\r\n"
				  "Transfer-Encoding: chunked\r\n\r\n"
				  "1a\r\npayload is 26 bytes long..\r\n0\r\n\r\n"));
	buf_clear(&out);
	letter.to = STR("a+b c/d?%2Fe#\xc3\xa9(1)\"@");
	libprocess_write(&letter, &out);
	is_true(str_starts_with(
		buf_str(&out),
		STR("POST /a%2Bb%20c%2Fd%3F%2Fe%23%C3%A9(1)%22%40/ping HTTP/1.1\r\n")));
	buf_clear(&out);
	letter.to = STR("pong");
	letter.body = STR_NONE;
	libprocess_write(&letter, &out);
	is_str(buf_str(&out), STR("POST /pong/ping HTTP/1.1\r\n"
				  "User-Agent: libprocess/me@10.0.0.2:8080\r\n"
				  "Libprocess-From: me@10.0.0.2:8080\r\n"
				  "Connection: Keep-Alive\r\n"
				  "Host: 10.0.0.9:5050\r\n\r\n"));
	buf_fini(&out);
}

static void an_id_with_any_bytes_fits_into_a_path(void)
{
	struct buf out;

	buf_init(&out, SIZE_MAX);
	libprocess_write_id(STR("cart/a%2Fb c@\xc3\xa9\r\n"), &out);
	is_str(buf_str(&out), STR("cart%2Fa%252Fb%20c%40%C3%A9%0D%0A"));
	is_true(libprocess_id_is_right(buf_str(&out)));
	buf_fini(&out);
}

int main(void)
{
	TEST(what_libprocess_sends_is_a_message);
	TEST(a_host_that_old_versions_leave_empty_is_no_fault);
	TEST(either_field_makes_a_post_a_message_and_nothing_else_does);
	TEST(libprocess_from_wins_and_what_cannot_be_read_is_nobody);
	TEST(the_name_is_the_rest_of_the_path_as_it_is);
	TEST(a_pid_is_an_id_and_an_address);
	TEST(nothing_that_would_change_the_path_is_sent);
	TEST(what_is_sent_has_these_bytes_and_no_others);
	TEST(an_id_with_any_bytes_fits_into_a_path);
	return tap_done();
}
