/* server/http/head.c: our own reading of a request's head, and the comparison with llhttp's. */
#include "server/http/head.h"
#include "core/base/check.h"
#include "server/http/fields.h"
#include "server/http/libprocess.h"
#include "server/http/line.h"
#include "server/http/second.h"

/* RFC 9112 §3.2: exactly one Host in HTTP/1.1, at most one ever; an absolute target overrides
 * it. It is not empty, but in what libprocess sent before the end of 2020. */
static int http_check_host(const struct http_facts *facts, struct str authority,
			   struct http_head *head)
{
	if (facts->n_hosts > 1 || (facts->n_hosts == 0 && head->minor >= 1))
		return 400;
	if (facts->n_hosts == 1 && !http_is_host(facts->host) &&
	    !(facts->host.len == 0 && libprocess_is_message(head)))
		return 400;
	head->authority = authority.ptr ? authority : facts->host;
	head->host = http_host_without_port(head->authority);
	return 0;
}

/* RFC 9112 §6: one length, or the one coding we know, or no body. */
static int http_check_framing(const struct http_facts *facts, const struct http_limits *limits,
			      struct http_head *head)
{
	head->has_length = facts->n_lengths > 0;
	head->chunked = facts->n_codings > 0;
	head->length = 0;
	if (head->chunked && (head->has_length || head->minor == 0 || facts->n_codings > 1))
		return 400;
	if (facts->n_lengths > 1 ||
	    (head->has_length && !http_length_read(facts->length, &head->length)))
		return 400;
	if (head->chunked && !str_eq_nocase(facts->coding, STR("chunked")))
		return facts->coding.len == 0 ? 400 : 501;
	return head->length > limits->body_max ? 413 : 0;
}

/* RFC 9110 §10.1.1: HTTP/1.0 has no 100 (Continue) to wait for. */
static int http_check_expect(const struct http_facts *facts, struct http_head *head)
{
	head->expects_continue = facts->n_expects > 0 && head->minor >= 1;
	if (facts->n_expects > 1 ||
	    (facts->n_expects == 1 && !str_eq_nocase(facts->expect, STR("100-continue"))))
		return 417;
	return 0;
}

static int http_check_facts(const struct http_facts *facts, struct str authority,
			    const struct http_limits *limits, struct http_head *head)
{
	int status = http_check_host(facts, authority, head);

	if (status == 0)
		status = http_check_framing(facts, limits, head);
	if (status == 0)
		status = http_check_expect(facts, head);
	head->keep_alive = http_facts_keep_alive(facts, head->minor);
	head->wants_trailers = facts->says_trailers;
	head->upgrade = facts->says_upgrade && head->minor >= 1 ? facts->upgrade : STR_NONE;
	return status;
}

static int http_check_second(struct str bytes, const struct http_head *head, const char *minor)
{
	const struct second_expected expected = {
		.method = head->method,
		.target = head->target,
		.chunked = head->chunked,
		.has_length = head->has_length,
		.length = head->length,
		.fields = head->fields,
		.n_fields = head->n_fields,
		.minor = minor,
	};

	if (head->method_id == HTTP_OTHER && !second_knows_method(head->method))
		return 501;
	return second_agrees_on_request(bytes, &expected) ? 0 : 400;
}

int http_head_parse(struct str bytes, const struct http_limits *limits, struct http_head *head)
{
	size_t fields_max = MIN(limits->fields_max, (size_t)HTTP_FIELDS_MAX);
	struct http_facts facts;
	struct str authority;
	const char *minor, *rest;
	int status;

	*head = (struct http_head){ .fields = head->fields };
	if (str_starts_with(bytes, STR("\r\n")))
		bytes = str_skip(bytes, 2);
	status = http_line_read(bytes, head, &authority, &minor, &rest);
	if (status == 0)
		status = http_fields_read(rest, bytes.ptr + bytes.len, fields_max, head->fields,
					  &head->n_fields);
	if (status)
		return status;
	http_fields_note(head->fields, head->n_fields, &facts);
	status = http_check_facts(&facts, authority, limits, head);
	return status ? status : http_check_second(bytes, head, minor);
}

const struct http_field *http_head_find(const struct http_head *head, struct str name)
{
	return http_fields_find(head->fields, head->n_fields, name);
}

bool http_head_has_token(const struct http_head *head, struct str name, struct str token)
{
	struct str rest, element;

	for (size_t i = 0; i < head->n_fields; i++) {
		if (!str_eq_nocase(head->fields[i].name, name))
			continue;
		rest = head->fields[i].value;
		while (http_list_next(&rest, &element))
			if (str_eq_nocase(element, token))
				return true;
	}
	return false;
}
