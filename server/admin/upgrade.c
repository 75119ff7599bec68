/* server/admin/upgrade.c: POST /v1/upgrade. */
#include "server/upgrade/upgrade.h"
#include "core/base/memory.h"
#include "core/base/version.h"
#include "server/admin/admin.h"
#include "server/admin/status.h"
#include "server/connection.h"
#include "server/expr/json.h"
#include "server/server.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct admin_upgrade {
	struct upgrade_ask ask;
	struct request *request; /* NULL: it has left */
};

/* Whoever may start a program as this user anyway: the admin socket's group may not, and of a TCP address
 * nobody knows who it is. */
static bool admin_may_upgrade(const struct request *request)
{
	const struct conn *conn = request->owner;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return conn && request->listen && request->listen->addr.sa.sa_family == AF_UNIX &&
	       getsockopt(stream_fd(&conn->stream), SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void admin_on_upgrade_left(struct request *request)
{
	struct admin_upgrade *asked = request->native;

	asked->request = NULL;
	request_destroy(request);
}

static void admin_on_upgraded(struct upgrade_ask *ask, bool done, pid_t pid, struct str version,
			      struct str text)
{
	struct admin_upgrade *asked = container_of(ask, struct admin_upgrade, ask);
	struct request *request = asked->request;
	struct buf json;

	free(asked);
	if (!request)
		return;
	buf_init_arena(&json, &request->arena);
	buf_printf(&json, "{\"upgraded\":%s,\"pid\":%d,\"version\":", done ? "true" : "false",
		   done ? pid : getpid());
	json_write_text(done ? version : STR(LEAT_VERSION), &json);
	buf_printf(&json, ",\"before\":%d,\"diagnostics\":", getpid());
	json_write_text(text, &json);
	buf_add_char(&json, '}');
	request_reply_json(request, json.error ? 500 : done ? 200 : 409, buf_str(&json));
}

void admin_upgrade(struct request *request)
{
	struct admin_upgrade *asked;
	struct reply reply;

	if (!admin_may_upgrade(request)) {
		reply = reply_problem(
			&request->arena, 403, STR_NONE, STR_NONE, STR_NONE,
			STR("an upgrade is for root and for the daemon's own user, by an admin "
			    "listener that is a unix socket"));
		request_reply(request, &reply);
		return;
	}
	asked = mem_zalloc(sizeof(*asked));
	asked->request = request;
	asked->ask.on_done = admin_on_upgraded;
	request->native = asked;
	request->on_cancel = admin_on_upgrade_left;
	upgrade_start(admin_server(request), &asked->ask);
}
