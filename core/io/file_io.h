/* core/io/file_io.h: work on files for which no loop waits.
 *
 * A job is a program of system calls: next() is told what the last call returned, and says the
 * next one. Whoever runs it makes the calls elsewhere:
 *
 *   ring   io_uring: one ring a loop, each call by a worker of the kernel (never in the submit, which
 *          may wait for a disk); completions wake the loop by the ring's descriptor in its epoll
 *   pool   where the kernel has no io_uring, or must not be asked: the whole job on one thread of
 *          the compute pool, in a queue of its own with half of the threads
 *
 * A job is a block with its own memory (DECISIONS 4): all that its calls read and write is in it, or
 * is the job's to release. Its owner may leave it at any time: it then goes on until the call at
 * hand has returned, puts away what is half done, and releases itself. next() must therefore look
 * at file_job_is_left() where it could stop, and touch nothing but the job: with the pool it runs on
 * another thread.
 *
 * Bounds: FILE_RUNNING_MAX jobs of a loop at once, FILE_WAITING_MAX more in a queue; the next is
 * refused. So it is while jobs that were left hold half of the places (all, of the pool's threads):
 * the disk does not answer.
 *
 * 	struct file_job *job = file_read_create(&spec);       core/io/file_rw.h, file_tree.h
 * 	r = file_io_start(io, job, on_end);                   or as a task: core/task/file_task.h
 * 	… on_end: job->error, and what the job has read; then file_job_drop(job).
 *
 * Everything is for the loop's thread, unless it says otherwise. */
#pragma once
#include "core/base/arena.h"
#include "core/base/list.h"
#include "core/io/file_call.h"
#include "core/io/loop.h"
#include "core/thread/pool.h"

enum {
	FILE_RUNNING_MAX = 64,   /* jobs of one loop at once */
	FILE_WAITING_MAX = 1024, /* more of them, that wait for one to end */
	FILE_AGAIN_MAX = 8,      /* a path that was changed while it was resolved is tried again */
};

struct file_io;
struct file_job;
struct file_ring;
typedef void file_job_fn(struct file_job *job);
typedef void file_io_fn(struct file_io *io);

/* ------------------------------------------------------------ the engine */

/* One for the process; any thread reads it. */
struct file_engine {
	struct pool_queue *queue;
	unsigned n_threads; /* of the pool, for files */
	bool has_ring;
	uint32_t ring_calls; /* bits of enum file_call_kind that the ring can make */
	int ring_error;      /* why there is none: 0 (it was not wanted), or a negative errno */
	atomic_uint n_left;  /* jobs on the pool's threads that their owners have left */
};

/* `ring`: use io_uring where the kernel lets us. `n_loops` will have a file_io. */
void file_engine_open(struct file_engine *engine, struct pool *pool, size_t n_loops, bool ring);
void file_engine_close(struct file_engine *engine);

struct file_io {
	struct loop *loop;
	struct file_engine *engine;
	struct file_ring *ring; /* made with the first job; NULL: none, or not yet */
	bool ring_tried;
	struct list waiting; /* of file_job.link */
	struct list syncs;   /* file_sync.c */
	size_t n_waiting, n_running, n_left;
	size_t n_jobs; /* that were started, and are not over (or not released, when they were left) */
	_Atomic uint64_t n_done, n_refused; /* read by any thread */
	file_io_fn *on_idle;                /* n_jobs has become 0; may be NULL */
};

void file_io_init(struct file_io *io, struct loop *loop, struct file_engine *engine,
		  file_io_fn *on_idle);
void file_io_fini(struct file_io *io); /* no job may be left; before its loop is destroyed */

/* ------------------------------------------------------------ jobs */

struct file_job_ops {
	/* The first call (result 0), or the one after the call that returned `result`: true, with
	 * job->call. False: it is over; job->error tells how. */
	bool (*next)(struct file_job *job, int64_t result);

	/* Tries to do all of it at once, without ever waiting: true, when it is over. May be NULL. */
	bool (*now)(struct file_job *job);

	/* Frees the job and all that it has. Any thread, no call is under way. */
	void (*release)(struct file_job *job);
};

enum file_job_state { FILE_JOB_NEW, FILE_JOB_WAITING, FILE_JOB_RUNNING, FILE_JOB_ENDED };

/* The first field of each kind of job. */
struct file_job {
	const struct file_job_ops *ops;
	struct file_call call;
	int error;                   /* 0 or a negative errno */
	enum file_call_kind failed;  /* the call that gave it */
	struct arena_budget *budget; /* that its memory counts in; or NULL */
	size_t charged;
	void *owner; /* the owner's */
	/* the rest is the engine's */
	file_job_fn *on_end;
	struct file_io *io;
	struct list link;
	struct work work;
	struct post post;
	struct ready ready;
	int64_t result; /* of a call that the pool has made for the ring */
	enum file_job_state state;
	bool on_pool;     /* a thread of the pool has it, or its queue */
	atomic_bool left; /* the owner has left; read by any thread */
	uint8_t n_again;
};

void file_job_init(struct file_job *job, const struct file_job_ops *ops,
		   struct arena_budget *budget);

/* 0: on_end is called once, from the loop, never inside of this; then the job is the owner's again.
 * -EAGAIN: too many wait; -EBUSY: the disk does not answer; then it is still the owner's. */
int file_io_start(struct file_io *io, struct file_job *job, file_job_fn *on_end);

/* True: it is over, without any wait; it was not started, and will not be. */
bool file_job_now(struct file_job *job);

/* The owner has no more to do with it: on_end is not called, the job releases itself. */
void file_job_leave(struct file_job *job);
void file_job_drop(struct file_job *job); /* one that is new or has ended; NULL is accepted */

/* ------------------------------------------------------------ for who writes a job: in next() */

static inline bool file_job_is_left(struct file_job *job)
{
	return atomic_load_explicit(&job->left, memory_order_relaxed);
}

/* Takes note of the first failure. Returns true when `result` is one, or the owner has left (then
 * as -ECANCELED). */
bool file_job_failed(struct file_job *job, int64_t result);

/* Counts memory in the budget; false: there is no more. It is given back by file_job_fini(). */
bool file_job_charge(struct file_job *job, size_t size);
void file_job_give_back(struct file_job *job);

/* For tests and figures: the engine at work for this loop. */
bool file_io_has_ring(const struct file_io *io);
