/* tests/server/http/trailers.c: names, and which of them may stand behind a body. */
#include "server/http/trailers.h"
#include "server/http/fields.h"
#include "tests/lib/tap.h"

static bool may_pass(const char *name)
{
	return http_trailer_may_pass(str_of(name));
}

static void names_are_alike_whatever_their_case_and_dashes_are(void)
{
	is_true(http_names_alike(STR("X-Forwarded-For"), STR("x_forwarded_FOR")));
	is_true(http_names_alike(STR("x_a-b"), STR("X-A_B")));
	is_true(http_names_alike(STR(""), STR("")));
	is_false(http_names_alike(STR("X-A"), STR("X-AB")));
	is_false(http_names_alike(STR("X-A"), STR("X.A")));
	is_false(http_names_alike(STR("XA"), STR("X-A")));
}

static void what_only_a_head_may_say_does_not_pass(void)
{
	is_false(may_pass("Content-Length"));
	is_false(may_pass("content_length"));
	is_false(may_pass("Transfer-Encoding"));
	is_false(may_pass("transfer_encoding"));
	is_false(may_pass("HTTP2-Settings"));
	is_false(may_pass("If-Match"));
	is_false(may_pass("X-Forwarded-Proto"));
	is_false(may_pass("X_Forwarded_Proto"));
	is_false(may_pass("Set-Cookie"));
}

static void what_is_said_of_the_whole_passes(void)
{
	is_true(may_pass("Grpc-Status"));
	is_true(may_pass("Content-Digest"));
	is_true(may_pass("Server-Timing"));
	is_true(may_pass("if"));
	is_true(may_pass("X"));
}

int main(void)
{
	TEST(names_are_alike_whatever_their_case_and_dashes_are);
	TEST(what_only_a_head_may_say_does_not_pass);
	TEST(what_is_said_of_the_whole_passes);
	return tap_done();
}
