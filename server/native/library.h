/* server/native/library.h: a native module that is loaded: a shared object and its tables
 * (core/leat.h).
 *
 * It is loaded from a private copy in memory, so that its file may be replaced while it is in use,
 * and what has the same path but other bytes is another library, however often. It is counted: by
 * each generation that names it, and by each computation that may outlive its request (DECISIONS
 * 4). The last one to let go calls its fini() and unloads it. */
#pragma once
#include "core/base/diag.h"
#include "core/leat.h"
#include "server/native/actors.h"
#include "server/native/promise.h"
#include <stdatomic.h>

enum {
	LIBRARY_SIZE_MAX = 256 << 20, /* of the file */
	LIBRARY_ROWS_MAX = 1000,      /* of one table */
	LIBRARY_SPENT = 64, /* blocks that are over, kept so that using one once more is told */
};

struct library {
	atomic_uint refs;
	char *path;
	int fd; /* of the private copy; open as long as it is loaded: see library.c */
	size_t size;
	void *handle;
	const struct leat_module *module;
	bool started; /* init() has succeeded */
	struct promises promises;
	struct native_actors actors;
	struct library *next; /* of all that are loaded: library_of() */
	struct lock
		lock; /* guards `spent` and `next_spent`; nothing else is taken or called with it */
	void *spent[LIBRARY_SPENT]; /* in turn */
	unsigned next_spent;
};

/* Loads the file, and checks its tables. NULL with an error at the place. Calls no function of the
 * module's. A `path` that is loaded already, with the same bytes, is one more reference to that
 * (`before`: those of the generation at work). */
struct library *library_open(struct str path, struct place place, struct library *const before[],
			     size_t n_before, struct diag *diag);
void library_close(struct library *library); /* what library_open() has given: its actors end */
struct library *library_ref(struct library *library);
void library_unref(struct library *library); /* NULL is accepted; any thread but the module's own */

/* The block (of malloc(), with nothing in it that has to be freed) is freed when as many others have
 * come after it. Any thread. */
void library_spend(struct library *library, void *block);

/* That of a module that is loaded; or NULL. Any thread. */
struct library *library_of(const struct leat_module *module);
const struct leat_kind *library_kinds(const struct leat_module *module); /* or NULL */

/* Calls init(), once. False with an error at the place. */
bool library_start(struct library *library, const struct native_host *host, struct place place,
		   struct diag *diag);

/* The function of that name, or NULL. */
const struct leat_function *library_function(const struct library *library, struct str name);

/* library_check.c: all that a module says of itself. False with errors at the place. */
bool library_check(const struct leat_module *module, struct place place, struct diag *diag);
