/* core/io/loop.c
 *
 * Descriptors are looked up by number: epoll's data is the number (and the tag of a given one),
 * and `slots` maps it to its receiver. So a connection that another loop accepted needs no
 * system call to get its receiver. An event that was fetched before its descriptor was removed,
 * or closed and opened anew, is not meant for what is there now: a slot that changed in this
 * turn gets none of this turn's events.
 *
 * Waking: a poster pushes onto `posts`, then looks at `asleep`. The loop sets `asleep`, then
 * looks at `posts`. Both are sequentially consistent, so at least one of the two sees the other,
 * and the eventfd is written only when the loop may really sleep.
 *
 * The clock of the sleep is the system's even when core/base/clock.h is frozen: then a loop that
 * waits for a timer looks again from time to time, and tests use loop_run_once(loop, false). */
#include "core/io/loop.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/io/tls_loop.h"
#include "core/io/wheel.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	EVENTS_A_TURN = 256,
	READY_A_TURN = 4096, /* then timers and sockets have their turn */
};

struct slot {
	struct watch *watch;
	uint64_t changed; /* the turn in which it was last set or cleared */
};

struct loop {
	int epoll_fd, wake_fd;
	struct watch wake;
	struct slot *slots; /* by descriptor */
	size_t n_slots;
	struct list ready;
	struct list next; /* ready in the next turn */
	struct wheel wheel;
	struct list due; /* timers that this turn still has to fire */
	uint64_t now_ns;
	loop_arrival_fn *on_arrival;
	void *user;
	struct tls_loop *tls;
	uint64_t turn; /* counts from 1 */
	uint64_t turn_start_ns;
	bool had_events;                         /* in the last turn */
	_Alignas(64) struct post *_Atomic posts; /* newest first */
	atomic_bool asleep;
	atomic_bool stopping;
	_Atomic uint64_t turns, busy_ns, lag_max_ns;
};

static _Thread_local struct loop *current;

struct loop *loop_current(void)
{
	return current;
}

bool loop_is_current(const struct loop *loop)
{
	return current == loop;
}

uint64_t loop_now_ns(const struct loop *loop)
{
	return loop->now_ns;
}

void loop_set_user(struct loop *loop, void *user)
{
	loop->user = user;
}

void *loop_user(const struct loop *loop)
{
	return loop->user;
}

void loop_set_tls(struct loop *loop, struct tls_loop *tls)
{
	loop->tls = tls;
}

struct tls_loop *loop_tls(const struct loop *loop)
{
	return loop->tls;
}

void loop_on_arrival(struct loop *loop, loop_arrival_fn *on_arrival)
{
	loop->on_arrival = on_arrival;
}

