/* server/cache/cache.c */
#include "server/cache/cache.h"
#include "core/base/buf.h"
#include "core/base/memory.h"
#include "server/expr/template.h"
#include "server/redis_conf.h"
#include <openssl/evp.h>
#include <stdlib.h>

enum { STALE_MAX_DAYS = 366 };

#define DAYS(n) (INT64_C(86400000) * (n))
#define AT(field) offsetof(struct cache_spec, field)
const struct setting cache_keys[] = {
	{ "key", SETTING_TEMPLATE, AT(key_node),
	  .help = "What tells one result from another: all that the task or route reads." },
	{ "ttl", SETTING_DURATION, AT(ttl_ms), .help = "How long a result is used.",
	  .required = true, .min = 1, .max = DAYS(STALE_MAX_DAYS) },
	{ "stale", SETTING_NODE, AT(stale_node),
	  .help = "How long it may be used after that, while a new one is made or when that fails: "
		  "a duration, or while_revalidate and if_error.",
	  .keys = cache_stale_keys },
	{ "in", SETTING_TEXT, AT(where), "memory",
	  "Where results are kept: memory, or redis.NAME." },
	{ "max", SETTING_SIZE, AT(max_bytes), "16m",
	  "The memory of all results together, with their keys; what is used least leaves.",
	  .min = 64 << 10, .max = INT64_C(1) << 40 },
	{ "max_entry", SETTING_SIZE, AT(entry_bytes), "1m", "A larger result is not kept.",
	  .min = 1, .max = INT64_C(1) << 32 },
	SETTINGS_END
};
#undef AT

#define AT(field) offsetof(struct cache_spec, field)
const struct setting cache_proxy_keys[] = {
	{ "key", SETTING_TEMPLATE, AT(key_node),
	  .help = "What tells one answer from another; host, path and query when not said." },
	{ "ttl", SETTING_DURATION, AT(ttl_ms), "0s",
	  "How long an answer that does not say so itself is fresh.", .min = 0,
	  .max = DAYS(STALE_MAX_DAYS) },
	{ "stale", SETTING_NODE, AT(stale_node),
	  .help = "How long one that does not say so itself may be used after that, while a new "
		  "one is asked for or when that fails: a duration, or while_revalidate and "
		  "if_error.",
	  .keys = cache_stale_keys },
	{ "max", SETTING_SIZE, AT(max_bytes), "64m",
	  "The memory of all answers together, with their keys; what is used least leaves.",
	  .min = 64 << 10, .max = INT64_C(1) << 40 },
	{ "max_entry", SETTING_SIZE, AT(entry_bytes), "1m", "A larger answer is not kept.",
	  .min = 1, .max = INT64_C(1) << 32 },
	SETTINGS_END
};
#undef AT

