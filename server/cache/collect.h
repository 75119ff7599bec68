/* server/cache/collect.h: a body that is kept while it is passed on.
 *
 * It stands between the source of a body and whoever sends it. As long as it collects, it takes
 * from the source as fast as that gives, so that a slow client does not hold up those who wait for
 * the whole; the client gets what was collected at its own pace. What becomes larger than may be
 * kept is only passed on from there, and then the client's pace is the source's again. When the
 * client leaves, collecting goes on. In the arena of the request, which has to stay until it is
 * done. */
#pragma once
#include "server/body_source.h"
#include "server/cache/entry.h"

struct collect {
	struct body_source source;
	struct body_source *inner;
	struct arena_budget *budget;
	void (*on_done)(struct collect *collect, bool whole); /* once: it collects no more; a whole
								 body may be taken. From the loop,
								 or within collect_start() */
	void *owner;
	size_t max;
	char *bytes; /* NULL: it collects no more, and all was taken or passed on */
	char *retired; /* the block that the client's piece is in, when there is a larger one; or NULL */
	size_t len, room;          /* that were collected */
	size_t taken;              /* that the client has had */
	struct cache_entry *entry; /* a reference: has the bytes, since they are whole */
	struct str rest;           /* of the source: a piece that had no place any more */
	int error;                 /* of the source */
	bool collecting, inner_waits, inner_done;
	bool waiting; /* the client, for on_more() */
	bool lent;    /* its piece is in `bytes` */
	bool closed;  /* by the client */
};

/* Takes over `inner`. */
void collect_init(struct collect *collect, struct body_source *inner, size_t max,
		  struct arena_budget *budget, void (*on_done)(struct collect *collect, bool whole),
		  void *owner);

/* Takes what there is already. Once, when on_done() may be called. */
void collect_start(struct collect *collect);

/* Within on_done() of a whole body: an entry of these parts, whose body it is. NULL without memory. */
struct cache_entry *collect_entry(struct collect *collect, struct cache_parts *parts);

/* It collects no more, and on_done() is called, unless it was. */
void collect_stop(struct collect *collect);
