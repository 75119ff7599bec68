/* core/io/disk_file.c
 *
 *     disk_file_ready() --> in memory? --yes--> so many bytes
 *                               \--no--> disk_read --> pool --> post --> on_ready of all who wait
 *
 * Only preadv2(RWF_NOWAIT) tells what is in memory: it neither waits nor starts to read, and
 * finds what is being read not to be there. mincore() and cachestat() answer only to who may
 * write the file, and cachestat() counts what is still being read. Where the filesystem does not
 * know RWF_NOWAIT (tmpfs, FUSE), what the pool has read is believed in the same way.
 *
 * The kernel's own reading ahead is switched off: it would go by the guesses of a descriptor
 * that many connections share, and waits for the disk where the map of the file is not in
 * memory. Instead, behind a piece that had to be read, the next one is read while that is sent. */
#include "core/io/disk_file.h"
#include "core/base/clock.h"
#include "core/io/net.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

struct disk_read {
	struct work work;
	struct post post;
	struct disk_reads *reads;
	struct disk_file *file;
	struct list in_file; /* in file->reads */
	struct list link;    /* in reads->waiting */
	struct list waits;   /* of disk_wait.link */
	uint64_t piece;
	int result;
};

void disk_reads_init(struct disk_reads *reads, struct loop *loop, struct pool_queue *queue,
		     disk_reads_fn *on_end)
{
	*reads = (struct disk_reads){ .loop = loop, .queue = queue, .on_end = on_end };
	list_init(&reads->waiting);
}

void disk_reads_fini(struct disk_reads *reads)
{
	check_that(reads->n_reads == 0, "n_reads=%zu", reads->n_reads);
}

struct disk_file *disk_file_create(int fd, uint64_t size)
{
	struct disk_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->n_refs = 1;
	file->fd = fd;
	file->size = size;
	list_init(&file->reads);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	return file;
}

void disk_file_ref(struct disk_file *file)
{
	file->n_refs++;
}

void disk_file_unref(struct disk_file *file)
{
	if (!file || --file->n_refs > 0)
		return;
	check(list_is_empty(&file->reads));
	fd_close(&file->fd);
	free(file);
}

void disk_wait_init(struct disk_wait *wait, disk_wait_fn *on_ready)
{
	*wait = (struct disk_wait){ .on_ready = on_ready };
	list_init(&wait->link);
}

void disk_wait_cancel(struct disk_wait *wait)
{
	list_remove(&wait->link);
}

/* ------------------------------------------------------------ reading, on the pool */

static void disk_read_run(struct work *work)
{
	struct disk_read *read = container_of(work, struct disk_read, work);
	uint64_t at = read->piece * DISK_PIECE, end = at + DISK_PIECE;
	int fd = read->file->fd;
	char bytes[32 << 10];

	posix_fadvise(fd, (off_t)at, DISK_PIECE, POSIX_FADV_WILLNEED); /* all of it at once */
	while (at < end) {
		ssize_t n = pread(fd, bytes, sizeof(bytes), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			read->result = -errno;
		if (n <= 0)
			break;
		at += (uint64_t)n;
	}
	loop_post(read->reads->loop, &read->post);
}

/* ------------------------------------------------------------ reading, seen from the loop */

static struct disk_seen *disk_file_seen(struct disk_file *file, uint64_t piece)
{
	return &file->seen[piece % DISK_SEEN];
}

static void disk_file_believe(struct disk_file *file, uint64_t piece, bool cold, uint64_t now_ns)
{
	*disk_file_seen(file, piece) =
		(struct disk_seen){ piece, now_ns + DISK_BELIEVE_MS * NS_PER_MS, cold };
}

static void disk_reads_run(struct disk_reads *reads)
{
	while (reads->n_running < DISK_READS_MAX && !list_is_empty(&reads->waiting)) {
		struct disk_read *read =
			container_of(list_pop(&reads->waiting), struct disk_read, link);

		check(pool_queue_submit(reads->queue, &read->work) == 0);
		reads->n_running++;
	}
}

/* Who waits may be closed by what another's on_ready does: it takes itself off the list then. */
static void disk_read_on_done(struct post *post)
{
	struct disk_read *read = container_of(post, struct disk_read, post);
	struct disk_reads *reads = read->reads;
	uint64_t now_ns = loop_now_ns(reads->loop);
	struct list *link;

	reads->n_running--;
	list_remove(&read->in_file);
	if (read->result == 0)
		disk_file_believe(read->file, read->piece, true, now_ns);
	while ((link = list_pop(&read->waits))) {
		struct disk_wait *wait = container_of(link, struct disk_wait, link);

		wait->granted_ns = now_ns;
		wait->error = read->result;
		wait->on_ready(wait);
	}
	reads->n_reads--;
	disk_file_unref(read->file);
	free(read);
	disk_reads_run(reads);
	if (reads->on_end)
		reads->on_end(reads);
}

static struct disk_read *disk_read_find(const struct disk_file *file, uint64_t piece)
{
	struct disk_read *read;

	list_each(read, &file->reads, struct disk_read, in_file)
		if (read->piece == piece)
			return read;
	return NULL;
}

static struct disk_read *disk_read_start(struct disk_file *file, struct disk_reads *reads,
					 uint64_t piece)
{
	struct disk_read *read = calloc(1, sizeof(*read));

	if (!read)
		return NULL;
	*read = (struct disk_read){ .work.run = disk_read_run,
				    .post.run = disk_read_on_done,
				    .reads = reads,
				    .file = file,
				    .piece = piece };
	disk_file_ref(file);
	list_init(&read->waits);
	list_add(&file->reads, &read->in_file);
	list_add(&reads->waiting, &read->link);
	reads->n_reads++;
	disk_reads_run(reads);
	return read;
}

/* ------------------------------------------------------------ what is in memory */

/* The bytes land on one page, again and again: only their being there matters. */
static bool disk_file_has(struct disk_file *file, uint64_t at, uint64_t end)
{
	enum { PAGE = 4096, N_PARTS = 64 };
	char page[PAGE] = { 0 };
	struct iovec parts[N_PARTS];

	for (int i = 0; i < N_PARTS; i++)
		parts[i] = (struct iovec){ page, PAGE };
	while (at < end) {
		uint64_t size = MIN(end - at, (uint64_t)PAGE * N_PARTS);
		uint64_t last = (size - 1) / PAGE;
		ssize_t n;

		parts[last].iov_len = size - last * PAGE;
		n = preadv2(file->fd, parts, (int)last + 1, (off_t)at, RWF_NOWAIT);
		parts[last].iov_len = PAGE;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			file->blind = file->blind || errno == EOPNOTSUPP || errno == ENOSYS;
			return false;
		}
		if (n == 0)
			return true; /* it has become shorter: sending it will tell */
		at += (uint64_t)n;
	}
	return true;
}

