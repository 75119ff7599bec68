/* server/proxy/compile.c: the keys of `proxy:`. */
#include "server/cache/cache.h"
#include "server/flow/step.h"
#include "server/proxy/passing.h"
#include "server/verbs/http.h"

enum { TUNNEL_DAYS = 7 };

static const char *const forwarded_choices[] = { "x", "rfc7239", "both", "off", NULL };
#define AT(field) offsetof(struct proxy, field)
const struct setting proxy_keys[] = {
	{ "to", SETTING_NODE, AT(url_node),
	  .help = "The upstream: users, users:/v2/ or https://host/path; behind a / at its end "
		  "stands the path of the request, or what {name...} matched.",
	  .required = true },
	{ "headers", SETTING_MAP, AT(headers_node),
	  .help = "Fields of the request to the upstream, in the place of what the client sent; "
		  "null takes one out." },
	{ "preserve_host", SETTING_BOOL, AT(preserve_host), "false",
	  "Whether the upstream gets the client's Host, and not its own." },
	{ "forwarded", SETTING_CHOICE, AT(forwarded), "x",
	  "How the upstream is told of the client: x (X-Forwarded-For, -Proto, -Host), rfc7239 "
	  "(Forwarded), both, or off: what came goes on.",
	  .choices = forwarded_choices },
	{ "cache", SETTING_NODE, AT(cache_node),
	  .help = "Keeps answers as they say themselves (RFC 9111): true, or key, ttl, stale, max, "
		  "max_entry.",
	  .keys = cache_proxy_keys },
	{ "tunnel", SETTING_DURATION, AT(tunnel_ms), "1h",
	  "How long a WebSocket, or another protocol that was switched to, may be silent.",
	  .min = 1000, .max = INT64_C(86400000) * TUNNEL_DAYS },
	SETTINGS_END
};
#undef AT

static bool proxy_check_header(struct diag *diag, const struct node_entry *entry)
{
	if (str_eq_nocase(entry->key, STR("host"))) {
		diag_error(diag, entry->key_place,
			   "the Host is the upstream's, or the client's with preserve_host: true; "
			   "remove it");
		return false;
	}
	return http_check_header(diag, entry);
}

static bool proxy_compile_headers(struct flow_compiler *compiler, struct expr_compiler *expr,
				  struct proxy *proxy)
{
	const struct node *node = proxy->headers_node;
	bool ok = true;

	if (!node || node->n_entries == 0)
		return true;
	proxy->headers =
		arena_alloc_array(compiler->arena, node->n_entries, sizeof(*proxy->headers));
	for (size_t i = 0; i < node->n_entries; i++) {
		const struct node_entry *entry = &node->entries[i];
		struct proxy_header *header = &proxy->headers[proxy->n_headers++];

		*header = (struct proxy_header){ .name = entry->key };
		ok &= proxy_check_header(compiler->diag, entry);
		if (entry->value->kind == NODE_NULL)
			continue;
		header->value = template_compile(expr, entry->value, TEMPLATE_HEADER);
		ok &= header->value != NULL;
	}
	return ok;
}

/* A name alone is its URL with the path /. */
static const struct node *proxy_url_of_name(struct flow_compiler *compiler, const struct node *node)
{
	struct node *url = arena_alloc(compiler->arena, sizeof(*url));

	*url = *node;
	url->text = arena_printf(compiler->arena, "%.*s:/", STR_ARG(node->text));
	return url;
}

static bool proxy_compile_url(struct flow_compiler *compiler, struct expr_compiler *expr,
			      struct proxy *proxy)
{
	const struct http_url_compiler url = { compiler, expr, "proxy", NULL };
	const struct node *node = proxy->url_node;

	if (node_is_scalar(node) && name_is_valid(node->text))
		node = proxy_url_of_name(compiler, node);
	if (!http_url_compile(&url, node, &proxy->url))
		return false;
	proxy->appends = node->text.ptr[node->text.len - 1] == '/';
	return true;
}

static bool proxy_compile_cache(struct flow_compiler *compiler, const struct expr_compiler *expr,
				struct proxy *proxy)
{
	struct cache_spec *spec = arena_zalloc(compiler->arena, sizeof(*spec));
	const struct node *node = proxy->cache_node;
	uint64_t roots = 0;

	if (!node || (node->kind == NODE_BOOL && !node->boolean))
		return true;
	if (!cache_spec_read_proxy(spec, node, compiler->arena, compiler->diag) ||
	    !cache_spec_compile_key(spec, expr, &roots, compiler->diag))
		return false;
	if (expr->uses && expr->uses->roots & ROOT_BIT(ROOT_AUTH) & ~roots) {
		diag_error(
			compiler->diag, node->place,
			"the upstream is told ${auth…}, which the cache has no key for; name it: "
			"cache: {key: \"${auth…}/${request.path}?${request.query_string}\"}");
		return false;
	}
	if (expr->uses)
		expr->uses->roots |= roots;
	spec->cache =
		cache_list_add(compiler->caches, proxy->place.name, proxy->place.definition, spec);
	proxy->cache = spec;
	return true;
}

const struct proxy *proxy_compile(struct flow_compiler *compiler, struct expr_compiler *expr,
				  const struct node *node, const struct proxy_place *place)
{
	struct proxy *proxy = arena_zalloc(compiler->arena, sizeof(*proxy));
	const struct settings_part part = { proxy_keys, proxy };

	if (node_is_scalar(node)) {
		settings_defaults(proxy_keys, proxy, compiler->arena);
		proxy->url_node = node;
	} else if (settings_read(&part, 1, node, "a proxy", compiler->arena, compiler->diag) > 0) {
		return NULL;
	}
	proxy->place = *place;
	return proxy_compile_url(compiler, expr, proxy) &
			       proxy_compile_headers(compiler, expr, proxy) &
			       proxy_compile_cache(compiler, expr, proxy)
		       ? proxy
		       : NULL;
}
