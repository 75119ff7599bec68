/* tests/core/io/file_io.c: each test once with the kernel's ring, once with the pool. Pipes stand for
 * disks that do not answer. */
#include "core/io/file_io.h"
#include "core/io/file_ring.h"
#include "core/io/file_rw.h"
#include "core/io/net.h"
#include "core/task/file_task.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static bool with_ring;
static struct loop *loop;
static struct pool *pool;
static struct file_engine engine;
static struct file_io io;
static struct scope scope;
static unsigned n_ended, n_idle;
static atomic_uint n_released;

static void on_empty(struct scope *empty)
{
	(void)empty;
}

static void on_idle(struct file_io *idle)
{
	(void)idle;
	n_idle++;
}

static void setup(unsigned n_threads)
{
	check(loop_create(&loop) == 0 && pool_create(&pool, "test", n_threads) == 0);
	file_engine_open(&engine, pool, 1, with_ring);
	file_io_init(&io, loop, &engine, on_idle);
	scope_init(&scope, loop, on_empty);
	n_ended = n_idle = 0;
	n_released = 0;
}

static void turn(void)
{
	loop_run_once(loop, false);
	sched_yield();
}

static void teardown(void)
{
	while (io.n_jobs > 0)
		turn();
	scope_fini(&scope);
	file_io_fini(&io);
	file_engine_close(&engine);
	pool_destroy(pool);
	loop_run_once(loop, false);
	loop_destroy(loop);
}

static void count_end(struct task *task)
{
	(void)task;
	n_ended++;
}

static void count_release(void *owner)
{
	free(owner);
	atomic_fetch_add(&n_released, 1);
}

static void wait_for_end(unsigned n)
{
	while (n_ended < n)
		turn();
}

static struct file_handle *temporary(void)
{
	char path[] = "/tmp/leat-file-io-XXXXXX";
	int fd = mkstemp(path);

	check(fd >= 0 && unlink(path) == 0);
	return file_handle_create(fd, NULL);
}

/* A pipe whose ends are both ours. */
static struct file_handle *pipe_handle(int *ret_other, bool writes)
{
	int fds[2];

	check(pipe2(fds, O_CLOEXEC) == 0);
	*ret_other = fds[!writes];
	return file_handle_create(fds[writes], NULL);
}

static struct file_job *job_of(struct file_handle *file, uint64_t at, size_t size, bool writes)
{
	char *bytes = calloc(1, size + 1);
	struct iovec iov = { bytes, size };
	const struct file_rw_spec spec = { file, at, &iov, 1, bytes, count_release };

	return writes ? file_write_create(&spec) : file_read_create(&spec);
}

static void start(struct file_task *task, struct file_job *job)
{
	file_task_init(task, &io, job, count_end);
	task_start(&task->task, &scope);
}

static void start_read(struct file_task *task, struct file_handle *file, uint64_t at, size_t size)
{
	start(task, job_of(file, at, size, false));
}

/* ------------------------------------------------------------ without a task */

static size_t plain_size;
static int plain_error;

static void on_plain_end(struct file_job *job)
{
	plain_size = file_rw_size(job);
	plain_error = job->error;
	n_ended++;
	file_job_drop(job);
}

static void start_engine(const struct file_rw_spec *spec)
{
	check(file_io_start(&io, file_read_create(spec), on_plain_end) == 0);
}

/* ------------------------------------------------------------ reads and writes */

static void pieces_are_written_and_read_at_their_place(void)
{
	struct file_handle *file = temporary();
	char first[] = "one ", second[] = "two ", third[] = "three", got[2][8] = { "" };
	struct iovec out[] = { { first, 4 }, { second, 4 }, { third, 5 } };
	struct iovec in[] = { { got[0], 6 }, { got[1], 8 } };
	struct file_task task;

	setup(2);
	start(&task, file_write_create(&(struct file_rw_spec){ file, 100, out, 3, NULL, NULL }));
	wait_for_end(1);
	is_int(task.task.outcome, OUTCOME_OK);
	is_int(task.job->error, 0);
	is_int(file_rw_size(task.job), 13);
	file_task_fini(&task);
	is_int(lseek(file_handle_fd(file), 0, SEEK_END), 113);

	/* with the engine, though it is in memory */
	start_engine(&(struct file_rw_spec){ file, 102, in, 2, NULL, NULL });
	wait_for_end(2);
	is_int(plain_size, 11); /* short: the file ends */
	is_text(got[0], "e two ");
	is_text(got[1], "three");
	start_engine(&(struct file_rw_spec){ file, 113, in, 2, NULL, NULL });
	wait_for_end(3);
	is_int(plain_size, 0);
	is_int(plain_error, 0);
	file_handle_unref(file);
	teardown();
}

