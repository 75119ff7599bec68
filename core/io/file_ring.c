/* core/io/file_ring.c
 *
 * The queue of submissions has room for a call and a cancel of each that may be under way, and for
 * those of the jobs behind them, so it is never full when a submit has succeeded within the last
 * turn; one that fails (no memory) is tried again after a millisecond. Completions have twice as
 * much room, so none overflows.
 *
 * A cancel names its call by the address of the data. It is never older in the queue than the call,
 * and the kernel looks for the call when it takes the cancel out: so one whose call has ended
 * meanwhile finds nothing, even if the address has been used again since. */
#include "core/io/file_ring.h"
#include "core/base/check.h"
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum {
	RING_ENTRIES = FILE_RING_CALLS_MAX * 4,
	RING_RESULTS_A_TURN = 256,
	RING_RETRY_MS = 1,
};

struct file_ring {
	struct io_uring ring;
	struct loop *loop;
	struct watch watch;
	struct ready submit;
	struct timer retry;
	file_ring_fn *on_result;
	size_t n_under_way;
};

/* ------------------------------------------------------------ what the kernel can do */

static const struct {
	enum file_call_kind kind;
	enum io_uring_op op;
	bool required;
} ring_ops[] = {
	{ FILE_CALL_READ, IORING_OP_READV, true },
	{ FILE_CALL_WRITE, IORING_OP_WRITEV, true },
	{ FILE_CALL_SYNC, IORING_OP_FSYNC, true },
	{ FILE_CALL_OPEN, IORING_OP_OPENAT2, true },
	{ FILE_CALL_CLOSE, IORING_OP_CLOSE, true },
	{ FILE_CALL_STAT, IORING_OP_STATX, true },
	{ FILE_CALL_RENAME, IORING_OP_RENAMEAT, false },
	{ FILE_CALL_UNLINK, IORING_OP_UNLINKAT, false },
	{ FILE_CALL_LINK, IORING_OP_LINKAT, false },
	{ FILE_CALL_MKDIR, IORING_OP_MKDIRAT, false },
};

static int ring_probe(struct io_uring *ring, uint32_t *ret_calls)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	uint32_t calls = 0;
	int r = 0;

	if (!probe)
		return -EOPNOTSUPP;
	for (size_t i = 0; i < ARRAY_LEN(ring_ops); i++) {
		if (io_uring_opcode_supported(probe, ring_ops[i].op))
			calls |= UINT32_C(1) << ring_ops[i].kind;
		else if (ring_ops[i].required)
			r = -EOPNOTSUPP;
	}
	if (!io_uring_opcode_supported(probe, IORING_OP_ASYNC_CANCEL))
		r = -EOPNOTSUPP;
	io_uring_free_probe(probe);
	if (r == 0)
		*ret_calls = calls;
	return r;
}

/* A ring that can be made may still not be used (a sandbox that refuses io_uring_enter() alone). */
static int ring_try(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int r;

	if (!sqe)
		return -EOPNOTSUPP;
	io_uring_prep_nop(sqe);
	r = io_uring_submit_and_wait(ring, 1);
	if (r < 0)
		return r;
	r = io_uring_peek_cqe(ring, &cqe);
	if (r == 0)
		io_uring_cqe_seen(ring, cqe);
	return r;
}

int file_ring_probe(uint32_t *ret_calls)
{
	struct io_uring ring;
	int r = io_uring_queue_init(4, &ring, 0);

	if (r < 0)
		return r;
	r = ring_try(&ring);
	if (r == 0)
		r = ring_probe(&ring, ret_calls);
	io_uring_queue_exit(&ring);
	return r;
}

/* ------------------------------------------------------------ submitting */

static void file_ring_submit(struct file_ring *ring)
{
	int r = io_uring_submit(&ring->ring);

	if (r < 0 && r != -EINTR && r != -EAGAIN && r != -EBUSY && r != -ENOMEM)
		check_that(false, "io_uring_submit: errno=%d", -r);
	if (io_uring_sq_ready(&ring->ring) > 0)
		timer_start(&ring->retry, RING_RETRY_MS);
}

static void file_ring_on_submit(struct ready *ready)
{
	file_ring_submit(container_of(ready, struct file_ring, submit));
}

static void file_ring_on_retry(struct timer *timer)
{
	file_ring_submit(container_of(timer, struct file_ring, retry));
}

static struct io_uring_sqe *file_ring_entry(struct file_ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->ring);

	if (!sqe) {
		file_ring_submit(ring);
		sqe = io_uring_get_sqe(&ring->ring);
	}
	check(sqe);
	loop_ready(ring->loop, &ring->submit);
	return sqe;
}

