/* server/reply.c */
#include "server/reply.h"
#include "conf/settings.h"
#include "server/http/status.h"
#include <errno.h>

struct reply_header {
	struct str name;
	struct template *value;
};

struct reply_spec {
	struct template *status; /* NULL: status_constant */
	int status_constant;
	struct str content_type;
	struct template *text;      /* text, html, body, or where a redirect leads */
	struct template_tree *json; /* at most one of text and json */
	bool streams;               /* `text` is the body of this task, passed on */
	unsigned stream_task;
	bool has_type, has_coding; /* Content-Type, Content-Encoding among `headers` */
	bool tags;                 /* `etag: true` */
	bool redirects;            /* `text` is the value of Location */
	size_t n_headers;
	struct reply_header *headers;
	struct reply constant;
	bool is_constant;
};

struct reply_config {
	const struct node *status, *headers, *json, *text, *html, *body;
	bool etag;
};

#define AT(field) offsetof(struct reply_config, field)
const struct setting reply_keys[] = {
	{ "status", SETTING_TEMPLATE, AT(status),
	  .help = "The status code, 200 to 599; 200 when not said." },
	{ "headers", SETTING_MAP, AT(headers),
	  .help = "Header fields by name; values may have ${…}." },
	{ "json", SETTING_VALUE, AT(json), .help = "The body as JSON." },
	{ "text", SETTING_TEMPLATE, AT(text), .help = "The body as plain text." },
	{ "html", SETTING_TEMPLATE, AT(html),
	  .help = "The body as HTML; values are escaped, raw() opts out." },
	{ "body", SETTING_TEMPLATE, AT(body),
	  .help = "The body as it is, of the type that headers say." },
	{ "etag", SETTING_BOOL, AT(etag),
	  .help = "Whether the answer has an ETag, made of its body, that clients may ask by." },
	SETTINGS_END
};
#undef AT

struct redirect_config {
	const struct node *to, *status;
};

