/* server/proxy/answer.c: the head of an upstream's answer, as it goes back to the client. */
#include "server/client/http_stream.h"
#include "server/http/fields.h"
#include "server/proxy/passing.h"
#include "server/request.h"
#include <errno.h>

/* leat says them itself. */
static bool answer_is_ours(struct str name)
{
	return str_eq_nocase(name, STR("date"));
}

/* Of an answer to HEAD, what its body would be (RFC 9110 §8.6). */
static uint64_t answer_head_size(const struct http_call_response *response)
{
	uint64_t size = 0;

	for (size_t i = 0; i < response->n_fields; i++)
		if (str_eq_nocase(response->fields[i].name, STR("content-length")))
			return str_to_u64(response->fields[i].value, &size) == 0
				       ? size
				       : BODY_SIZE_UNKNOWN;
	return BODY_SIZE_UNKNOWN;
}

/* For policies that look at it (compress). */
static void answer_describe(struct body_source *source, const struct http_field *field)
{
	if (str_eq_nocase(field->name, STR("content-type")))
		source->type = field->value;
	else if (str_eq_nocase(field->name, STR("content-encoding")))
		source->coding = field->value;
}

/* To what the upstream says; one that does not say it (RFC 9110 §15.2.2) means what was asked for. */
static void answer_switch(struct passing *passing, struct reply *reply)
{
	const struct http_call_response *response = &passing->call.response;
	const struct http_field *said =
		http_fields_find(response->fields, response->n_fields, STR("upgrade"));

	reply->switches = true;
	reply->fields[reply->n_fields++] = (struct http_field){ STR("Connection"), STR("Upgrade") };
	reply->fields[reply->n_fields++] =
		(struct http_field){ STR("Upgrade"),
				     said ? said->value : passing->call.request.upgrade };
}

int passing_answer(struct passing *passing, struct reply *ret_reply)
{
	const struct http_call_response *response = &passing->call.response;
	struct body_source *source = &passing->call.stream->source;
	struct arena *arena = &passing->request->arena;
	struct hop_names hop;
	bool trailers = passing_wants_trailers(passing) && source->size == BODY_SIZE_UNKNOWN;

	*ret_reply = (struct reply){ .status = response->status, .source = source };
	ret_reply->fields =
		arena_alloc_array(arena, response->n_fields + 2, sizeof(struct http_field));
	if (!ret_reply->fields)
		return -ENOMEM;
	if (!hop_names_read(response->fields, response->n_fields, &hop))
		return -EBADMSG;
	for (size_t i = 0; i < response->n_fields; i++) {
		const struct http_field *field = &response->fields[i];

		if (hop_names_have(&hop, field->name, trailers) || answer_is_ours(field->name))
			continue;
		answer_describe(source, field);
		ret_reply->fields[ret_reply->n_fields++] = *field;
	}
	if (response->status == 101)
		answer_switch(passing, ret_reply);
	else if (passing->request->head.method_id == HTTP_HEAD)
		source->size = answer_head_size(response);
	return 0;
}
