/* server/body/begin.c: whether a body is taken, as far as its head tells. */
#include "server/body/inflate.h"
#include "server/body/receive.h"
#include "server/http/multipart.h"
#include "server/http/parameters.h"
#include "server/reply.h"
#include "server/request.h"

#define READING_ROOTS (ROOT_BIT(ROOT_BODY) | ROOT_BIT(ROOT_FORM) | ROOT_BIT(ROOT_FORM_ALL))

bool body_is_read(const struct route *route)
{
	return route->body.type != BODY_ANY || (route->roots & READING_ROOTS);
}

struct str body_field(const struct request *request, struct str name)
{
	const struct http_field *field = http_head_find(&request->head, name);

	return field ? field->value : STR_NONE;
}

enum body_type body_type_of(const struct request *request)
{
	struct str rest = body_field(request, STR("content-type"));
	struct str type = http_parameters_begin(&rest);

	if (type.len == 0)
		return BODY_TEXT;
	if (str_eq_nocase(type, STR("application/json")) ||
	    (type.len > 5 && str_eq_nocase(str_skip(type, type.len - 5), STR("+json"))))
		return BODY_JSON;
	if (str_eq_nocase(type, STR("application/x-www-form-urlencoded")))
		return BODY_FORM;
	if (str_eq_nocase(type, STR("multipart/form-data")))
		return BODY_MULTIPART;
	if (str_eq_nocase(str_first(type, 5), STR("text/")))
		return BODY_TEXT;
	return BODY_ANY;
}

static const struct reply *begin_refuse_type(struct request *request)
{
	static struct http_field accepts[] = {
		[BODY_JSON] = { STR_INIT("Accept"), STR_INIT("application/json") },
		[BODY_FORM] = { STR_INIT("Accept"), STR_INIT("application/x-www-form-urlencoded") },
		[BODY_MULTIPART] = { STR_INIT("Accept"), STR_INIT("multipart/form-data") },
		[BODY_TEXT] = { STR_INIT("Accept"), STR_INIT("text/plain") },
	};
	struct http_field *accept = &accepts[request->route->body.type];
	const struct body_refusal refusal = {
		.status = 415,
		.detail = arena_printf(&request->arena, "the body must be %.*s",
				       STR_ARG(accept->value)),
		.fields = accept,
		.n_fields = 1,
	};

	return body_refuse(request, &refusal);
}

static const struct reply *begin_refuse_coding(struct request *request)
{
	static struct http_field accept = { STR_INIT("Accept-Encoding"),
					    STR_INIT("gzip, deflate, br, zstd") };
	const struct body_refusal refusal = {
		.status = 415,
		.detail = STR("the body's Content-Encoding is not one that is taken off"),
		.fields = &accept,
		.n_fields = 1,
	};

	return body_refuse(request, &refusal);
}

/* At most one coding, in one field; `identity` and empty elements are none. False: another one, or
 * more. */
static bool begin_find_coding(const struct request *request, bool *ret_coded,
			      enum inflate_coding *ret_coding)
{
	*ret_coded = false;
	for (size_t i = 0; i < request->head.n_fields; i++) {
		const struct http_field *field = &request->head.fields[i];
		struct str rest = field->value, part;

		if (!str_eq_nocase(field->name, STR("content-encoding")))
			continue;
		while (str_next_part(&rest, ',', &part)) {
			part = str_trim(part);
			if (part.len == 0 || str_eq_nocase(part, STR("identity")))
				continue;
			if (*ret_coded || !inflate_find(part, ret_coding))
				return false;
			*ret_coded = true;
		}
	}
	return true;
}

const struct reply *body_begin(struct request *request)
{
	const struct body_spec *spec = &request->route->body;
	enum body_type type = body_type_of(request);
	struct receiver_plan plan = { .boundary = STR_NONE };

	request->is_form = type == BODY_FORM;
	if (request->head.has_length && request->head.length > spec->max)
		return body_refuse_size(request);
	if (!body_is_read(request->route))
		return NULL;
	if (spec->type != BODY_ANY && spec->type != type)
		return begin_refuse_type(request);
	if (!begin_find_coding(request, &plan.coded, &plan.coding))
		return begin_refuse_coding(request);
	if (spec->type == BODY_MULTIPART) {
		plan.boundary = multipart_boundary(body_field(request, STR("content-type")));
		if (!plan.boundary.ptr)
			return body_refuse(request,
					   &(struct body_refusal){
						   .status = 400,
						   .detail = STR("multipart/form-data without a "
								 "boundary") });
	}
	if (!plan.coded && !plan.boundary.ptr)
		return NULL;
	return receiver_begin(request, &plan) ? NULL : body_refuse_status(request, 503);
}