#define AT(field) offsetof(struct redirect_config, field)
const struct setting redirect_keys[] = {
	{ "to", SETTING_TEMPLATE, AT(to), .help = "Where to: a path or a URL.", .required = true },
	{ "status", SETTING_TEMPLATE, AT(status),
	  .help = "301, 302, 303, 307 or 308; 302 when not said." },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ compiling */

bool reply_header_is_ours(struct str name)
{
	static const struct str ours[] = {
		STR_INIT("content-length"), STR_INIT("transfer-encoding"), STR_INIT("connection"),
		STR_INIT("date"),           STR_INIT("keep-alive"),        STR_INIT("upgrade"),
		STR_INIT("trailer")
	};

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (str_eq_nocase(name, ours[i]))
			return true;
	return false;
}

static bool reply_compile_header(struct expr_compiler *compiler, const struct node_entry *entry,
				 struct reply_spec *spec)
{
	struct reply_header *header = &spec->headers[spec->n_headers];

	if (!http_is_token(entry->key)) {
		diag_error(compiler->diag, entry->key_place,
			   "\"%s\" is not the name of a header field; use letters, digits and -",
			   entry->key.ptr);
		return false;
	}
	if (reply_header_is_ours(entry->key)) {
		diag_error(compiler->diag, entry->key_place,
			   "%s is written by leat itself; remove it", entry->key.ptr);
		return false;
	}
	header->name = entry->key;
	header->value = template_compile(compiler, entry->value, TEMPLATE_HEADER);
	spec->has_type |= str_eq_nocase(entry->key, STR("content-type"));
	spec->has_coding |= str_eq_nocase(entry->key, STR("content-encoding"));
	if (spec->has_type)
		spec->content_type = STR_NONE;
	spec->n_headers++;
	return header->value != NULL;
}

static bool reply_compile_headers(struct expr_compiler *compiler, const struct node *node,
				  struct reply_spec *spec)
{
	bool ok = true;

	if (!node)
		return true;
	if (node->n_entries > REPLY_FIELDS_MAX) {
		diag_error(compiler->diag, node->place, "more than %d header fields",
			   REPLY_FIELDS_MAX);
		return false;
	}
	spec->headers = arena_alloc_array(compiler->arena, node->n_entries, sizeof(*spec->headers));
	for (size_t i = 0; i < node->n_entries; i++)
		ok &= reply_compile_header(compiler, &node->entries[i], spec);
	return ok;
}

static bool reply_status_from_text(struct str text, int min, int *ret_status)
{
	uint64_t number;

	if (str_to_u64(text, &number) < 0 || number < (uint64_t)min || number > 599)
		return false;
	*ret_status = (int)number;
	return true;
}

static bool reply_compile_status(struct expr_compiler *compiler, const struct node *node, int min,
				 int max, struct reply_spec *spec)
{
	struct str text;

	if (!node)
		return true;
	spec->status = template_compile(compiler, node, TEMPLATE_PLAIN);
	if (!spec->status)
		return false;
	if (!template_is_constant(spec->status, &text))
		return true;
	spec->status = NULL;
	if (reply_status_from_text(text, min, &spec->status_constant) &&
	    spec->status_constant <= max)
		return true;
	diag_error(compiler->diag, node->place,
		   "\"%.*s\" is no status code here; write a number from %d to %d", STR_ARG(text),
		   min, max);
	return false;
}

static struct template *reply_compile_text(struct expr_compiler *compiler, const struct node *node,
					   enum template_context context, bool may_stream)
{
	struct expr_compiler own = *compiler;

	own.may_stream = may_stream;
	return template_compile(&own, node, context);
}

/* The one body of a reply; false when there are two, or it is wrong. */
static bool reply_compile_body(struct expr_compiler *compiler, const struct reply_config *config,
			       bool may_stream, struct reply_spec *spec)
{
	const struct {
		const struct node *node;
		struct str type;
		enum template_context context;
	} bodies[] = {
		{ config->text, STR("text/plain; charset=utf-8"), TEMPLATE_PLAIN },
		{ config->html, STR("text/html; charset=utf-8"), TEMPLATE_HTML },
		{ config->body, STR("application/octet-stream"), TEMPLATE_PLAIN },
		{ config->json, STR("application/json"), TEMPLATE_PLAIN },
	};
	unsigned n_bodies = 0;

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		if (!bodies[i].node)
			continue;
		if (n_bodies++) {
			diag_error(compiler->diag, bodies[i].node->place,
				   "a reply has one body; keep one of json, text, html and body");
			return false;
		}
		spec->content_type = bodies[i].type;
		if (bodies[i].node == config->json)
			spec->json = template_tree_compile(compiler, bodies[i].node);
		else
			spec->text =
				reply_compile_text(compiler, bodies[i].node, bodies[i].context,
						   bodies[i].node == config->body && may_stream);
		if (!spec->json && !spec->text)
			return false;
	}
	spec->streams = spec->text && template_is_stream(spec->text, &spec->stream_task);
	return true;
}

/* A tag is made of a body that is there, and is the only one. */
static bool reply_compile_etag(struct expr_compiler *compiler, const struct node *node,
			       struct reply_spec *spec)
{
	const struct node_entry *entry = node_entry_find(node, "etag");
	bool ok = true;

	for (size_t i = 0; i < spec->n_headers; i++) {
		if (!str_eq_nocase(spec->headers[i].name, STR("etag")))
			continue;
		diag_error(compiler->diag, entry->key_place,
			   "the headers of this reply have an ETag already; keep one");
		ok = false;
	}
	if (spec->streams) {
		diag_error(
			compiler->diag, entry->key_place,
			"a body that is passed on (stream: true) is sent before its tag could be "
			"known; remove `etag`, or pass on that of the service: headers: {ETag: "
			"\"${x.headers.etag}\"}");
		ok = false;
	}
	spec->tags = true;
	return ok;
}

static int reply_no_root(struct expr_env *env, enum expr_root root, struct str key,
			 struct value *ret)
{
	(void)env;
	(void)root;
	(void)key;
	*ret = value_null();
	return 0;
}

