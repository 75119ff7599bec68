/* server/client/dial.h: from a name and a port to a connected socket. Internal.
 *
 * The addresses are tried in the resolver's order. While something else is left to try (an
 * address, or another server as `n_more` says), one try gets half of the time that is left
 * (knock.h). */
#pragma once
#include "server/client/knock.h"
#include "server/client/upstream.h"

struct dial;
typedef void dial_fn(struct dial *dial);

struct dial {
	struct lookup lookup;
	struct knock knock; /* at one address after the other */
	struct timer timer; /* while the name is looked up */
	uint64_t deadline_ns;
	unsigned n_more;  /* servers that may be tried after this one */
	unsigned n_tried; /* addresses */
	dial_fn *on_done; /* from the loop, never from within dial_start() */
	void *user;
	/* then: */
	uint32_t events; /* that came for the socket, when it is connected */
	int error;       /* 0: connected; else why the last try failed */
	bool looked_up;  /* the name has addresses: not its resolver failed */
	bool timed_out;  /* its time, not the network, ended the last try */
};

void dial_init(struct dial *dial, struct loop *loop, dial_fn *on_done, void *user);

/* Once at a time. A deadline of UINT64_MAX is none. */
void dial_start(struct dial *dial, struct names *names, const struct upstream_server *server,
		uint64_t deadline_ns, unsigned n_more);

/* on_done will not be called, and a socket that was not taken is closed; harmless when done,
 * after dial_start(). */
void dial_stop(struct dial *dial);

/* The connected socket, which the loop watches as core/io/stream.h would: for stream_adopt(). */
int dial_take(struct dial *dial);