#define AT(field) offsetof(struct cache_spec, field)
const struct setting cache_stale_keys[] = {
	{ "while_revalidate", SETTING_DURATION, AT(revalidate_ms), "0s",
	  "How long a result that is too old is given at once, while a new one is made.", .min = 0,
	  .max = DAYS(STALE_MAX_DAYS) },
	{ "if_error", SETTING_DURATION, AT(error_ms), "0s",
	  "How long it is given when making a new one fails.", .min = 0,
	  .max = DAYS(STALE_MAX_DAYS) },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ the keys */

static bool cache_read_stale(struct cache_spec *spec, struct arena *arena, struct diag *diag)
{
	const struct settings_part part = { cache_stale_keys, spec };

	if (!spec->stale_node)
		return true;
	if (spec->stale_node->kind == NODE_MAP)
		return settings_read(&part, 1, spec->stale_node, "stale", arena, diag) == 0;
	if (!setting_read_value(&cache_stale_keys[0], spec->stale_node, spec, arena, diag))
		return false;
	spec->error_ms = spec->revalidate_ms;
	return true;
}

static bool cache_check_size(struct cache_spec *spec, const struct node *node, struct diag *diag)
{
	const struct node_entry *entry = node_entry_find(node, "max_entry");
	uint64_t most = spec->max_bytes / 2;

	if (spec->entry_bytes <= most)
		return true;
	if (!entry) {
		spec->entry_bytes = most;
		return true;
	}
	diag_error(diag, entry->value->place,
		   "max_entry is more than half of max, so such a result could not be kept; raise "
		   "max or lower max_entry");
	return false;
}

bool cache_spec_read(struct cache_spec *spec, const struct node *node, struct arena *arena,
		     struct diag *diag)
{
	const struct settings_part part = { cache_keys, spec };
	const struct setting *ttl = setting_find(cache_keys, STR("ttl"));

	if (node_is_scalar(node)) {
		settings_defaults(cache_keys, spec, arena);
		return setting_read_value(ttl, node, spec, arena, diag);
	}
	if (settings_read(&part, 1, node, "a cache", arena, diag) > 0)
		return false;
	return cache_read_stale(spec, arena, diag) & cache_check_size(spec, node, diag);
}

bool cache_spec_read_proxy(struct cache_spec *spec, const struct node *node, struct arena *arena,
			   struct diag *diag)
{
	const struct settings_part part = { cache_proxy_keys, spec };

	if (node->kind == NODE_BOOL && node->boolean) {
		settings_defaults(cache_proxy_keys, spec, arena);
		return true;
	}
	if (node_is_scalar(node)) {
		diag_error(
			diag, node->place,
			"the cache of a proxy is true, or a map: key, ttl, stale, max, max_entry");
		return false;
	}
	if (settings_read(&part, 1, node, "a cache", arena, diag) > 0)
		return false;
	return cache_read_stale(spec, arena, diag) & cache_check_size(spec, node, diag);
}

bool cache_spec_compile_key(struct cache_spec *spec, const struct expr_compiler *expr,
			    uint64_t *roots, struct diag *diag)
{
	struct expr_uses uses = { 0 };
	struct expr_compiler key = *expr;

	if (!spec->key_node)
		return true;
	key.uses = &uses;
	spec->key = template_compile(&key, spec->key_node, TEMPLATE_NAME);
	if (!spec->key)
		return false;
	if (uses.secrets) {
		diag_error(diag, spec->key_node->place,
			   "a secret cannot be in `key`, where it could be seen");
		return false;
	}
	*roots = uses.roots;
	return true;
}

bool cache_spec_place(struct cache_spec *spec, const struct node *node,
		      const struct redis_section *redis, struct diag *diag)
{
	if (str_eq(spec->where, STR("memory")) || !spec->where.ptr)
		return true;
	if (redis && str_starts_with(spec->where, STR("redis.")))
		spec->redis = redis_section_find(redis, str_skip(spec->where, 6));
	if (spec->redis)
		return true;
	diag_error(diag, node_find(node, "in")->place,
		   "\"%.*s\" is no place for a cache; write memory, or redis.NAME with a NAME of "
		   "`redis:`",
		   STR_ARG(str_first(spec->where, 80)));
	return false;
}

/* ------------------------------------------------------------ what it depends on */

static bool text_names(const struct buf *text, struct str name)
{
	return str_find(buf_str(text), name) >= 0;
}

/* The entries of a section that the text names. A name that only looks like one costs a cache that
 * could have been kept, no more. */
static void text_add_section(struct buf *text, const struct node *root, const char *section)
{
	const struct node *node = node_find(root, section);

	for (size_t i = 0; node && node->kind == NODE_MAP && i < node->n_entries; i++) {
		if (!text_names(text, node->entries[i].key))
			continue;
		buf_printf(text, "%s.%.*s=", section, STR_ARG(node->entries[i].key));
		node_write_text(node->entries[i].value, text);
	}
}

static struct str cache_text(const struct cache_list *list, struct str name,
			     const struct node *definition)
{
	static const char *const sections[] = { "flows", "flows", "http", "redis", "sql" };
	const struct node *defaults = node_find(list->root, "defaults");
	struct buf text;

	buf_init_arena(&text, list->arena);
	buf_printf(&text, "%zu:%.*s=", name.len, STR_ARG(name));
	node_write_text(definition, &text);
	if (defaults)
		node_write_text(defaults, &text);
	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		text_add_section(&text, list->root, sections[i]);
	return buf_str(&text);
}

/* ------------------------------------------------------------ all of a generation */

void cache_list_init(struct cache_list *list, const struct node *root,
		     const struct cache_list *before, struct arena *arena)
{
	*list = (struct cache_list){ .root = root, .before = before, .arena = arena };
	map_init(&list->by_name);
}

static void cache_write_digest(struct str text, char out[32])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	size_t size = 0;

	check(EVP_Q_digest(NULL, "SHA256", NULL, text.ptr, text.len, digest, &size) == 1);
	for (size_t i = 0; i < 16; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
}

static struct cache *cache_create(struct str name, struct str text, size_t max_bytes)
{
	struct cache *cache = mem_zalloc(sizeof(*cache));

	atomic_init(&cache->n_refs, 1);
	cache->name = mem_strndup(name.ptr, name.len);
	cache->text = mem_strndup(text.ptr, text.len);
	cache_write_digest(text, cache->digest);
	cache->store = cache_store_create(max_bytes);
	return cache;
}

static void cache_list_put(struct cache_list *list, struct cache *cache,
			   const struct cache_spec *spec)
{
	if (list->n_caches == list->n_room) {
		list->n_room = list->n_room ? list->n_room * 2 : 8;
		list->caches =
			mem_realloc_array(list->caches, list->n_room, sizeof(struct cache *));
		list->specs = mem_realloc_array(list->specs, list->n_room, sizeof(*list->specs));
	}
	list->specs[list->n_caches] = spec;
	list->caches[list->n_caches++] = cache;
	map_set(&list->by_name, str_of(cache->name), cache);
}

struct cache *cache_list_add(struct cache_list *list, struct str name,
			     const struct node *definition, const struct cache_spec *spec)
{
	struct str text = cache_text(list, name, definition);
	struct cache *cache = list->before ? map_find(&list->before->by_name, name) : NULL;

	if (cache && str_eq(str_of(cache->text), text))
		cache_ref(cache);
	else
		cache = cache_create(name, text, spec->max_bytes);
	cache_list_put(list, cache, spec);
	return cache;
}

void cache_list_fini(struct cache_list *list)
{
	for (size_t i = 0; i < list->n_caches; i++)
		cache_unref(list->caches[i]);
	free(list->caches);
	free(list->specs);
	map_fini(&list->by_name);
	*list = (struct cache_list){ 0 };
}

struct cache *cache_ref(struct cache *cache)
{
	atomic_fetch_add_explicit(&cache->n_refs, 1, memory_order_relaxed);
	return cache;
}

void cache_unref(struct cache *cache)
{
	if (!cache || atomic_fetch_sub_explicit(&cache->n_refs, 1, memory_order_acq_rel) > 1)
		return;
	cache_store_destroy(cache->store);
	free(cache->name);
	free(cache->text);
	free(cache);
}
