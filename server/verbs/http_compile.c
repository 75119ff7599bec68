/* server/verbs/http_compile.c: the keys of the HTTP verbs. */
#include "server/upstream_follow.h"
#include "server/upstream_hedge.h"
#include "server/verbs/http.h"
#include "server/verbs/stream.h"

#define AT(field) offsetof(struct http_config, field)
#define HTTP_KEYS                                                                                  \
	{ "headers", SETTING_MAP, AT(headers_node),                                                \
	  .help = "Fields of the request, by name; one that is null is left out." },               \
		{ "query", SETTING_MAP, AT(query_node),                                            \
		  .help = "Pairs added to the URL's query; null is left out, a list repeats the "  \
			  "name." },                                                               \
		{ "json", SETTING_VALUE, AT(json_node), .help = "The body, as JSON." },            \
		{ "form", SETTING_MAP, AT(form_node),                                              \
		  .help = "The body, as application/x-www-form-urlencoded; as `query`." },         \
		{ "body", SETTING_TEMPLATE, AT(body_node), .help = "The body, as text." },         \
		{ "expect", SETTING_TEXTS, AT(expect),                                             \
		  .help = "The statuses that are no failure: 404, 2xx; all below 400 when not "    \
			  "said." },                                                               \
		{ "max",                                                                           \
		  SETTING_SIZE,                                                                    \
		  AT(response_max),                                                                \
		  .help = "The largest body of the answer; that of the upstream when not said.",   \
		  .min = 1,                                                                        \
		  .max = INT64_C(1) << 40 },                                                       \
		{ "stream", SETTING_BOOL, AT(stream),                                              \
		  .help = "Whether the body is not kept but passed on while it comes: as the "     \
			  "whole body of the route's reply." },                                    \
		{ "hedge", SETTING_NODE, AT(hedge_node),                                           \
		  .help = "Asks another server beside one that is slow to answer; as `hedge` of "  \
			  "the upstream, or off.",                                                 \
		  .keys = upstream_hedge_keys },                                                   \
		{ "follow", SETTING_NODE, AT(follow_node),                                         \
		  .help = "Redirects that are followed, as far as they stay at their host; as "    \
			  "`follow` of the upstream.",                                             \
		  .keys = upstream_follow_keys },                                                  \
	{                                                                                          \
		"hosts", SETTING_TEXTS, AT(hosts),                                                 \
			.help = "The hosts that an absolute URL may name."                         \
	}

const struct setting http_keys[] = { HTTP_KEYS, SETTINGS_END };

const struct setting http_method_keys[] = { HTTP_KEYS,
					    { "method", SETTING_TEXT, AT(method),
					      .help = "The method of the request.",
					      .required = true },
					    SETTINGS_END };
#undef AT

/* ------------------------------------------------------------ method, expect */

static bool http_compile_method(struct verb_compiler *compiler, const struct node *value,
				struct http_config *config)
{
	static const struct {
		const char *verb;
		enum http_method method;
	} rows[] = {
		{ "get", HTTP_GET },     { "post", HTTP_POST },     { "put", HTTP_PUT },
		{ "patch", HTTP_PATCH }, { "delete", HTTP_DELETE }, { "head", HTTP_HEAD },
	};
	const char *verb = compiler->step->verb->name;

	config->method_id = HTTP_OTHER;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].verb, verb) == 0)
			config->method_id = rows[i].method;
	if (config->method_id != HTTP_OTHER)
		config->method = http_method_name(config->method_id);
	else if (config->method.len)
		config->method_id = http_method_find(config->method);
	if (!http_is_token(config->method) || config->method_id == HTTP_CONNECT) {
		if (config->method.len) /* a missing one has been told */
			diag_error(compiler->flow->diag, value->place,
				   "\"%.*s\" is not a method that can be sent; write GET, POST, …",
				   STR_ARG(str_first(config->method, 80)));
		return false;
	}
	compiler->step->idempotent = config->method_id != HTTP_POST &&
				     config->method_id != HTTP_PATCH &&
				     config->method_id != HTTP_OTHER;
	compiler->step->acts = config->method_id != HTTP_GET && config->method_id != HTTP_HEAD &&
			       config->method_id != HTTP_OPTIONS;
	return true;
}

static bool http_compile_expect(struct verb_compiler *compiler, struct http_config *config)
{
	const struct setting_texts *expect = &config->expect;
	bool ok = true;

	if (expect->n_texts == 0)
		statuses_add_range(&config->expected, 100, 399);
	for (size_t i = 0; i < expect->n_texts; i++) {
		if (statuses_add(&config->expected, expect->texts[i]) == 0)
			continue;
		diag_error(compiler->flow->diag, expect->nodes[i]->place,
			   "\"%.*s\" is not a status; write 404, or 2xx for a class",
			   STR_ARG(str_first(expect->texts[i], 80)));
		ok = false;
	}
	return ok;
}

/* ------------------------------------------------------------ headers */

/* What the connection is made of belongs to the client. */
bool http_name_is_reserved(struct str name)
{
	static const char *const reserved[] = { "host",       "content-length", "transfer-encoding",
						"connection", "keep-alive",     "upgrade",
						"te",         "trailer",        "expect" };

	for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
		if (str_eq_nocase(name, str_of(reserved[i])))
			return true;
	return false;
}

