/* server/server_upgrade.c: a server whose place another process takes, and one that takes another's place. */
#include "core/base/memory.h"
#include "server/inherited.h"
#include "server/notify.h"
#include "server/server.h"
#include "server/store/store.h"
#include "server/upgrade/takeover.h"
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* Not what a symbolic link leads to now: the next version may be what it leads to then. */
char *server_find_program(char *const *argv)
{
	char path[PATH_MAX];
	ssize_t n;

	if (argv[0][0] == '/')
		return mem_strdup(argv[0]);
	if (strchr(argv[0], '/') && getcwd(path, sizeof(path)))
		return mem_printf("%s/%s", path, argv[0]);
	n = readlink("/proc/self/exe", path, sizeof(path));
	return n > 0 && n < (ssize_t)sizeof(path) ? mem_strndup(path, (size_t)n)
						  : mem_strdup(argv[0]);
}

bool server_hand_over(struct server *server)
{
	struct listener *listener;

	server->handed_over = true;
	list_each(listener, &server->listeners, struct listener, link)
		listener->handed_over = true;
	server_shutdown(server);
	return server_drop_reloads(server);
}

void server_say_ready(struct server *server)
{
	struct listener *listener;

	list_each(listener, &server->listeners, struct listener, link)
		listener_store(listener);
	notify_ready("serving generation 1");
	if (!notify_watchdog_ms())
		return;
	notify_watchdog();
	timer_start(&server->watchdog, notify_watchdog_ms());
}

void server_confirm(struct server *server)
{
	struct listener *listener;

	server->unconfirmed = false;
	list_each(listener, &server->listeners, struct listener, link)
		listener->handed_over = false;
	inherited_settle(); /* systemd does not listen to another process than the main one */
	server_say_ready(server);
}

void server_on_alone(struct server *server)
{
	server->predecessor = false;
	store_set_alone(server->store);
	server_check_ended(server);
}
