/* server/verbs/http_answer.c: what an upstream has answered, as a task's result. */
#include "server/client/http_stream.h"
#include "server/expr/json.h"
#include "server/verbs/http.h"
#include <errno.h>

static struct str answer_header(const struct http_call_response *response, struct str name)
{
	for (size_t i = 0; i < response->n_fields; i++)
		if (str_eq_nocase(response->fields[i].name, name))
			return response->fields[i].value;
	return STR_NONE;
}

/* The values of this name from `first` on, joined by ", ". */
static int answer_join(struct arena *arena, const struct http_call_response *response, size_t first,
		       struct value *ret)
{
	struct str name = response->fields[first].name;
	struct str joined = response->fields[first].value;

	for (size_t i = first + 1; i < response->n_fields; i++) {
		if (!str_eq_nocase(response->fields[i].name, name))
			continue;
		joined = arena_printf(arena, "%.*s, %.*s", STR_ARG(joined),
				      STR_ARG(response->fields[i].value));
		if (!joined.ptr)
			return -ENOMEM;
	}
	*ret = value_text(joined);
	return 0;
}

static bool answer_is_json(const struct http_call_response *response)
{
	struct str type = answer_header(response, STR("content-type"));
	ptrdiff_t semicolon = str_find_char(type, ';');

	if (semicolon >= 0)
		type = str_first(type, (size_t)semicolon);
	type = str_trim(type);
	return str_eq_nocase(type, STR("application/json")) ||
	       (type.len > 5 && str_eq_nocase(str_skip(type, type.len - 5), STR("+json")));
}

/* By its type; an empty one of JSON is null. 0, -EBADMSG when it is not the JSON that it says to
 * be, -ENOMEM. */
static int answer_read_body(struct step_run *run, struct http_state *state)
{
	struct str body = state->call.response.body;
	struct json_error error;

	state->body = body.len ? value_text(body) : value_null();
	if (!answer_is_json(&state->call.response)) {
		state->body = value_text(body);
		return 0;
	}
	if (body.len == 0)
		return 0;
	if (!json_check(body, &error))
		return -EBADMSG;
	return value_json(&state->body, step_arena(run), body);
}

static struct str answer_whom(const struct http_state *state)
{
	return state->call.request.upstream ? state->call.request.upstream->name : STR("it");
}

static struct failure answer_unexpected(struct step_run *run, const struct http_state *state)
{
	int status = state->call.response.status;

	return (struct failure){ .code = ERROR_UPSTREAM_STATUS,
				 .upstream_status = status,
				 .detail = arena_printf(step_arena(run), "%.*s answered %d",
							STR_ARG(answer_whom(state)), status) };
}

/* What must be known of a body that is passed on; more than one coding may be told in more than
 * one field. 0 or -ENOMEM. */
static int answer_describe(struct step_run *run, const struct http_call_response *response,
			   struct body_source *source)
{
	struct value coding;

	source->type = answer_header(response, STR("content-type"));
	for (size_t i = 0; i < response->n_fields; i++) {
		if (!str_eq_nocase(response->fields[i].name, STR("content-encoding")))
			continue;
		if (answer_join(step_arena(run), response, i, &coding) < 0)
			return -ENOMEM;
		source->coding = value_str(coding);
		break;
	}
	return 0;
}

/* What is not passed on is not read: its connection is closed. */
static void answer_stream(struct step_run *run, struct http_state *state)
{
	const struct http_config *config = run->config;
	struct body_source *source = &state->call.stream->source;
	struct failure failure;

	if (!statuses_has(&config->expected, state->call.response.status)) {
		failure = answer_unexpected(run, state);
		body_source_close(source);
		step_fail(run, &failure);
	} else if (answer_describe(run, &state->call.response, source) < 0) {
		body_source_close(source);
		step_done_errno(run, -ENOMEM);
	} else {
		state->source = source;
		context_leave_open(run->run->context, source);
		step_done(run, ERROR_NONE, STR_NONE);
	}
}

struct body_source *http_answer_source(struct step_run *run)
{
	struct http_state *state = run->state;

	return take(&state->source);
}

void http_take_answer(struct step_run *run, struct http_state *state)
{
	const struct http_config *config = run->config;
	int status = state->call.response.status;
	struct failure failure = { .code = ERROR_NONE };
	int r;

	state->answered = true;
	if (config->stream) {
		answer_stream(run, state);
		return;
	}
	r = answer_read_body(run, state);
	if (r == -ENOMEM) {
		step_done_errno(run, r);
		return;
	}
	if (!statuses_has(&config->expected, status)) {
		failure = answer_unexpected(run, state);
	} else if (r < 0) {
		failure.code = ERROR_BAD_RESPONSE;
		failure.detail = arena_printf(step_arena(run),
					      "%.*s answered with a body that is not valid JSON",
					      STR_ARG(answer_whom(state)));
	}
	step_fail(run, &failure);
}

/* ------------------------------------------------------------ fields */

static int answer_lower(struct arena *arena, struct str name, struct value *ret)
{
	char *lower = arena_alloc(arena, name.len + 1);

	if (!lower)
		return -ENOMEM;
	for (size_t i = 0; i < name.len; i++)
		lower[i] = char_lower(name.ptr[i]);
	*ret = value_text((struct str){ lower, name.len });
	return 0;
}

static int answer_headers(struct arena *arena, const struct http_call_response *response,
			  struct value *ret)
{
	struct member *members = arena_alloc_array(arena, response->n_fields + 1, sizeof(*members));
	size_t n_members = 0;

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < response->n_fields; i++) {
		struct member *member = &members[n_members];
		bool seen = false;

		for (size_t at = 0; !seen && at < n_members; at++)
			seen = str_eq_nocase(value_str(members[at].key), response->fields[i].name);
		if (seen)
			continue;
		if (answer_lower(arena, response->fields[i].name, &member->key) < 0 ||
		    answer_join(arena, response, i, &member->value) < 0)
			return -ENOMEM;
		n_members++;
	}
	*ret = value_object(members, n_members);
	return 0;
}

int http_answer_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct http_state *state = run->state;

	*ret = value_null();
	if (!state->answered)
		return 0;
	if (str_eq(name, STR("body")))
		*ret = state->body;
	else if (str_eq(name, STR("text")))
		*ret = value_text(state->call.response.body);
	else if (str_eq(name, STR("status")))
		*ret = value_int(state->call.response.status);
	else
		return answer_headers(step_arena(run), &state->call.response, ret);
	return 0;
}
