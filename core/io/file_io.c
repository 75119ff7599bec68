/* core/io/file_io.c
 *
 *   file_io_start() --> [waiting] --> running --ring: call --> result --> next() … --\
 *                                        \----pool: all calls on one thread --> post --> end
 *
 *   end: the owner is told, or, when it has left, the job is released.
 *
 * Calls that the kernel's ring cannot make (chmod, reading a folder; on old kernels more) are made
 * by a thread of the pool one by one, and the job goes on with the ring. A job that was left is
 * counted until it has ended, so a shutdown waits for it. */
#include "core/io/file_io.h"
#include "core/io/file_ring.h"
#include <errno.h>

#define FILE_QUEUE STR("files:io")

_Static_assert((int)FILE_RUNNING_MAX <= (int)FILE_RING_CALLS_MAX, "a call for each job");

/* ------------------------------------------------------------ the engine */

void file_engine_open(struct file_engine *engine, struct pool *pool, size_t n_loops, bool ring)
{
	unsigned half = MAX(1U, pool_n_threads(pool) / 2);

	*engine = (struct file_engine){ .n_threads = half };
	engine->queue =
		pool_queue_open(pool, FILE_QUEUE,
				&(struct pool_limits){ .running_max = half,
						       .waiting_max = n_loops * FILE_RUNNING_MAX });
	if (ring)
		engine->ring_error = file_ring_probe(&engine->ring_calls);
	engine->has_ring = ring && engine->ring_error == 0;
}

void file_engine_close(struct file_engine *engine)
{
	pool_queue_close(take(&engine->queue));
}

static void file_io_on_result(void *data, int64_t result);

/* A loop that can have none (no descriptors, no memory) does with the pool. */
static struct file_ring *file_io_ring(struct file_io *io)
{
	if (io->engine->has_ring && !io->ring_tried) {
		io->ring_tried = true;
		if (file_ring_create(&io->ring, io->loop, file_io_on_result) < 0)
			io->ring = NULL;
	}
	return io->ring;
}

bool file_io_has_ring(const struct file_io *io)
{
	return io->ring != NULL;
}

void file_io_init(struct file_io *io, struct loop *loop, struct file_engine *engine,
		  file_io_fn *on_idle)
{
	*io = (struct file_io){ .loop = loop, .engine = engine, .on_idle = on_idle };
	list_init(&io->waiting);
	list_init(&io->syncs);
}

void file_io_fini(struct file_io *io)
{
	check_that(io->n_jobs == 0, "n_jobs=%zu", io->n_jobs);
	file_ring_destroy(take(&io->ring));
}

/* ------------------------------------------------------------ memory and errors */

static void file_job_on_ready(struct ready *ready);

void file_job_init(struct file_job *job, const struct file_job_ops *ops,
		   struct arena_budget *budget)
{
	*job = (struct file_job){ .ops = ops, .budget = budget };
	list_init(&job->link);
	ready_init(&job->ready, file_job_on_ready);
}

bool file_job_charge(struct file_job *job, size_t size)
{
	if (!arena_budget_take(job->budget, size))
		return false;
	job->charged += size;
	return true;
}

void file_job_give_back(struct file_job *job)
{
	arena_budget_give_back(job->budget, job->charged);
	job->charged = 0;
}

bool file_job_failed(struct file_job *job, int64_t result)
{
	if (result >= 0 && !file_job_is_left(job))
		return false;
	if (job->error == 0) {
		job->error = result < 0 ? (int)result : -ECANCELED;
		job->failed = job->call.kind;
	}
	return true;
}

static bool file_job_next(struct file_job *job, int64_t result)
{
	const bool again = result == -EINTR ||
			   (result == -EAGAIN && job->call.kind == FILE_CALL_OPEN);

	if (again && job->call.kind != FILE_CALL_CLOSE && !file_job_is_left(job) &&
	    job->n_again < FILE_AGAIN_MAX) {
		job->n_again++;
		return true;
	}
	job->n_again = 0;
	return job->ops->next(job, result);
}

void file_job_drop(struct file_job *job)
{
	if (!job)
		return;
	check_that(job->state == FILE_JOB_NEW || job->state == FILE_JOB_ENDED, "state=%d",
		   (int)job->state);
	job->ops->release(job);
}

bool file_job_now(struct file_job *job)
{
	if (!job->ops->now || !job->ops->now(job))
		return false;
	job->state = FILE_JOB_ENDED;
	return true;
}

/* ------------------------------------------------------------ the end */

static void file_io_begin(struct file_io *io, struct file_job *job);

/* Only its loop writes it. */
static void file_io_count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void file_io_begin_next(struct file_io *io)
{
	struct list *link;

	if (io->n_running >= FILE_RUNNING_MAX)
		return;
	link = list_pop(&io->waiting);
	if (!link)
		return;
	io->n_waiting--;
	file_io_begin(io, container_of(link, struct file_job, link));
}

static void file_io_count_off(struct file_io *io)
{
	if (--io->n_jobs == 0 && io->on_idle)
		io->on_idle(io);
}

static void file_io_count_left(struct file_job *job, bool left)
{
	struct file_io *io = job->io;

	io->n_left += left ? 1 : (size_t)-1;
	if (!io->ring)
		atomic_fetch_add(&io->engine->n_left, left ? 1U : -1U);
}

