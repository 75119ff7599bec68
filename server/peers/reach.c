/* server/peers/reach.c */
#include "server/peers/reach.h"
#include "server/actors/actors.h"

void peer_reach_read(struct peer_reach *reach, const struct setting_texts *texts, bool said,
		     struct arena *arena)
{
	*reach = (struct peer_reach){ .few = said, .n_names = texts->n_texts };
	reach->names = arena_alloc_array(arena, texts->n_texts + 1, sizeof(*reach->names));
	for (size_t i = 0; i < texts->n_texts; i++)
		reach->names[i] = arena_str(arena, texts->texts[i]);
}

bool peer_reach_is_same(const struct peer_reach *a, const struct peer_reach *b)
{
	bool same = a->few == b->few && a->n_names == b->n_names;

	for (size_t i = 0; same && i < a->n_names; i++)
		same = str_eq(a->names[i], b->names[i]);
	return same;
}

bool peer_may_reach(const struct peer_reach *reach, struct str actor)
{
	ptrdiff_t slash = str_find_char(actor, '/');
	struct str name = slash < 0 ? actor : str_first(actor, (size_t)slash);

	for (size_t i = 0; i < reach->n_names; i++)
		if (str_eq(reach->names[i], name))
			return true;
	return !reach->few;
}

static void reach_check(const struct node *node, const struct actor_section *actors,
			struct diag *diag)
{
	const char *nearest;

	if (actor_spec_find(actors, node->text))
		return;
	nearest = diag_nearest(node->text, actors->names);
	diag_error(diag, node->place, "there is no actor \"%.*s\"%s%s%s",
		   STR_ARG(str_first(node->text, 80)), nearest ? "; did you mean \"" : "",
		   nearest ? nearest : "", nearest ? "\"?" : "");
}

void peer_section_check_reach(const struct node *node, const struct actor_section *actors,
			      struct diag *diag)
{
	for (size_t i = 0; node && node->kind == NODE_MAP && i < node->n_entries; i++) {
		const struct node *entry = node->entries[i].value, *list;

		list = entry->kind == NODE_MAP ? node_find(entry, "actors") : NULL;
		if (list && list->kind == NODE_LIST)
			for (size_t j = 0; j < list->n_entries; j++)
				reach_check(list->entries[j].value, actors, diag);
		else if (list && node_is_scalar(list))
			reach_check(list, actors, diag);
	}
}
