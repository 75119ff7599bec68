/* tests/server/schema/format.c: texts that are of a format, and texts that are not. */
#include "server/schema/format.h"
#include "server/schema/pattern.h"
#include "tests/lib/tap.h"

struct row {
	const char *format;
	const char *valid[16], *invalid[28]; /* NULL at the end */
};

static const struct row rows[] = {
	{ "date-time",
	  { "1963-06-19T08:30:06.283185Z", "1963-06-19T08:30:06Z", "1937-01-01T12:00:27.87+00:20",
	    "1990-12-31T15:59:50.123-08:00", "1998-12-31T23:59:60Z",
	    "1998-12-31T15:59:60.123-08:00", "1963-06-19t08:30:06.283185z",
	    "2024-02-29T00:00:00Z" },
	  { "1998-12-31T23:59:61Z", "1998-12-31T23:58:60Z", "1998-12-31T22:59:60Z",
	    "1990-02-31T15:59:59.123-08:00", "1990-12-31T15:59:59-24:00", "06/19/1963 08:30:06 PST",
	    "2013-350T01:01:01", "1963-6-19T08:30:06Z", "1963-06-1T00:00:00Z",
	    "1963-06-11T24:00:00Z", "1963-06-19T08:30:06.Z", "1963-06-19T08:30:06",
	    "1963-06-19 08:30:06Z", "2023-02-29T00:00:00Z", "1963-06-1৪T00:00:00Z",
	    "+11963-06-19T08:30:06Z", "", "1963-06-19T08:30:06Z ", "1990-12-31T10:00:00+10:60" } },
	{ "date",
	  { "1963-06-19", "2020-02-29", "2020-12-31", "2000-02-29", "0000-01-01" },
	  { "2021-02-29", "1900-02-29", "2020-02-30", "2020-04-31", "2020-13-01", "2020-00-01",
	    "2020-01-00", "06/19/1963", "2013-350", "1998-1-20", "1998-01-1", "1963-06-1৪",
	    "20230328", "2023-W01", "2022W527", "" } },
	{ "time",
	  { "08:30:06Z", "23:59:60Z", "23:59:60+00:00", "01:29:60+01:30", "23:29:60+23:30",
	    "15:59:60-08:00", "00:29:60-23:30", "23:20:50.52Z", "08:30:06+00:20", "08:30:06z" },
	  { "008:030:006Z",    "8:3:6Z",         "22:59:60Z",
	    "23:58:60Z",       "22:59:60+00:00", "23:59:60+01:00",
	    "24:00:00Z",       "00:60:00Z",      "00:00:61Z",
	    "08:30:06-8:000",  "01:02:03+24:00", "01:02:03+00:60",
	    "01:02:03Z+00:30", "08:30:06 PST",   "01:01:01,1111",
	    "12:00:00",        "12:00:00.52",    "1২:00:00Z",
	    "08:30:06#00:20",  "ab:cd:efZ",      "" } },
	{ "duration",
	  { "P4DT12H30M5S", "P4Y", "PT0S", "P0D", "P1M", "PT1M", "PT36H", "P1DT12H", "P2W",
	    "P1Y2M3DT4H5M6S" },
	  { "PT1D", "P", "PT", "P1YT", "P2D1Y", "P1D2H", "P2S", "P1Y2W", "P1", "4DT12H30M5S",
	    "P1Y1D", "P২Y", "", "P-1Y", "PT1.5S", "P1W1D", "p1y" } },
	{ "email",
	  { "joe.bloggs@example.com", "te~st@example.com", "~test@example.com", "test~@example.com",
	    "\"joe bloggs\"@example.com", "\"joe..bloggs\"@example.com",
	    "\"joe@bloggs\"@example.com", "joe.bloggs@[127.0.0.1]", "joe.bloggs@[IPv6:::1]",
	    "te.s.t@example.com", "riedgar+guidelines@example.com" },
	  { "2962", ".test@example.com", "test.@example.com", "te..st@example.com",
	    "joe.bloggs@invalid=domain.com", "joe.bloggs@[127.0.0.300]",
	    "user1@oceania.org, user2@oceania.org", "@example.com", "a@", "", "a b@example.com",
	    "\"a\"b\"@example.com", "\"a\\\"@example.com", "\xc3\xa9@example.com" } },
	{ "idn-email",
	  { "\xec\x8b\xa4\xeb\xa1\x80@\xec\x8b\xa4.kr", "joe.bloggs@example.com" },
	  { "2962", "a b@\xc3\xa9.x" } },
	{ "hostname",
	  { "www.example.com", "localhost", "a", "1host", "h0stn4me", "xn--4gbwdl.xn--wgbh1c",
	    "hostname-1.a", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk.com" },
	  { "-a-host-name-that-starts-with--", "not_a_valid_host_name",
	    "a.vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"
	    "vvvvvvvvvvvvvvvvvvvvvvvvvvvv",
	    "-hostname", "hostname-", "_hostname", "host_name", "a..b", ".a", "a.", "", "host name",
	    "\xc3\xa9.com" } },
	{ "ipv4",
	  { "192.168.0.1", "87.10.0.1", "0.0.0.0", "255.255.255.255" },
	  { "127.0.0.0.1", "256.256.256.256", "127.0", "0x7f000001", "087.10.0.1", "87.10.0.1a",
	    "2130706433", "1২7.0.0.1", "192.168.1.0/24", "", "127.0.0.1 ", "1..2.3" } },
	{ "ipv6",
	  { "::1", "::abef", "::", "::42:ff:1", "d6::", "1:2::192.168.0.1", "1::d6:192.168.0.1",
	    "::ffff:192.168.0.1", "1:2:3:4:5:6:7:8" },
	  { "12345::",
	    "::abcef",
	    "1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1",
	    "::laptop",
	    ":2:3:4:5:6:7:8",
	    "1:2:3:4:5:6:7:",
	    ":2:3:4::8",
	    "1::d6::42",
	    "1::2:192.168.256.1",
	    "1::2:192.168.ff.1",
	    "::ffff:192.168",
	    "1:2:3:4:5:::8",
	    "1:2:3:4:5:6:7",
	    "1",
	    "127.0.0.1",
	    "1:2:3:4:1.2.3",
	    "  ::1",
	    "::1  ",
	    "fe80::/64",
	    "fe80::a%eth1",
	    "" } },
	{ "uri",
	  { "http://foo.bar/?baz=qux#quuz", "http://foo.com/blah_(wikipedia)_blah#cite-1",
	    "http://foo.bar/?q=Test%20URL-encoded%20stuff", "http://xn--nw2a.xn--j6w193g/",
	    "http://-.~_!$&'()*+,;=:%40:80%2f::::::@example.com", "http://223.255.255.254",
	    "ftp://ftp.is.co.za/rfc/rfc1808.txt", "ldap://[2001:db8::7]/c=GB?objectClass?one",
	    "mailto:John.Doe@example.com", "tel:+1-816-555-1212",
	    "urn:oasis:names:specification:docbook:dtd:xml:4.1.2", "http://[v1.x]/", "a:" },
	  { "//foo.bar/?baz=qux#quuz",
	    "/abc",
	    "\\\\WINDOWS\\fileshare",
	    "abc",
	    "http:// shouldfail.com",
	    ":// should fail",
	    "bar,baz:foo",
	    "https://[@example.org/test.txt",
	    "https://example.org/foobar\\.txt",
	    "https://example.org/foobar<>.txt",
	    "https://example.org/foobar{}.txt",
	    "https://example.org/foobar^.txt",
	    "https://example.org/foobar`.txt",
	    "https://example.org/foo bar.txt",
	    "https://example.org/foobar|.txt",
	    "http://a:b/",
	    "http://a/%zz",
	    "http://a/%a",
	    "1a:b",
	    "",
	    "http://\xc3\xa9/",
	    "a:#b#c",
	    "http://[::1]x/",
	    "http://[v.x]/" } },
	{ "uri-reference",
	  { "http://foo.bar/?baz=qux#quuz", "//foo.bar/?baz=qux#quuz", "/abc", "abc", "#fragment",
	    "", "?q", "a/b:c", "unclosed/a%20" },
	  { "\\\\WINDOWS\\fileshare", "#frag\\ment", "a b", ":x", "a%" } },
	{ "iri",
	  { "http://\xc6\x92\xc3\xb8\xc3\xb8.\xc3\x9f\xc3\xa5r/"
	    "?\xe2\x88\x82\xc3\xa9\xc5\x93=\xcf\x80#\xc3\xb9",
	    "http://a/" },
	  { "/abc", "http://a/\xc2\x80", "http://a/\xff", "http://a /" } },
	{ "iri-reference", { "/\xc3\xa9", "#\xc3\xa9", "" }, { "\\x", "\xc3" } },
	{ "uuid",
	  { "2EB8AA08-AA98-11EA-B4AA-73B441D16380", "2eb8aa08-aa98-11ea-b4aa-73b441d16380",
	    "00000000-0000-0000-0000-000000000000", "99c17cbb-656f-f64a-940f-1a4568f03487" },
	  { "2eb8aa08-aa98-11ea-b4aa-73b441d1638", "2eb8aa08aa9811eab4aa73b441d16380",
	    "2eb8aa08aa98-11ea-b4aa73b441d16380", "2eb8-aa08-aa98-11ea-b4aa73b44-1d16380",
	    "2eb8aa08-aa98-11ea-b4ga-73b441d16380", "" } },
	{ "json-pointer",
	  { "/foo/bar~0/baz~1/%a", "", "/", "/foo//bar", "/foo/bar/", "/a~1b", "/m~0n", "/ ",
	    "/k\"l", "/~1.1" },
	  { "/foo/bar~", "/~-1", "/~~", "/~2", "a", "0", "#", "#/", "a/a" } },
	{ "relative-json-pointer",
	  { "1", "0/foo/bar", "2/0/baz/1/zip", "0#", "120/foo/bar", "0+1/a", "1-2#" },
	  { "/foo/bar", "-1/foo/bar", "+1/foo/bar", "0##", "01/a", "01#", "", "0+0/a", "0+/a",
	    "1a" } },
	{ "regex",
	  { "([abc])+\\s+$", "", "a{2,3}?", "[\\d\\-x]", "\\u{1F600}", "(?<n>a)\\k<n>", "(?:a|b)*",
	    "^\\/$", "a}", "]", "[^]]", "[\\b]", "\\cA", "\\p{Script=Greek}", "[a-\\d]" },
	  { "^(abc]",   "^\\S(|(.|\\n)*\\S)\\Z",
	    "\\a",      "a**",
	    "a++",      "*",
	    "(?",       "(?i)a",
	    "(?P<n>a)", "[b-a]",
	    "[a",       "a{2,1}",
	    "\\",       "(*ACCEPT)",
	    "\\1",      "{",
	    "\\u12",    "\\x1",
	    "\\00",     "(?>a)",
	    "\\Q",      ")",
	    "(?#c)",    "\\k<>",
	    "\\p{}",    "\\ud800",
	    "^*" } },
};

static void texts_are_told_apart(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct format *format = format_find(str_of(rows[i].format));

		if (!tap_ok(format != NULL, __FILE__, __LINE__, "%s", rows[i].format))
			continue;
		for (size_t j = 0; rows[i].valid[j]; j++)
			tap_ok(format->is(str_of(rows[i].valid[j])), __FILE__, __LINE__, "%s: %s",
			       rows[i].format, rows[i].valid[j]);
		for (size_t j = 0; rows[i].invalid[j]; j++)
			tap_ok(!format->is(str_of(rows[i].invalid[j])), __FILE__, __LINE__,
			       "%s: not %s", rows[i].format, rows[i].invalid[j]);
	}
}

static void a_nul_makes_nothing_valid(void)
{
	static const struct str texts[] = { STR_INIT("127.0.0.1\0"), STR_INIT("::1\0"),
					    STR_INIT("a\0b@c"),      STR_INIT("a\0b"),
					    STR_INIT("http:/\0"),    STR_INIT("P1\0") };

	for (size_t i = 0; format_names[i]; i++)
		for (size_t j = 0; j < ARRAY_LEN(texts); j++) {
			if (str_eq(str_of(format_names[i]), STR("regex")))
				continue; /* a NUL is a character like any other */
			tap_ok(!format_find(str_of(format_names[i]))->is(texts[j]), __FILE__,
			       __LINE__, "%s %zu", format_names[i], j);
		}
}

static void every_format_is_known_by_its_name(void)
{
	for (size_t i = 0; format_names[i]; i++)
		is_true(format_find(str_of(format_names[i])) != NULL);
	is_null(format_find(STR("int32")));
}

int main(void)
{
	TEST(texts_are_told_apart);
	TEST(a_nul_makes_nothing_valid);
	TEST(every_format_is_known_by_its_name);
	return tap_done();
}