static void file_job_end(struct file_job *job)
{
	struct file_io *io = job->io;

	io->n_running--;
	file_io_count(&io->n_done);
	job->state = FILE_JOB_ENDED;
	if (file_job_is_left(job)) {
		file_io_count_left(job, false);
		job->ops->release(job);
	} else {
		job->on_end(job);
	}
	file_io_begin_next(io);
	file_io_count_off(io);
}

static void file_job_on_ready(struct ready *ready)
{
	file_job_end(container_of(ready, struct file_job, ready));
}

/* ------------------------------------------------------------ the pool's way */

static void file_job_work(struct work *work)
{
	struct file_job *job = container_of(work, struct file_job, work);
	int64_t result = 0;

	while (file_job_next(job, result))
		result = file_call_make(&job->call, job);
	loop_post(job->io->loop, &job->post);
}

static void file_job_on_post(struct post *post)
{
	struct file_job *job = container_of(post, struct file_job, post);

	job->on_pool = false;
	file_job_end(job);
}

static void file_job_to_pool(struct file_job *job, work_fn *run, post_fn *on_done)
{
	job->on_pool = true;
	job->work.run = run;
	job->post.run = on_done;
	check(pool_queue_submit(job->io->engine->queue, &job->work) == 0);
}

/* ------------------------------------------------------------ the ring's way */

static void file_job_make_call(struct file_job *job);

static void file_job_advance(struct file_job *job, int64_t result)
{
	if (file_job_next(job, result))
		file_job_make_call(job);
	else
		file_job_end(job);
}

static void file_io_on_result(void *data, int64_t result)
{
	file_job_advance(data, result);
}

static void file_job_work_call(struct work *work)
{
	struct file_job *job = container_of(work, struct file_job, work);

	job->result = file_call_make(&job->call, job);
	loop_post(job->io->loop, &job->post);
}

static void file_job_on_called(struct post *post)
{
	struct file_job *job = container_of(post, struct file_job, post);

	job->on_pool = false;
	file_job_advance(job, job->result);
}

static void file_job_make_call(struct file_job *job)
{
	struct file_io *io = job->io;

	if (io->engine->ring_calls >> job->call.kind & 1)
		file_ring_make(io->ring, &job->call, job);
	else
		file_job_to_pool(job, file_job_work_call, file_job_on_called);
}

/* ------------------------------------------------------------ start and leave */

static void file_io_begin(struct file_io *io, struct file_job *job)
{
	io->n_running++;
	job->state = FILE_JOB_RUNNING;
	if (!file_io_ring(io)) {
		file_job_to_pool(job, file_job_work, file_job_on_post);
	} else if (file_job_next(job, 0)) {
		file_job_make_call(job);
	} else {
		loop_ready(io->loop, &job->ready);
	}
}

static bool file_io_is_stuck(const struct file_io *io)
{
	if (io->ring)
		return io->n_left * 2 >= FILE_RUNNING_MAX;
	return atomic_load(&io->engine->n_left) >= io->engine->n_threads;
}

int file_io_start(struct file_io *io, struct file_job *job, file_job_fn *on_end)
{
	int r = file_io_is_stuck(io) ? -EBUSY : io->n_waiting >= FILE_WAITING_MAX ? -EAGAIN : 0;

	check(job->state == FILE_JOB_NEW);
	if (r < 0) {
		file_io_count(&io->n_refused);
		return r;
	}
	job->io = io;
	job->on_end = on_end;
	io->n_jobs++;
	if (io->n_running < FILE_RUNNING_MAX) {
		file_io_begin(io, job);
	} else {
		job->state = FILE_JOB_WAITING;
		io->n_waiting++;
		list_add(&io->waiting, &job->link);
	}
	return 0;
}

static void file_job_leave_waiting(struct file_job *job)
{
	struct file_io *io = job->io;

	list_remove(&job->link);
	io->n_waiting--;
	job->ops->release(job);
	file_io_count_off(io);
}

/* Runs: `left` is set first, so that whoever has it sees it soon. What the pool's queue still has is
 * taken back; with the ring a call of its middle counts as cancelled, and what it has opened is put
 * away. */
static void file_job_leave_running(struct file_job *job)
{
	struct file_io *io = job->io;

	atomic_store(&job->left, true);
	file_io_count_left(job, true);
	if (!job->on_pool) {
		if (io->ring && !list_is_linked(&job->ready.link))
			file_ring_cancel(io->ring, job);
		return;
	}
	if (!pool_take_back(pool_queue_pool(io->engine->queue), &job->work))
		return;
	job->on_pool = false;
	if (io->ring)
		file_job_advance(job, -ECANCELED);
	else
		file_job_end(job);
}

void file_job_leave(struct file_job *job)
{
	switch (job->state) {
	case FILE_JOB_WAITING:
		file_job_leave_waiting(job);
		return;
	case FILE_JOB_RUNNING:
		file_job_leave_running(job);
		return;
	case FILE_JOB_NEW:
	case FILE_JOB_ENDED:
		file_job_drop(job);
		return;
	}
	unreachable();
}
