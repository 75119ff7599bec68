/* conf/file.c */
#include "conf/file.h"
#include "core/base/buf.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void file_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* To the end, whatever the size was said to be, and a NUL behind it. */
static int file_read_all(int fd, size_t size, size_t max_bytes, struct buf *buf)
{
	size_t room = size + 2;

	for (;;) {
		ssize_t n;

		if (!buf_reserve(buf, room))
			return buf->error;
		n = read(fd, buf->data + buf->len, buf->cap - buf->len - 1);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		buf->len += n > 0 ? (size_t)n : 0;
		if (buf->len > max_bytes)
			return -EFBIG;
		room = 2;
	}
	buf->data[buf->len] = '\0';
	return 0;
}

int file_read(const char *path, size_t max_bytes, struct arena *arena, struct file *ret_file)
{
	scoped(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	struct buf buf;
	int error;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -ENOTSUP;
	if (st.st_size < 0 || (uint64_t)st.st_size > max_bytes)
		return -EFBIG;
	buf_init_arena(&buf, arena);
	error = file_read_all(fd, (size_t)st.st_size, max_bytes, &buf);
	if (error)
		return error;
	*ret_file = (struct file){ buf_str(&buf), st.st_dev, st.st_ino };
	return 0;
}

struct str file_problem(int error, size_t max_bytes, struct arena *arena)
{
	const char *text = strerror(-error);

	switch (-error) {
	case ENOENT:
		return arena_printf(arena, "%s; check the name, or create it", text);
	case EACCES:
	case EPERM:
		return arena_printf(arena, "%s; let the user that leat runs as read it", text);
	case EISDIR:
		return STR("it is a directory; name a file");
	case ENOTSUP:
	case ENXIO: /* a socket, or a device without its driver */
		return STR("it is no regular file; name one");
	case EFBIG:
		return arena_printf(arena, "it is larger than %zu KiB; make it smaller",
				    max_bytes >> 10);
	default:
		return arena_printf(arena, "%s; check the file", text);
	}
}
