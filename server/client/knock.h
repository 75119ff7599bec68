/* server/client/knock.h: from an address to a connected socket. Internal.
 *
 * While something else is left to try, as `n_more` says, one try gets half of the time that is left,
 * so that a silent address does not use it up. */
#pragma once
#include "core/io/loop.h"
#include "core/io/net.h"

struct knock;
typedef void knock_fn(struct knock *knock);

struct knock {
	struct loop *loop;
	struct watch watch; /* of the socket that connects */
	struct timer timer;
	struct ready ready; /* it failed at once */
	knock_fn *on_done;  /* from the loop, never from within knock_start() */
	void *user;
	/* then: */
	uint32_t events; /* that came for the socket, when it is connected */
	int error;       /* 0: connected; else why it failed */
	bool timed_out;  /* its time, not the network, ended it */
};

void knock_init(struct knock *knock, struct loop *loop, knock_fn *on_done, void *user);

/* Once at a time. A deadline of UINT64_MAX is none. */
void knock_start(struct knock *knock, const struct net_addr *addr, uint64_t deadline_ns,
		 unsigned n_more);

/* on_done will not be called, and a socket that was not taken is closed; harmless when done, and
 * before knock_start(). */
void knock_stop(struct knock *knock);

/* The connected socket, which the loop watches as core/io/stream.h would: for stream_adopt(). */
int knock_take(struct knock *knock);
