/* server/inherited.h: listening sockets that systemd has opened for this process (sd_listen_fds(3)).
 *
 * `listen: systemd:NAME` is the one of that name (FileDescriptorName= of its socket unit); an address
 * that the configuration has and that one of them is bound to is that one, too. Whoever connects while
 * the process starts, or starts again, waits in the socket instead of being refused. Main thread. */
#pragma once
#include "core/base/str.h"
#include "core/io/net.h"

/* Takes them over; before the first listener, and before anything is started. */
void inherited_begin(void);

/* "systemd:web" as the address of a listener, which no other has; -EINVAL. */
int inherited_parse(struct str text, struct net_addr *ret_addr);
bool inherited_is_meant(struct str text); /* it begins so */

/* The descriptor of the socket of that name or address, from now on the caller's; -ENOENT. */
int inherited_take(struct str text, const struct net_addr *addr);

/* Says which of them nobody has asked for so far. */
void inherited_warn(void);
