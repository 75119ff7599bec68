/* server/admin/gather.h: asking every loop something, and answering when all have said it.
 *
 * `ask` runs on each worker's thread and appends to its own buffer; `done` runs on the main
 * thread with all of them. The request may have left meanwhile: then nobody is answered. */
#pragma once
#include "server/request.h"

struct gather;
typedef void gather_ask_fn(struct gather *gather, struct worker *worker, struct buf *out);
typedef void gather_done_fn(struct gather *gather);

struct gather_part {
	struct post post;
	struct gather *gather;
	struct worker *worker;
	struct buf out;
	int result; /* for `ask` to say */
};

struct gather {
	struct request *request; /* NULL: it has left */
	gather_ask_fn *ask;
	gather_done_fn *done;
	int command;     /* for ask() */
	struct str name; /* for ask(); a copy */
	size_t n_parts, n_waiting;
	struct gather_part parts[];
};

/* `name` is copied; may be empty. Main thread. */
void gather_start(struct request *request, gather_ask_fn *ask, gather_done_fn *done, int command,
		  struct str name);
