/* server/peers/mesh_notice.c: what is said of actors and asks beside messages. */
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/peers/mesh.h"
#include "server/peers/peer_loop.h"
#include "server/peers/trunk.h"
#include <stdlib.h>

/* It is kept until it is noted. */
static bool type_is_end(enum peer_frame_type type)
{
	return type == PEER_ENDED || type == PEER_DOWN;
}

void mesh_add_notice(struct mesh *mesh, enum peer_frame_type type, uint64_t id,
		     const struct buf *body)
{
	/* each name that is watched has one, whatever else there is */
	size_t n_max = MESH_NOTICES_MAX + (type == PEER_DOWN ? MESH_WATCHED_MAX : 0);
	struct mesh_notice *notice;

	if (mesh->n_notices >= n_max || body->error) {
		log_warning("notice dropped peer=%.*s type=%d, too many wait, ignoring",
			    STR_ARG(mesh->peer->conf.name), (int)type);
		return;
	}
	notice = mem_alloc(sizeof(*notice) + body->len);
	*notice = (struct mesh_notice){ .type = type, .id = id, .size = body->len };
	if (body->len)
		memcpy(notice->body, body->data, body->len);
	list_init(&notice->link);
	list_add(&mesh->notices, &notice->link);
	mesh->n_notices++;
	mesh_wake_trunk(mesh);
}

bool mesh_take_notice(struct mesh *mesh, struct trunk *trunk, struct buf *out,
		      enum peer_frame_type *ret_type)
{
	struct mesh_notice *notice = NULL;

	lock_acquire(&mesh->lock);
	if (mesh->trunk == trunk)
		notice = list_first(&mesh->notices, struct mesh_notice, link);
	if (notice) {
		buf_add(out, (struct str){ notice->body, notice->size });
		*ret_type = notice->type;
		list_remove(&notice->link);
		if (type_is_end(notice->type)) {
			list_add(&mesh->unsure, &notice->link);
		} else {
			mesh->n_notices--;
			free(notice);
		}
	}
	lock_release(&mesh->lock);
	return notice != NULL;
}

void mesh_on_noted(struct mesh *mesh, const struct trunk *trunk, uint64_t id)
{
	struct mesh_notice *notice;

	lock_acquire(&mesh->lock);
	while (mesh->trunk == trunk &&
	       (notice = list_first(&mesh->unsure, struct mesh_notice, link)) && notice->id <= id) {
		list_remove(&notice->link);
		mesh->n_notices--;
		free(notice);
	}
	lock_release(&mesh->lock);
}

bool mesh_hear_end(struct mesh *mesh, struct trunk *trunk, uint64_t id)
{
	bool is_new;

	lock_acquire(&mesh->lock);
	is_new = id > trunk->heard_id;
	if (is_new)
		trunk->heard_id = id;
	if (is_new && mesh->trunk == trunk)
		mesh->heard_id = id;
	lock_release(&mesh->lock);
	return is_new;
}

/* In front of those that were not sent. */
void mesh_doubt_notices(struct mesh *mesh)
{
	list_move_all(&mesh->unsure, &mesh->notices);
	list_move_all(&mesh->notices, &mesh->unsure);
}

void mesh_drop_notices(struct mesh *mesh, bool all)
{
	struct mesh_notice *notice;

	list_each(notice, &mesh->notices, struct mesh_notice, link) {
		if (!all && type_is_end(notice->type))
			continue;
		list_remove(&notice->link);
		mesh->n_notices--;
		free(notice);
	}
}

void mesh_notice_name(struct mesh *mesh, enum peer_frame_type type, struct str name)
{
	struct buf body;

	buf_init(&body, 64 << 10);
	peer_put_text(&body, name, 2);
	mesh_add_notice(mesh, type, 0, &body);
	buf_fini(&body);
}

struct mesh_name *mesh_name_find(struct list *names, struct str text)
{
	struct mesh_name *name, *found = NULL;

	list_each(name, names, struct mesh_name, link)
		if (str_eq(name->text, text))
			found = name;
	return found;
}

void mesh_name_add(struct list *names, struct str text)
{
	struct mesh_name *name = mem_alloc(sizeof(*name) + text.len + 1);
	char *bytes = (char *)(name + 1);

	memcpy(bytes, text.ptr, text.len);
	name->text = (struct str){ bytes, text.len };
	list_init(&name->link);
	list_add(names, &name->link);
}

void mesh_name_remove(struct mesh_name *name)
{
	list_remove(&name->link);
	free(name);
}

void mesh_names_clear(struct list *names)
{
	struct mesh_name *name;

	list_each(name, names, struct mesh_name, link)
		mesh_name_remove(name);
}

bool mesh_set_linked(struct mesh *mesh, struct str text, bool linked)
{
	struct mesh_name *name;
	bool ok = true;

	lock_acquire(&mesh->lock);
	name = mesh_name_find(&mesh->linked, text);
	if (linked && !name) {
		ok = mesh->n_linked < MESH_LINKED_MAX && text.len > 0;
		if (ok)
			mesh_name_add(&mesh->linked, text);
		mesh->n_linked += ok;
	} else if (!linked && name) {
		mesh_name_remove(name);
		mesh->n_linked--;
	}
	lock_release(&mesh->lock);
	return ok;
}

void mesh_tell_ended(struct mesh *mesh, struct str group, struct str name, struct str reason)
{
	struct buf body;

	lock_acquire(&mesh->lock);
	if (mesh->peers && mesh_name_find(&mesh->linked, group)) {
		uint64_t id = peers_next_end(mesh->peers);

		buf_init(&body, 64 << 10);
		peer_put(&body, id, 8);
		peer_put_text(&body, group, 2);
		peer_put_text(&body, name, 2);
		peer_put_text(&body, reason, 1);
		mesh_add_notice(mesh, PEER_ENDED, id, &body);
		buf_fini(&body);
	}
	lock_release(&mesh->lock);
}
