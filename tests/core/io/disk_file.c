/* tests/core/io/disk_file.c: files whose disk is slow: a fake one, below the calls that reach it.
 *
 * The functions that the sources call are this program's: bytes of the file are "cold" until
 * pread() has read them, and whoever calls sendfile() for cold ones would have waited. */
#include "core/io/disk_file.h"
#include "core/io/stream.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CHUNK = 32 << 10, SIZE = (5 << 20) + 12345, N_CHUNKS = SIZE / CHUNK + 1 };

static int disk_fd = -1;
static atomic_bool warm[N_CHUNKS];
static atomic_int n_looks, n_reads, n_waited, n_read_by_loop;
static atomic_bool held; /* the disk does not answer */
static int look_error, read_error;
static pthread_t loop_thread;

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the library's are reserved */
ssize_t preadv2(int fd, const struct iovec *parts, int n_parts, off_t at, int flags)
{
	size_t size = 0;

	check(fd == disk_fd && (flags & RWF_NOWAIT));
	n_looks++;
	for (int i = 0; i < n_parts; i++)
		size += parts[i].iov_len;
	if (look_error || !warm[at / CHUNK]) {
		errno = look_error ? look_error : EAGAIN;
		return -1;
	}
	if (at >= SIZE)
		return 0;
	return (ssize_t)MIN(MIN(size, (size_t)(SIZE - at)), (size_t)(CHUNK - at % CHUNK));
}

ssize_t pread(int fd, void *bytes, size_t size, off_t at)
{
	check(fd == disk_fd || disk_fd < 0);
	n_reads++;
	while (held)
		sched_yield();
	n_read_by_loop += pthread_equal(pthread_self(), loop_thread) ? 1 : 0;
	if (read_error) {
		errno = read_error;
		return -1;
	}
	if (at < SIZE)
		warm[at / CHUNK] = true;
	return syscall(SYS_pread64, fd, bytes, size, at);
}

