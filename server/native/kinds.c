/* server/native/kinds.c: kinds of modules' actors as specs of the section `actors`. */
#include "server/native/actors.h"
#include "server/native/natives.h"

struct native_kind {
	struct actor_foreign_kind foreign;
	struct library *library; /* of the generation */
};

size_t natives_n_kinds(const struct natives *natives)
{
	size_t n = 0;

	for (size_t i = 0; i < natives->n_libraries; i++)
		for (const struct leat_kind *row = library_kinds(natives->libraries[i]->module);
		     row && row->name; row++)
			n++;
	return n;
}

static struct actor *kind_find(const struct actor_foreign_kind *foreign, struct str name)
{
	struct library *library = container_of(foreign, struct native_kind, foreign)->library;
	struct leat_actor *found;
	struct actor *actor;

	lock_acquire(&library->actors.lock);
	found = library->actors.closing ? NULL : map_find(&library->actors.by_name, name);
	actor = found ? actor_ref(found->foreign.actor) : NULL;
	lock_release(&library->actors.lock);
	return actor;
}

static void kind_declare_handlers(const struct leat_kind *kind, struct actor_spec *spec,
				  struct arena *arena)
{
	size_t n = 0;

	while (kind->handlers[n].name)
		n++;
	spec->handlers = arena_alloc_array(arena, n, sizeof(*spec->handlers));
	for (size_t i = 0; i < n; i++) {
		const struct leat_handler *row = &kind->handlers[i];

		spec->handlers[i] = (struct actor_handler){
			.name = str_of(row->name),
			.help = str_of(row->help),
			.gets = row->flags & LEAT_GET,
			.exposed = kind->flags & LEAT_EXPOSE,
			.answers = true,
		};
	}
	spec->n_handlers = n;
}

static void kind_declare(struct library *library, struct place place, const struct leat_kind *kind,
			 struct flow_compiler *compiler, struct actor_section *section)
{
	const struct node_entry entry = { .key = str_of(kind->name), .key_place = place };
	struct actor_spec *spec = actor_section_add(section, compiler, &entry);
	struct native_kind *own = arena_alloc(compiler->arena, sizeof(*own));

	*own = (struct native_kind){ { kind_find, native_actor_handle }, library };
	section->specs[section->n_specs - 1].foreign = &own->foreign;
	if (!spec)
		return;
	spec->help = str_of(kind->help);
	kind_declare_handlers(kind, spec, compiler->arena);
}

void natives_declare_actors(const struct natives *natives, struct flow_compiler *compiler,
			    struct actor_section *section)
{
	section->natives = natives;
	for (size_t i = 0; i < natives->n_libraries; i++) {
		struct library *library = natives->libraries[i];

		for (const struct leat_kind *row = library_kinds(library->module); row && row->name;
		     row++)
			kind_declare(library, natives->places[i], row, compiler, section);
	}
}
