/* server/client/knock.c */
#include "server/client/knock.h"
#include "core/base/clock.h"
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

/* As core/io/stream.h registers: the socket keeps this for its life. */
#define KNOCK_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static void knock_drop_socket(struct knock *knock)
{
	int fd = knock->watch.fd;

	if (fd < 0)
		return;
	loop_remove(knock->loop, &knock->watch);
	close(fd);
}

static void knock_finish(struct knock *knock, int error)
{
	timer_stop(&knock->timer);
	knock->error = error;
	if (error)
		knock_drop_socket(knock);
	knock->on_done(knock);
}

static void knock_on_failure(struct ready *ready)
{
	struct knock *knock = container_of(ready, struct knock, ready);

	knock_finish(knock, knock->error);
}

static void knock_on_connect(struct watch *watch, uint32_t events)
{
	struct knock *knock = container_of(watch, struct knock, watch);

	knock->events = events;
	knock_finish(knock, events & (EPOLLERR | EPOLLHUP) ? net_error(watch->fd) : 0);
}

static void knock_on_timer(struct timer *timer)
{
	struct knock *knock = container_of(timer, struct knock, timer);

	knock->timed_out = true;
	knock_finish(knock, -ETIMEDOUT);
}

/* 0 or a negative errno. */
static int knock_connect(struct knock *knock, const struct net_addr *addr)
{
	scoped(fd_close) int fd = -1;
	int r = net_connect(addr, &fd);

	if (r == 0)
		r = loop_add(knock->loop, &knock->watch, fd, KNOCK_EVENTS, knock_on_connect);
	if (r < 0)
		return r;
	fd_take(&fd);
	return 0;
}

static void knock_set_timer(struct knock *knock, uint64_t deadline_ns, unsigned n_more)
{
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;

	if (deadline_ns != UINT64_MAX)
		timer_start_at(&knock->timer, now_ns + (n_more ? left_ns / 2 : left_ns));
}

void knock_init(struct knock *knock, struct loop *loop, knock_fn *on_done, void *user)
{
	knock->loop = loop;
	knock->on_done = on_done;
	knock->user = user;
	knock->watch.fd = -1;
	timer_init(&knock->timer, loop, knock_on_timer);
	ready_init(&knock->ready, knock_on_failure);
}

void knock_start(struct knock *knock, const struct net_addr *addr, uint64_t deadline_ns,
		 unsigned n_more)
{
	check(knock->watch.fd < 0);
	knock->timed_out = false;
	knock->error = knock_connect(knock, addr);
	if (knock->error)
		loop_ready(knock->loop, &knock->ready);
	else
		knock_set_timer(knock, deadline_ns, n_more);
}

void knock_stop(struct knock *knock)
{
	timer_stop(&knock->timer);
	loop_ready_cancel(&knock->ready);
	knock_drop_socket(knock);
}

int knock_take(struct knock *knock)
{
	return fd_take(&knock->watch.fd);
}
