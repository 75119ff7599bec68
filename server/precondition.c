/* server/precondition.c */
#include "server/precondition.h"
#include "server/http/conditional.h"
#include "server/http/status.h"
#include "server/request.h"

bool precondition_is_named(const struct http_head *head)
{
	static const struct str names[] = {
		STR_INIT("if-none-match"),
		STR_INIT("if-modified-since"),
		STR_INIT("if-match"),
		STR_INIT("if-unmodified-since"),
	};

	if (head->method_id != HTTP_GET && head->method_id != HTTP_HEAD)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (http_head_find(head, names[i]))
			return true;
	return false;
}

static struct str precondition_field(const struct reply *reply, struct str name)
{
	for (size_t i = 0; i < reply->n_fields; i++)
		if (str_eq_nocase(reply->fields[i].name, name))
			return reply->fields[i].value;
	return STR_NONE;
}

bool precondition_concerns(const struct reply *reply)
{
	return reply->status == 200 && (precondition_field(reply, STR("etag")).len ||
					precondition_field(reply, STR("last-modified")).len);
}

struct http_validators precondition_validators(const struct reply *reply)
{
	struct http_validators now = { .etag = precondition_field(reply, STR("etag")) };
	struct str modified = precondition_field(reply, STR("last-modified"));

	if (str_starts_with(now.etag, STR("W/"))) {
		now.etag = str_skip(now.etag, 2);
		now.weak = true;
	}
	now.undated = modified.len == 0 || http_date_parse(modified, &now.modified) < 0;
	return now;
}

/* What a cache may need to know of the representation that it has (RFC 9110 §15.4.5). */
static bool precondition_keeps(struct str name)
{
	return !str_eq_nocase(str_first(name, 8), STR("content-")) ||
	       str_eq_nocase(name, STR("content-location"));
}

/* Of the body, for policies: it is not sent. A body that was coded has none that they change. */
static struct str precondition_type(const struct reply *reply)
{
	if (precondition_field(reply, STR("content-encoding")).len)
		return STR_NONE;
	return reply->content_type.len ? reply->content_type
				       : precondition_field(reply, STR("content-type"));
}

static const struct reply *precondition_unchanged(struct request *request,
						  const struct reply *reply)
{
	struct reply *unchanged = arena_alloc(&request->arena, sizeof(*unchanged));
	struct http_field *fields =
		arena_alloc_array(&request->arena, reply->n_fields, sizeof(*fields));

	if (!unchanged || !fields)
		return reply_refusal(503);
	*unchanged = (struct reply){ .status = 304,
				     .content_type = precondition_type(reply),
				     .fields = fields,
				     .close = reply->close };
	for (size_t i = 0; i < reply->n_fields; i++)
		if (precondition_keeps(reply->fields[i].name))
			fields[unchanged->n_fields++] = reply->fields[i];
	return unchanged;
}

static const struct reply *precondition_failed(struct request *request, const struct reply *reply)
{
	struct reply *failed = arena_alloc(&request->arena, sizeof(*failed));

	if (!failed)
		return reply_refusal(503);
	*failed = reply_problem(&request->arena, 412, STR_NONE, STR_NONE, request->context.id,
				STR_NONE);
	failed->close = reply->close;
	return failed;
}

const struct reply *precondition_apply(struct request *request, const struct reply *reply)
{
	const struct http_head *head = &request->head;
	struct http_validators now;

	if (request->route->files || (request->route->proxy && !request->cache) ||
	    !precondition_concerns(reply) || !precondition_is_named(head))
		return reply;
	now = precondition_validators(reply);
	switch (http_condition_check(head, &now)) {
	case HTTP_CONDITION_HOLDS:
		return reply;
	case HTTP_CONDITION_UNCHANGED:
		body_source_close(reply->source);
		return precondition_unchanged(request, reply);
	case HTTP_CONDITION_FAILED:
		body_source_close(reply->source);
		return precondition_failed(request, reply);
	}
	unreachable();
}
