/* server/upgrade/upgrade.c: the side of the process that serves (server/upgrade/protocol.h).
 *
 *   WAIT --(nothing is in the way)--> START --(SERVING)--> done: the server drains
 *     \                                 \--(ERROR, an end, STARTING_MS)--> refused, the server goes on
 *      \--(WAITING_MS)--> refused
 *
 * In the way are a reload, and the process before, as long as it has the store: three generations of
 * processes would have to wait for each other in order. */
#include "server/upgrade/upgrade.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/io/tls_tickets.h"
#include "server/inherited.h"
#include "server/notify.h"
#include "server/server.h"
#include "server/store/store.h"
#include "server/upgrade/launch.h"
#include "server/upgrade/protocol.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	POLL_MS = 20,
	WAITING_MS = 60000,
	STARTING_MS = 60000, /* as TimeoutStartSec= */
	TEXT_MAX = 64 << 10, /* of what the new process says; the rest is dropped */
};

struct upgrade {
	struct server *server;
	struct upgrade_ask *ask;
	struct timer timer;
	uint64_t asked_ns;
	pid_t pid;
	int pid_fd;     /* -1: not started */
	int fd, err_fd; /* to the new process; -1: none */
	struct watch watch, err_watch;
	struct buf text;
};

/* ------------------------------------------------------------ the end of it */

static void upgrade_drop(struct upgrade *upgrade)
{
	struct loop *loop = upgrade->server->main->loop;

	timer_stop(&upgrade->timer);
	if (upgrade->watch.fd >= 0)
		loop_remove(loop, &upgrade->watch);
	if (upgrade->err_watch.fd >= 0)
		loop_remove(loop, &upgrade->err_watch);
	fd_close(&upgrade->err_fd);
	upgrade->server->upgrade = NULL;
}

static void upgrade_signal(struct upgrade *upgrade, int number)
{
	if (upgrade->pid_fd >= 0)
		syscall(SYS_pidfd_send_signal, upgrade->pid_fd, number, NULL, 0);
}

static void upgrade_free(struct upgrade *upgrade)
{
	fd_close(&upgrade->pid_fd);
	fd_close(&upgrade->fd);
	buf_fini(&upgrade->text);
	free(upgrade);
}

