/* conf/merge.c
 *
 * A section that stands in one file stays the node that was read; the second file that has it makes
 * a list of entries of its own. */
#include "conf/merge.h"
#include "core/base/memory.h"
#include <stdlib.h>

/* Sections that are maps of names: two files may each have some of the names. */
static const char *const named_sections[] = { "http",   "redis",   "sql",   "kafka",
					      "shared", "compute", "flows", "routes",
					      "jobs",   "actors",  "peers", "tests" };

/* Those that are lists, or one element of one. */
static const char *const listed_sections[] = { "listen", "modules" };

struct section {
	struct section *next;
	struct node_entry entry; /* where it stood first */
	bool merged;             /* the value is made of `entries` */
	struct map names;        /* of struct node_entry, in the arena; when merged */
	struct node_entry *entries;
	size_t n_entries, cap_entries;
};

void merge_init(struct merge *merge, struct arena *arena, struct diag *diag)
{
	*merge = (struct merge){ .arena = arena, .diag = diag };
	map_init(&merge->sections);
}

void merge_fini(struct merge *merge)
{
	for (struct section *section = merge->first; section; section = section->next) {
		map_fini(&section->names);
		free(section->entries);
	}
	map_fini(&merge->sections);
}

static bool merge_is_among(struct str key, const char *const sections[], size_t n_sections)
{
	for (size_t i = 0; i < n_sections; i++)
		if (str_eq(key, str_of(sections[i])))
			return true;
	return false;
}

static bool merge_is_named(struct str key)
{
	return merge_is_among(key, named_sections, ARRAY_LEN(named_sections));
}

static void section_append(struct section *section, struct node_entry entry)
{
	if (section->n_entries == section->cap_entries) {
		section->cap_entries = MAX(section->cap_entries * 2, (size_t)16);
		section->entries = mem_realloc_array(section->entries, section->cap_entries,
						     sizeof(*section->entries));
	}
	section->entries[section->n_entries++] = entry;
}

static void merge_add_name(struct merge *merge, struct section *section,
			   const struct node_entry *entry)
{
	/* the map wants a pointer that is not const, and does not write to it */
	struct node_entry *copy = arena_alloc(merge->arena, sizeof(*copy));
	const struct node_entry *other = map_find(&section->names, entry->key);

	check(copy);
	if (other) {
		diag_error(merge->diag, entry->key_place,
			   "\"%.*s\" of %.*s is already in %s:%u:%u; remove or rename one",
			   STR_ARG(str_first(entry->key, 100)), STR_ARG(section->entry.key),
			   other->key_place.source->name, other->key_place.line,
			   other->key_place.col);
		return;
	}
	*copy = *entry;
	map_set(&section->names, copy->key, copy);
	section_append(section, *copy);
}

static void merge_add_names(struct merge *merge, struct section *section, const struct node *node)
{
	for (size_t i = 0; i < node->n_entries; i++)
		merge_add_name(merge, section, &node->entries[i]);
}

/* `listen:` may be one address or a list of them; `modules:` likewise. */
static void merge_add_items(struct section *section, struct node *node)
{
	if (node->kind != NODE_LIST)
		section_append(section, (struct node_entry){ .value = node });
	for (size_t i = 0; node->kind == NODE_LIST && i < node->n_entries; i++)
		section_append(section, node->entries[i]);
}

static void merge_refuse(struct merge *merge, const struct section *section,
			 const struct node_entry *entry)
{
	struct place first = section->entry.key_place;

	diag_error(merge->diag, entry->key_place,
		   "\"%.*s\" is already in %s:%u:%u, and may stand in one file only; put all of it "
		   "there",
		   STR_ARG(str_first(entry->key, 100)), first.source->name, first.line, first.col);
}

static void merge_names(struct merge *merge, struct section *section,
			const struct node_entry *entry)
{
	if (entry->value->kind != NODE_MAP || section->entry.value->kind != NODE_MAP) {
		merge_refuse(merge, section, entry);
		return;
	}
	if (!section->merged)
		merge_add_names(merge, section, section->entry.value);
	section->merged = true;
	merge_add_names(merge, section, entry->value);
}

static void merge_section(struct merge *merge, struct section *section,
			  const struct node_entry *entry)
{
	if (section->entry.value->kind == NODE_NULL) {
		section->entry = *entry;
	} else if (merge_is_named(entry->key)) {
		merge_names(merge, section, entry);
	} else if (merge_is_among(entry->key, listed_sections, ARRAY_LEN(listed_sections))) {
		if (!section->merged)
			merge_add_items(section, section->entry.value);
		section->merged = true;
		merge_add_items(section, entry->value);
	} else {
		merge_refuse(merge, section, entry);
	}
}

static void merge_new_section(struct merge *merge, const struct node_entry *entry)
{
	struct section *section = arena_zalloc(merge->arena, sizeof(*section));

	check(section);
	section->entry = *entry;
	map_init(&section->names);
	map_set(&merge->sections, section->entry.key, section);
	if (merge->last)
		merge->last->next = section;
	else
		merge->first = section;
	merge->last = section;
	merge->n_sections++;
}

void merge_add(struct merge *merge, const struct node *root)
{
	for (size_t i = 0; i < root->n_entries; i++) {
		const struct node_entry *entry = &root->entries[i];
		struct section *section = map_find(&merge->sections, entry->key);

		if (str_eq(entry->key, STR("include")))
			continue;
		if (!section)
			merge_new_section(merge, entry);
		else if (entry->value->kind != NODE_NULL)
			merge_section(merge, section, entry);
	}
}

static struct node *merge_node(struct arena *arena, enum node_kind kind, struct place place,
			       size_t n_entries)
{
	struct node *node = arena_zalloc(arena, sizeof(*node));

	check(node);
	node->kind = kind;
	node->place = place;
	node->n_entries = n_entries;
	node->entries = arena_alloc_array(arena, n_entries, sizeof(*node->entries));
	check(node->entries);
	return node;
}

static struct node_entry merge_entry(struct merge *merge, const struct section *section)
{
	struct node_entry entry = section->entry;
	enum node_kind kind =
		entry.value->kind == NODE_MAP && merge_is_named(entry.key) ? NODE_MAP : NODE_LIST;

	if (!section->merged)
		return entry;
	entry.value =
		merge_node(merge->arena, kind, section->entry.value->place, section->n_entries);
	if (section->n_entries)
		memcpy(entry.value->entries, section->entries,
		       section->n_entries * sizeof(*section->entries));
	return entry;
}

struct node *merge_finish(struct merge *merge, struct place place)
{
	struct node *root = merge_node(merge->arena, NODE_MAP, place, merge->n_sections);
	size_t i = 0;

	for (struct section *section = merge->first; section; section = section->next)
		root->entries[i++] = merge_entry(merge, section);
	return root;
}
