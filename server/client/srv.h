/* server/client/srv.h: from the name of a service to addresses: its SRV records (RFC 2782), and then
 * the addresses of the hosts that they name. Internal. */
#pragma once
#include "server/client/client.h"
#include "server/client/upstream_names.h"

enum { SRV_TARGETS_MAX = 32 };

struct srv;
typedef void srv_fn(struct srv *srv);

struct srv_target {
	struct srv *srv;
	struct lookup lookup;
	bool running;
	struct str host; /* a copy */
	uint16_t priority, port;
	uint32_t weight; /* beside the others of its priority: 1 to 1000 */
	uint16_t rank;   /* of its priority: 0 is called first */
};

struct srv {
	struct client *client;
	void *user;
	srv_fn *on_done; /* from the loop, never from within srv_start() */
	struct record_lookup records;
	bool running;
	size_t n_targets, n_running;
	struct srv_target *targets;
	/* then, until it is started again: */
	struct upstream_answer answer;
	struct upstream_address addresses[UPSTREAM_FOUND_MAX];
};

void srv_init(struct srv *srv, struct client *client, srv_fn *on_done, void *user);
void srv_start(struct srv *srv, struct str name); /* once at a time */
void srv_fini(struct srv *srv);                   /* on_done is not called any more */
