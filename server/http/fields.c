/* server/http/fields.c */
#include "server/http/fields.h"
#include "server/http/grammar.h"

/* token ":" OWS value OWS CRLF. NULL when it is anything else; a line that begins with white space
 * (obs-fold) has no name, so it is something else too. */
static const char *http_field_read(const char *at, const char *end, struct http_field *field)
{
	const char *colon = http_skip(at, end, CHAR_TOKEN), *cr;

	if (colon == at || colon == end || *colon != ':')
		return NULL;
	cr = http_find_control(colon + 1, end);
	if (end - cr < 2 || cr[0] != '\r' || cr[1] != '\n')
		return NULL;
	field->name = str_range(at, colon);
	field->value = http_trim(colon + 1, cr);
	return cr + 2;
}

int http_fields_read(const char *at, const char *end, size_t max, struct http_field *fields,
		     size_t *ret_n_fields)
{
	size_t n = 0;

	while (at < end && *at != '\r') {
		if (n == max)
			return 431;
		at = http_field_read(at, end, &fields[n++]);
		if (!at)
			return 400;
	}
	if (end - at != 2 || at[0] != '\r' || at[1] != '\n')
		return 400;
	*ret_n_fields = n;
	return 0;
}

bool http_list_next(struct str *rest, struct str *ret_element)
{
	while (rest->ptr && str_next_part(rest, ',', ret_element)) {
		*ret_element = http_trim(ret_element->ptr, ret_element->ptr + ret_element->len);
		if (ret_element->len)
			return true;
	}
	return false;
}

/* An element that is no token makes it unclear what the sender meant: closing is always safe. */
static void http_note_connection(struct str value, struct http_facts *facts)
{
	struct str element;

	while (http_list_next(&value, &element)) {
		if (str_eq_nocase(element, STR("close")) || !http_is_token(element))
			facts->says_close = true;
		else if (str_eq_nocase(element, STR("keep-alive")))
			facts->says_keep_alive = true;
		else if (str_eq_nocase(element, STR("upgrade")))
			facts->says_upgrade = true;
	}
}

static void http_note_te(struct str value, struct http_facts *facts)
{
	struct str element;

	while (http_list_next(&value, &element))
		facts->says_trailers |= str_eq_nocase(element, STR("trailers"));
}

static void http_note(const struct http_field *field, struct http_facts *facts)
{
	struct str name = field->name;

	if (str_eq_nocase(name, STR("host"))) {
		facts->n_hosts++;
		facts->host = field->value;
	} else if (str_eq_nocase(name, STR("content-length"))) {
		facts->n_lengths++;
		facts->length = field->value;
	} else if (str_eq_nocase(name, STR("transfer-encoding"))) {
		facts->n_codings++;
		facts->coding = field->value;
	} else if (str_eq_nocase(name, STR("connection"))) {
		http_note_connection(field->value, facts);
	} else if (str_eq_nocase(name, STR("expect"))) {
		facts->n_expects++;
		facts->expect = field->value;
	} else if (str_eq_nocase(name, STR("upgrade"))) {
		facts->upgrade = facts->upgrade.ptr ? facts->upgrade : field->value;
	} else if (str_eq_nocase(name, STR("te"))) {
		http_note_te(field->value, facts);
	}
}

/* 1 for each first letter of the names above, so that most fields cost one test. */
static bool http_may_matter(char first)
{
	const uint32_t letters = 1u << ('h' - 'a') | 1u << ('c' - 'a') | 1u << ('t' - 'a') |
				 1u << ('e' - 'a') | 1u << ('u' - 'a');
	unsigned letter = (unsigned)(char_lower(first) - 'a');

	return letter < 26 && (letters >> letter & 1);
}

void http_fields_note(const struct http_field *fields, size_t n_fields, struct http_facts *facts)
{
	*facts = (struct http_facts){ 0 };
	for (size_t i = 0; i < n_fields; i++)
		if (http_may_matter(fields[i].name.ptr[0]))
			http_note(&fields[i], facts);
}

bool http_length_read(struct str text, uint64_t *ret_length)
{
	return text.len >= 1 && text.len <= 19 && str_to_u64(text, ret_length) == 0;
}

bool http_facts_keep_alive(const struct http_facts *facts, uint8_t minor)
{
	return !facts->says_close && (minor >= 1 || facts->says_keep_alive);
}

void http_field_write(struct buf *out, const struct http_field *field)
{
	buf_add(out, field->name);
	buf_add(out, STR(": "));
	buf_add(out, field->value);
	buf_add(out, STR("\r\n"));
}

bool http_names_alike(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		char x = a.ptr[i] == '_' ? '-' : char_lower(a.ptr[i]);
		char y = b.ptr[i] == '_' ? '-' : char_lower(b.ptr[i]);

		if (x != y)
			return false;
	}
	return true;
}

const struct http_field *http_fields_find(const struct http_field *fields, size_t n_fields,
					  struct str name)
{
	for (size_t i = 0; i < n_fields; i++)
		if (str_eq_nocase(fields[i].name, name))
			return &fields[i];
	return NULL;
}
