/* core/io/resolver.h: a c-ares channel on a loop: its sockets as watches, its timeouts as a
 * timer. Internal to core/io. */
#pragma once
#include "core/io/loop.h"
#include <ares.h>
#include <sys/types.h>
#include <time.h>

/* Of the file that was read. */
struct resolver_stamp {
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct resolver {
	struct loop *loop;
	ares_channel channel;
	struct timer timer;    /* when c-ares wants to look at its timeouts */
	struct list sockets;   /* of resolver_socket.link */
	char *servers;         /* NULL: those of the file below */
	const char *conf_path; /* /etc/resolv.conf */
	struct resolver_stamp stamp;
	unsigned timeout_ms, tries;
};

int resolver_open(struct resolver *resolver, struct loop *loop); /* 0 or a negative errno */

/* Calls back for every question that waits (with ARES_EDESTRUCTION), then closes the sockets. */
void resolver_close(struct resolver *resolver);

/* Calls back once, perhaps before it returns. `host` needs to stay no longer than the call. */
void resolver_ask(struct resolver *resolver, const char *host, ares_addrinfo_callback on_answer,
		  void *arg);

/* The same for the records of any type, as the server's message; with the search domains. */
void resolver_search(struct resolver *resolver, const char *name, int type, ares_callback on_answer,
		     void *arg);

/* Reads /etc/resolv.conf again when it has changed: a machine may get its network after its
 * daemons. No question may wait. 0 or a negative errno, and all is as it was. */
int resolver_refresh(struct resolver *resolver);

/* As names_set_conf(): `path` must stay. No question may wait. */
int resolver_set_conf(struct resolver *resolver, const char *path);

/* As names_set_servers() and names_set_patience(); no question may wait. */
int resolver_set_servers(struct resolver *resolver, const char *csv);
int resolver_set_patience(struct resolver *resolver, unsigned timeout_ms, unsigned tries);
