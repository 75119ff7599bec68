/* server/store/store_private.h: what store.c and store_late.c share.
 *
 * Locking: store.lock guards what says so below, nothing else; no op runs, and nothing is written,
 * with it held. The file is the thread's from store_create() to store_stop(). */
#pragma once
#include "core/thread/lock.h"
#include "server/store/store_db.h"

enum {
	PROBE_MS = 1000, /* how often a store that does not work is tried */
};

struct store {
	char *path;
	struct store_settings settings; /* `path` of it is the one above */
	bool in_memory;
	struct store_db db; /* the thread's */
	pthread_t thread;
	struct lock lock;
	pthread_cond_t wake, told;
	struct list waiting;  /* of struct store_op; guarded by lock */
	size_t n_waiting;     /* of them and of the batch at hand; guarded by lock */
	size_t waiting_bytes; /* the same */
	size_t n_telling;     /* that are over, and whose loops are being told; guarded by lock */
	bool stopping;        /* guarded by lock */
	atomic_bool open;     /* nobody is waited for */
	atomic_bool
		alone; /* nobody was, or has ended: what is in memory has no lock that says so */
	int trouble;   /* 0 or what the file fails with; guarded by lock */
	char problem[160]; /* of it; guarded by lock */
	bool broken;       /* the thread's: trouble != 0 */
	uint64_t probe_ns; /* the thread's: when to try it next */
	_Atomic uint64_t n_ops, n_failed, n_commits, n_refused, size_bytes;
};

/* ---- store.c, all of the thread */
void store_note_trouble(struct store *store, int trouble); /* 0: it works */
void store_measure(struct store *store);                   /* after a commit that has worked */
void store_fail_waiting(struct store *store, int error);

/* ---- store_late.c: for a store that another process still has. False: it is to end before that one has
 * let go of it. */
bool store_open_late(struct store *store);
