/* server/request_forget.c: what an answer says is not right any more of what proxies have kept. */
#include "server/generation.h"
#include "server/http/fields.h"
#include "server/proxy/proxy.h"
#include "server/request_cache_private.h"

/* The cache of the proxy that a GET of this path leads to; or NULL. */
static const struct cache_spec *forget_find(const struct request *request,
					    const struct http_path *path)
{
	const struct route *route;
	const struct cache_spec *spec;
	struct router_match match;

	router_find(request->generation->router, HTTP_GET, STR("GET"), request->head.host, path,
		    &match);
	route = match.route;
	spec = route && route->proxy ? proxy_cache(route->proxy) : NULL;
	return spec && (!spec->key || route == request->route) ? spec : NULL;
}

/* With its variants. */
static void forget_key(struct request *request, const struct cache_spec *spec, struct str key)
{
	struct str variants = arena_printf(&request->arena, "%.*s%c", STR_ARG(key), '\0');

	cache_store_remove(spec->cache->store, key);
	if (variants.ptr)
		cache_store_remove_prefix(spec->cache->store, variants);
}

static void forget_target(struct request *request)
{
	const struct cache_spec *spec = forget_find(request, &request->path);
	struct str key;

	if (spec && request_cache_key(request, spec, &key) == 0)
		forget_key(request, spec, key);
}

static struct str before(struct str text, char c)
{
	ptrdiff_t at = str_find_char(text, c);

	return at < 0 ? text : str_first(text, (size_t)at);
}

/* A reference that begins with a path: of Location, without its fragment. */
static void forget_reference(struct request *request, struct str reference)
{
	struct str segments[HTTP_SEGMENTS_MAX], raw[HTTP_SEGMENTS_MAX], key;
	struct http_path path = { .segments = segments, .raw = raw };
	const struct cache_spec *spec;
	struct str target = before(reference, '#'), raw_path = before(target, '?');
	struct str query = STR_NONE;

	if (raw_path.len < target.len)
		query = str_skip(target, raw_path.len + 1);
	if (http_path_parse(raw_path, &request->arena, &path) < 0)
		return;
	spec = forget_find(request, &path);
	if (spec && !spec->key && request_cache_uri(request, &path, query, &key) == 0)
		forget_key(request, spec, key);
}

/* Of Location and Content-Location, where they are of this origin: absolute, or a path. */
static void forget_named(struct request *request, const struct http_field *field)
{
	struct str named = field ? field->value : STR_NONE, origin;

	if (named.len == 0)
		return;
	origin = request_cache_origin(request);
	if (!origin.ptr)
		return;
	if (str_eq_nocase(str_first(named, origin.len), origin))
		named = str_skip(named, origin.len);
	if (named.len > 0 && named.ptr[0] == '/' && !str_starts_with(named, STR("//")))
		forget_reference(request, named);
}

void request_forget(struct request *request, const struct reply *reply)
{
	if (!http_invalidates(request->head.method_id, reply->status) || !request->started ||
	    request->generation->caches.n_caches == 0 || request->worker->is_main)
		return;
	forget_target(request);
	forget_named(request, http_fields_find(reply->fields, reply->n_fields, STR("location")));
	forget_named(request,
		     http_fields_find(reply->fields, reply->n_fields, STR("content-location")));
}