/* A reply that used no name while it was compiled gives the same bytes each time: they are made
 * now. */
static void reply_try_constant(struct expr_compiler *compiler, struct reply_spec *spec)
{
	struct expr_env env = { .arena = compiler->arena, .root = reply_no_root };
	struct buf head;

	if (reply_render(spec, &env, &spec->constant) < 0)
		return; /* it will fail in the same way when asked for, and say why */
	buf_init_arena(&head, compiler->arena);
	reply_write_head(&spec->constant, &head);
	if (head.len > REPLY_CONSTANT_HEAD_MAX)
		return;
	spec->constant.head = buf_str(&head);
	spec->constant.constant = true;
	spec->is_constant = true;
}

static struct reply_spec *reply_finish(struct expr_compiler *outer, struct expr_compiler *inner,
				       struct reply_spec *spec, struct place place, bool ok)
{
	const struct expr_uses *uses = inner->uses;

	if (uses->secrets) {
		diag_error(outer->diag, place,
			   "a reply must not show a secret; remove ${secret.…}");
		ok = false;
	}
	if (outer->uses) {
		outer->uses->roots |= uses->roots;
		outer->uses->changing |= uses->changing;
	}
	if (!ok)
		return NULL;
	if (uses->roots == 0 && uses->n_tasks == 0 && !uses->changing)
		reply_try_constant(inner, spec);
	return spec;
}

struct reply_spec *reply_compile(struct expr_compiler *compiler, const struct node *node)
{
	struct reply_spec *spec = arena_zalloc(compiler->arena, sizeof(*spec));
	struct reply_config config = { 0 };
	struct expr_uses uses = { 0 };
	struct expr_compiler inner = *compiler;
	const struct settings_part part = { reply_keys, &config };
	bool ok;

	inner.uses = &uses;
	inner.may_stream = false;
	spec->status_constant = 200;
	if (node_is_scalar(node) && node->kind != NODE_NULL)
		config.text = node;
	else if (settings_read(&part, 1, node, "a reply", compiler->arena, compiler->diag) > 0)
		return NULL;
	ok = reply_compile_body(&inner, &config, compiler->may_stream, spec);
	ok &= reply_compile_headers(&inner, config.headers, spec);
	ok &= reply_compile_status(&inner, config.status, 200, 599, spec);
	if (config.etag)
		ok &= reply_compile_etag(&inner, node, spec);
	return reply_finish(compiler, &inner, spec, node->place, ok);
}

struct reply_spec *reply_compile_redirect(struct expr_compiler *compiler, const struct node *node)
{
	struct reply_spec *spec = arena_zalloc(compiler->arena, sizeof(*spec));
	struct redirect_config config = { 0 };
	struct expr_uses uses = { 0 };
	struct expr_compiler inner = *compiler;
	const struct settings_part part = { redirect_keys, &config };
	bool ok;

	inner.uses = &uses;
	inner.may_stream = false;
	spec->status_constant = 302;
	spec->redirects = true;
	if (node_is_scalar(node) && node->kind != NODE_NULL)
		config.to = node;
	else if (settings_read(&part, 1, node, "a redirect", compiler->arena, compiler->diag) > 0)
		return NULL;
	spec->text = template_compile(&inner, config.to, TEMPLATE_HEADER);
	ok = spec->text && reply_compile_status(&inner, config.status, 300, 308, spec);
	return reply_finish(compiler, &inner, spec, node->place, ok);
}

const struct reply *reply_constant(const struct reply_spec *spec)
{
	return spec->is_constant ? &spec->constant : NULL;
}

/* ------------------------------------------------------------ rendering */

static int reply_render_status(const struct reply_spec *spec, struct expr_env *env, int *ret_status)
{
	struct str text;
	int r;

	*ret_status = spec->status_constant;
	if (!spec->status)
		return 0;
	r = template_eval(spec->status, env, &text);
	if (r < 0)
		return r;
	if (reply_status_from_text(text, spec->redirects ? 300 : 200, ret_status))
		return 0;
	strcpy(env->message, "the reply's status is not a number from 200 to 599");
	return -EINVAL;
}

