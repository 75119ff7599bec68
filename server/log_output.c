/* server/log_output.c
 *
 * Locking: output.lock guards the descriptor and is held while some lines are written, so that
 * lines of several threads stay whole; that takes at most wait_ms. A thread that holds it takes
 * no other lock. stderr is shared with whoever started us, so it is not made non-blocking: what
 * fits is asked for first, and PIPE_BUF bytes then go into a pipe without waiting. */
#include "server/log_output.h"
#include "core/base/check.h"
#include "core/io/net.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

static void log_output_use(struct log_output *output, int fd)
{
	struct stat st;

	output->fd = fd;
	output->waits = fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);
	output->is_torn = false;
}

void log_output_init(struct log_output *output, int fd)
{
	lock_init(&output->lock);
	output->own = false;
	log_output_use(output, fd);
}

void log_output_fini(struct log_output *output)
{
	if (output->own)
		fd_close(&output->fd);
	lock_fini(&output->lock);
}

void log_output_set(struct log_output *output, int fd)
{
	lock_acquire(&output->lock);
	if (output->own)
		fd_close(&output->fd);
	output->own = true;
	log_output_use(output, fd);
	lock_release(&output->lock);
}

static bool log_output_poll(int fd, int wait_ms)
{
	struct pollfd poller = { .fd = fd, .events = POLLOUT };

	return poll(&poller, 1, wait_ms) > 0;
}

bool log_output_wait(struct log_output *output, int wait_ms)
{
	int fd;
	bool waits;

	lock_acquire(&output->lock);
	fd = output->fd;
	waits = output->waits;
	lock_release(&output->lock);
	return !waits || log_output_poll(fd, wait_ms);
}

/* The lines that go in one write: as many as a pipe takes at once, or one that is longer. */
static struct str log_output_chunk(const struct log_output *output, struct str lines)
{
	struct str chunk = str_first(lines, PIPE_BUF);
	ptrdiff_t end;

	if (!output->waits || lines.len <= PIPE_BUF)
		return lines;
	while (chunk.len > 0 && chunk.ptr[chunk.len - 1] != '\n')
		chunk.len--;
	if (chunk.len > 0)
		return chunk;
	end = str_find_char(lines, '\n');
	return end < 0 ? lines : str_first(lines, (size_t)end + 1);
}

static int log_output_write_some(struct log_output *output, struct str *bytes, int wait_ms)
{
	size_t size = output->waits ? MIN(bytes->len, (size_t)PIPE_BUF) : bytes->len;
	ssize_t n;

	if (output->waits && !log_output_poll(output->fd, wait_ms))
		return -EAGAIN;
	n = write(output->fd, bytes->ptr, size);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	*bytes = str_skip(*bytes, (size_t)n);
	return 0;
}

/* A line that an error cut is written again, on a line of its own. */
static int log_output_mend(struct log_output *output, int wait_ms)
{
	struct str newline = STR("\n");
	int r = output->is_torn ? log_output_write_some(output, &newline, wait_ms) : 0;

	if (r == 0 && newline.len == 0)
		output->is_torn = false;
	return r;
}

static int log_output_write_locked(struct log_output *output, struct str *lines, int wait_ms)
	HOLDS(output->lock)
{
	struct str rest = log_output_chunk(output, *lines);
	size_t size = rest.len;
	int r = log_output_mend(output, wait_ms);
	size_t sent;

	while (r == 0 && rest.len > 0)
		r = log_output_write_some(output, &rest, wait_ms);
	for (sent = size - rest.len; r < 0 && sent > 0 && lines->ptr[sent - 1] != '\n'; sent--)
		output->is_torn = true;
	*lines = str_skip(*lines, sent);
	return r;
}

int log_output_write(struct log_output *output, struct str *lines, int wait_ms)
{
	int r = 0;

	lock_acquire(&output->lock);
	if (output->fd < 0)
		*lines = STR_NONE;
	else
		r = log_output_write_locked(output, lines, wait_ms);
	lock_release(&output->lock);
	return r;
}

int log_output_open(const char *path, int *ret_fd)
{
	int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}
