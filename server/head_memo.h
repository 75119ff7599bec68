/* server/head_memo.h: heads that were read before.
 *
 * A client that keeps a connection alive often sends the same head again and again, byte for
 * byte: a load balancer's health check, a poller, a benchmark. What such a head means depends on
 * nothing but its bytes and the generation, so when it led to a constant reply (or to one that is
 * constant for a while: a small file), that is remembered, and the same bytes need no second
 * reading. Only heads that have passed the whole
 * check get here. One a worker; bounded; forgotten with the generation. */
#pragma once
#include "server/http/head.h"

struct reply;
struct route;

enum {
	HEAD_MEMO_ENTRIES = 64, /* a power of two */
	HEAD_MEMO_MAX = 720,    /* bytes of a head; longer ones are read each time */
};

struct head_memo_entry {
	size_t len;            /* 0: free */
	struct http_head head; /* method and target point into `bytes`; there are no fields */
	const struct route *route;
	const struct reply *reply;
	uint64_t until_ns; /* the reply is right before that; UINT64_MAX: always */
	uint64_t epoch;    /* and as long as this is its owner's */
	char bytes[HEAD_MEMO_MAX];
};

struct head_memo {
	struct head_memo_entry entries[HEAD_MEMO_ENTRIES];
};

/* What the window, which begins with a head, was known to mean; NULL: it must be read. */
const struct head_memo_entry *head_memo_find(const struct head_memo *memo, struct str window);

/* `bytes` is a whole head, `head` what it says, `reply` the constant answer. The entry, to which
 * until when may be added; NULL when the head is not one to be remembered. */
struct head_memo_entry *head_memo_add(struct head_memo *memo, struct str bytes,
				      const struct http_head *head, const struct route *route,
				      const struct reply *reply);
void head_memo_clear(struct head_memo *memo);
