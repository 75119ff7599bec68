/* server/inherited.h: listening sockets that this process was started with (sd_listen_fds(3)).
 *
 * They come from systemd's socket units, from systemd's store of descriptors (what this service had open
 * before it was started again), or from the leat that this one replaces (server/upgrade/). Whoever connects
 * meanwhile waits in the socket instead of being refused.
 *
 * `listen: systemd:NAME` is the one of that name (FileDescriptorName= of its socket unit); an address that
 * the configuration has and that one of them is bound to is that one, too. Those that leat has opened
 * itself have a name made of the address in the configuration, and belong to that alone. Main thread. */
#pragma once
#include "core/base/str.h"
#include "core/io/net.h"

enum { INHERITED_NAME_MAX = 256 }; /* what systemd takes, and a NUL */

/* Takes them over; before the first listener, and before anything is started. */
void inherited_begin(void);
void inherited_end(void);

/* "systemd:web" as the address of a listener, which no other has; -EINVAL. */
int inherited_parse(struct str text, struct net_addr *ret_addr);
bool inherited_is_meant(struct str text); /* it begins so */

/* The name of a socket that leat opens itself: "leat-listener-" and the address. */
void inherited_own_name(char out[INHERITED_NAME_MAX], const struct net_addr *addr);
bool inherited_is_own(const char *name);

/* The descriptor of the socket of that name or address, from now on the caller's, with the name under which
 * it came; -ENOENT. */
int inherited_take(struct str text, const struct net_addr *addr, char ret_name[INHERITED_NAME_MAX]);

/* Says which of systemd's nobody has asked for so far; they may be asked for later. Those that leat had
 * opened itself and that the configuration does not have any more are closed and forgotten. */
void inherited_settle(void);

/* Those that nobody has asked for: `each` with their descriptor, which stays theirs. */
void inherited_each(void (*each)(void *arg, int fd, const char *name), void *arg);
