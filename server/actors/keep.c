/* server/actors/keep.c: `persist: true`: the state in the store, in one row an actor.
 *
 * A message's new state is on the disk before its sender has the reply, and before the next message
 * begins: so a crash loses nothing that was replied to, and what was not may have been done or not. An
 * op refers to its actor because that holds a message until it is told. */
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/actors/private.h"
#include "server/store/store.h"
#include <errno.h>
#include <stdlib.h>

struct actor_keep {
	struct store_op op;
	struct actor_self *self; /* NULL: nobody waits for it */
	actor_keep_fn *then;
	struct blob *state; /* to be written (NULL: the row goes), or what was read */
	bool found;
	struct str name; /* behind it */
};

static void keep_free(struct actor_keep *keep)
{
	blob_unref(keep->state);
	free(keep);
}

/* ------------------------------------------------------------ on the store's thread */

static int keep_write(struct store_op *op, struct store_db *db)
{
	struct actor_keep *keep = container_of(op, struct actor_keep, op);
	int64_t r;

	if (keep->state)
		r = store_write(
			db, "insert or replace into actor (name, state) values (?1, ?2)",
			STORE_ARGS(store_text(keep->name), store_text(blob_str(keep->state))));
	else
		r = store_write(db, "delete from actor where name = ?1",
				STORE_ARGS(store_text(keep->name)));
	return r < 0 ? (int)r : 0;
}

/* It may be run twice. */
static int keep_read(struct store_op *op, struct store_db *db)
{
	struct actor_keep *keep = container_of(op, struct actor_keep, op);
	struct sqlite3_stmt *statement = store_query(db, "select state from actor where name = ?1",
						     STORE_ARGS(store_text(keep->name)));
	int r = store_row(db, statement);

	blob_unref(take(&keep->state));
	keep->found = r == 1;
	if (r != 1)
		return r;
	keep->state = blob_create(store_row_text(statement, 0));
	r = store_row(db, statement);
	return r < 0 ? r : 0;
}

/* ------------------------------------------------------------ on the actor's loop */

static void keep_on_done(struct store_op *op)
{
	struct actor_keep *keep = container_of(op, struct actor_keep, op);
	struct actor_self *self = keep->self;

	if (self) {
		self->keeping = false;
		keep->then(self, op->result, keep->found, keep->state);
	} else if (op->result < 0) {
		log_warning("actor state not %s name=%s error=%s, ignoring",
			    keep->state ? "written" : "removed", LOG_QUOTE(keep->name),
			    strerrorname_np(-op->result));
	}
	keep_free(keep);
}

static int keep_submit(struct actor_self *self, store_run_fn *run, struct blob *state,
		       actor_keep_fn *then)
{
	struct store *store = self->loop->host.context.store;
	struct actor_keep *keep;
	int r;

	if (!store)
		return -ENODEV;
	keep = mem_zalloc(sizeof(*keep) + self->name.len + 1);
	memcpy(keep + 1, self->name.ptr, self->name.len);
	keep->name = (struct str){ (const char *)(keep + 1), self->name.len };
	keep->op = (struct store_op){ .loop = self->loop->host.loop,
				      .run = run,
				      .on_done = keep_on_done };
	keep->self = then ? self : NULL;
	keep->then = then;
	keep->state = blob_ref(state);
	r = store_submit(store, &keep->op, blob_memory(state) + self->name.len);
	if (r < 0)
		keep_free(keep);
	else
		self->keeping = then != NULL;
	return r;
}

int actor_keep_load(struct actor_self *self, actor_keep_fn *then)
{
	return keep_submit(self, keep_read, NULL, then);
}

int actor_keep_save(struct actor_self *self, struct blob *state, actor_keep_fn *then)
{
	return keep_submit(self, keep_write, state, then);
}

void actor_keep_drop(struct actor_self *self)
{
	int r = keep_submit(self, keep_write, NULL, NULL);

	if (r < 0)
		log_warning("actor state not removed name=%s error=%s, ignoring",
			    LOG_QUOTE(self->name), strerrorname_np(-r));
}
