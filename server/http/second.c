/* server/http/second.c
 *
 * The callbacks compare as they go: each span has to begin and end where the first reading's
 * slice does. */
#include "server/http/second.h"
#include "core/base/check.h"
#include "server/http/llhttp_names.h"

struct second {
	llhttp_t parser; /* first, so that a callback's parser is the struct */
	const struct second_expected *expected;
	const struct http_field *name, *value; /* the fields whose name and value come next */
	bool differs, complete;
};

static struct second *second_of(llhttp_t *parser)
{
	return (struct second *)(void *)parser;
}

static bool second_is_span(struct str s, const char *at, size_t len)
{
	return s.ptr == at && s.len == len;
}

static int second_on_method(llhttp_t *parser, const char *at, size_t len)
{
	struct second *s = second_of(parser);

	s->differs |= !second_is_span(s->expected->method, at, len);
	return 0;
}

static int second_on_url(llhttp_t *parser, const char *at, size_t len)
{
	struct second *s = second_of(parser);

	s->differs |= !second_is_span(s->expected->target, at, len);
	return 0;
}

static bool second_is_last(const struct second *s, const struct http_field *field)
{
	return field == s->expected->fields + s->expected->n_fields;
}

static int second_on_name(llhttp_t *parser, const char *at, size_t len)
{
	struct second *s = second_of(parser);

	if (second_is_last(s, s->name))
		return -1;
	s->differs |= !second_is_span(s->name->name, at, len);
	s->name++;
	return 0;
}

/* llhttp leaves the white space behind a value in it, and may give nothing for an empty one. */
static int second_on_value(llhttp_t *parser, const char *at, size_t len)
{
	struct second *s = second_of(parser);

	if (second_is_last(s, s->value))
		return -1;
	while (len && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	s->differs |= len != s->value->value.len || (len && at != s->value->value.ptr);
	return 0;
}

static int second_on_value_complete(llhttp_t *parser)
{
	struct second *s = second_of(parser);

	if (second_is_last(s, s->value))
		return -1;
	s->value++;
	return 0;
}

/* Pausing here makes llhttp say at which byte the head ended for it. */
static int second_on_headers_complete(llhttp_t *parser)
{
	struct second *s = second_of(parser);
	const struct second_expected *expected = s->expected;

	s->complete = true;
	s->differs |= !second_is_last(s, s->name) || !second_is_last(s, s->value);
	s->differs |= !!(parser->flags & F_CHUNKED) != expected->chunked;
	s->differs |= !!(parser->flags & F_TRANSFER_ENCODING) != expected->chunked;
	s->differs |= !!(parser->flags & F_CONTENT_LENGTH) != expected->has_length;
	s->differs |= parser->content_length != (expected->has_length ? expected->length : 0);
	s->differs |= parser->type == HTTP_RESPONSE && parser->status_code != expected->status;
	return HPE_PAUSED;
}

static const llhttp_settings_t second_settings = {
	.on_method = second_on_method,
	.on_url = second_on_url,
	.on_header_field = second_on_name,
	.on_header_value = second_on_value,
	.on_header_value_complete = second_on_value_complete,
	.on_headers_complete = second_on_headers_complete,
};

static bool second_read(llhttp_type_t type, struct str bytes,
			const struct second_expected *expected)
{
	struct second s = { .expected = expected,
			    .name = expected->fields,
			    .value = expected->fields };
	const char *from = bytes.ptr, *end = from + bytes.len;
	llhttp_errno_t error = HPE_OK;

	llhttp_init(&s.parser, type, &second_settings);
	if (*expected->minor > '1') {
		/* llhttp refuses HTTP/1.2, which RFC 9110 §2.5 has us read as 1.1 */
		error = llhttp_execute(&s.parser, from, (size_t)(expected->minor - from));
		if (error == HPE_OK)
			error = llhttp_execute(&s.parser, "1", 1);
		from = expected->minor + 1;
	}
	if (error == HPE_OK)
		error = llhttp_execute(&s.parser, from, (size_t)(end - from));
	return error == HPE_PAUSED && s.complete && !s.differs &&
	       llhttp_get_error_pos(&s.parser) == end;
}

bool second_agrees_on_request(struct str bytes, const struct second_expected *expected)
{
	return second_read(HTTP_REQUEST, bytes, expected);
}

bool second_agrees_on_response(struct str bytes, const struct second_expected *expected)
{
	return second_read(HTTP_RESPONSE, bytes, expected);
}

bool second_knows_method(struct str method)
{
#define SECOND_METHOD(number, name, text) STR_INIT(#text),
	static const struct str methods[] = { HTTP_METHOD_MAP(SECOND_METHOD) };

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (str_eq(methods[i], method))
			return true;
	return false;
}