static int reply_render_body(const struct reply_spec *spec, struct expr_env *env,
			     struct str *ret_body)
{
	struct value value;
	struct buf out;
	int r;

	if (spec->text)
		return template_eval(spec->text, env, ret_body);
	if (!spec->json)
		return 0;
	r = template_tree_eval(spec->json, env, &value);
	if (r < 0)
		return r;
	if (value.secret) {
		strcpy(env->message, "a reply must not show a secret");
		return -EINVAL;
	}
	if (value.kind == VALUE_JSON) { /* passed on as its own bytes, without a copy */
		*ret_body = value.json->text;
		return 0;
	}
	buf_init_arena(&out, env->arena);
	value_write_json(value, &out);
	*ret_body = buf_str(&out);
	return out.error ? -ENOMEM : 0;
}

/* The body that a task has left open, and what the reply does not say of it. Nothing fails behind
 * this. */
static void reply_take_source(const struct reply_spec *spec, struct expr_env *env,
			      struct reply *reply)
{
	struct body_source *source = spec->streams ? env->source(env, spec->stream_task) : NULL;

	if (!source)
		return;
	reply->source = source;
	reply->body = STR_NONE;
	if (!spec->has_type && source->type.len)
		reply->content_type = source->type;
	if (!spec->has_coding && source->coding.len)
		reply->fields[reply->n_fields++] =
			(struct http_field){ STR("Content-Encoding"), source->coding };
}

int reply_render(const struct reply_spec *spec, struct expr_env *env, struct reply *ret_reply)
{
	struct reply reply = { .content_type = spec->content_type };
	int r = reply_render_status(spec, env, &reply.status);

	if (r == 0)
		r = reply_render_body(spec, env, &reply.body);
	if (r < 0)
		return r;
	reply.fields = arena_alloc_array(env->arena, spec->n_headers + 2, sizeof(*reply.fields));
	if (!reply.fields)
		return -ENOMEM;
	for (size_t i = 0; i < spec->n_headers; i++) {
		struct http_field *field = &reply.fields[reply.n_fields++];

		field->name = spec->headers[i].name;
		r = template_eval(spec->headers[i].value, env, &field->value);
		if (r < 0)
			return r;
		field->value = str_trim(field->value);
	}
	if (spec->redirects) {
		reply.fields[reply.n_fields++] = (struct http_field){ STR("Location"), reply.body };
		reply.body = STR_NONE;
	}
	if (spec->tags && reply.status == 200 && !reply_add_tag(env->arena, &reply))
		return -ENOMEM;
	reply_take_source(spec, env, &reply);
	*ret_reply = reply;
	return 0;
}

uint64_t reply_size(const struct reply *reply)
{
	return reply->source ? reply->source->size
	       : reply->file ? reply->file->size
			     : reply->body.len;
}

void reply_write_head(const struct reply *reply, struct buf *out)
{
	buf_add(out, STR("HTTP/1.1 "));
	buf_add_u64(out, (uint64_t)reply->status);
	buf_add_char(out, ' ');
	buf_add(out, http_status_reason(reply->status));
	buf_add(out, STR("\r\n"));
	if (reply->content_type.len && reply_has_body(reply->status)) {
		buf_add(out, STR("Content-Type: "));
		buf_add(out, reply->content_type);
		buf_add(out, STR("\r\n"));
	}
	for (size_t i = 0; i < reply->n_fields; i++) {
		buf_add(out, reply->fields[i].name);
		buf_add(out, STR(": "));
		buf_add(out, reply->fields[i].value);
		buf_add(out, STR("\r\n"));
	}
	if (reply_has_body(reply->status) && reply_size(reply) != BODY_SIZE_UNKNOWN) {
		buf_add(out, STR("Content-Length: "));
		buf_add_u64(out, reply_size(reply));
		buf_add(out, STR("\r\n"));
	}
}
