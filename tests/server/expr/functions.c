/* tests/server/expr/functions.c */
#include "core/base/clock.h"
#include "tests/server/expr/try.h"

static void functions_on_texts(void)
{
	gives("len(body.text)", "5");
	gives("len(base64_decode('/w=='))", "1");
	gives("len(body.list)", "3");
	gives("len({a: 1})", "1");
	gives("len('')", "0");
	gives("len(1)", "1: len() takes a text, a list or an object, got a number");
	gives("len(null)", "1: len() takes a text, a list or an object, got null");
	gives("lower('ABCxyz\xc3\x89')", "\"abcxyz\xc3\x89\"");
	gives("upper('abcXYZ\xc3\xa9')", "\"ABCXYZ\xc3\xa9\"");
	gives("upper(1)", "1: upper() takes a text, got a number");
	gives("trim('  \\t a b \\r\\n')", "\"a b\"");
	gives("split('a,b,,c', ',')", "[\"a\",\"b\",\"\",\"c\"]");
	gives("split('', ',')", "[\"\"]");
	gives("split('a--b', '--')", "[\"a\",\"b\"]");
	gives("split(',', ',')", "[\"\",\"\"]");
	gives("split('a', '')", "1: split() needs a separator that is not empty");
	gives("split('a', 1)", "1: split() takes a text, got a number");
	gives("split(1, 'a')", "1: split() takes a text, got a number");
	gives("join(['a', 1, true, null, 2.50], '-')", "\"a-1-true--2.50\"");
	gives("join([], '-')", "\"\"");
	gives("join(['a', [1]], '-')", "1: join() takes a list of texts, got one with a list");
	gives("join('a', '-')", "1: join() takes a list, got a text");
	gives("replace('aXbX', 'X', '--')", "\"a--b--\"");
	gives("replace('aaa', 'aa', 'b')", "\"ba\"");
	gives("replace('abc', 'x', 'y')", "\"abc\"");
	gives("replace('abc', '', 'y')",
	      "1: replace() needs something to replace that is not empty");
	gives("replace('abc', 'a', 1)", "1: replace() takes a text, got a number");
	gives("contains('hello', 'ell')", "true");
	gives("contains('hello', '')", "true");
	gives("contains([1, 2], 2.0)", "true");
	gives("contains({a: 1}, 'a')", "true");
	gives("contains(null, 'a')", "1: contains() looks in a list, or for a text in a text or an "
				     "object; got a text in null");
	gives("starts_with('hello', 'he')", "true");
	gives("starts_with('he', 'hello')", "false");
	gives("ends_with('hello', 'lo')", "true");
	gives("ends_with('hello', 'he')", "false");
	gives("ends_with('hello', 1)", "1: ends_with() takes a text, got a number");
	gives("starts_with(1, 'x')", "1: starts_with() takes a text, got a number");
	gives("string(null)", "\"\"");
	gives("string('a')", "\"a\"");
	gives("string(19.90)", "\"19.90\"");
	gives("string(true)", "\"true\"");
	gives("string(body.a.b)", "\"[10,20,{\\\"c\\\":\\\"deep\\\"}]\"");
	gives("raw('<b>')", "\"<b>\"");
}

