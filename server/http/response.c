/* server/http/response.c */
#include "server/http/response.h"
#include "core/base/check.h"
#include "server/http/fields.h"
#include "server/http/grammar.h"
#include "server/http/line.h"
#include "server/http/second.h"
#include <errno.h>

/* "HTTP/1.1 200 OK" CRLF; the reason may be missing, and the SP before it with it: servers do that.
 * NULL when it is anything else, else what follows the line. */
static const char *http_status_line_read(struct str bytes, struct http_response_head *head)
{
	const char *at = bytes.ptr, *end = at + bytes.len, *cr;
	int minor = http_version_read(at, end);

	if (minor < 0 || end - at < 14 || at[8] != ' ' || !char_is_digit(at[9]) ||
	    !char_is_digit(at[10]) || !char_is_digit(at[11]))
		return NULL;
	head->minor = (uint8_t)minor;
	head->status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
	cr = http_find_control(at + 12, end);
	if (end - cr < 2 || cr[0] != '\r' || cr[1] != '\n' || (cr > at + 12 && at[12] != ' '))
		return NULL;
	head->reason = str_range(cr > at + 12 ? at + 13 : cr, cr);
	return head->status >= 100 && head->status <= 599 ? cr + 2 : NULL;
}

static bool http_status_has_no_body(int status)
{
	return status < 200 || status == 204 || status == 304;
}

/* RFC 9112 §6.3. What has no body by its status may not speak of one either (§6.1, RFC 9110
 * §8.6), but for 304, which repeats the fields of a 200, and a length of 0, which is common. */
static bool http_framing_read(const struct http_facts *facts, enum http_method request,
			      struct http_response_head *head)
{
	bool chunked = facts->n_codings > 0, has_length = facts->n_lengths > 0;
	bool bodiless = http_status_has_no_body(head->status);

	head->length = 0;
	if (facts->n_lengths > 1 || facts->n_codings > 1 || (chunked && has_length))
		return false;
	if (has_length && !http_length_read(facts->length, &head->length))
		return false;
	if (chunked && (head->minor == 0 || !str_eq_nocase(facts->coding, STR("chunked"))))
		return false;
	if (bodiless && head->status != 304 && (chunked || head->length > 0))
		return false;
	if (bodiless || request == HTTP_HEAD || (has_length && head->length == 0))
		head->framing = HTTP_FRAMING_NONE;
	else if (chunked)
		head->framing = HTTP_FRAMING_CHUNKED;
	else
		head->framing = has_length ? HTTP_FRAMING_LENGTH : HTTP_FRAMING_CLOSE;
	return true;
}

static bool http_response_second(struct str bytes, const struct http_facts *facts,
				 const struct http_response_head *head)
{
	const struct second_expected expected = {
		.status = head->status,
		.chunked = facts->n_codings > 0,
		.has_length = facts->n_lengths > 0,
		.length = head->length,
		.fields = head->fields,
		.n_fields = head->n_fields,
		.minor = bytes.ptr + STR("HTTP/1.").len,
	};

	return second_agrees_on_response(bytes, &expected);
}

int http_response_parse(struct str bytes, enum http_method request,
			const struct http_limits *limits, struct http_response_head *head)
{
	size_t fields_max = MIN(limits->fields_max, (size_t)HTTP_FIELDS_MAX);
	const char *rest = http_status_line_read(bytes, head);
	struct http_facts facts;

	if (!rest || http_fields_read(rest, bytes.ptr + bytes.len, fields_max, head->fields,
				      &head->n_fields))
		return -EBADMSG;
	http_fields_note(head->fields, head->n_fields, &facts);
	if (!http_framing_read(&facts, request, head) || !http_response_second(bytes, &facts, head))
		return -EBADMSG;
	head->keep_alive = http_facts_keep_alive(&facts, head->minor) &&
			   head->framing != HTTP_FRAMING_CLOSE;
	return 0;
}

const struct http_field *http_response_find(const struct http_response_head *head, struct str name)
{
	return http_fields_find(head->fields, head->n_fields, name);
}
