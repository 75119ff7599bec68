/* core/io/loop.h: the reactor: one epoll instance, one thread.
 *
 * A turn of the loop: what other threads posted, then the ready list until it is empty or the
 * turn's share is used, then due timers, then one epoll_wait() and its events. All callbacks run
 * on the loop's thread, one at a time, and must not block. Everything here but loop_post(),
 * loop_stop(), loop_give() and the counters is for that thread (or for the creator before
 * loop_run()). */
#pragma once
#include "core/io/timer.h"
#include <stdatomic.h>
#include <stddef.h>

struct loop;
struct watch;
struct ready;
struct post;
struct tls_loop;

typedef void watch_fn(struct watch *watch, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLRDHUP, … */
typedef void ready_fn(struct ready *ready);
typedef void post_fn(struct post *post);

/* Interest in a descriptor. */
struct watch {
	int fd; /* -1: not added */
	watch_fn *on_event;
};

/* Something to be run soon, on the loop, with an empty stack below it. */
struct ready {
	struct list link;
	ready_fn *run;
};

/* A message from any thread to a loop: embedded in what is sent; the loop owns it when run. */
struct post {
	struct post *next;
	post_fn *run;
};

/* A descriptor that arrived by loop_give(): its first event. It is the callee's now. */
typedef void loop_arrival_fn(struct loop *loop, int fd, uint32_t tag, uint32_t events);

int loop_create(struct loop **ret_loop); /* 0 or a negative errno */
void loop_destroy(
	struct loop *loop); /* NULL is accepted; nothing may be left on it that will be used */

void loop_run(struct loop *loop);                 /* until loop_stop() */
void loop_run_once(struct loop *loop, bool wait); /* one turn, which sleeps at its end if `wait` */
void loop_stop(struct loop *loop);                /* any thread; the turn at hand is finished */

struct loop *loop_current(void); /* that of this thread while it runs one, or NULL */
bool loop_is_current(const struct loop *loop);

/* Nothing is posted, ready or due, and the last turn's epoll_wait() had no events: another turn
 * would find nothing to do, as far as this loop can know (core/io/loop_clock.h). */
bool loop_is_settled(struct loop *loop);

/* A time, never after the first timer's deadline, at which the timers want a turn; UINT64_MAX:
 * there are none. */
uint64_t loop_next_timer_ns(const struct loop *loop);

/* The monotonic clock as it was when this turn began; exact enough for all but measurements. */
uint64_t loop_now_ns(const struct loop *loop);

/* Watches fd for `events` (EPOLLIN | … | EPOLLET). 0 or a negative errno. */
int loop_add(struct loop *loop, struct watch *watch, int fd, uint32_t events, watch_fn *on_event);
int loop_change(struct loop *loop, struct watch *watch, uint32_t events);

/* No event comes any more, not even one that was already fetched. Before close(fd). */
void loop_remove(struct loop *loop, struct watch *watch);

/* True while `watch` is the receiver of that descriptor: for those who call out and then must
 * know whether they still exist. Does not look into `watch`. */
bool loop_is_watched(const struct loop *loop, int fd, const struct watch *watch);

/* Makes `watch` the receiver of what comes for a descriptor that has arrived: no system call. */
void loop_adopt(struct loop *loop, struct watch *watch, int fd, watch_fn *on_event);

/* Any thread: adds fd to that loop, which calls its arrival function at the first event
 * (DECISIONS 1). `events` as for loop_add(). 0 or a negative errno: then fd is still the
 * caller's. */
int loop_give(struct loop *loop, int fd, uint32_t tag, uint32_t events);
void loop_on_arrival(struct loop *loop, loop_arrival_fn *on_arrival);

void loop_ready(struct loop *loop, struct ready *ready); /* no effect when it is already waiting */

/* The same, but not before the next turn: what is due by then has its turn first. For work that
 * comes in pieces. */
void loop_ready_next(struct loop *loop, struct ready *ready);
void loop_ready_cancel(struct ready *ready);
static inline void ready_init(struct ready *ready, ready_fn *run)
{
	list_init(&ready->link);
	ready->run = run;
}

/* Any thread. In order for each sender. Wakes the loop only when it sleeps. The loop must live
 * until this returns, which may be after the post has run: join those who post before
 * loop_destroy(). */
void loop_post(struct loop *loop, struct post *post);

/* A pointer for whoever builds on the loop (a server's per-loop state). */
void loop_set_user(struct loop *loop, void *user);
void *loop_user(const struct loop *loop);

/* What TLS keeps for the loop (core/io/tls_loop.h), or NULL; it is destroyed with it. */
void loop_set_tls(struct loop *loop, struct tls_loop *tls);
struct tls_loop *loop_tls(const struct loop *loop);

/* What the loop has done; read by any thread. */
struct loop_stats {
	uint64_t turns;      /* grows as long as the loop advances */
	uint64_t busy_ns;    /* outside epoll_wait() */
	uint64_t lag_max_ns; /* the longest turn since the last call */
	bool asleep;
};
void loop_stats(struct loop *loop, struct loop_stats *ret_stats);