ssize_t sendfile(int to, int fd, off_t *at, size_t size)
{
	for (off_t i = *at / CHUNK; i <= (*at + (off_t)size - 1) / CHUNK; i++)
		n_waited += fd == disk_fd && !warm[i] ? 1 : 0;
	return syscall(SYS_sendfile, to, fd, at, size);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

/* ------------------------------------------------------------ one sender */

struct sender {
	struct stream stream;
	struct stream_gate gate;
	struct disk_wait wait;
	int peer;
	size_t got;
	bool done, wrong;
};

static struct loop *loop;
static struct pool *pool;
static struct pool_queue *queue;
static struct disk_reads reads;
static struct disk_file *file;

static int64_t gate_ready(struct stream_gate *gate, struct stream *stream, uint64_t at,
			  uint64_t size)
{
	struct sender *sender = container_of(gate, struct sender, gate);

	check(stream == &sender->stream);
	return disk_file_ready(file, &reads, &sender->wait, at, size);
}

static void gate_leave(struct stream_gate *gate)
{
	disk_wait_cancel(&container_of(gate, struct sender, gate)->wait);
}

static void on_ready(struct disk_wait *wait)
{
	stream_go_on(&container_of(wait, struct sender, wait)->stream);
}

static void on_readable(struct stream *stream)
{
	(void)stream;
}

static void on_sent(struct stream *stream)
{
	container_of(stream, struct sender, stream)->done = true;
}

static void sender_open(struct sender *sender)
{
	int fds[2];

	*sender = (struct sender){ .gate = { gate_ready, gate_leave } };
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	sender->peer = fds[1];
	disk_wait_init(&sender->wait, on_ready);
	check(stream_open(&sender->stream, loop, fds[0], on_readable, on_sent) == 0);
	loop_run_once(loop, false);
}

static void sender_close(struct sender *sender)
{
	stream_close(&sender->stream);
	close(sender->peer);
}

static int sender_send(struct sender *sender, uint64_t at, uint64_t size)
{
	int r = stream_write_file(&sender->stream, file->fd, at, size, &sender->gate);

	sender->done = r != 0;
	return r;
}

static uint8_t byte_at(size_t at)
{
	return (uint8_t)(at * 7 + at / 251);
}

static void sender_receive(struct sender *sender, size_t from)
{
	static uint8_t bytes[1 << 20];
	ssize_t n;

	while ((n = recv(sender->peer, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		for (ssize_t i = 0; i < n; i++, sender->got++)
			sender->wrong |= bytes[i] != byte_at(from + sender->got);
}

static void sender_finish(struct sender *sender, size_t from, size_t size)
{
	while (!sender->done || sender->got < size) {
		loop_run_once(loop, false); /* it may be waiting for us to receive */
		sched_yield();
		sender_receive(sender, from);
		if (sender->stream.error)
			return;
	}
	is_int(sender->got, size);
	is_false(sender->wrong);
}

static void settle(void)
{
	while (reads.n_reads > 0) {
		loop_run_once(loop, false);
		sched_yield();
	}
}

static void setup(bool is_warm)
{
	static uint8_t bytes[SIZE];
	char path[] = "/tmp/leat-disk-XXXXXX";

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = byte_at(i);
	for (size_t i = 0; i < N_CHUNKS; i++)
		warm[i] = is_warm;
	n_looks = n_reads = n_waited = n_read_by_loop = 0;
	look_error = read_error = 0;
	loop_thread = pthread_self();
	disk_fd = mkostemp(path, O_CLOEXEC);
	check(disk_fd >= 0 && unlink(path) == 0);
	check(write(disk_fd, bytes, SIZE) == SIZE);
	check(loop_create(&loop) == 0 && pool_create(&pool, "test", 2) == 0);
	queue = pool_queue_open(pool, STR("reads"), &(struct pool_limits){ .waiting_max = 16 });
	disk_reads_init(&reads, loop, queue, NULL);
	file = disk_file_create(disk_fd, SIZE);
}

static void teardown(void)
{
	settle();
	is_int(n_waited, 0);
	is_int(n_read_by_loop, 0);
	disk_file_unref(file);
	disk_reads_fini(&reads);
	pool_queue_close(queue);
	pool_destroy(pool);
	loop_destroy(loop);
}

/* ------------------------------------------------------------ */

static void what_is_in_memory_is_sent_without_the_pool_and_with_few_looks(void)
{
	struct sender sender;

	setup(true);
	sender_open(&sender);
	sender_send(&sender, 0, SIZE);
	sender_finish(&sender, 0, SIZE);
	is_int(n_reads, 0);
	sender_close(&sender);
	n_looks = 0;
	sender_open(&sender);
	sender_send(&sender, 1 << 20, 1 << 20);
	loop_run_once(loop, false);
	is_true(n_looks > 0 && n_looks <= 6); /* two a turn */
	sender_finish(&sender, 1 << 20, 1 << 20);
	sender_close(&sender);
	teardown();
}

static void what_is_on_the_disk_is_read_by_the_pool_and_the_loop_never_waits(void)
{
	struct sender sender;

	setup(false);
	sender_open(&sender);
	is_int(sender_send(&sender, 0, SIZE), 0);
	sender_finish(&sender, 0, SIZE);
	is_true(n_reads >= N_CHUNKS);
	sender_close(&sender);
	teardown();
}

static void a_hole_in_what_is_in_memory_is_found(void)
{
	struct sender sender;

	setup(true);
	warm[40] = false;
	sender_open(&sender);
	is_int(sender_send(&sender, 1 << 20, 1 << 20), 0);
	sender_finish(&sender, 1 << 20, 1 << 20);
	is_true(n_reads > 0);
	warm[3] = false;
	sender.got = 0;
	sender_send(&sender, 3 * CHUNK + 5, 100); /* a small range */
	sender_finish(&sender, 3 * CHUNK + 5, 100);
	sender_close(&sender);
	teardown();
}

static void what_was_dropped_from_memory_is_read_again(void)
{
	struct sender sender;

	setup(true);
	sender_open(&sender);
	sender_send(&sender, 0, 1 << 20);
	sender_finish(&sender, 0, 1 << 20);
	for (size_t i = 0; i < N_CHUNKS; i++)
		warm[i] = false;
	sender.got = 0;
	is_int(sender_send(&sender, 0, 1 << 20), 0);
	sender_finish(&sender, 0, 1 << 20);
	sender_close(&sender);
	teardown();
}

static void those_who_wait_for_a_piece_share_one_reading(void)
{
	struct sender senders[20];

	setup(false);
	held = true;
	for (size_t i = 0; i < ARRAY_LEN(senders); i++) {
		sender_open(&senders[i]);
		is_int(sender_send(&senders[i], 100, 1000), 0);
	}
	is_int(reads.n_reads, 1);
	sender_close(&senders[7]); /* who leaves is not called */
	held = false;
	for (size_t i = 0; i < ARRAY_LEN(senders); i++)
		if (i != 7)
			sender_finish(&senders[i], 100, 1000);
	is_int(n_reads, DISK_PIECE / CHUNK);
	for (size_t i = 0; i < ARRAY_LEN(senders); i++)
		if (i != 7)
			sender_close(&senders[i]);
	teardown();
}

static void all_may_leave_before_the_disk_answers(void)
{
	struct sender sender;

	setup(false);
	held = true;
	sender_open(&sender);
	is_int(sender_send(&sender, 0, SIZE), 0);
	sender_close(&sender);
	is_int(reads.n_reads, 1);
	held = false;
	teardown();
}

static void what_cannot_be_read_fails_its_sender(void)
{
	struct sender sender;

	setup(false);
	read_error = EIO;
	sender_open(&sender);
	is_int(sender_send(&sender, 0, SIZE), 0);
	settle();
	is_true(sender.done);
	is_int(sender.stream.error, -EIO);
	is_int(sender.got, 0);
	sender_close(&sender);
	teardown();
}

static void a_filesystem_that_cannot_tell_is_read_once_and_then_believed(void)
{
	struct sender sender;

	setup(false);
	look_error = EOPNOTSUPP;
	for (int round = 0; round < 2; round++) {
		sender_open(&sender);
		sender_send(&sender, 0, SIZE);
		sender_finish(&sender, 0, SIZE);
		sender_close(&sender);
		settle();
	}
	is_int(n_looks, 1);
	is_int(n_reads, N_CHUNKS + 1); /* and the end, once */
	teardown();
}

static void no_more_reads_than_the_bound_are_handed_to_the_pool(void)
{
	struct disk_wait waits[100];
	struct disk_file *files[100];

	setup(false);
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		disk_wait_init(&waits[i], on_ready);
		files[i] = disk_file_create(dup(disk_fd), SIZE);
		files[i]->blind = true;
	}
	disk_fd = -1; /* each has its own */
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		is_int(disk_file_ready(files[i], &reads, &waits[i], 0, 10), 0);
		disk_wait_cancel(&waits[i]);
		is_true(reads.n_running <= DISK_READS_MAX);
	}
	is_int(reads.n_reads, ARRAY_LEN(waits));
	settle();
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		is_int(disk_file_ready(files[i], &reads, &waits[i], 0, 10), 10);
		disk_file_unref(files[i]);
	}
	teardown();
}

int main(void)
{
	TEST(what_is_in_memory_is_sent_without_the_pool_and_with_few_looks);
	TEST(what_is_on_the_disk_is_read_by_the_pool_and_the_loop_never_waits);
	TEST(a_hole_in_what_is_in_memory_is_found);
	TEST(what_was_dropped_from_memory_is_read_again);
	TEST(those_who_wait_for_a_piece_share_one_reading);
	TEST(all_may_leave_before_the_disk_answers);
	TEST(what_cannot_be_read_fails_its_sender);
	TEST(a_filesystem_that_cannot_tell_is_read_once_and_then_believed);
	TEST(no_more_reads_than_the_bound_are_handed_to_the_pool);
	return tap_done();
}
