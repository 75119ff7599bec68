/* tests/bench/disk.c: reads of 4 KiB at random places of a file: one thread of pread(), as dd and fio's sync
 * engine do, beside the ways that a loop has: at once where the page cache has it, the ring, the pool.
 *
 * usage: disk [FOLDER]   (build, which has to be on a disk for the cold figures to mean something)
 *
 * Warm: all of the file is in the page cache. Cold: it was dropped from it, and the kernel was told not
 * to read ahead; a page that a round happens to ask for twice is warm the second time. */
#include "core/base/clock.h"
#include "core/io/file_rw.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 4096, N_PIECES = 64 << 10, N_WARM = 20000, N_COLD = 1000, ROUNDS = 3 };

enum way { WAY_PREAD, WAY_NOW, WAY_RING, WAY_POOL, N_WAYS };

static const char *const way_names[] = { "one thread of pread()", "loop, at once where it can",
					 "loop, ring, 64 at once", "loop, pool, 64 at once" };

struct reader {
	char bytes[PIECE];
	struct iovec iov;
};

static struct reader readers[FILE_RUNNING_MAX];
static struct file_handle *file;
static struct loop *loop;
static struct pool *pool;
static struct file_engine engine;
static struct file_io io;
static size_t n_to_start, n_to_end;
static uint64_t random_state;

static uint64_t random_place(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % N_PIECES * PIECE;
}

/* ------------------------------------------------------------ one thread */

static void read_by_thread(size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(pread(file_handle_fd(file), readers[0].bytes, PIECE, (off_t)random_place()) ==
		      PIECE);
}

/* ------------------------------------------------------------ a loop */

static void on_idle(struct file_io *idle)
{
	(void)idle;
}

static struct file_job *job_create(struct reader *reader)
{
	struct file_job *job;

	reader->iov = (struct iovec){ reader->bytes, PIECE };
	job = file_read_create(&(struct file_rw_spec){
		.file = file, .at = random_place(), .iov = &reader->iov, .n_iov = 1 });
	check(job);
	job->owner = reader;
	return job;
}

static void on_end(struct file_job *job);

static void start_next(struct reader *reader)
{
	n_to_start--;
	check(file_io_start(&io, job_create(reader), on_end) == 0);
}

static void on_end(struct file_job *job)
{
	struct reader *reader = job->owner;

	check_that(job->error == 0 && file_rw_size(job) == PIECE, "error=%d", job->error);
	file_job_drop(job);
	if (--n_to_end == 0)
		loop_stop(loop);
	if (n_to_start > 0)
		start_next(reader);
}

static void read_by_engine(size_t n)
{
	n_to_start = n_to_end = n;
	for (size_t i = 0; i < FILE_RUNNING_MAX && n_to_start > 0; i++)
		start_next(&readers[i]);
	loop_run(loop);
}

static void read_at_once(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct file_job *job = job_create(&readers[0]);

		if (file_job_now(job)) {
			check(job->error == 0 && file_rw_size(job) == PIECE);
			file_job_drop(job);
			continue;
		}
		check(file_io_start(&io, job, on_end) == 0);
		n_to_end = 1;
		loop_run(loop);
	}
}

/* ------------------------------------------------------------ measuring */

static double microseconds(enum way way, bool cold)
{
	const size_t n = cold ? N_COLD : N_WARM;
	uint64_t start_ns;

	if (cold)
		check(posix_fadvise(file_handle_fd(file), 0, 0, POSIX_FADV_DONTNEED) == 0);
	start_ns = clock_monotonic_ns();
	if (way == WAY_PREAD)
		read_by_thread(n);
	else if (way == WAY_NOW)
		read_at_once(n);
	else
		read_by_engine(n);
	return (double)(clock_monotonic_ns() - start_ns) / 1000 / (double)n;
}

static double best_of(enum way way, bool cold)
{
	double best = 1e18;

	file_engine_open(&engine, pool, 1, way != WAY_POOL);
	file_io_init(&io, loop, &engine, on_idle);
	for (unsigned i = 0; i < ROUNDS; i++)
		best = MIN(best, microseconds(way, cold));
	check(io.n_jobs == 0);
	if (way == WAY_RING && !file_io_has_ring(&io))
		best = 0;
	file_io_fini(&io);
	file_engine_close(&engine);
	return best;
}

static void compare(bool cold)
{
	const double base = best_of(WAY_PREAD, cold);

	for (enum way way = WAY_PREAD; way < N_WAYS; way++) {
		const double us = way == WAY_PREAD ? base : best_of(way, cold);
		char what[80];

		snprintf(what, sizeof(what), "4 KiB %s, %s", cold ? "cold" : "warm",
			 way_names[way]);
		if (us > 0)
			printf("%-52s %8.2f us  %.2f of pread()\n", what, us, us / base);
		else
			printf("%s: the kernel refuses io_uring\n", what);
	}
}

/* Written, synced, and kept by no name. */
static void file_make(const char *folder)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	check_that(fd >= 0, "%s: %s", folder, strerror(errno));
	memset(readers[0].bytes, 'x', PIECE);
	for (size_t i = 0; i < N_PIECES; i++)
		check_that(write(fd, readers[0].bytes, PIECE) == PIECE, "%s", strerror(errno));
	check(fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) == 0);
	file = file_handle_create(fd, NULL);
	check(file);
}

int main(int argc, char **argv)
{
	random_state = 88172645463325252u;
	check(loop_create(&loop) == 0 && pool_create(&pool, "bench", 4) == 0);
	file_make(argc > 1 ? argv[1] : "build");
	compare(false);
	compare(true);
	file_handle_unref(file);
	pool_destroy(pool);
	loop_run_once(loop, false);
	loop_destroy(loop);
	return 0;
}
