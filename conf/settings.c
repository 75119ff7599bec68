/* conf/settings.c: reading a map by tables. What one value may be is conf/setting.c. */
#include "conf/settings.h"
#include "conf/scalar.h"
#include "core/base/memory.h"
#include <stdlib.h>

/* How many keys are named to somebody who wrote one that is none. */
enum { KEYS_SHOWN_MAX = 12 };

static bool setting_has_key(const struct setting *setting, struct str key)
{
	return strncmp(setting->key, key.len ? key.ptr : "", key.len) == 0 &&
	       setting->key[key.len] == '\0';
}

const struct setting *setting_find(const struct setting *table, struct str key)
{
	for (; table->key; table++)
		if (setting_has_key(table, key))
			return table;
	return NULL;
}

/* ------------------------------------------------------------------ defaults */

/* Most defaults are one plain scalar and need no YAML reader. */
static struct node *settings_default_node(const struct setting *setting, struct arena *arena,
					  struct diag *diag)
{
	struct str text = str_of(setting->value_default);
	struct source *source;
	struct node *node;

	if (text.len > 0 && strchr("[{\"'|>", text.ptr[0])) {
		source = arena_alloc(arena, sizeof(*source));
		check(source);
		*source = (struct source){ setting->key, text };
		return tree_read(source, arena, diag);
	}
	node = arena_zalloc(arena, sizeof(*node));
	check(node);
	node->plain = true;
	node->text = text;
	if (text.len == 0)
		node->kind = NODE_TEXT;
	else if (scalar_resolve(node))
		return NULL;
	return node;
}

bool settings_default_is_valid(const struct setting *setting, void *target, struct arena *arena,
			       struct diag *diag)
{
	struct node *node = settings_default_node(setting, arena, diag);

	return node && setting_read_value(setting, node, target, arena, diag);
}

static void settings_default(const struct setting *setting, void *target, struct arena *arena)
{
	struct diag diag;

	diag_init(&diag);
	check_that(settings_default_is_valid(setting, target, arena, &diag),
		   "key=%s default=%s error=%s", setting->key, setting->value_default,
		   diag.n_entries ? diag.entries[0].message : "");
	diag_fini(&diag);
}

void settings_defaults(const struct setting *table, void *target, struct arena *arena)
{
	for (; table->key; table++)
		if (table->value_default)
			settings_default(table, target, arena);
}

/* ------------------------------------------------------------------ keys */

/* The keys of all tables, NULL at the end; to be freed. */
static const char **settings_keys(const struct settings_part *parts, size_t n_parts)
{
	const char **keys;
	size_t n_keys = 0;

	for (size_t i = 0; i < n_parts; i++)
		for (const struct setting *row = parts[i].table; row->key; row++)
			n_keys++;
	keys = mem_alloc((n_keys + 1) * sizeof(*keys));
	n_keys = 0;
	for (size_t i = 0; i < n_parts; i++)
		for (const struct setting *row = parts[i].table; row->key; row++)
			keys[n_keys++] = row->key;
	keys[n_keys] = NULL;
	return keys;
}

/* "a, b, c", or nothing when there are many. */
static struct str settings_list_keys(const char *const keys[], struct arena *arena)
{
	struct str list = STR("");

	for (size_t i = 0; keys[i]; i++) {
		if (i == KEYS_SHOWN_MAX)
			return STR("");
		list = arena_printf(arena, "%.*s%s%s", STR_ARG(list), i ? ", " : "", keys[i]);
	}
	return list;
}

static void settings_report_unknown(const struct settings_part *parts, size_t n_parts,
				    const struct node_entry *entry, const char *what,
				    struct arena *arena, struct diag *diag)
{
	scoped(mem_free_ptr) const char **keys = settings_keys(parts, n_parts);
	const char *nearest = diag_nearest(entry->key, keys);
	struct str list = settings_list_keys(keys, arena);
	struct str key = str_first(entry->key, 100);
	ptrdiff_t colon = str_find_char(entry->key, ':');

	if (colon > 0 && entry->value->kind == NODE_NULL)
		diag_error(diag, entry->key_place,
			   "unknown key \"%.*s\" in %s; write a space behind the \":\"",
			   STR_ARG(key), what);
	else if (nearest)
		diag_error(diag, entry->key_place,
			   "unknown key \"%.*s\" in %s; did you mean \"%s\"?", STR_ARG(key), what,
			   nearest);
	else if (list.len)
		diag_error(diag, entry->key_place, "unknown key \"%.*s\" in %s; it takes %.*s",
			   STR_ARG(key), what, STR_ARG(list));
	else
		diag_error(diag, entry->key_place, "unknown key \"%.*s\" in %s; remove it",
			   STR_ARG(key), what);
}

static void settings_read_entry(const struct settings_part *parts, size_t n_parts,
				const struct node_entry *entry, const char *what,
				struct arena *arena, struct diag *diag)
{
	for (size_t i = 0; i < n_parts; i++) {
		const struct setting *setting = setting_find(parts[i].table, entry->key);

		if (setting) {
			setting_read_value(setting, entry->value, parts[i].target, arena, diag);
			return;
		}
	}
	settings_report_unknown(parts, n_parts, entry, what, arena, diag);
}

static void settings_check_required(const struct setting *table, const struct node *map,
				    struct place place, const char *what, struct diag *diag)
{
	place.len = 1;
	for (; table->key; table++)
		if (table->required && !node_entry_find(map, table->key))
			diag_error(diag, place, "%s needs the key \"%s\"; %s", what, table->key,
				   table->help ? table->help : "add it");
}

size_t settings_read(const struct settings_part *parts, size_t n_parts, const struct node *map,
		     const char *what, struct arena *arena, struct diag *diag)
{
	size_t n_before = diag->n_errors;

	for (size_t i = 0; i < n_parts; i++)
		settings_defaults(parts[i].table, parts[i].target, arena);
	if (map && map->kind != NODE_MAP && map->kind != NODE_NULL) {
		diag_error(diag, map->place, "%s is a map of keys, not %s; write key: value", what,
			   node_kind_name(map));
		return diag->n_errors - n_before;
	}
	for (size_t i = 0; map && i < map->n_entries; i++)
		settings_read_entry(parts, n_parts, &map->entries[i], what, arena, diag);
	for (size_t i = 0; i < n_parts; i++)
		settings_check_required(parts[i].table, map, map ? map->place : (struct place){ 0 },
					what, diag);
	return diag->n_errors - n_before;
}
