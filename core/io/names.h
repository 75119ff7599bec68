/* core/io/names.h: host names to addresses, without blocking (c-ares on the loop).
 *
 * One resolver a loop. Answers are kept for their TTL (at least 1 s, at most 5 minutes; failures
 * 1 s), bounded in number; those who ask for the same name at the same time share one query.
 * /etc/hosts is honoured, and /etc/resolv.conf is read again when it has changed. */
#pragma once
#include "core/base/str.h"
#include "core/io/loop.h"
#include "core/io/net.h"

enum {
	NAMES_ADDRS_MAX = 16,
	NAMES_HOST_MAX = 253, /* without the dot that may stand at the end */
	NAMES_KEPT_MAX = 1024,
};

struct names;
struct lookup;
typedef void lookup_fn(struct lookup *lookup);

/* A question; embedded in who asks. */
struct lookup {
	struct list link; /* with the others that wait for the same query */
	struct ready ready;
	lookup_fn *on_done; /* from the loop, never from within lookup_start() */
	uint16_t port;      /* that was asked for */
	int error; /* 0; -ENOENT: no such name; -ETIMEDOUT; -EIO: no server answers, or too many
		      questions wait already */
	uint64_t expires_ns; /* until then the answer is good; UINT64_MAX: for ever (a number) */
	unsigned n_addrs;
	struct net_addr
		addrs[NAMES_ADDRS_MAX]; /* with the port that was asked for; IPv4 and IPv6 in the
						   resolver's order */
};

int names_create(struct names **ret_names, struct loop *loop); /* 0 or a negative errno */
void names_destroy(struct names *names); /* NULL is accepted; lookups that wait never complete */

/* Asks these servers ("127.0.0.1:5353,[::1]", in this order) and not those of /etc/resolv.conf.
 * -EINVAL; -EBUSY while a query waits for its answer. */
int names_set_servers(struct names *names, const char *csv);

/* Reads this file and not /etc/resolv.conf; `path` must stay. -EBUSY while a query waits for its
 * answer. */
int names_set_conf(struct names *names, const char *path);

/* How long each server is waited for at its first try (each round doubles it), and how many
 * rounds there are. The default is 2 s and 3. -EBUSY while a query waits for its answer. */
int names_set_patience(struct names *names, unsigned timeout_ms, unsigned tries);

/* Asks. A numeric host is answered without a query. */
void lookup_start(struct lookup *lookup, struct names *names, struct str host, uint16_t port,
		  lookup_fn *on_done);
void lookup_cancel(struct lookup *lookup); /* on_done will not be called; harmless when done */
