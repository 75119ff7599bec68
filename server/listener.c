/* server/listener.c */
#include "server/listener.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/inherited.h"
#include "server/notify.h"
#include "server/reply.h"
#include "server/server.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	ADMIN_MODE = 0660, /* of a unix socket */
	BACKLOG = 4096,
	ACCEPTS_A_TURN = 64,
	BACKOFF_MS = 100,
};

static void listener_on_event(struct watch *watch, uint32_t events);

static int listener_open_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listener_on_backoff(struct timer *timer)
{
	struct listener *listener = container_of(timer, struct listener, backoff);

	if (listener->reserve_fd < 0)
		listener->reserve_fd = listener_open_reserve();
	if (loop_add(listener->worker->loop, &listener->watch, listener->fd, EPOLLIN,
		     listener_on_event) < 0)
		timer_start(&listener->backoff, BACKOFF_MS);
}

/* Without this the level-triggered socket would spin the loop. */
static void listener_back_off(struct listener *listener)
{
	loop_remove(listener->worker->loop, &listener->watch);
	timer_start(&listener->backoff, BACKOFF_MS);
}

/* The last word to a connection that cannot be served: best effort, it waits for nothing. */
static void listener_refuse(struct listener *listener, int fd)
{
	const struct listen_spec *listen =
		generation_listen(listener->worker->generation, listener->number);
	const struct reply *reply = reply_refusal(503);
	static const char end[] = "Connection: close\r\n\r\n";

	if (listen && listen->tls)
		; /* nothing that the client could read */
	else if (send(fd, reply->head.ptr, reply->head.len,
		      MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE) > 0 &&
		 send(fd, end, sizeof(end) - 1, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE) > 0 &&
		 send(fd, reply->body.ptr, reply->body.len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		shutdown(fd, SHUT_WR);
	close(fd);
}

static void listener_out_of_descriptors(struct listener *listener, int error)
{
	int fd;

	log_warning("accept failed listener=%s error=%s, refusing one and retrying in %d ms",
		    LOG_QUOTE(str_of(listener->text)), strerrorname_np(-error), BACKOFF_MS);
	fd_close(&listener->reserve_fd);
	fd = net_accept(listener->fd, NULL);
	if (fd >= 0)
		listener_refuse(listener, fd);
	listener->reserve_fd = listener_open_reserve();
	listener_back_off(listener);
}

static bool listener_accept_one(struct listener *listener)
{
	int fd = net_accept(listener->fd, NULL);
	struct worker *worker;

	if (fd == -EAGAIN || fd == -ECONNABORTED)
		return fd == -ECONNABORTED;
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
		listener_out_of_descriptors(listener, fd);
		return false;
	}
	if (fd < 0) {
		log_warning("accept failed listener=%s error=%s, ignoring",
			    LOG_QUOTE(str_of(listener->text)), strerrorname_np(-fd));
		return false;
	}
	worker = server_pick_worker(listener->server, listener->admin);
	if (!worker) {
		listener_refuse(listener, fd);
		return true;
	}
	if (loop_give(worker->loop, fd, listener->number,
		      EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) < 0) {
		server_conn_closed(worker);
		listener_refuse(listener, fd);
	}
	return true;
}

static void listener_on_event(struct watch *watch, uint32_t events)
{
	struct listener *listener = container_of(watch, struct listener, watch);

	(void)events;
	for (unsigned n = 0; n < ACCEPTS_A_TURN; n++)
		if (!listener_accept_one(listener))
			return;
}

/* ------------------------------------------------------------ life */

void listener_store(struct listener *listener)
{
	if (listener->stored || !inherited_is_own(listener->fd_name))
		return;
	listener->stored = true;
	notify_store_fd(listener->fd, listener->fd_name);
}

/* The path of the admin socket goes with it: a command then says at once that nobody is there. What systemd
 * has kept of a socket without a path would reach nobody. */
static void listener_forget(struct listener *listener)
{
	const struct net_addr *addr = &listener->addr;
	bool path = addr->sa.sa_family == AF_UNIX && addr->un.sun_path[0];

	if (listener->handed_over || !inherited_is_own(listener->fd_name))
		return;
	if (listener->stored && (!listener->server->stopping || (path && listener->admin)))
		notify_forget_fd(listener->fd_name);
	if (path && listener->admin)
		unlink(addr->un.sun_path);
}

static void listener_destroy(struct listener *listener)
{
	fd_close(&listener->fd);
	fd_close(&listener->reserve_fd);
	free(listener->fd_name);
	free(listener->text);
	free(listener);
}

int listener_create(struct listener **ret_listener, struct server *server, struct worker *worker,
		    struct str text, const struct net_addr *addr, bool admin)
{
	struct listener *listener = mem_zalloc(sizeof(*listener));
	char name[INHERITED_NAME_MAX];
	int r;

	listener->server = server;
	listener->worker = worker;
	listener->addr = *addr;
	listener->admin = admin;
	listener->text = mem_strndup(text.ptr, text.len);
	listener->fd = listener->watch.fd = -1;
	listener->reserve_fd = listener_open_reserve();
	list_init(&listener->link);
	timer_init(&listener->backoff, worker->loop, listener_on_backoff);
	/* what may reload may not be for everybody */
	r = inherited_take(text, addr, name);
	listener->handed_over = r >= 0 && server->unconfirmed;
	if (r >= 0)
		listener->fd = r;
	else if (inherited_own_name(name, addr), !inherited_is_meant(text))
		r = net_listen_mode(addr, BACKLOG, admin ? ADMIN_MODE : 0, &listener->fd);
	listener->fd_name = mem_strdup(name);
	if (r < 0) {
		listener_destroy(listener);
		return r;
	}
	*ret_listener = listener;
	return 0;
}

static void listener_start_here(struct post *post)
{
	struct listener *listener = container_of(post, struct listener, start_post);
	int r = loop_add(listener->worker->loop, &listener->watch, listener->fd, EPOLLIN,
			 listener_on_event);

	if (r < 0) {
		log_error("listener failed listener=%s error=%s, retrying in %d ms",
			  LOG_QUOTE(str_of(listener->text)), strerrorname_np(-r), BACKOFF_MS);
		timer_start(&listener->backoff, BACKOFF_MS);
	}
}

static void listener_stop_here(struct post *post)
{
	struct listener *listener = container_of(post, struct listener, stop_post);

	loop_remove(listener->worker->loop, &listener->watch);
	/* Whom the kernel has connected already would be reset, if nobody else accepts. Of one that was never
	 * started (it belongs to a configuration that was refused) nobody here knows what holds for them; where
	 * systemd has the socket, too, they wait for the next start. */
	for (unsigned n = 0; n < BACKLOG && listener->started && !listener->handed_over &&
			     listener_accept_one(listener);
	     n++)
		;
	timer_stop(&listener->backoff);
	listener_destroy(listener);
}

void listener_start(struct listener *listener)
{
	listener->started = true;
	listener->start_post.run = listener_start_here;
	loop_post(listener->worker->loop, &listener->start_post);
}

/* Posts are run in order: the start has been run when the stop is. */
void listener_stop(struct listener *listener)
{
	listener_forget(listener);
	list_remove(&listener->link);
	listener->stop_post.run = listener_stop_here;
	loop_post(listener->worker->loop, &listener->stop_post);
}