static void functions_on_lists_and_objects(void)
{
	gives("keys({b: 1, a: 2})", "[\"b\",\"a\"]");
	gives("values({b: 1, a: 2})", "[1,2]");
	gives("keys([])", "1: keys() takes an object, got a list");
	gives("values('x')", "1: values() takes an object, got a text");
	gives("first(body.list)", "3");
	gives("last(body.list)", "2");
	gives("first([])", "null");
	gives("last([])", "null");
	gives("first('a')", "1: first() takes a list, got a text");
	gives("last(null)", "1: last() takes a list, got null");
	gives("min(body.list)", "1");
	gives("max(body.list)", "3");
	gives("max(1, 2.5, 2)", "2.5");
	gives("max([1, 2, body.id])", "18446744073709551615");
	gives("min('b', 'a')", "\"a\"");
	gives("min([])", "null");
	gives("max([1, 'a'])",
	      "1: max() takes only numbers or only texts, got a number and a text");
	gives("max(1, null)", "1: max() takes only numbers or only texts, got a number and null");
	gives("min([true])",
	      "1: min() takes only numbers or only texts, got a boolean and a boolean");
	gives("max(5)", "1: max() takes a list, got a number");
	gives("sum([])", "0");
	gives("sum(body.list)", "6");
	gives("sum([1, 0.5])", "1.5");
	gives("sum([9223372036854775807, 1])", "1: sum() gives a number that does not fit 64 bits");
	gives("sum(['a'])", "1: sum() takes a list of numbers, got one with a text");
	gives("sum(1)", "1: sum() takes a list, got a number");
	gives("default(null, 1)", "1");
	gives("default(false, 1)", "false");
	gives("default(body.nothing, 'x')", "\"x\"");
}

static void functions_on_numbers(void)
{
	gives("number('42')", "42");
	gives("number('-0.50')", "-0.50");
	gives("number('18446744073709551615')", "18446744073709551615");
	gives("number(7)", "7");
	gives("number(' 7')", "1: number() takes a text that is a number as JSON writes it");
	gives("number('')", "1: number() takes a text that is a number as JSON writes it");
	gives("number('0x1')", "1: number() takes a text that is a number as JSON writes it");
	gives("number('1e')", "1: number() takes a text that is a number as JSON writes it");
	gives("number(true)", "1: number() takes a text, got a boolean");
	gives("round(2.5)", "3");
	gives("round(-2.5)", "-3");
	gives("round(2.4)", "2");
	gives("round(7)", "7");
	gives("floor(-1.5)", "-2");
	gives("ceil(1.2)", "2");
	gives("ceil(-0.5)", "0");
	gives("round(1e300)", "1: round() gives a number that does not fit 64 bits");
	gives("floor(body.huge)", "!floor() takes a number that fits 64 bits");
	gives("ceil('1')", "1: ceil() takes a number, got a text");
	gives("abs(-5)", "5");
	gives("abs(-2.5)", "2.5");
	gives("abs(body.min)", "!abs() gives a number that does not fit 64 bits");
	gives("abs(null)", "1: abs() takes a number, got null");
}