bool http_check_header(struct diag *diag, const struct node_entry *entry)
{
	if (!http_is_token(entry->key)) {
		diag_error(diag, entry->key_place,
			   "\"%.*s\" cannot be the name of a header; write letters, digits and -",
			   STR_ARG(str_first(entry->key, 80)));
		return false;
	}
	if (http_name_is_reserved(entry->key)) {
		diag_error(diag, entry->key_place, "leat sets the header %s itself; remove it",
			   entry->key.ptr);
		return false;
	}
	return true;
}

/* And whether a secret went into it. */
static bool http_compile_header(struct verb_compiler *compiler, const struct node *value,
				struct http_pair *pair)
{
	struct expr_uses *uses = compiler->expr->uses;
	bool secrets = uses && uses->secrets;

	if (uses)
		uses->secrets = false;
	pair->text = template_compile(compiler->expr, value, TEMPLATE_HEADER);
	pair->secret = !uses || uses->secrets;
	if (uses)
		uses->secrets |= secrets;
	return pair->text != NULL;
}

static bool http_compile_headers(struct verb_compiler *compiler, struct http_config *config)
{
	const struct node *node = config->headers_node;
	bool ok = true;

	if (!node || node->n_entries == 0)
		return true;
	config->headers.pairs = arena_alloc_array(compiler->flow->arena, node->n_entries,
						  sizeof(*config->headers.pairs));
	for (size_t i = 0; i < node->n_entries; i++) {
		const struct node_entry *entry = &node->entries[i];
		struct http_pair *pair = &config->headers.pairs[config->headers.n_pairs++];

		*pair = (struct http_pair){ .name = entry->key };
		ok &= http_check_header(compiler->flow->diag, entry);
		ok &= http_compile_header(compiler, entry->value, pair);
		config->has_content_type |= str_eq_nocase(entry->key, STR("content-type"));
		config->has_request_id |= str_eq_nocase(entry->key, STR("x-request-id"));
	}
	return ok;
}

/* ------------------------------------------------------------ query, form, body */

static bool http_compile_pairs(struct verb_compiler *compiler, const struct node *node,
			       struct http_pairs *pairs)
{
	bool ok = true;

	if (!node || node->n_entries == 0)
		return true;
	pairs->pairs =
		arena_alloc_array(compiler->flow->arena, node->n_entries, sizeof(*pairs->pairs));
	for (size_t i = 0; i < node->n_entries; i++) {
		struct http_pair *pair = &pairs->pairs[pairs->n_pairs++];

		*pair = (struct http_pair){ .name = node->entries[i].key };
		pair->tree = template_tree_compile(compiler->expr, node->entries[i].value);
		ok &= pair->tree != NULL;
	}
	return ok;
}

static bool http_compile_body(struct verb_compiler *compiler, struct http_config *config)
{
	const struct node *second = config->form_node && config->json_node   ? config->form_node
				    : config->json_node || config->form_node ? config->body_node
									     : NULL;
	bool ok = true;

	if (second) {
		diag_error(compiler->flow->diag, second->place,
			   "a request has one body; keep one of `json`, `form` and `body`");
		return false;
	}
	if (config->json_node) {
		config->json = template_tree_compile(compiler->expr, config->json_node);
		ok = config->json != NULL;
	}
	if (config->body_node) {
		config->body = template_compile(compiler->expr, config->body_node, TEMPLATE_PLAIN);
		ok = config->body != NULL;
	}
	return ok & http_compile_pairs(compiler, config->form_node, &config->form);
}

static bool http_compile_follow(struct verb_compiler *compiler, struct http_config *config)
{
	return !config->follow_node ||
	       upstream_read_follow(&config->follow, config->follow_node, compiler->flow->arena,
				    compiler->flow->diag);
}

/* What may be carried out twice only. */
static bool http_compile_hedge(struct verb_compiler *compiler, struct http_config *config)
{
	const struct node *node = config->hedge_node;

	if (!node)
		return true;
	if (!upstream_read_hedge(&config->hedge, node, compiler->flow->arena, compiler->flow->diag))
		return false;
	if (config->hedge.max == 0 || compiler->step->idempotent)
		return true;
	diag_error(compiler->flow->diag, node->place,
		   "%.*s may not be carried out twice, so it cannot be hedged; remove hedge",
		   STR_ARG(config->method));
	return false;
}

bool http_compile(struct verb_compiler *compiler, const struct node *value, void *config_ptr)
{
	struct http_config *config = config_ptr;
	const struct http_url_compiler url = { compiler->flow, compiler->expr,
					       compiler->step->verb->name, &config->hosts };

	return http_compile_method(compiler, value, config) &
	       http_url_compile(&url, value, &config->url) & http_compile_expect(compiler, config) &
	       (!config->stream || stream_compile(compiler)) &
	       http_compile_follow(compiler, config) & http_compile_hedge(compiler, config) &
	       http_compile_headers(compiler, config) &
	       http_compile_pairs(compiler, config->query_node, &config->query) &
	       http_compile_body(compiler, config);
}
