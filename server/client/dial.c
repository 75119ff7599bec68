/* server/client/dial.c */
#include "server/client/dial.h"
#include "core/base/clock.h"
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

/* As core/io/stream.h registers: the socket keeps this for its life. */
#define DIAL_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static void dial_drop_socket(struct dial *dial)
{
	int fd = dial->watch.fd;

	if (fd < 0)
		return;
	loop_remove(dial->loop, &dial->watch);
	close(fd);
}

static void dial_finish(struct dial *dial, int error)
{
	timer_stop(&dial->timer);
	dial->error = error;
	if (error)
		dial_drop_socket(dial);
	dial->on_done(dial);
}

static void dial_on_failure(struct ready *ready)
{
	struct dial *dial = container_of(ready, struct dial, ready);

	dial_finish(dial, dial->error);
}

static void dial_on_connect(struct watch *watch, uint32_t events)
{
	struct dial *dial = container_of(watch, struct dial, watch);

	dial->events = events;
	dial_finish(dial, events & (EPOLLERR | EPOLLHUP) ? net_error(watch->fd) : 0);
}

static void dial_on_timer(struct timer *timer)
{
	struct dial *dial = container_of(timer, struct dial, timer);

	dial->timed_out = true;
	dial_finish(dial, -ETIMEDOUT);
}

/* 0 or a negative errno. */
static int dial_connect(struct dial *dial, const struct net_addr *addr)
{
	scoped(fd_close) int fd = -1;
	int r = net_connect(addr, &fd);

	if (r == 0)
		r = loop_add(dial->loop, &dial->watch, fd, DIAL_EVENTS, dial_on_connect);
	if (r < 0)
		return r;
	fd_take(&fd);
	return 0;
}

static void dial_set_timer(struct dial *dial, uint64_t deadline_ns, unsigned n_more)
{
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;

	if (deadline_ns != UINT64_MAX)
		timer_start_at(&dial->timer, now_ns + (n_more ? left_ns / 2 : left_ns));
}

void dial_init(struct dial *dial, struct loop *loop, dial_fn *on_done, void *user)
{
	dial->loop = loop;
	dial->on_done = on_done;
	dial->user = user;
	dial->watch.fd = -1;
	timer_init(&dial->timer, loop, dial_on_timer);
	ready_init(&dial->ready, dial_on_failure);
}

void dial_start(struct dial *dial, const struct net_addr *addr, uint64_t deadline_ns,
		unsigned n_more)
{
	check(dial->watch.fd < 0);
	dial->timed_out = false;
	dial->error = dial_connect(dial, addr);
	if (dial->error)
		loop_ready(dial->loop, &dial->ready);
	else
		dial_set_timer(dial, deadline_ns, n_more);
}

void dial_stop(struct dial *dial)
{
	timer_stop(&dial->timer);
	loop_ready_cancel(&dial->ready);
	dial_drop_socket(dial);
}

int dial_take(struct dial *dial)
{
	return fd_take(&dial->watch.fd);
}