static void loop_on_wake(struct watch *watch, uint32_t events)
{
	uint64_t count;

	(void)events;
	while (read(watch->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

int loop_create(struct loop **ret_loop)
{
	struct loop *loop = aligned_alloc(64, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	memset(loop, 0, sizeof(*loop));
	list_init(&loop->ready);
	list_init(&loop->next);
	list_init(&loop->due);
	loop->now_ns = clock_monotonic_ns();
	wheel_init(&loop->wheel, loop->now_ns / NS_PER_MS);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r = loop->epoll_fd < 0 || loop->wake_fd < 0 ? -errno : 0;
	if (r == 0)
		r = loop_add(loop, &loop->wake, loop->wake_fd, EPOLLIN | EPOLLET, loop_on_wake);
	if (r < 0) {
		loop_destroy(loop);
		return r;
	}
	*ret_loop = loop;
	return 0;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	tls_loop_destroy(loop->tls);
	free(loop->slots);
	free(loop);
}

/* ------------------------------------------------------------ descriptors */

static void loop_set_slot(struct loop *loop, int fd, struct watch *watch)
{
	size_t at = (size_t)fd;

	if (at >= loop->n_slots) {
		size_t n = MAX(at + 1, loop->n_slots * 2);

		loop->slots = mem_realloc_array(loop->slots, n, sizeof(struct slot));
		memset(loop->slots + loop->n_slots, 0, (n - loop->n_slots) * sizeof(struct slot));
		loop->n_slots = n;
	}
	loop->slots[at] = (struct slot){ watch, loop->turn };
}

static int loop_control(struct loop *loop, int op, int fd, uint32_t tag, uint32_t events)
{
	struct epoll_event event = { .events = events };

	event.data.u64 = (uint64_t)tag << 32 | (uint32_t)fd;
	return epoll_ctl(loop->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct watch *watch, int fd, uint32_t events, watch_fn *on_event)
{
	int r = loop_control(loop, EPOLL_CTL_ADD, fd, 0, events);

	if (r < 0) {
		watch->fd = -1;
		return r;
	}
	loop_adopt(loop, watch, fd, on_event);
	return 0;
}

int loop_change(struct loop *loop, struct watch *watch, uint32_t events)
{
	return loop_control(loop, EPOLL_CTL_MOD, watch->fd, 0, events);
}

void loop_adopt(struct loop *loop, struct watch *watch, int fd, watch_fn *on_event)
{
	*watch = (struct watch){ .fd = fd, .on_event = on_event };
	loop_set_slot(loop, fd, watch);
}

/* close() takes a descriptor out of its epoll; one that is dup()ed elsewhere is not, hence the
 * call. Most are sockets of our own, but the call is rare beside what it guards against. */
void loop_remove(struct loop *loop, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	loop_set_slot(loop, watch->fd, NULL);
	watch->fd = -1;
}

bool loop_is_watched(const struct loop *loop, int fd, const struct watch *watch)
{
	return (size_t)fd < loop->n_slots && loop->slots[fd].watch == watch;
}

int loop_give(struct loop *loop, int fd, uint32_t tag, uint32_t events)
{
	return loop_control(loop, EPOLL_CTL_ADD, fd, tag, events);
}

/* ------------------------------------------------------------ timers */

void timer_init(struct timer *timer, struct loop *loop, timer_fn *on_fire)
{
	list_init(&timer->link);
	timer->loop = loop;
	timer->on_fire = on_fire;
	timer->tick = 0;
}

void timer_start_at(struct timer *timer, uint64_t deadline_ns)
{
	timer_stop(timer);
	timer->tick = deadline_ns / NS_PER_MS + (deadline_ns % NS_PER_MS != 0);
	wheel_add(&timer->loop->wheel, timer);
}

void timer_start(struct timer *timer, uint64_t delay_ms)
{
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t delay_ns = delay_ms > UINT64_MAX / 2 / NS_PER_MS ? UINT64_MAX / 2
								  : delay_ms * NS_PER_MS;

	timer_start_at(timer, now_ns + delay_ns);
}

void timer_stop(struct timer *timer)
{
	if (timer_is_running(timer))
		wheel_remove(&timer->loop->wheel, timer);
}

/* True when there were any. One that is started again meanwhile waits for the next turn, however
 * short its delay. */
static bool loop_fire_timers(struct loop *loop)
{
	const uint64_t tick = loop->now_ns / NS_PER_MS;

	if (likely(wheel_next(&loop->wheel) > MAX(tick, loop->wheel.now)))
		return false; /* the wheel may stand still until then */
	wheel_advance(&loop->wheel, tick, &loop->due);
	if (list_is_empty(&loop->due))
		return false;
	while (!list_is_empty(&loop->due)) {
		struct timer *timer = container_of(loop->due.next, struct timer, link);

		wheel_remove(&loop->wheel, timer);
		timer->on_fire(timer);
	}
	return true;
}

/* ------------------------------------------------------------ ready list and posts */

void loop_ready(struct loop *loop, struct ready *ready)
{
	if (!list_is_linked(&ready->link))
		list_add(&loop->ready, &ready->link);
}

void loop_ready_next(struct loop *loop, struct ready *ready)
{
	if (!list_is_linked(&ready->link))
		list_add(&loop->next, &ready->link);
}

void loop_ready_cancel(struct ready *ready)
{
	list_remove(&ready->link);
}

static void loop_run_ready(struct loop *loop)
{
	for (unsigned n = 0; n < READY_A_TURN; n++) {
		struct list *link = list_pop(&loop->ready);
		struct ready *ready;

		if (!link)
			return;
		ready = container_of(link, struct ready, link);
		ready->run(ready);
	}
}

static void loop_wake(struct loop *loop)
{
	const uint64_t one = 1;

	while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void loop_post(struct loop *loop, struct post *post)
{
	struct post *first = atomic_load_explicit(&loop->posts, memory_order_relaxed);

	do {
		post->next = first;
	} while (!atomic_compare_exchange_weak(&loop->posts, &first, post));
	if (atomic_load(&loop->asleep) && atomic_exchange(&loop->asleep, false))
		loop_wake(loop);
}

static void loop_run_posts(struct loop *loop)
{
	struct post *newest, *oldest = NULL;

	if (!atomic_load_explicit(&loop->posts, memory_order_relaxed))
		return;
	newest = atomic_exchange(&loop->posts, NULL);
	while (newest) {
		struct post *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct post *next = oldest->next; /* run() may free it */

		oldest->run(oldest);
		oldest = next;
	}
}

/* ------------------------------------------------------------ turns */

static int loop_timeout_ms(struct loop *loop, bool wait)
{
	const uint64_t now = loop->now_ns / NS_PER_MS; /* of this moment: nothing has run since */
	uint64_t next;

	if (!wait || !list_is_empty(&loop->ready) || !list_is_empty(&loop->next) ||
	    atomic_load(&loop->stopping))
		return 0;
	next = wheel_next(&loop->wheel);
	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : (int)MIN(next - now, (uint64_t)60000);
}

static void loop_dispatch(struct loop *loop, const struct epoll_event *event)
{
	int fd = (int)(uint32_t)event->data.u64;
	struct slot none = { 0 }, *slot = (size_t)fd < loop->n_slots ? &loop->slots[fd] : &none;
	uint32_t tag = (uint32_t)(event->data.u64 >> 32);

	if (slot->changed == loop->turn)
		return;
	if (slot->watch)
		slot->watch->on_event(slot->watch, event->events);
	else if (tag && loop->on_arrival)
		loop->on_arrival(loop, fd, tag, event->events);
}

static int loop_wait(struct loop *loop, struct epoll_event events[], bool wait)
{
	int timeout_ms = loop_timeout_ms(loop, wait);
	int n;

	if (timeout_ms != 0) {
		atomic_store(&loop->asleep, true);
		if (atomic_load(&loop->posts) || atomic_load(&loop->stopping))
			timeout_ms = 0;
	}
	n = epoll_wait(loop->epoll_fd, events, EVENTS_A_TURN, timeout_ms);
	if (atomic_load_explicit(&loop->asleep, memory_order_relaxed))
		atomic_store(&loop->asleep, false);
	check_that(n >= 0 || errno == EINTR, "epoll_wait: errno=%d", errno);
	return n;
}

static void loop_count_turn(struct loop *loop, uint64_t now_ns)
{
	uint64_t took_ns = now_ns - loop->turn_start_ns;

	if (loop->turn_start_ns == 0 || now_ns < loop->turn_start_ns)
		return;
	atomic_store_explicit(&loop->busy_ns,
			      atomic_load_explicit(&loop->busy_ns, memory_order_relaxed) + took_ns,
			      memory_order_relaxed);
	if (took_ns > atomic_load_explicit(&loop->lag_max_ns, memory_order_relaxed))
		atomic_store_explicit(&loop->lag_max_ns, took_ns, memory_order_relaxed);
}

void loop_run_once(struct loop *loop, bool wait)
{
	struct epoll_event events[EVENTS_A_TURN];
	struct loop *outer = current;
	int n;

	current = loop;
	list_move_all(&loop->ready, &loop->next);
	loop_run_posts(loop);
	loop_run_ready(loop);
	loop->now_ns = clock_monotonic_ns();
	if (loop_fire_timers(loop)) {
		loop_run_ready(loop);
		loop->now_ns = clock_monotonic_ns();
	}
	loop_count_turn(loop, loop->now_ns);
	n = loop_wait(loop, events, wait);
	loop->now_ns = clock_monotonic_ns();
	loop->turn_start_ns = loop->now_ns;
	atomic_store_explicit(&loop->turns, ++loop->turn, memory_order_relaxed);
	loop->had_events = n > 0;
	for (int i = 0; i < n; i++)
		loop_dispatch(loop, &events[i]);
	current = outer;
}

uint64_t loop_next_timer_ns(const struct loop *loop)
{
	uint64_t tick = wheel_next(&loop->wheel);

	return tick > UINT64_MAX / NS_PER_MS ? UINT64_MAX : tick * NS_PER_MS;
}

bool loop_is_settled(struct loop *loop)
{
	return list_is_empty(&loop->ready) && list_is_empty(&loop->next) &&
	       !atomic_load(&loop->posts) && !loop->had_events &&
	       loop_next_timer_ns(loop) > clock_monotonic_ns();
}

void loop_run(struct loop *loop)
{
	while (!atomic_load(&loop->stopping))
		loop_run_once(loop, true);
	atomic_store(&loop->stopping, false);
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stopping, true);
	if (atomic_exchange(&loop->asleep, false))
		loop_wake(loop);
}

void loop_stats(struct loop *loop, struct loop_stats *ret_stats)
{
	*ret_stats = (struct loop_stats){
		.turns = atomic_load(&loop->turns),
		.busy_ns = atomic_load(&loop->busy_ns),
		.lag_max_ns = atomic_exchange(&loop->lag_max_ns, 0),
		.asleep = atomic_load(&loop->asleep),
	};
}
