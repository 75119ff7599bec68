/* server/store/store_late.c: a store that another process has, which is about to end (server/upgrade/). */
#include "core/base/log.h"
#include "server/store/store_private.h"
#include <stdio.h>

enum { TAKE_OVER_MS = 20 }; /* how often it is tried whether that one has let go of it */

/* What store_note_trouble() does, of a file that is not open. */
static void store_note_closed(struct store *store, const struct diag *diag)
{
	const char *problem = diag->n_entries ? diag->entries[0].message : "";
	int before;

	lock_acquire(&store->lock);
	before = store->trouble;
	store->trouble = -EIO;
	snprintf(store->problem, sizeof(store->problem), "%s", problem);
	lock_release(&store->lock);
	if (!before)
		log_error("store cannot be opened path=%s problem=%s, going on without it, trying "
			  "again",
			  LOG_QUOTE(str_of(store->path)), LOG_QUOTE(str_of(problem)));
}

/* One try. 0: it is open; else what store_db_open() says, and for how long to wait. */
static int store_try_to_open(struct store *store, unsigned *ret_wait_ms)
{
	struct diag diag;
	int r;

	*ret_wait_ms = TAKE_OVER_MS;
	if (store->in_memory && !atomic_load(&store->alone))
		return -EBUSY;
	diag_init(&diag);
	r = store_db_open(&store->db, &store->settings, &diag);
	*ret_wait_ms = r == -EBUSY ? TAKE_OVER_MS : PROBE_MS;
	if (r < 0)
		store_db_close(&store->db);
	if (r < 0 && r != -EBUSY) {
		store_note_closed(store, &diag);
		store_fail_waiting(store, -EIO);
	}
	diag_fini(&diag);
	return r;
}

bool store_open_late(struct store *store)
{
	unsigned wait_ms;
	bool stopping = false;

	while (!stopping && store_try_to_open(store, &wait_ms) < 0) {
		lock_acquire(&store->lock);
		if (!store->stopping)
			lock_wait_ms(&store->lock, &store->wake, wait_ms);
		stopping = store->stopping;
		lock_release(&store->lock);
	}
	if (stopping) {
		store_fail_waiting(store, -EIO);
		return false;
	}
	if (store->trouble)
		store_note_trouble(store, 0);
	log_info("store taken over path=%s", LOG_QUOTE(str_of(store->path)));
	store_measure(store);
	atomic_store(&store->open, true);
	return true;
}

void store_set_alone(struct store *store)
{
	atomic_store(&store->alone, true);
}
