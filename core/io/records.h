/* core/io/records.h: records of DNS of any type, without blocking: what is more than an address
 * (core/io/names.h has those).
 *
 * One for each loop, which opens its channel with the first question. Answers are kept for their TTL
 * (at least 1 s, at most 5 minutes; failures 1 s), bounded in number; those who ask the same at the
 * same time share one query. A name is looked for in the search domains of /etc/resolv.conf too, as
 * there. */
#pragma once
#include "core/io/dns_message.h"
#include "core/io/loop.h"

enum { RECORDS_KEPT_MAX = 1024 };

struct records;
struct record_lookup;
struct record_block;
typedef void record_lookup_fn(struct record_lookup *lookup);

/* A question; embedded in who asks. */
struct record_lookup {
	struct list link;
	struct ready ready;
	record_lookup_fn *on_done; /* from the loop, never from within record_lookup_start() */
	int error; /* 0, also when the name has no record of that type; -ENOENT: no such name;
		      -EINVAL: it can be no name; -ETIMEDOUT; -EIO: no server answers, or answers
		      nonsense, or too many questions wait already */
	const struct dns_answer *answer; /* with error 0; until on_done() returns */
	struct record_block *block;
};

/* `servers` as names_set_servers(), and must stay; NULL: those of /etc/resolv.conf. */
struct records *records_create(struct loop *loop, const char *servers);
void records_destroy(struct records *records); /* NULL is accepted; who waits is never told */

void record_lookup_start(struct record_lookup *lookup, struct records *records, struct str name,
			 enum dns_type type, record_lookup_fn *on_done);
void record_lookup_cancel(struct record_lookup *lookup); /* harmless when it is done */
