/* server/client/dial.c
 *
 *   LOOKUP --> CONNECT --> done
 *      \         | ^ \
 *       \        +-+  \        the next address
 *        +-------------+--> failed
 */
#include "server/client/dial.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

/* As core/io/stream.h registers: the socket keeps this for its life. */
#define DIAL_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static void dial_next(struct dial *dial);

static void dial_finish(struct dial *dial)
{
	timer_stop(&dial->timer);
	dial->on_done(dial);
}

static void dial_set_timer(struct dial *dial, unsigned n_more)
{
	uint64_t now_ns, left_ns;

	if (dial->deadline_ns == UINT64_MAX)
		return;
	now_ns = clock_monotonic_ns();
	left_ns = dial->deadline_ns > now_ns ? dial->deadline_ns - now_ns : 0;
	timer_start_at(&dial->timer, now_ns + (n_more ? left_ns / 2 : left_ns));
}

static void dial_drop_socket(struct dial *dial)
{
	int fd = dial->watch.fd;

	if (fd < 0)
		return;
	loop_remove(dial->loop, &dial->watch);
	close(fd);
}

static void dial_on_connect(struct watch *watch, uint32_t events)
{
	struct dial *dial = container_of(watch, struct dial, watch);

	dial->error = events & (EPOLLERR | EPOLLHUP) ? net_error(watch->fd) : 0;
	if (dial->error) {
		dial_drop_socket(dial);
		dial_next(dial);
		return;
	}
	dial->events = events;
	dial_finish(dial);
}

/* Begins to connect to one address. 0 or a negative errno. */
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

static void dial_next(struct dial *dial)
{
	while (dial->n_tried < dial->lookup.n_addrs) {
		const struct net_addr *addr = &dial->lookup.addrs[dial->n_tried++];

		dial->timed_out = false;
		dial->error = dial_connect(dial, addr);
		if (dial->error)
			continue;
		dial_set_timer(dial, dial->lookup.n_addrs - dial->n_tried + dial->n_more);
		return;
	}
	dial_finish(dial);
}

static void dial_on_lookup(struct lookup *lookup)
{
	struct dial *dial = container_of(lookup, struct dial, lookup);

	dial->looked_up = lookup->error == 0 && lookup->n_addrs > 0;
	if (dial->looked_up) {
		dial_next(dial);
		return;
	}
	dial->error = lookup->error ? lookup->error : -ENOENT;
	dial_finish(dial);
}

/* A name that is not found in time counts as a timeout of the try, whatever is next. */
static void dial_on_timer(struct timer *timer)
{
	struct dial *dial = container_of(timer, struct dial, timer);

	dial->error = -ETIMEDOUT;
	dial->timed_out = true;
	if (!dial->looked_up) {
		lookup_cancel(&dial->lookup);
		dial_finish(dial);
		return;
	}
	dial_drop_socket(dial);
	dial_next(dial);
}

void dial_init(struct dial *dial, struct loop *loop, dial_fn *on_done, void *user)
{
	dial->loop = loop;
	dial->on_done = on_done;
	dial->user = user;
	dial->watch.fd = -1;
	timer_init(&dial->timer, loop, dial_on_timer);
}

void dial_start(struct dial *dial, struct names *names, const struct upstream_server *server,
		uint64_t deadline_ns, unsigned n_more)
{
	check(dial->watch.fd < 0);
	dial->deadline_ns = deadline_ns;
	dial->n_more = n_more;
	dial->n_tried = 0;
	dial->error = 0;
	dial->looked_up = dial->timed_out = false;
	dial_set_timer(dial, n_more);
	lookup_start(&dial->lookup, names, server->host, server->port, dial_on_lookup);
}

void dial_stop(struct dial *dial)
{
	timer_stop(&dial->timer);
	dial_drop_socket(dial);
	lookup_cancel(&dial->lookup);
}

int dial_take(struct dial *dial)
{
	return fd_take(&dial->watch.fd);
}
