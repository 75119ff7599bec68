/* server/schema/format.c: the table, and what fits no other file. */
#include "server/schema/format.h"
#include "core/base/check.h"
#include "server/schema/pattern.h"

/* To add one: a row here, its name in format_names, a function in the file that it is like. */
static const struct format formats[] = {
	{ "date-time", format_is_date_time,
	  "is not a date and time; write it like 2024-02-29T12:30:00Z" },
	{ "date", format_is_date, "is not a date; write it like 2024-02-29" },
	{ "time", format_is_time, "is not a time with its offset; write it like 12:30:00Z" },
	{ "duration", format_is_duration, "is not a duration; write it like P1DT12H" },
	{ "email", format_is_email, "is not an e-mail address" },
	{ "idn-email", format_is_idn_email, "is not an e-mail address" },
	{ "hostname", format_is_hostname, "is not a host name" },
	{ "ipv4", format_is_ipv4, "is not an IPv4 address" },
	{ "ipv6", format_is_ipv6, "is not an IPv6 address" },
	{ "uri", format_is_uri, "is not a URI with its scheme" },
	{ "uri-reference", format_is_uri_reference, "is not a URI or a relative reference" },
	{ "iri", format_is_iri, "is not an IRI with its scheme" },
	{ "iri-reference", format_is_iri_reference, "is not an IRI or a relative reference" },
	{ "uuid", format_is_uuid, "is not a UUID" },
	{ "json-pointer", format_is_json_pointer, "is not a JSON Pointer" },
	{ "relative-json-pointer", format_is_relative_json_pointer,
	  "is not a relative JSON Pointer" },
	{ "regex", format_is_regex, "is not a regular expression" },
};

const char *const format_names[] = {
	"date-time",     "date",      "time",          "duration",
	"email",         "idn-email", "hostname",      "ipv4",
	"ipv6",          "uri",       "uri-reference", "iri",
	"iri-reference", "uuid",      "json-pointer",  "relative-json-pointer",
	"regex",         NULL,
};

_Static_assert(ARRAY_LEN(formats) + 1 == ARRAY_LEN(format_names), "every format has its name");

const struct format *format_find(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (str_eq(name, str_of(formats[i].name)))
			return &formats[i];
	return NULL;
}

bool format_is_uuid(struct str text)
{
	if (text.len != 36)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text.ptr[i] != '-' : char_hex(text.ptr[i]) < 0)
			return false;
	}
	return true;
}

bool format_is_json_pointer(struct str text)
{
	if (text.len && text.ptr[0] != '/')
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == '~' &&
		    (i + 1 == text.len || (text.ptr[i + 1] != '0' && text.ptr[i + 1] != '1')))
			return false;
	return true;
}

/* A number without a leading zero; what is behind it. */
static bool format_skip_number(struct str *text)
{
	size_t len = 0;

	while (len < text->len && char_is_digit(text->ptr[len]))
		len++;
	if (len == 0 || (len > 1 && text->ptr[0] == '0'))
		return false;
	*text = str_skip(*text, len);
	return true;
}

/* draft-bhutton-relative-json-pointer-00 */
bool format_is_relative_json_pointer(struct str text)
{
	if (!format_skip_number(&text))
		return false;
	if (text.len && (text.ptr[0] == '+' || text.ptr[0] == '-')) {
		text = str_skip(text, 1);
		if ((text.len && text.ptr[0] == '0') || !format_skip_number(&text))
			return false;
	}
	return str_eq(text, STR("#")) || format_is_json_pointer(text);
}

bool format_is_regex(struct str text)
{
	return pattern_is_ecma(text, NULL);
}