/* Its last words, if it has any that were not read. */
static void upgrade_read_stderr(struct upgrade *upgrade)
{
	char chunk[4096];
	ssize_t n;

	while (upgrade->err_fd >= 0 && (n = read(upgrade->err_fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		buf_add(&upgrade->text,
			(struct str){ chunk, MIN((size_t)n, TEXT_MAX - MIN(upgrade->text.len,
									   (size_t)TEXT_MAX)) });
	}
	if (upgrade->err_watch.fd >= 0)
		loop_remove(upgrade->server->main->loop, &upgrade->err_watch);
}

/* The socket's end is the other's end: it leaves, if it has not yet. */
static void upgrade_refuse(struct upgrade *upgrade, const char *why)
{
	struct server *server = upgrade->server;

	upgrade_read_stderr(upgrade);
	if (upgrade->text.len > 0 && upgrade->text.data[upgrade->text.len - 1] != '\n')
		buf_add_char(&upgrade->text, '\n');
	buf_printf(&upgrade->text, "%s\n", why);
	upgrade_signal(upgrade, SIGTERM);
	log_error("upgrade refused, process %d goes on reason=%s", getpid(),
		  LOG_QUOTE(buf_str(&upgrade->text)));
	notify_status("upgrade refused, this process goes on: %s", why);
	upgrade_drop(upgrade);
	upgrade->ask->on_done(upgrade->ask, false, 0, STR_NONE, buf_str(&upgrade->text));
	upgrade_free(upgrade);
	server_resume_reloads(server);
}

/* From here on this process is the one that leaves. The socket stays open until it ends: the other
 * one sees that by it. */
static void upgrade_done(struct upgrade *upgrade, struct str version)
{
	struct server *server = upgrade->server;
	const char main_now = UPGRADE_MAIN;

	notify_main_pid(upgrade->pid);
	if (send(upgrade->fd, &main_now, 1, MSG_NOSIGNAL) < 0) {
		notify_main_pid(getpid());
		upgrade_refuse(upgrade, "the new process ended as soon as it served");
		return;
	}
	notify_silence();
	log_info("upgraded pid=%d version=%s, finishing what is in work", upgrade->pid,
		 LOG_QUOTE(version));
	upgrade_drop(upgrade);
	if (server_hand_over(server)) /* the file may have changed since it was read */
		upgrade_signal(upgrade, SIGHUP);
	upgrade->ask->on_done(upgrade->ask, true, upgrade->pid, version, buf_str(&upgrade->text));
	upgrade->fd = -1; /* kept */
	upgrade_free(upgrade);
}

/* ------------------------------------------------------------ what the new process says */

static void upgrade_on_stderr(struct watch *watch, uint32_t events)
{
	(void)events;
	upgrade_read_stderr(container_of(watch, struct upgrade, err_watch));
}

static void upgrade_on_packet(struct watch *watch, uint32_t events)
{
	struct upgrade *upgrade = container_of(watch, struct upgrade, watch);
	static char packet[UPGRADE_PACKET_MAX];
	ssize_t n;

	(void)events;
	while ((n = recv(upgrade->fd, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
		struct str rest = { packet + 1, (size_t)n - 1 };

		if (packet[0] == UPGRADE_ERROR) {
			upgrade_read_stderr(upgrade);
			buf_add(&upgrade->text, str_first(rest, TEXT_MAX));
		} else if (packet[0] == UPGRADE_SERVING) {
			upgrade_read_stderr(upgrade);
			upgrade_done(upgrade, rest);
			return;
		}
	}
	if (n < 0 && errno == EAGAIN)
		return;
	upgrade_refuse(upgrade, "the new process ended before it served");
}

static void upgrade_on_late(struct timer *timer)
{
	struct upgrade *upgrade = container_of(timer, struct upgrade, timer);

	upgrade_signal(upgrade, SIGKILL); /* it may hang where it listens to nothing else */
	upgrade_refuse(upgrade, "the new process did not serve in time");
}

/* ------------------------------------------------------------ starting it */

struct passed {
	int *fds;
	size_t n;
	struct buf names;
};

static void passed_add(void *arg, int fd, const char *name)
{
	struct passed *passed = arg;

	passed->fds = mem_realloc_array(passed->fds, passed->n + 3, sizeof(int));
	buf_printf(&passed->names, "%s%s", passed->n ? ":" : "", name);
	passed->fds[passed->n++] = fd;
}

static int upgrade_launch(struct upgrade *upgrade, int fd, int err_fd)
{
	struct server *server = upgrade->server;
	struct passed passed = { .fds = mem_alloc(2 * sizeof(int)) };
	struct launch launch = { .path = server->program,
				 .argv = server->argv,
				 .stderr_fd = err_fd };
	struct listener *listener;
	char variable[64];
	int r;

	buf_init(&passed.names, 1 << 20);
	list_each(listener, &server->listeners, struct listener, link)
		passed_add(&passed, listener->fd, listener->fd_name);
	inherited_each(passed_add, &passed);
	buf_add_char(&passed.names, '\0');
	launch.n_listen_fds = passed.n;
	launch.names = passed.names.data;
	snprintf(variable, sizeof(variable), UPGRADE_VARIABLE "=%zu:%zu", 3 + passed.n,
		 4 + passed.n);
	launch.more = variable;
	passed.fds[passed.n++] = fd;
	passed.fds[passed.n++] = STDERR_FILENO;
	launch.fds = passed.fds;
	launch.n_fds = passed.n;
	r = passed.names.error ? -ENOMEM : launch_start(&launch, &upgrade->pid, &upgrade->pid_fd);
	buf_fini(&passed.names);
	free(passed.fds);
	return r;
}

static void upgrade_send_keys(struct upgrade *upgrade)
{
	unsigned char packet[1 + TLS_TICKETS_KEYS_SIZE] = { UPGRADE_KEYS };

	tls_tickets_save(packet + 1);
	if (send(upgrade->fd, packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_warning(
			"keys of TLS sessions are not handed over error=%s, clients begin new ones",
			strerrorname_np(errno));
	OPENSSL_cleanse(packet, sizeof(packet));
}

/* 0 or a negative errno. */
static int upgrade_open(struct upgrade *upgrade)
{
	struct loop *loop = upgrade->server->main->loop;
	scoped(fd_close) int theirs = -1, err_fd = -1;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	upgrade->fd = pair[0];
	theirs = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	upgrade->err_fd = pair[0];
	err_fd = pair[1];
	if (fcntl(upgrade->err_fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = loop_add(loop, &upgrade->watch, upgrade->fd, EPOLLIN, upgrade_on_packet);
	if (r == 0)
		r = loop_add(loop, &upgrade->err_watch, upgrade->err_fd, EPOLLIN,
			     upgrade_on_stderr);
	if (r < 0)
		return r;
	upgrade_send_keys(upgrade);
	return upgrade_launch(upgrade, theirs, err_fd);
}

static void upgrade_begin(struct upgrade *upgrade)
{
	const char *program = upgrade->server->program;
	int r = upgrade_open(upgrade);

	if (r < 0 && getpid() == 1) {
		upgrade_refuse(
			upgrade,
			"leat is process 1, whose end is the container's: start a new container");
	} else if (r < 0) {
		char why[512];

		snprintf(why, sizeof(why), "cannot start %s: %s", program, strerror(-r));
		upgrade_refuse(upgrade, why);
	} else {
		log_info("upgrade: a new process starts pid=%d program=%s", upgrade->pid, program);
		notify_status("upgrade: process %d starts", upgrade->pid);
		upgrade->timer.on_fire = upgrade_on_late;
		timer_start(&upgrade->timer, STARTING_MS);
	}
}

/* ------------------------------------------------------------ waiting for its turn */

static void upgrade_on_turn(struct timer *timer)
{
	struct upgrade *upgrade = container_of(timer, struct upgrade, timer);
	struct server *server = upgrade->server;
	uint64_t gone_ns = clock_monotonic_ns() - upgrade->asked_ns;
	bool reloading = server->reloading || server->n_unswapped > 0;

	if (!reloading && !server->unconfirmed && store_is_open(server->store))
		upgrade_begin(upgrade);
	else if (gone_ns > WAITING_MS * NS_PER_MS)
		upgrade_refuse(upgrade, reloading ? "a reload is in progress"
						  : "the process before has not ended yet: its "
						    "requests are still in work");
	else
		timer_start(timer, POLL_MS);
}

void upgrade_start(struct server *server, struct upgrade_ask *ask)
{
	struct upgrade *upgrade;

	if (server->stopping || server->upgrade) {
		ask->on_done(ask, false, 0, STR_NONE,
			     server->stopping ? STR("leat is stopping\n")
					      : STR("another upgrade is in progress\n"));
		return;
	}
	upgrade = mem_zalloc(sizeof(*upgrade));
	*upgrade = (struct upgrade){
		.server = server, .ask = ask, .fd = -1, .err_fd = -1, .pid_fd = -1
	};
	upgrade->watch.fd = upgrade->err_watch.fd = -1;
	upgrade->asked_ns = clock_monotonic_ns();
	buf_init(&upgrade->text, 4 * TEXT_MAX);
	timer_init(&upgrade->timer, server->main->loop, upgrade_on_turn);
	server->upgrade = upgrade;
	upgrade_on_turn(&upgrade->timer);
}

void upgrade_abandon(struct server *server)
{
	if (server->upgrade)
		upgrade_refuse(server->upgrade, "leat is stopping");
}
