/* server/verbs/http_request.c: a task's request, made of its templates. */
#include "server/verbs/http.h"
#include <errno.h>
#include <stdio.h>

/* ------------------------------------------------------------ pairs */

static bool pair_char_is_plain(char c)
{
	return char_is_alpha(c) || char_is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static void pair_encode(struct buf *out, struct str text, bool form)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (pair_char_is_plain((char)c)) {
			buf_add_char(out, (char)c);
		} else if (form && c == ' ') {
			buf_add_char(out, '+');
		} else {
			buf_add_char(out, '%');
			buf_add_char(out, digits[c >> 4]);
			buf_add_char(out, digits[c & 15]);
		}
	}
}

static int pair_write(struct buf *out, struct arena *arena, struct str name, struct value value,
		      bool form)
{
	struct buf text;

	if (value_is_null(value))
		return 0;
	buf_init_arena(&text, arena);
	value_write_text(value, &text);
	if (out->len > 0)
		buf_add_char(out, '&');
	pair_encode(out, name, form);
	buf_add_char(out, '=');
	pair_encode(out, buf_str(&text), form);
	return text.error ? text.error : out->error;
}

/* A list repeats the name; what is null is left out. */
static int pairs_write(struct step_run *run, const struct http_pairs *pairs, bool form,
		       struct str *ret)
{
	struct arena *arena = step_arena(run);
	struct buf out;
	int r = 0;

	buf_init_arena(&out, arena);
	for (size_t i = 0; r == 0 && i < pairs->n_pairs; i++) {
		const struct http_pair *pair = &pairs->pairs[i];
		struct value value;

		r = template_tree_eval(pair->tree, step_env(run), &value);
		if (r == 0)
			r = value_open(&value, arena);
		if (r < 0)
			return r;
		if (value.kind != VALUE_LIST)
			r = pair_write(&out, arena, pair->name, value, form);
		for (size_t at = 0; r == 0 && value.kind == VALUE_LIST && at < value.len; at++)
			r = pair_write(&out, arena, pair->name, value.items[at], form);
	}
	*ret = buf_str(&out);
	return r;
}

/* ------------------------------------------------------------ target, fields, body */

static int request_target(struct step_run *run, const struct http_config *config,
			  struct str *ret_target)
{
	struct str target, query;
	int r = template_eval(config->url.target, step_env(run), &target);

	if (r < 0)
		return r;
	*ret_target = target;
	if (config->query.n_pairs == 0)
		return 0;
	r = pairs_write(run, &config->query, false, &query);
	if (r < 0 || query.len == 0)
		return r;
	*ret_target = arena_printf(step_arena(run), "%.*s%c%.*s", STR_ARG(target),
				   str_has(target, '?') ? '&' : '?', STR_ARG(query));
	return ret_target->ptr ? 0 : -ENOMEM;
}

static const char *request_content_type(const struct http_config *config)
{
	if (config->has_content_type)
		return NULL;
	if (config->json)
		return "application/json";
	if (config->form_node)
		return "application/x-www-form-urlencoded";
	return config->body ? "text/plain; charset=utf-8" : NULL;
}

static int request_add_headers(struct step_run *run, const struct http_config *config,
			       struct http_field *fields, size_t *n_fields)
{
	for (size_t i = 0; i < config->headers.n_pairs; i++) {
		const struct http_pair *pair = &config->headers.pairs[i];
		struct str text;
		int r = template_eval(pair->text, step_env(run), &text);

		if (r < 0)
			return r;
		if (text.len == 0 && template_is_whole(pair->text))
			continue;
		text = str_trim(text);
		if (!http_is_field_value(text)) {
			snprintf(step_env(run)->message, sizeof(step_env(run)->message),
				 "the header %.*s would have a control character",
				 STR_ARG(str_first(pair->name, 64)));
			return -EBADMSG;
		}
		fields[(*n_fields)++] = (struct http_field){ pair->name, text };
	}
	return 0;
}

static int request_fields(struct step_run *run, const struct http_config *config,
			  struct http_call_request *request)
{
	const char *type = request_content_type(config);
	struct str id = run->run->context->id;
	struct http_field *fields =
		arena_alloc_array(step_arena(run), config->headers.n_pairs + 2, sizeof(*fields));
	size_t n_fields = 0;
	int r;

	if (!fields)
		return -ENOMEM;
	r = request_add_headers(run, config, fields, &n_fields);
	if (type)
		fields[n_fields++] = (struct http_field){ STR("Content-Type"), str_of(type) };
	if (!config->has_request_id && id.len && http_is_field_value(id))
		fields[n_fields++] = (struct http_field){ STR("X-Request-Id"), id };
	request->fields = fields;
	request->n_fields = n_fields;
	return r;
}

static int request_body(struct step_run *run, const struct http_config *config,
			struct http_call_request *request)
{
	struct value value;
	struct buf out;
	int r;

	request->has_body = config->json || config->form_node || config->body ||
			    config->method_id == HTTP_POST || config->method_id == HTTP_PUT ||
			    config->method_id == HTTP_PATCH;
	if (config->body)
		return template_eval(config->body, step_env(run), &request->body);
	if (config->form_node)
		return pairs_write(run, &config->form, true, &request->body);
	if (!config->json)
		return 0;
	r = template_tree_eval(config->json, step_env(run), &value);
	if (r < 0)
		return r;
	buf_init_arena(&out, step_arena(run));
	value_write_json(value, &out);
	request->body = buf_str(&out);
	return out.error;
}

int http_make_request(struct step_run *run, const struct http_config *config,
		      struct http_call_request *request)
{
	int r;

	*request = (struct http_call_request){
		.upstream = config->url.upstream,
		.method_id = config->method_id,
		.method = config->method,
		.response_max = config->response_max,
		.streams = config->stream,
		.hedge = config->hedge_node ? &config->hedge : NULL,
	};
	r = request_target(run, config, &request->target);
	if (r == 0)
		r = request_fields(run, config, request);
	if (r == 0)
		r = request_body(run, config, request);
	if (r == 0)
		r = http_url_hash(&config->url, step_env(run), &request->hash);
	return r;
}
