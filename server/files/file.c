/* server/files/file.c */
#include "server/files/file.h"
#include "core/base/check.h"
#include "core/io/net.h"
#include "server/files/listing.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RACES_MAX = 8 };

/* What was opened for a query. */
struct found {
	int fd;
	struct stat stat;
	const struct file_coding *coding;
	char path[FILE_PATH_SIZE];
};

void file_ref(struct file *file)
{
	file->n_refs++;
}

void file_unref(struct file *file)
{
	if (!file || --file->n_refs > 0)
		return;
	arena_budget_give_back(file->budget, file->charged);
	disk_file_unref(file->disk);
	free(file->bytes);
	free(file->text);
	for (size_t i = 0; i < N_CODINGS; i++)
		free(file->coded[i].bytes);
	free((char *)(uintptr_t)file->name.ptr);
	free((char *)(uintptr_t)file->key.ptr);
	free(file);
}

bool file_charge(struct file *file, size_t size)
{
	if (!arena_budget_take(file->budget, size))
		return false;
	file->charged += size;
	return true;
}

static struct file *file_create(const struct file_query *query)
{
	struct file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->n_refs = 1;
	file->budget = query->budget;
	list_init(&file->link);
	if (file_charge(file, sizeof(*file)))
		return file;
	file_unref(file);
	return NULL;
}

struct file *file_create_missing(const struct file_query *query, int error)
{
	struct file *file = file_create(query);

	if (file)
		file->error = error;
	return file;
}

bool file_error_is_lasting(int error)
{
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
	case -EISDIR:
	case -ENAMETOOLONG:
	case -ELOOP:
	case -EXDEV:
	case -EACCES:
	case -EPERM:
		return true;
	default:
		return false;
	}
}

/* ------------------------------------------------------------ finding */

static bool path_is_folder(const char *path)
{
	size_t len = strlen(path);

	return path[len - 1] == '/' || strcmp(path, ".") == 0;
}

static int found_open(struct found *found, const struct file_query *query, int root)
{
	found->fd = root_open_file(root, found->path, query->links, &found->stat);
	return MIN(found->fd, 0);
}

/* The file itself, or the index of a folder, or the folder to be listed. */
static int found_open_plain(struct found *found, const struct file_query *query, int root)
{
	int n = snprintf(found->path, FILE_PATH_SIZE, "%s", query->path);
	int folder, r;

	if (n < 1 || n >= FILE_PATH_SIZE)
		return -ENAMETOOLONG;
	r = found_open(found, query, root);
	if (r < 0 || S_ISREG(found->stat.st_mode))
		return r;
	if (!path_is_folder(found->path))
		return -EISDIR;
	n = snprintf(found->path, FILE_PATH_SIZE, "%s/%s", query->path, query->index);
	if (n >= FILE_PATH_SIZE)
		return -ENAMETOOLONG;
	folder = fd_take(&found->fd);
	r = found_open(found, query, root);
	if (r == -ENOENT && query->listing != FILE_LISTING_NONE) {
		found->fd = folder;
		return fstat(folder, &found->stat) < 0 ? -errno : 0;
	}
	fd_close(&folder);
	return r == 0 && !S_ISREG(found->stat.st_mode) ? -ENOENT : r;
}

/* The first of the codings that is there, else the file as it is. */
static int found_open_coded(struct found *found, const struct file_query *query, int root)
{
	int r = found_open_plain(found, query, root);

	for (size_t i = 0; r == 0 && S_ISREG(found->stat.st_mode) && i < query->n_codings; i++) {
		char path[FILE_PATH_SIZE + 8];
		struct stat stat;
		int fd;

		snprintf(path, sizeof(path), "%s%.*s", found->path,
			 STR_ARG(query->codings[i]->suffix));
		fd = root_open_file(root, path, query->links, &stat);
		if (fd >= 0 && S_ISREG(stat.st_mode)) {
			fd_close(&found->fd);
			found->fd = fd;
			found->stat = stat;
			found->coding = query->codings[i];
			break;
		}
		fd_close(&fd);
	}
	return r;
}

static void found_fini(struct found *found)
{
	fd_close(&found->fd);
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

static int file_set_name(struct file *file, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = strdup(slash ? slash + 1 : path);

	if (!name)
		return -ENOMEM;
	file->name = str_of(name);
	return 0;
}

/* All bytes; -EAGAIN when it was changed under the reading. */
static int file_read(struct file *file, int fd)
{
	struct stat stat;
	size_t len = 0;

	file->bytes = file_charge(file, file->size + 1) ? malloc(file->size + 1) : NULL;
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

static int file_list(struct file *file, const struct file_query *query, int root, int folder)
{
	struct buf out;
	int r;

	buf_init(&out, SIZE_MAX);
	r = listing_make(query, root, folder, &out);
	if (r == 0 && !file_charge(file, out.cap))
		r = -ENOMEM;
	if (r == 0) {
		file->listing = query->listing;
		file->size = out.len;
		file->bytes = take(&out.data);
	}
	buf_fini(&out);
	return r;
}

static int file_load_once(const struct file_query *query, int root, struct file *file)
{
	scoped(found_fini) struct found found = { .fd = -1 };
	int r = found_open_coded(&found, query, root);

	if (r < 0)
		return r;
	if (S_ISDIR(found.stat.st_mode))
		return file_list(file, query, root, found.fd);
	file_describe(file, &found.stat);
	file->coding = found.coding;
	r = file_set_name(file, found.path);
	if (r < 0)
		return r;
	if (file->size <= FILE_SMALL_MAX)
		return file_read(file, found.fd);
	file->disk = disk_file_create(found.fd, file->size);
	if (!file->disk)
		return -ENOMEM;
	fd_take(&found.fd);
	return 0;
}

int file_load(const struct file_query *query, struct file **ret_file)
{
	scoped(fd_close) int root = root_open(query->root);
	int r = -EAGAIN;

	if (root < 0)
		return root;
	for (unsigned i = 0; i < RACES_MAX && r == -EAGAIN; i++) {
		struct file *file = file_create(query);

		if (!file)
			return -ENOMEM;
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
	scoped(fd_close) int root = root_open(query->root);
	scoped(found_fini) struct found found = { .fd = -1 };
	int r;

	if (root < 0)
		return root;
	r = found_open_coded(&found, query, root);
	if (file->error || r < 0)
		return file->error == r ? 0 : -ESTALE;
	return !file->listing && found.coding == file->coding && file_is(file, &found.stat)
		       ? 0
		       : -ESTALE;
}
