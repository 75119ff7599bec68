/* tests/core/base/base64.c */
#include "core/base/base64.h"
#include "tests/lib/tap.h"

static char out[64];

/* What the text decodes to; "!" when it does not. */
static struct str decoded(const char *text, enum base64_digits kind)
{
	struct str digits = str_of(text);

	if (!base64_strip_padding(&digits) || !base64_decode(digits, kind, out))
		return STR("!");
	return (struct str){ out, base64_size(digits.len) };
}

static void the_vectors_of_the_rfc_are_decoded(void) /* RFC 4648 §10 */
{
	static const char *const pairs[][2] = {
		{ "", "" },
		{ "Zg==", "f" },
		{ "Zm8=", "fo" },
		{ "Zm9v", "foo" },
		{ "Zm9vYg==", "foob" },
		{ "Zm9vYmE=", "fooba" },
		{ "Zm9vYmFy", "foobar" },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		is_str(decoded(pairs[i][0], BASE64_STANDARD), str_of(pairs[i][1]));
		is_str(decoded(pairs[i][0], BASE64_URL), str_of(pairs[i][1]));
	}
	is_str(decoded("Zg", BASE64_URL), STR("f"));
}

static void each_alphabet_has_its_own_digits(void)
{
	is_str(decoded("+/+/", BASE64_STANDARD), STR("\xfb\xff\xbf"));
	is_str(decoded("-_-_", BASE64_URL), STR("\xfb\xff\xbf"));
	is_str(decoded("-_-_", BASE64_STANDARD), STR("!"));
	is_str(decoded("+/+/", BASE64_URL), STR("!"));
	is_str(decoded("+/-_", BASE64_EITHER), STR("\xfb\xff\xbf"));
}

static void a_text_has_one_form_only(void)
{
	static const char *const bad[] = {
		"Z",     "Zm9vZ",  "Zh==", "Zm9=", "Zg=",  "Zg===", "Zm9v====", "Zm9v=",
		"Zm 9v", "Zm9v\n", "=",    "==",   "Z===", "Zm=v",  "Zm9v.",    "Zm9\xff",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_str(decoded(bad[i], BASE64_EITHER), STR("!"));
}

int main(void)
{
	TEST(the_vectors_of_the_rfc_are_decoded);
	TEST(each_alphabet_has_its_own_digits);
	TEST(a_text_has_one_form_only);
	return tap_done();
}
