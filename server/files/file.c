/* server/files/file.c */
#include "server/files/file.h"
#include "core/base/check.h"
#include "core/io/net.h"
#include "server/files/mime.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, RACES_MAX = 8 };

void file_ref(struct file *file)
{
	file->n_refs++;
}

void file_unref(struct file *file)
{
	if (!file || --file->n_refs > 0)
		return;
	fd_close(&file->fd);
	free(file->bytes);
	free((char *)(uintptr_t)file->key.ptr);
	free(file);
}

/* ------------------------------------------------------------ opening */

static int root_open(const char *root)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Links are followed as long as they stay beneath the root. */
static int path_open(int root, const char *path, uint64_t flags)
{
	const struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	for (unsigned i = 0; i < RACES_MAX; i++) { /* EAGAIN: a rename came between */
		long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

int file_check_root(const char *root)
{
	scoped(fd_close) int fd = root_open(root), at = -1;

	if (fd < 0)
		return fd;
	at = path_open(fd, ".", O_PATH);
	return MIN(at, 0);
}

/* A descriptor of a regular file, and what is known of it. O_NONBLOCK: a pipe must not be waited
 * for. */
static int regular_open(int root, const char *path, struct stat *ret_stat)
{
	scoped(fd_close) int fd = path_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return fd;
	if (fstat(fd, ret_stat) < 0)
		return -errno;
	if (!S_ISREG(ret_stat->st_mode) && !S_ISDIR(ret_stat->st_mode))
		return -ENOENT;
	return fd_take(&fd);
}

static bool path_is_folder(const char *path)
{
	size_t len = strlen(path);

	return path[len - 1] == '/' || strcmp(path, ".") == 0;
}

/* The file itself, or the index of a folder; `path` becomes what was opened. */
static int query_open(const struct file_query *query, int root, char path[PATH_SIZE],
		      struct stat *ret_stat)
{
	scoped(fd_close) int fd = -1;
	int n = snprintf(path, PATH_SIZE, "%s", query->path);

	if (n < 1 || n >= PATH_SIZE)
		return -ENAMETOOLONG;
	fd = regular_open(root, path, ret_stat);
	if (fd < 0 || S_ISREG(ret_stat->st_mode))
		return fd_take(&fd);
	if (!path_is_folder(path))
		return -EISDIR;
	n = snprintf(path, PATH_SIZE, "%s/%s", query->path, query->index);
	if (n >= PATH_SIZE)
		return -ENAMETOOLONG;
	fd_close(&fd);
	fd = regular_open(root, path, ret_stat);
	if (fd >= 0 && !S_ISREG(ret_stat->st_mode))
		return -ENOENT;
	return fd_take(&fd);
}

/* The first of the codings that is there, else the file as it is. */
static int query_open_coded(const struct file_query *query, int root, char path[PATH_SIZE],
			    struct stat *ret_stat, const struct file_coding **ret_coding)
{
	scoped(fd_close) int fd = query_open(query, root, path, ret_stat);

	*ret_coding = NULL;
	for (size_t i = 0; fd >= 0 && i < query->n_codings; i++) {
		char coded[PATH_SIZE + 8];
		struct stat stat;
		int coded_fd;

		snprintf(coded, sizeof(coded), "%s%.*s", path, STR_ARG(query->codings[i]->suffix));
		coded_fd = regular_open(root, coded, &stat);
		if (coded_fd >= 0 && S_ISREG(stat.st_mode)) {
			fd_close(&fd);
			fd = coded_fd;
			*ret_stat = stat;
			*ret_coding = query->codings[i];
			break;
		}
		fd_close(&coded_fd);
	}
	return fd_take(&fd);
}

/* ------------------------------------------------------------ what it is */

static int64_t time_ns(struct timespec time)
{
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* FNV-1a: the tag is no secret, only another one for another file. */
static uint64_t hash_add(uint64_t hash, uint64_t number)
{
	for (unsigned i = 0; i < 8; i++, number >>= 8)
		hash = (hash ^ (number & 255)) * UINT64_C(0x100000001b3);
	return hash;
}

static void file_describe(struct file *file, const struct stat *stat)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	int n;

	file->dev = stat->st_dev;
	file->ino = stat->st_ino;
	file->size = (uint64_t)stat->st_size;
	file->mtime_ns = time_ns(stat->st_mtim);
	file->ctime_ns = time_ns(stat->st_ctim);
	hash = hash_add(hash, file->size);
	hash = hash_add(hash, (uint64_t)file->mtime_ns);
	hash = hash_add(hash, (uint64_t)file->ino);
	n = snprintf(file->etag, sizeof(file->etag), "\"%llx-%016llx\"",
		     (unsigned long long)file->size, (unsigned long long)hash);
	file->etag_len = (uint8_t)n;
	http_date_write(file->modified, stat->st_mtim.tv_sec);
}

static bool file_is(const struct file *file, const struct stat *stat)
{
	return file->dev == stat->st_dev && file->ino == stat->st_ino &&
	       file->size == (uint64_t)stat->st_size && file->mtime_ns == time_ns(stat->st_mtim) &&
	       file->ctime_ns == time_ns(stat->st_ctim);
}

/* All bytes; -EAGAIN when it was changed under the reading. */
static int file_read(struct file *file, int fd)
{
	struct stat stat;
	size_t len = 0;

	file->bytes = malloc(file->size + 1);
	if (!file->bytes)
		return -ENOMEM;
	while (len < file->size) {
		ssize_t n = pread(fd, file->bytes + len, file->size - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EAGAIN;
		len += (size_t)n;
	}
	if (fstat(fd, &stat) < 0)
		return -errno;
	return file_is(file, &stat) ? 0 : -EAGAIN;
}

static int file_load_once(const struct file_query *query, int root, struct file *file)
{
	char path[PATH_SIZE];
	struct stat stat;
	scoped(fd_close) int fd = query_open_coded(query, root, path, &stat, &file->coding);

	if (fd < 0)
		return fd;
	file_describe(file, &stat);
	file->type = mime_type(str_of(path));
	if (file->size <= FILE_SMALL_MAX)
		return file_read(file, fd);
	file->fd = fd_take(&fd);
	return 0;
}

int file_load(const struct file_query *query, struct file **ret_file)
{
	scoped(fd_close) int root = root_open(query->root);
	int r = -EAGAIN;

	if (root < 0)
		return root;
	for (unsigned i = 0; i < RACES_MAX && r == -EAGAIN; i++) {
		struct file *file = calloc(1, sizeof(*file));

		if (!file)
			return -ENOMEM;
		file->n_refs = 1;
		file->fd = -1;
		list_init(&file->link);
		r = file_load_once(query, root, file);
		if (r == 0)
			*ret_file = file;
		else
			file_unref(file);
	}
	return r;
}

int file_check(const struct file_query *query, const struct file *file)
{
	scoped(fd_close) int root = root_open(query->root), fd = -1;
	const struct file_coding *coding;
	char path[PATH_SIZE];
	struct stat stat;

	if (root < 0)
		return root;
	fd = query_open_coded(query, root, path, &stat, &coding);
	if (fd < 0)
		return fd;
	return coding == file->coding && file_is(file, &stat) ? 0 : -ESTALE;
}