static void what_is_in_memory_is_read_at_once(void)
{
	struct file_handle *file = temporary();
	struct file_task task;
	char byte;
	struct iovec iov = { &byte, 1 };

	setup(1);
	is_int(pwrite(file_handle_fd(file), "warm", 4, 0), 4);
	if (preadv2(file_handle_fd(file), &iov, 1, 0, RWF_NOWAIT) == 1) {
		start_read(&task, file, 0, 4);
		is_int(task.task.state, TASK_ENDING);
		is_int(io.n_done, 0);
		wait_for_end(1);
		is_int(file_rw_size(task.job), 4);
		file_task_fini(&task);
		start_read(&task, file, 2, 4); /* that it ends is for the engine to find */
		wait_for_end(2);
		is_int(io.n_done, 1);
		is_int(file_rw_size(task.job), 2);
		file_task_fini(&task);
	}
	file_handle_unref(file);
	teardown();
}

/* The program of the job, without an engine. */
static void short_reads_and_writes_are_gone_on_with(void)
{
	struct file_handle *file = temporary();
	char a[4], b[6];
	struct iovec iov[] = { { a, 4 }, { b, 6 } };
	struct file_job *job =
		file_write_create(&(struct file_rw_spec){ file, 50, iov, 2, NULL, NULL });

	is_true(job->ops->next(job, 0));
	is_int(job->call.n_iov, 2);
	is_true(job->ops->next(job, 3));
	is_int(job->call.at, 53);
	is_int(job->call.n_iov, 2);
	is_ptr(job->call.iov[0].iov_base, (void *)(a + 3));
	is_int(job->call.iov[0].iov_len, 1);
	is_true(job->ops->next(job, 2));
	is_int(job->call.at, 55);
	is_int(job->call.n_iov, 1);
	is_ptr(job->call.iov[0].iov_base, (void *)(b + 1));
	is_false(job->ops->next(job, 5));
	is_int(job->error, 0);
	is_int(file_rw_size(job), 10);
	file_job_drop(job);

	job = file_write_create(&(struct file_rw_spec){ file, 0, iov, 2, NULL, NULL });
	is_true(job->ops->next(job, 0));
	is_false(job->ops->next(job, 0)); /* takes nothing: no endless loop */
	is_int(job->error, -EIO);
	file_job_drop(job);

	job = file_read_create(&(struct file_rw_spec){ file, 0, iov, 2, NULL, NULL });
	is_true(job->ops->next(job, 0));
	is_true(job->ops->next(job, 4));
	is_int(job->call.n_iov, 1);
	is_false(job->ops->next(job, 0));
	is_int(job->error, 0);
	is_int(file_rw_size(job), 4);
	file_job_drop(job);
	file_handle_unref(file);
}

static void a_disk_that_is_full_is_told_of(void)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct file_handle *file = file_handle_create(fd, NULL);
	struct file_task task;

	setup(1);
	start(&task, job_of(file, 0, 100, true));
	wait_for_end(1);
	is_int(task.task.outcome, OUTCOME_OK);
	is_int(task.job->error, -ENOSPC);
	is_int(task.job->failed, FILE_CALL_WRITE);
	file_task_fini(&task);
	file_handle_unref(file);
	teardown();
}

