/* server/client/dial.c
 *
 *   LOOKUP --> KNOCK --> done
 *      \         | ^ \
 *       \        +-+  \        the next address
 *        +-------------+--> failed
 */
#include "server/client/dial.h"
#include "core/base/clock.h"
#include <errno.h>

static void dial_finish(struct dial *dial, int error)
{
	timer_stop(&dial->timer);
	dial->error = error;
	dial->on_done(dial);
}

static void dial_next(struct dial *dial)
{
	const struct net_addr *addr = &dial->lookup.addrs[dial->n_tried++];

	knock_start(&dial->knock, addr, dial->deadline_ns,
		    dial->lookup.n_addrs - dial->n_tried + dial->n_more);
}

static void dial_on_knock(struct knock *knock)
{
	struct dial *dial = knock->user;

	dial->timed_out = knock->timed_out;
	dial->events = knock->events;
	if (knock->error && dial->n_tried < dial->lookup.n_addrs)
		dial_next(dial);
	else
		dial_finish(dial, knock->error);
}

static void dial_on_lookup(struct lookup *lookup)
{
	struct dial *dial = container_of(lookup, struct dial, lookup);

	timer_stop(&dial->timer);
	dial->looked_up = lookup->error == 0 && lookup->n_addrs > 0;
	if (dial->looked_up)
		dial_next(dial);
	else
		dial_finish(dial, lookup->error ? lookup->error : -ENOENT);
}

/* A name that is not found in time counts as a timeout of the try, whatever is next. */
static void dial_on_timer(struct timer *timer)
{
	struct dial *dial = container_of(timer, struct dial, timer);

	lookup_cancel(&dial->lookup);
	dial->timed_out = true;
	dial_finish(dial, -ETIMEDOUT);
}

void dial_init(struct dial *dial, struct loop *loop, dial_fn *on_done, void *user)
{
	dial->on_done = on_done;
	dial->user = user;
	knock_init(&dial->knock, loop, dial_on_knock, dial);
	timer_init(&dial->timer, loop, dial_on_timer);
}

void dial_start(struct dial *dial, struct names *names, const struct upstream_server *server,
		uint64_t deadline_ns, unsigned n_more)
{
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;

	dial->deadline_ns = deadline_ns;
	dial->n_more = n_more;
	dial->n_tried = 0;
	dial->error = 0;
	dial->looked_up = dial->timed_out = false;
	if (deadline_ns != UINT64_MAX)
		timer_start_at(&dial->timer, now_ns + (n_more ? left_ns / 2 : left_ns));
	lookup_start(&dial->lookup, names, server->host, server->port, dial_on_lookup);
}

void dial_stop(struct dial *dial)
{
	timer_stop(&dial->timer);
	knock_stop(&dial->knock);
	lookup_cancel(&dial->lookup);
}

int dial_take(struct dial *dial)
{
	return knock_take(&dial->knock);
}
