/* server/policy/cors.c: `cors:`.
 *
 * A preflight is answered with 204 before auth is asked, by what holds for the method that it asks
 * about; one of an origin that is not allowed with 403. Any other request goes on, and its answer
 * says for whom it is: whether a page may read it is the browser's to decide. Answers that differ
 * by origin say so in Vary, also those to requests without one, or a cache would mix them up. */
#include "server/policy/cors.h"
#include "server/reply.h"
#include "server/request.h"
#include <stdio.h>

struct cors_origin {
	struct str before, after; /* of the *; after.ptr NULL: the whole origin is `before` */
};

struct cors {
	struct policy policy;
	bool any; /* "*" */
	bool credentials;
	size_t n_origins;
	struct cors_origin *origins;
	struct str methods, headers; /* as sent; empty: what was asked for */
	struct str expose, max_age;  /* as sent; empty: not sent */
};

struct cors_config {
	struct setting_texts origins, methods, headers, expose;
	bool credentials;
	uint64_t max_age_ms;
};

#define AT(field) offsetof(struct cors_config, field)
const struct setting cors_keys[] = {
	{ "origins", SETTING_TEXTS, AT(origins),
	  .help = "Whose pages may read the answers: https://app.example.org, "
		  "https://*.example.org, or \"*\" for everybody.",
	  .required = true },
	{ "methods", SETTING_TEXTS, AT(methods),
	  .help = "Methods that a preflight allows; the one that it asks about when not said." },
	{ "headers", SETTING_TEXTS, AT(headers),
	  .help = "Header fields that a preflight allows; those that it asks about when not "
		  "said." },
	{ "expose", SETTING_TEXTS, AT(expose),
	  .help = "Header fields of answers that pages may read." },
	{ "credentials", SETTING_BOOL, AT(credentials), "false",
	  "Whether requests may carry cookies and passwords; not with \"*\"." },
	{ "max_age", SETTING_DURATION, AT(max_age_ms),
	  .help = "How long a browser may remember a preflight.", .max = INT64_C(864000000) },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ compiling */

/* Letters, digits, ".", "-", "_", and those of `also`. */
static bool cors_is_name(struct str s, const char *also)
{
	for (size_t i = 0; i < s.len; i++)
		if (!char_is_alpha(s.ptr[i]) && !char_is_digit(s.ptr[i]) &&
		    (!s.ptr[i] || !strchr(".-_", s.ptr[i])) &&
		    (!s.ptr[i] || !strchr(also, s.ptr[i])))
			return false;
	return s.len > 0;
}

static bool cors_default_port(struct str scheme, struct str host)
{
	return (str_eq(scheme, STR("https")) && str_ends_with(host, STR(":443"))) ||
	       (str_eq(scheme, STR("http")) && str_ends_with(host, STR(":80")));
}

static struct str cors_lower(struct str text, struct arena *arena)
{
	char *lower = arena_alloc(arena, text.len + 1);

	for (size_t i = 0; i < text.len; i++)
		lower[i] = char_lower(text.ptr[i]);
	return (struct str){ lower, text.len };
}

/* "scheme://host[:port]", with "*." before the host for all names beneath it. */
static bool cors_read_origin(struct str text, struct cors_origin *origin)
{
	ptrdiff_t colon = str_find(text, STR("://"));
	struct str scheme, host;

	if (str_eq(text, STR("null"))) {
		origin->before = text;
		return true;
	}
	if (colon <= 0)
		return false;
	scheme = str_first(text, (size_t)colon);
	host = str_skip(text, (size_t)colon + 3);
	origin->before = text;
	if (str_starts_with(host, STR("*."))) {
		host = str_skip(host, 1);
		origin->before = str_first(text, (size_t)colon + 3);
		origin->after = host;
	}
	return cors_is_name(scheme, "+") && cors_is_name(host, "[]:") &&
	       !cors_default_port(scheme, host);
}

static bool cors_compile_origins(struct policy_compiler *compiler,
				 const struct setting_texts *texts, struct cors *cors)
{
	bool ok = texts->n_texts > 0;

	cors->origins =
		arena_alloc_array(compiler->arena, texts->n_texts + 1, sizeof(*cors->origins));
	for (size_t i = 0; i < texts->n_texts; i++) {
		struct cors_origin *origin = &cors->origins[cors->n_origins];

		*origin = (struct cors_origin){ 0 };
		if (str_eq(texts->texts[i], STR("*"))) {
			cors->any = true;
		} else if (cors_read_origin(cors_lower(texts->texts[i], compiler->arena), origin)) {
			cors->n_origins++;
		} else {
			diag_error(compiler->diag, texts->nodes[i]->place,
				   "\"%.*s\" is not an origin as browsers send it; write "
				   "https://app.example.org, with :port when it is not the usual "
				   "one, https://*.example.org or \"*\"",
				   STR_ARG(str_first(texts->texts[i], 80)));
			ok = false;
		}
	}
	return ok;
}

/* "A, B". */
static bool cors_compile_list(struct policy_compiler *compiler, const struct cors_config *config,
			      const struct setting_texts *texts, struct str *ret_list)
{
	struct buf list;

	buf_init_arena(&list, compiler->arena);
	for (size_t i = 0; i < texts->n_texts; i++) {
		struct str text = texts->texts[i];

		if (!http_is_token(text) || (str_eq(text, STR("*")) && config->credentials)) {
			diag_error(compiler->diag, texts->nodes[i]->place,
				   http_is_token(text)
					   ? "with credentials \"*\" means nothing; name each"
					   : "not a name; write for example [X-Total, X-Page]");
			return false;
		}
		buf_printf(&list, "%s%.*s", list.len ? ", " : "", STR_ARG(text));
	}
	*ret_list = buf_str(&list);
	return true;
}

static bool cors_compile_rest(struct policy_compiler *compiler, const struct node *node,
			      const struct cors_config *config, struct cors *cors)
{
	bool ok = cors_compile_list(compiler, config, &config->methods, &cors->methods);

	ok &= cors_compile_list(compiler, config, &config->headers, &cors->headers);
	ok &= cors_compile_list(compiler, config, &config->expose, &cors->expose);
	cors->credentials = config->credentials;
	if (node_entry_find(node, "max_age"))
		cors->max_age = arena_printf(compiler->arena, "%llu",
					     (unsigned long long)(config->max_age_ms / 1000));
	if (!cors->any || !cors->credentials)
		return ok;
	diag_error(compiler->diag, node_entry_find(node, "credentials")->key_place,
		   "credentials and the origin \"*\" would let every page act as its reader; name "
		   "the origins");
	return false;
}

static struct policy *cors_compile(struct policy_compiler *compiler, const struct node *node,
				   const struct policy *before)
{
	struct cors *cors = arena_zalloc(compiler->arena, sizeof(*cors));
	struct cors_config config = { 0 };
	const struct settings_part part = { cors_keys, &config };
	bool ok;

	(void)before;
	if (settings_read(&part, 1, node, "cors", compiler->arena, compiler->diag) > 0)
		return NULL;
	ok = cors_compile_origins(compiler, &config.origins, cors);
	ok &= cors_compile_rest(compiler, node, &config, cors);
	return ok ? &cors->policy : NULL;
}

/* ------------------------------------------------------------ at work */

/* The only field of that name; .ptr NULL: none, or several. */
static struct str cors_field(const struct http_head *head, struct str name)
{
	struct str value = STR_NONE;

	for (size_t i = 0; i < head->n_fields; i++) {
		if (!str_eq_nocase(head->fields[i].name, name))
			continue;
		if (value.ptr)
			return STR_NONE;
		value = head->fields[i].value;
	}
	return value;
}

bool cors_is_preflight(const struct http_head *head, struct str *ret_method)
{
	if (head->method_id != HTTP_OPTIONS || !cors_field(head, STR("origin")).ptr)
		return false;
	*ret_method = cors_field(head, STR("access-control-request-method"));
	return http_is_token(*ret_method);
}

/* What the * stands for: labels of a host name, nothing that could end it. */
static bool cors_origin_has(const struct cors_origin *origin, struct str asked)
{
	if (!origin->after.ptr)
		return str_eq(asked, origin->before);
	return asked.len > origin->before.len + origin->after.len &&
	       str_starts_with(asked, origin->before) && str_ends_with(asked, origin->after) &&
	       cors_is_name(str_first(str_skip(asked, origin->before.len),
				      asked.len - origin->before.len - origin->after.len),
			    "");
}

static bool cors_allows(const struct cors *cors, struct str origin)
{
	if (!origin.ptr)
		return false;
	for (size_t i = 0; i < cors->n_origins; i++)
		if (cors_origin_has(&cors->origins[i], origin))
			return true;
	return cors->any;
}

static void cors_finish(struct policy_run *run, const struct policy *policy, struct reply *reply)
{
	const struct cors *cors = container_of(policy, struct cors, policy);
	struct str origin = cors_field(&run->request->head, STR("origin"));
	bool allowed = cors_allows(cors, origin);

	if (cors->any)
		policy_reply_set(run, reply, STR("Access-Control-Allow-Origin"), STR("*"));
	else if (allowed)
		policy_reply_set(run, reply, STR("Access-Control-Allow-Origin"), origin);
	if (!cors->any)
		policy_reply_vary(run, reply, STR("Origin"));
	if (allowed && cors->credentials)
		policy_reply_set(run, reply, STR("Access-Control-Allow-Credentials"), STR("true"));
	if ((allowed || cors->any) && cors->expose.len && !run->preflight)
		policy_reply_set(run, reply, STR("Access-Control-Expose-Headers"), cors->expose);
}

/* Names that may be sent back as they came. */
static bool cors_is_name_list(struct str list)
{
	struct str part;

	while (str_next_part(&list, ',', &part))
		if (!http_is_token(str_trim(part)))
			return false;
	return true;
}

static void cors_answer_preflight(struct policy_run *run, const struct cors *cors)
{
	const struct http_head *head = &run->request->head;
	struct str asked = cors_field(head, STR("access-control-request-headers"));
	struct http_field fields[4];
	struct reply reply = { .status = 204, .fields = fields };
	struct str method;

	cors_is_preflight(head, &method);
	fields[reply.n_fields++] =
		(struct http_field){ STR("Access-Control-Allow-Methods"),
				     cors->methods.len ? cors->methods : method };
	if (cors->headers.len)
		asked = cors->headers;
	if (asked.len && cors_is_name_list(asked))
		fields[reply.n_fields++] =
			(struct http_field){ STR("Access-Control-Allow-Headers"), asked };
	if (cors->max_age.len)
		fields[reply.n_fields++] =
			(struct http_field){ STR("Access-Control-Max-Age"), cors->max_age };
	fields[reply.n_fields++] = (struct http_field){
		STR("Vary"), STR("Access-Control-Request-Method, Access-Control-Request-Headers")
	};
	request_reply(run->request, &reply);
}

static enum admit cors_admit(struct policy_run *run, const struct policy *policy)
{
	static const struct policy_refusal refusal = { .status = 403,
						       .code = STR_INIT("denied"),
						       .detail = STR_INIT(
							       "the origin is not allowed") };
	const struct cors *cors = container_of(policy, struct cors, policy);

	if (!run->preflight)
		return ADMIT_PASS;
	if (!cors_allows(cors, cors_field(&run->request->head, STR("origin"))))
		return policy_refuse(run, policy, &refusal);
	cors_answer_preflight(run, cors);
	return ADMIT_ANSWERED;
}

const struct policy_kind policy_cors = {
	.id = POLICY_CORS,
	.name = "cors",
	.compile = cors_compile,
	.admit = cors_admit,
	.finish = cors_finish,
};
