/* server/listener.h: a listening socket and the spreading of its connections over the loops
 * (DECISIONS 1).
 *
 * One loop accepts; it gives each connection to the loop with the fewest. The socket lives
 * through reloads and stays open until its address leaves the configuration. */
#pragma once
#include "core/base/str.h"
#include "core/io/loop.h"
#include "core/io/net.h"

struct server;
struct worker;

struct listener {
	struct list link; /* in server->listeners; main thread */
	struct server *server;
	struct worker *worker; /* that accepts; fixed */
	uint32_t number;       /* from 1, never used twice: how its connections know it; fixed */
	struct net_addr addr;
	bool admin; /* its connections are the main thread's */
	bool started;
	char *fd_name;    /* its name at systemd, and in a process that takes this one's place */
	bool stored;      /* systemd keeps a copy of it, by that name */
	bool handed_over; /* another process has it, too, and accepts */
	bool kept;        /* while a reload is applied: the new configuration has it too */
	char *text;       /* as the configuration names it */
	int fd;
	struct watch watch;   /* on the worker's loop from here on */
	struct timer backoff; /* out of descriptors: accepting goes on then */
	int reserve_fd;       /* given up to accept and refuse one when there are no others */
	struct post start_post,
		stop_post; /* two: the stop may be asked for before the start was run */
};

/* Opens the socket. 0 or a negative errno. Main thread. */
int listener_create(struct listener **ret_listener, struct server *server, struct worker *worker,
		    struct str text, const struct net_addr *addr, bool admin);
void listener_start(struct listener *listener); /* begins to accept; main thread */

/* Has systemd keep it, where it is leat's own. This must be the process that systemd listens to. Main thread. */
void listener_store(struct listener *listener);

/* Accepts who is connected already, stops accepting, then closes and frees it; main thread.
 * Connections that were accepted stay. */
void listener_stop(struct listener *listener);
