/* server/upgrade/takeover.h: the side of the process that takes another's place
 * (server/upgrade/protocol.h). Main thread. */
#pragma once
#include "core/base/diag.h"
#include "core/io/loop.h"

struct server;

/* Whether this process was started to take another's place; its environment says so. Takes the keys of TLS
 * sessions. Before threads are started; once. */
bool takeover_begin(void);
bool takeover_is_pending(void); /* it was, and is not the main process yet */

/* The configuration is good: what is logged from here on goes where the other one's does. */
void takeover_use_stderr(void);

/* Why it does not serve, for who has asked for the upgrade. */
void takeover_tell(const struct diag *diag);

/* It serves. When the other one has made it the main process, the server is told: server_confirm(); when the
 * other one ends before that, server_shutdown(). Later its end is told: server_on_alone(). */
void takeover_serve(struct server *server);
void takeover_end(void);