static void file_ring_prepare(struct io_uring_sqe *sqe, const struct file_call *call)
{
	struct open_how *how = (struct open_how *)(uintptr_t)&call->how;

	switch (call->kind) {
	case FILE_CALL_OPEN:
		io_uring_prep_openat2(sqe, call->fd, call->path, how);
		return;
	case FILE_CALL_STAT:
		io_uring_prep_statx(sqe, call->fd, call->path, (int)call->flags, STATX_BASIC_STATS,
				    call->stat);
		return;
	case FILE_CALL_READ:
		io_uring_prep_readv(sqe, call->fd, call->iov, call->n_iov, call->at);
		return;
	case FILE_CALL_WRITE:
		io_uring_prep_writev(sqe, call->fd, call->iov, call->n_iov, call->at);
		return;
	case FILE_CALL_SYNC:
		io_uring_prep_fsync(sqe, call->fd, call->flags ? IORING_FSYNC_DATASYNC : 0);
		return;
	case FILE_CALL_RENAME:
		io_uring_prep_renameat(sqe, call->fd, call->path, call->to_fd, call->to_path,
				       call->flags);
		return;
	case FILE_CALL_LINK:
		io_uring_prep_linkat(sqe, call->fd, call->path, call->to_fd, call->to_path,
				     (int)call->flags);
		return;
	case FILE_CALL_UNLINK:
		io_uring_prep_unlinkat(sqe, call->fd, call->path, (int)call->flags);
		return;
	case FILE_CALL_MKDIR:
		io_uring_prep_mkdirat(sqe, call->fd, call->path, call->mode);
		return;
	case FILE_CALL_CLOSE:
		io_uring_prep_close(sqe, call->fd);
		return;
	case FILE_CALL_NONE:
	case FILE_CALL_CHMOD:
	case FILE_CALL_RUN:
	case N_FILE_CALLS:
		break;
	}
	unreachable();
}

void file_ring_make(struct file_ring *ring, const struct file_call *call, void *data)
{
	struct io_uring_sqe *sqe = file_ring_entry(ring);

	ring->n_under_way++;
	file_ring_prepare(sqe, call);
	io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	io_uring_sqe_set_data(sqe, data);
}

void file_ring_cancel(struct file_ring *ring, void *data)
{
	struct io_uring_sqe *sqe = file_ring_entry(ring);

	io_uring_prep_cancel(sqe, data, 0);
	io_uring_sqe_set_data(sqe, NULL); /* nobody asks whether it has found it */
}

/* ------------------------------------------------------------ results */

/* One by one: on_result() makes more calls, and may be the last that needs the ring. */
static void file_ring_on_event(struct watch *watch, uint32_t events)
{
	struct file_ring *ring = container_of(watch, struct file_ring, watch);
	struct io_uring_cqe *cqe;

	(void)events;
	for (unsigned n = 0; n < RING_RESULTS_A_TURN; n++) {
		void *data;
		int result;

		if (io_uring_peek_cqe(&ring->ring, &cqe) < 0)
			return;
		data = io_uring_cqe_get_data(cqe);
		result = cqe->res;
		io_uring_cqe_seen(&ring->ring, cqe);
		if (!data)
			continue;
		ring->n_under_way--;
		ring->on_result(data, result);
	}
}

int file_ring_create(struct file_ring **ret_ring, struct loop *loop, file_ring_fn *on_result)
{
	struct file_ring *ring = calloc(1, sizeof(*ring));
	int r;

	if (!ring)
		return -ENOMEM;
	ring->loop = loop;
	ring->on_result = on_result;
	ready_init(&ring->submit, file_ring_on_submit);
	timer_init(&ring->retry, loop, file_ring_on_retry);
	r = io_uring_queue_init(RING_ENTRIES, &ring->ring, IORING_SETUP_CLAMP);
	if (r < 0) {
		free(ring);
		return r;
	}
	r = loop_add(loop, &ring->watch, ring->ring.ring_fd, EPOLLIN, file_ring_on_event);
	if (r < 0) {
		io_uring_queue_exit(&ring->ring);
		free(ring);
		return r;
	}
	*ret_ring = ring;
	return 0;
}

/* What only asked for a cancel may still be in the queue; the kernel drops it with the ring. */
void file_ring_destroy(struct file_ring *ring)
{
	if (!ring)
		return;
	check_that(ring->n_under_way == 0, "n_under_way=%zu", ring->n_under_way);
	timer_stop(&ring->retry);
	loop_ready_cancel(&ring->submit);
	loop_remove(ring->loop, &ring->watch);
	io_uring_queue_exit(&ring->ring);
	free(ring);
}