static void functions_on_codes(void)
{
	gives("parse_json('{\"a\": [1, 2.50]}').a", "[1,2.50]");
	gives("parse_json('[1,]')",
	      "1: parse_json() takes a JSON text, but at byte 3 a value was expected");
	gives("parse_json(1)", "1: parse_json() takes a text, got a number");
	gives("to_json({a: 'x', b: [null, true]})",
	      "\"{\\\"a\\\":\\\"x\\\",\\\"b\\\":[null,true]}\"");
	gives("to_json('a')", "\"\\\"a\\\"\"");
	gives("base64('')", "\"\"");
	gives("base64('f')", "\"Zg==\"");
	gives("base64('fo')", "\"Zm8=\"");
	gives("base64('foo')", "\"Zm9v\"");
	gives("base64('foob')", "\"Zm9vYg==\"");
	gives("base64_decode('Zm9vYg==')", "\"foob\"");
	gives("base64_decode('Zm9vYg')", "\"foob\"");
	gives("hex(base64_decode('-_-_'))", "\"fbffbf\"");
	gives("hex(base64_decode('+/+/'))", "\"fbffbf\"");
	gives("base64_decode('Zm9vYh==')", "1: base64_decode() takes a text in base64");
	gives("base64_decode('Z')", "1: base64_decode() takes a text in base64");
	gives("base64_decode('Zg=')", "1: base64_decode() takes a text in base64");
	gives("base64_decode('Zg===')", "1: base64_decode() takes a text in base64");
	gives("base64_decode('Z g=')", "1: base64_decode() takes a text in base64");
	gives("base64_decode('====')", "1: base64_decode() takes a text in base64");
	gives("base64_decode('')", "\"\"");
	gives("hex('a\\u00e9')", "\"61c3a9\"");
	gives("sha256('')", "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"");
	gives("sha256('abc')",
	      "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
	gives("hmac_sha256('Jefe', 'what do ya want for nothing?')",
	      "\"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\"");
	gives("hmac_sha256('', '')",
	      "\"b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad\"");
	gives("sha256(1)", "1: sha256() takes a text, got a number");
	gives("hmac_sha256('a', 1)", "1: hmac_sha256() takes a text, got a number");
	gives("hex([1])", "1: hex() takes a text, got a list");
	gives("base64(1)", "1: base64() takes a text, got a number");
	gives("url_encode('a b/c?d&e=f~-._%\\u00e9')", "\"a%20b%2Fc%3Fd%26e%3Df~-._%25%C3%A9\"");
	gives("url_encode(1)", "1: url_encode() takes a text, got a number");
}

static void functions_on_times(void)
{
	clock_freeze(0, 1767225599123 * (int64_t)NS_PER_MS + 999);
	gives("now()", "1767225599123");
	gives("format_time(now())", "\"2025-12-31T23:59:59.123Z\"");
	clock_thaw();
	gives("format_time(0)", "\"1970-01-01T00:00:00.000Z\"");
	gives("format_time(-1)", "\"1969-12-31T23:59:59.999Z\"");
	gives("format_time(951782400000)", "\"2000-02-29T00:00:00.000Z\"");
	gives("format_time(0, '%a, %d %b %Y %H:%M:%S GMT')", "\"Thu, 01 Jan 1970 00:00:00 GMT\"");
	gives("format_time(1709208000000, '%F %T %y %j %e %I %p %A %B %u %s %L %Z %z %%')",
	      "\"2024-02-29 12:00:00 24 060 29 12 PM Thursday February 4 1709208000 000 UTC +0000 "
	      "%\"");
	gives("format_time(0, '%Q')",
	      "1: format_time() knows no such letter behind \"%\" in a format");
	gives("format_time(0, 'x%')",
	      "1: format_time() knows no such letter behind \"%\" in a format");
	gives("format_time('a')", "1: format_time() takes milliseconds since 1970, got a text");
	gives("format_time(0, 1)", "1: format_time() takes a text, got a number");
	gives("format_time(1.5)", "1: format_time() takes an integer within the years 0 to 9999");
	gives("format_time(9223372036854775807)",
	      "1: format_time() takes an integer within the years 0 to 9999");
	gives("format_time(-9223372036854775808)",
	      "1: format_time() takes an integer within the years 0 to 9999");
	gives("format_time(253402300799999)", "\"9999-12-31T23:59:59.999Z\"");
	gives("format_time(-62167219200000)", "\"0000-01-01T00:00:00.000Z\"");
	gives("parse_time('1970-01-01T00:00:00Z')", "0");
	gives("parse_time('2025-12-31t23:59:59.1239z')", "1767225599123");
	gives("parse_time('2026-01-01 01:00:00+01:00')", "1767225600000");
	gives("parse_time('2025-12-31T19:30:00-04:30')", "1767225600000");
	gives("parse_time('2016-12-31T23:59:60Z')", "1483228800000");
	gives("parse_time('2000-02-29T00:00:00Z')", "951782400000");
	gives("parse_time('1900-03-01T00:00:00Z') - parse_time('1900-02-28T00:00:00Z')",
	      "86400000");
	static const char *const wrong[] = {
		"",
		"2026-01-01",
		"2026-01-01T00:00:00",
		"2026-01-01T00:00:00Zx",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2026-01-32T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-01-01T00:00:61Z",
		"2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00+1:00",
		"2026-01-01T00:00:00+24:00",
		"26-01-01T00:00:00Z",
		"2026-1-1T00:00:00Z",
		"+026-01-01T00:00:00Z",
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char text[80];

		snprintf(text, sizeof(text), "parse_time('%s')", wrong[i]);
		gives(text, "1: parse_time() takes a time as RFC 3339 writes it: "
			    "2026-01-31T23:59:59Z");
	}
}

static void every_day_survives_the_round_trip(void)
{
	struct world world;
	unsigned n_wrong = 0;

	world_init(&world);
	for (int64_t day = -719528; day < 2932896; day += 97) {
		char text[80], want[40];

		snprintf(text, sizeof(text), "parse_time(format_time(%lld))",
			 (long long)day * 86400000 + 1);
		snprintf(want, sizeof(want), "%lld", (long long)day * 86400000 + 1);
		n_wrong += strcmp(world_eval(&world, text), want) != 0;
	}
	is_int(n_wrong, 0);
	world_fini(&world);
}

static bool is_uuid(const char *text, char version) /* in quotes */
{
	for (size_t i = 1; i < 37; i++) {
		bool dash = i == 9 || i == 14 || i == 19 || i == 24;

		if (dash ? text[i] != '-' : char_hex(text[i]) < 0)
			return false;
	}
	return strlen(text) == 38 && text[15] == version && strchr("89ab", text[20]);
}

static void identifiers_differ_and_those_of_version_seven_ascend(void)
{
	char last[64] = "";
	struct world world;
	struct expr *expr;
	struct value value;
	bool ascend = true;

	world_init(&world);
	snprintf(last, sizeof(last), "%s", world_eval(&world, "uuid4()"));
	is_true(is_uuid(last, '4'));
	is_true(strcmp(last, world_eval(&world, "uuid4()")) != 0);
	clock_freeze(0, 1767225599123 * (int64_t)NS_PER_MS);
	snprintf(last, sizeof(last), "%s", world_eval(&world, "uuid7()"));
	is_true(is_uuid(last, '7'));
	is_true(strncmp(last, "\"019b76da-a493-", 15) == 0);
	expr = world_compile(&world, "uuid7()");
	for (unsigned i = 0; i < 10000; i++) {
		check(expr_eval(expr, &world.env, &value) == 0);
		ascend &= strcmp(world_show(&world, value), last) > 0;
		snprintf(last, sizeof(last), "%.60s", world.text);
		if (i % 1000 == 0)
			arena_reset(&world.run);
	}
	is_true(ascend);
	clock_thaw();
	world_fini(&world);
}

static void the_table_is_whole(void)
{
	static const char names[] =
		"len lower upper trim split join replace contains starts_with ends_with number "
		"string "
		"parse_json to_json base64 base64_decode hex sha256 hmac_sha256 uuid4 uuid7 now "
		"format_time parse_time url_encode min max keys values first last sum round floor "
		"ceil abs default raw";
	struct str rest = str_of(names), name;
	size_t n = 0;

	for (; str_next_part(&rest, ' ', &name); n++) {
		const struct expr_function *function = &expr_functions[0];

		while (!str_eq(name, str_of(function->name)) &&
		       function < expr_functions + n_expr_functions - 1)
			function++;
		tap_ok(str_eq(name, str_of(function->name)) && function->help[0] &&
			       str_starts_with(str_of(function->synopsis), name) &&
			       function->args_max <= EXPR_ARGS_MAX,
		       __FILE__, __LINE__, "%s", function->synopsis);
	}
	is_int(n, n_expr_functions);
}

int main(void)
{
	TEST(functions_on_texts);
	TEST(functions_on_lists_and_objects);
	TEST(functions_on_numbers);
	TEST(functions_on_codes);
	TEST(functions_on_times);
	TEST(every_day_survives_the_round_trip);
	TEST(identifiers_differ_and_those_of_version_seven_ascend);
	TEST(the_table_is_whole);
	return tap_done();
}
