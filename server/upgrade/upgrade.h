/* server/upgrade/upgrade.h: `leat upgrade`: another process, of the program file as it is now, takes this
 * one's place. It gets the listening sockets; when it serves, this one finishes what is in work and ends.
 * When it fails to, nothing has changed here. Main thread. */
#pragma once
#include "core/base/str.h"
#include "core/io/loop.h"
#include <sys/types.h>

struct server;
struct upgrade_ask;

/* Told once: `text` is what the new process has said, or why there is none. `pid` and `version` are the new
 * one's, if done. */
typedef void upgrade_fn(struct upgrade_ask *ask, bool done, pid_t pid, struct str version,
			struct str text);

struct upgrade_ask {
	upgrade_fn *on_done;
};

void upgrade_start(struct server *server, struct upgrade_ask *ask);

/* The server stops by itself: the other one ends, too. */
void upgrade_abandon(struct server *server);
