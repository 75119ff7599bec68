/* core/task/compute.c
 *
 *   WAITS --(the worker is done)--> DONE       the block goes to the task's loop, which may find the task gone
 *     \-----(the task has gone)---> DISOWNED   the worker drops the block when it is done
 *
 * The state is what the two sides agree by; which side comes second drops the block. Work that
 * is taken back never got to a worker. */
#include "core/task/compute.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include <stdatomic.h>
#include <stdlib.h>

enum offload_state { OFFLOAD_WAITS, OFFLOAD_DONE, OFFLOAD_DISOWNED };

struct offload {
	struct work work;
	struct post post;
	struct loop *loop;
	struct pool *pool;
	struct compute_task *task; /* the loop's; NULL: it has gone */
	atomic_int state;          /* enum offload_state */
	_Atomic uint64_t began_ns; /* 0: it still waits */
	offload_fn *run, *release;
	_Alignas(16) char data[];
};

struct offload *offload_create(size_t size, offload_fn *run, offload_fn *release)
{
	struct offload *offload = mem_zalloc(sizeof(*offload) + size);

	offload->run = run;
	offload->release = release;
	return offload;
}

void *offload_data(struct offload *offload)
{
	return offload->data;
}

bool offload_is_disowned(const void *data)
{
	const struct offload *offload = container_of(data, struct offload, data);

	return atomic_load_explicit(&offload->state, memory_order_relaxed) == OFFLOAD_DISOWNED;
}

void offload_drop(struct offload *offload)
{
	if (!offload)
		return;
	if (offload->release)
		offload->release(offload->data);
	free(offload);
}

/* ------------------------------------------------------------ on a thread of the pool */

static void offload_work(struct work *work)
{
	struct offload *offload = container_of(work, struct offload, work);
	struct pool *pool = offload->pool;

	atomic_store(&offload->began_ns, MAX(clock_monotonic_ns(), UINT64_C(1)));
	if (atomic_load(&offload->state) == OFFLOAD_WAITS)
		offload->run(offload->data);
	if (atomic_exchange(&offload->state, OFFLOAD_DONE) == OFFLOAD_WAITS) {
		loop_post(offload->loop, &offload->post);
		return;
	}
	offload_drop(offload);
	pool_count_disowned(pool, -1);
}

/* ------------------------------------------------------------ on the task's loop */

static void compute_end(struct compute_task *compute, enum reason reason)
{
	timer_stop(&compute->timer);
	compute->reason = (uint8_t)reason;
	task_end(&compute->task, reason_outcome(reason));
}

static void offload_on_done(struct post *post)
{
	struct offload *offload = container_of(post, struct offload, post);

	if (offload->task)
		compute_end(offload->task, REASON_NONE);
	else
		offload_drop(offload);
}

/* It is counted before it is disowned, so that the worker never counts it off first. */
static void offload_disown(struct offload *offload)
{
	struct pool *pool = offload->pool;
	int waits = OFFLOAD_WAITS;

	if (pool_take_back(pool, &offload->work)) {
		offload_drop(offload);
		return;
	}
	offload->task = NULL;
	pool_count_disowned(pool, 1);
	if (!atomic_compare_exchange_strong(&offload->state, &waits, OFFLOAD_DISOWNED))
		pool_count_disowned(pool, -1); /* it is done, and on its way to this loop */
}

static void compute_leave(struct compute_task *compute, enum reason reason)
{
	offload_disown(take(&compute->offload));
	compute_end(compute, reason);
}

/* Sets the timer for the next time at which a limit may have passed. */
static void compute_watch(struct compute_task *compute)
{
	const struct compute *limits = &compute->limits;
	uint64_t began_ns = atomic_load(&compute->offload->began_ns), now_ns = clock_monotonic_ns();
	uint64_t due_ns = UINT64_MAX;

	if (began_ns > 0 && limits->run_ms > 0)
		due_ns = began_ns + limits->run_ms * NS_PER_MS;
	else if (began_ns == 0 && limits->wait_ms > 0)
		due_ns = compute->started_ns + limits->wait_ms * NS_PER_MS;
	if (due_ns <= now_ns)
		compute_leave(compute, REASON_EXPIRED);
	else if (began_ns == 0 &&
		 limits->run_ms > 0) /* when it has begun, that is seen before it is due */
		timer_start_at(&compute->timer, MIN(due_ns, now_ns + limits->run_ms * NS_PER_MS));
	else if (due_ns != UINT64_MAX)
		timer_start_at(&compute->timer, due_ns);
}

static void compute_on_timer(struct timer *timer)
{
	compute_watch(container_of(timer, struct compute_task, timer));
}

static void compute_start(struct task *task)
{
	struct compute_task *compute = container_of(task, struct compute_task, task);
	struct offload *offload = compute->offload;
	enum reason reason = REASON_NONE;

	timer_init(&compute->timer, task->scope->loop, compute_on_timer);
	compute->started_ns = clock_monotonic_ns();
	offload->task = compute;
	offload->loop = task->scope->loop;
	offload->pool = pool_queue_pool(compute->queue);
	offload->work.run = offload_work;
	offload->post.run = offload_on_done;
	if (pool_is_stuck(offload->pool))
		reason = REASON_UNAVAILABLE;
	else if (pool_queue_submit(compute->queue, &offload->work) < 0)
		reason = REASON_FULL;
	if (reason == REASON_NONE) {
		compute_watch(compute);
		return;
	}
	compute_end(compute, reason);
	offload_drop(take(&compute->offload));
}

static void compute_cancel(struct task *task)
{
	compute_leave(container_of(task, struct compute_task, task), REASON_CANCELLED);
}

static const struct task_ops compute_ops = { "compute", compute_start, compute_cancel };

static uint64_t compute_limit(uint64_t limit_ms)
{
	return MIN(limit_ms, UINT64_MAX / 4 / NS_PER_MS);
}

void compute_init(struct compute_task *compute, struct pool_queue *queue, struct offload *offload,
		  const struct compute *limits, task_fn *on_end)
{
	*compute = (struct compute_task){ .queue = queue, .offload = offload };
	compute->limits.wait_ms = compute_limit(limits->wait_ms);
	compute->limits.run_ms = compute_limit(limits->run_ms);
	task_init(&compute->task, &compute_ops, on_end);
	timer_init(&compute->timer, NULL, compute_on_timer);
}

bool compute_has_begun(const struct compute_task *compute)
{
	return compute->offload && atomic_load(&compute->offload->began_ns) > 0;
}

void compute_fini(struct compute_task *compute)
{
	check(compute->task.state != TASK_STARTED);
	offload_drop(take(&compute->offload));
}