static bool disk_file_believes(struct disk_file *file, uint64_t piece, uint64_t now_ns)
{
	const struct disk_seen *seen = disk_file_seen(file, piece);

	return seen->piece == piece && now_ns < seen->until_ns;
}

static bool disk_file_is_in_memory(struct disk_file *file, uint64_t at, uint64_t end,
				   uint64_t now_ns)
{
	uint64_t piece = at / DISK_PIECE;

	if (disk_file_believes(file, piece, now_ns))
		return file->blind ||
		       (disk_file_has(file, at, at + 1) && disk_file_has(file, end - 1, end));
	if (file->blind)
		return false;
	if (end - at <= DISK_LOOK)
		return disk_file_has(file, at, end);
	if (!disk_file_has(file, piece * DISK_PIECE,
			   MIN((piece + 1) * DISK_PIECE, MAX(file->size, end))))
		return false;
	disk_file_believe(file, piece, false, now_ns);
	return true;
}

/* Behind a piece that had to be read, while that is sent; never when others wait for their
 * turn. */
static void disk_file_read_next(struct disk_file *file, struct disk_reads *reads, uint64_t piece,
				uint64_t now_ns)
{
	if (!disk_file_seen(file, piece)->cold || reads->n_running >= DISK_READS_MAX / 2 ||
	    disk_file_believes(file, piece + 1, now_ns) || disk_read_find(file, piece + 1))
		return;
	disk_read_start(file, reads, piece + 1);
}

int64_t disk_file_ready(struct disk_file *file, struct disk_reads *reads, struct disk_wait *wait,
			uint64_t at, uint64_t size)
{
	uint64_t piece = at / DISK_PIECE, now_ns = loop_now_ns(reads->loop);
	uint64_t end = MIN(at + size, (piece + 1) * DISK_PIECE);
	uint64_t granted_ns = wait->granted_ns;
	struct disk_read *read;

	wait->granted_ns = 0;
	if (list_is_linked(&wait->link))
		return 0;
	if (wait->error)
		return wait->error;
	if ((granted_ns && now_ns - granted_ns < DISK_BELIEVE_MS * NS_PER_MS) ||
	    disk_file_is_in_memory(file, at, end, now_ns)) {
		if (at + size > end && disk_file_believes(file, piece, now_ns))
			disk_file_read_next(file, reads, piece, now_ns);
		return (int64_t)(end - at);
	}
	read = disk_read_find(file, piece);
	if (!read)
		read = disk_read_start(file, reads, piece);
	if (!read)
		return -ENOMEM;
	list_add(&read->waits, &wait->link);
	return 0;
}