static void what_was_written_before_a_limit_is_known(void)
{
	struct file_handle *file = temporary();
	struct rlimit before, limit;
	struct file_task task;

	signal(SIGXFSZ, SIG_IGN);
	check(getrlimit(RLIMIT_FSIZE, &before) == 0);
	limit = before;
	limit.rlim_cur = 3000;
	check(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	setup(1);
	start(&task, job_of(file, 0, 5000, true));
	wait_for_end(1);
	is_int(task.job->error, -EFBIG);
	is_int(file_rw_size(task.job), 3000);
	file_task_fini(&task);
	check(setrlimit(RLIMIT_FSIZE, &before) == 0);
	file_handle_unref(file);
	teardown();
}

static void a_file_is_synced(void)
{
	struct file_handle *file = temporary();
	struct file_task task;
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	setup(1);
	for (unsigned i = 0; i < 2; i++) {
		start(&task, file_sync_create(file, i == 1));
		wait_for_end(i + 1);
		is_int(task.job->error, 0);
		file_task_fini(&task);
	}
	file_handle_unref(file);
	file = file_handle_create(fd, NULL);
	start(&task, file_sync_create(file, false));
	wait_for_end(3);
	is_int(task.job->error, -EINVAL);
	is_int(task.job->failed, FILE_CALL_SYNC);
	file_task_fini(&task);
	file_handle_unref(file);
	teardown();
}

/* ------------------------------------------------------------ disks that do not answer */

static unsigned n_turns_of_others;

static void count_turn(struct ready *ready)
{
	n_turns_of_others++;
	(void)ready;
}

static void a_read_that_waits_stops_no_loop(void)
{
	struct ready other;
	struct file_task task;
	int other_end;
	struct file_handle *file = pipe_handle(&other_end, false);

	setup(2);
	ready_init(&other, count_turn);
	n_turns_of_others = 0;
	start_read(&task, file, FILE_AT_CURRENT, 100);
	for (unsigned i = 0; i < 100; i++) {
		loop_ready(loop, &other);
		turn();
	}
	is_int(n_turns_of_others, 100);
	is_int(n_ended, 0);
	is_int(file_io_has_ring(&io), with_ring);
	is_int(write(other_end, "at last", 7), 7);
	wait_for_end(1);
	is_int(file_rw_size(task.job), 7); /* of a pipe: what there is */
	file_task_fini(&task);
	is_int(n_released, 1);
	is_true(n_idle > 0);
	fd_close(&other_end);
	file_handle_unref(file);
	teardown();
}

static void stop_loop(struct task *task)
{
	(void)task;
	loop_stop(loop);
}

static void a_loop_that_sleeps_is_woken_by_the_end(void)
{
	struct file_task task;
	struct file_handle *file = temporary();

	setup(1);
	file_task_init(&task, &io, job_of(file, 0, 4096, true), stop_loop);
	task_start(&task.task, &scope);
	loop_run(loop);
	is_int(task.job->error, 0);
	file_task_fini(&task);
	file_handle_unref(file);
	teardown();
}

static void await_running(unsigned n)
{
	struct pool_stats stats;

	do {
		turn();
		pool_queue_stats(engine.queue, &stats);
	} while (stats.n_running < n);
}

static void a_cancelled_task_ends_at_once_and_its_memory_stays_until_the_kernel_is_done(void)
{
	struct file_task task;
	int other_end;
	struct file_handle *file = pipe_handle(&other_end, false);

	setup(2);
	start_read(&task, file, FILE_AT_CURRENT, 100);
	for (unsigned i = 0; i < 20 && with_ring; i++)
		turn();
	if (!with_ring)
		await_running(1);
	file_handle_unref(file);
	scope_cancel(&scope);
	loop_run_once(loop, false);
	is_int(n_ended, 1);
	is_int(task.task.outcome, OUTCOME_CANCELLED);
	is_int(task.reason, REASON_CANCELLED);
	is_null(task.job);
	file_task_fini(&task);
	if (!with_ring) { /* a thread cannot be called back */
		is_int(n_released, 0);
		is_int(io.n_left, 1);
		is_int(write(other_end, "late", 4), 4);
	}
	/* one that a thread of the kernel is about to begin is not called back either */
	for (unsigned i = 0; i < 10000 && io.n_jobs > 0; i++)
		turn();
	if (io.n_jobs > 0)
		(void)!write(other_end, "late", 4);
	while (io.n_jobs > 0)
		turn();
	is_int(n_released, 1);
	is_int(io.n_left, 0);
	fd_close(&other_end);
	teardown();
	is_int(n_ended, 1);
}

static void what_was_not_begun_is_taken_back(void)
{
	enum { N = FILE_RUNNING_MAX + 2 };
	static struct file_task tasks[N];
	int other_end;
	struct file_handle *file = pipe_handle(&other_end, false);

	setup(2);
	for (unsigned i = 0; i < N; i++)
		start_read(&tasks[i], file, FILE_AT_CURRENT, 1);
	is_int(io.n_running, FILE_RUNNING_MAX);
	is_int(io.n_waiting, 2);
	task_cancel(&tasks[N - 1].task);
	is_int(n_released, 1);
	is_int(io.n_waiting, 1);
	for (unsigned i = 0; i < N - 1; i++)
		is_int(write(other_end, "x", 1), 1);
	wait_for_end(N);
	for (unsigned i = 0; i < N - 1; i++) {
		is_int(file_rw_size(tasks[i].job), 1);
		file_task_fini(&tasks[i]);
	}
	fd_close(&other_end);
	file_handle_unref(file);
	teardown();
	is_int(n_released, N);
}

static void too_many_are_refused_and_forgotten_ones_too(void)
{
	enum { N = FILE_RUNNING_MAX + FILE_WAITING_MAX + 1 };
	struct file_task *tasks = calloc(N, sizeof(*tasks)), next;
	int other_end;
	struct file_handle *file = pipe_handle(&other_end, false);

	setup(4);
	for (unsigned i = 0; i < N; i++)
		start_read(&tasks[i], file, FILE_AT_CURRENT, 1);
	wait_for_end(1);
	is_int(tasks[N - 1].task.outcome, OUTCOME_FAILED);
	is_int(tasks[N - 1].reason, REASON_FULL);
	is_int(io.n_refused, 1);
	for (unsigned i = FILE_RUNNING_MAX; i < N - 1; i++)
		task_cancel(&tasks[i].task);
	if (!with_ring) {
		await_running(2); /* both threads have one */
		scope_cancel(&scope);
		start_read(&next, file, FILE_AT_CURRENT, 1); /* in a scope that is over */
		wait_for_end(N + 1);
		is_int(next.task.outcome, OUTCOME_CANCELLED);
		file_task_fini(&next);
		scope_fini(&scope);
		scope_init(&scope, loop, on_empty);
		while (io.n_left != 2)
			turn();
		start_read(&next, file, FILE_AT_CURRENT, 1);
		wait_for_end(N + 2);
		is_int(next.reason, REASON_UNAVAILABLE);
	}
	fd_close(&other_end);
	scope_cancel(&scope);
	while (io.n_jobs > 0)
		turn();
	is_int(n_released, with_ring ? N : N + 2);
	file_handle_unref(file);
	teardown();
	free(tasks);
}

/* ------------------------------------------------------------ at random */

enum { N_RANDOM = 4000, N_AT_ONCE = 96 };

static unsigned seed, n_begun;

static unsigned roll(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static struct file_task randoms[N_AT_ONCE];
static struct file_handle *random_file;

static void random_end(struct task *task)
{
	struct file_task *own = container_of(task, struct file_task, task);

	n_ended++;
	if (task->outcome == OUTCOME_OK)
		check_that(own->job->error == 0, "error=%d", own->job->error);
	file_task_fini(own);
}

static void random_start(struct file_task *task)
{
	struct file_job *job = job_of(random_file, roll(1 << 20), 1 + roll(8192), roll(2) == 0);

	n_begun++;
	file_task_init(task, &io, job, random_end);
	task_start(&task->task, &scope);
}

static void whatever_is_cancelled_each_ends_once_and_each_block_is_released_once(void)
{
	setup(4);
	random_file = temporary();
	n_begun = 0;
	memset(randoms, 0, sizeof(randoms));
	while (n_ended < n_begun || n_begun < N_RANDOM) {
		for (unsigned i = 0; i < N_AT_ONCE && n_begun < N_RANDOM; i++)
			if (randoms[i].task.state == TASK_IDLE ||
			    randoms[i].task.state == TASK_ENDED)
				random_start(&randoms[i]);
		for (unsigned n = roll(8); n > 0; n--)
			task_cancel(&randoms[roll(N_AT_ONCE)].task);
		turn();
	}
	file_handle_unref(random_file);
	teardown();
	is_int(n_ended, n_begun);
	is_int(n_released, n_begun);
}

/* ------------------------------------------------------------ all */

static void run_all(void)
{
	TEST(pieces_are_written_and_read_at_their_place);
	TEST(what_is_in_memory_is_read_at_once);
	TEST(a_disk_that_is_full_is_told_of);
	TEST(what_was_written_before_a_limit_is_known);
	TEST(a_file_is_synced);
	TEST(a_read_that_waits_stops_no_loop);
	TEST(a_loop_that_sleeps_is_woken_by_the_end);
	TEST(a_cancelled_task_ends_at_once_and_its_memory_stays_until_the_kernel_is_done);
	TEST(what_was_not_begun_is_taken_back);
	TEST(too_many_are_refused_and_forgotten_ones_too);
	TEST(whatever_is_cancelled_each_ends_once_and_each_block_is_released_once);
}

int main(void)
{
	uint32_t calls;
	int r = file_ring_probe(&calls);

	signal(SIGPIPE, SIG_IGN);
	seed = (unsigned)getpid();
	printf("# seed %u\n", seed);
	TEST(short_reads_and_writes_are_gone_on_with);
	run_all();
	with_ring = r == 0;
	if (with_ring)
		run_all();
	else
		printf("# skipped with the ring: this kernel refuses io_uring: %s\n",
		       strerrorname_np(-r));
	return tap_done();
}
