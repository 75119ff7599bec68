/* core/io/file_store.c: a file is made whole, or not at all.
 *
 *   PARENT --> OLD --> TEMPORARY --> (SOURCE) --> (READ) --> WRITE … --> CHMOD --> SYNC --> LINK
 *
 *   LINK --free--> SYNC_FOLDER --> CLOSE
 *     \---taken--> LINK_TEMPORARY --> RENAME --> SYNC_FOLDER --> CLOSE
 *
 *   whatever fails --> (UNLINK of the temporary name) --> CLOSE
 *
 * The file has no name (O_TMPFILE) until all of it is on the disk, so a crash leaves nothing. link()
 * replaces no file; where one is to be replaced, it gets a name of leat's own and is renamed at once: a
 * crash between these two calls is the only thing that leaves one. A filesystem without O_TMPFILE
 * gets the name at the start; then RENAME comes after SYNC. */
#include "core/io/file_beneath.h"
#include "core/io/file_rw.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	STORE_START,
	STORE_PARENT,
	STORE_OLD,
	STORE_TEMPORARY,
	STORE_NAMED, /* the temporary one has a name */
	STORE_SOURCE,
	STORE_READ,
	STORE_WRITE,
	STORE_CHMOD,
	STORE_SYNC,
	STORE_LINK,
	STORE_LINK_TEMPORARY,
	STORE_RENAME,
	STORE_SYNC_FOLDER,
	STORE_UNLINK,
	STORE_CLOSE,
};

enum { STORE_FOLDER_FD, STORE_FD, STORE_ABOVE_FD, STORE_SOURCE_FD };
enum { STORE_PIECE = 256 << 10 }; /* of what is copied */

struct file_store {
	struct file_beneath own;
	struct file_change change;
	struct file_parent parent;
	struct statx old;
	struct file_transfer transfer;
	const char *source; /* NULL: the bytes are in `buffer` */
	char *buffer;
	uint64_t written;   /* before the transfer at hand */
	bool has_temporary; /* the temporary name is there */
	bool is_taken;      /* and so was the name itself */
	char temporary[40], link[40];
	char path[];
};

static struct file_store *file_store_of(const struct file_job *job)
{
	return container_of(job, struct file_store, own.job);
}

static int store_folder(const struct file_store *store)
{
	return store->own.fds[STORE_FOLDER_FD];
}

static int store_fd(const struct file_store *store)
{
	return store->own.fds[STORE_FD];
}

static bool store_close(struct file_store *store)
{
	store->own.state = STORE_CLOSE;
	return file_beneath_close(&store->own);
}

static bool store_fail(struct file_store *store)
{
	if (!store->has_temporary)
		return store_close(store);
	store->has_temporary = false;
	store->own.state = STORE_UNLINK;
	store->own.job.call = (struct file_call){ .kind = FILE_CALL_UNLINK,
						  .fd = store_folder(store),
						  .path = store->temporary };
	return true;
}

/* ------------------------------------------------------------ the temporary file */

static bool store_open_temporary(struct file_store *store, bool named)
{
	uint64_t flags = O_WRONLY | (named ? O_CREAT | O_EXCL | O_NOFOLLOW : O_TMPFILE);
	const char *path = named ? store->temporary : ".";

	file_beneath_open(&store->own, path, flags, 0666);
	store->own.job.call.fd = store_folder(store);
	store->own.state = named ? STORE_NAMED : STORE_TEMPORARY;
	return true;
}

static bool store_look_at_old(struct file_store *store)
{
	store->own.state = STORE_OLD;
	store->own.job.call = (struct file_call){ .kind = FILE_CALL_STAT,
						  .fd = store_folder(store),
						  .path = store->parent.name,
						  .flags = AT_SYMLINK_NOFOLLOW,
						  .stat = &store->old };
	return true;
}

static bool store_on_old(struct file_store *store, int64_t result)
{
	store->is_taken = result == 0;
	if (result == 0 && S_ISREG(store->old.stx_mode))
		store->change.mode = store->old.stx_mode & 0777;
	if (result != -ENOENT && file_job_failed(&store->own.job, result))
		return store_close(store);
	return store_open_temporary(store, false);
}

static bool store_has_no_tmpfile(int64_t result)
{
	return result == -EOPNOTSUPP || result == -EISDIR || result == -EINVAL || result == -ENOENT;
}

/* ------------------------------------------------------------ the bytes */

static bool store_write(struct file_store *store)
{
	store->own.state = STORE_WRITE;
	file_transfer_call(&store->transfer, &store->own.job.call, FILE_CALL_WRITE,
			   store_fd(store));
	return true;
}

static bool store_read(struct file_store *store)
{
	struct file_transfer *transfer = &store->transfer;

	store->written += transfer->done;
	*transfer = (struct file_transfer){ .bytes = store->buffer,
					    .size = STORE_PIECE,
					    .at = store->written };
	store->own.state = STORE_READ;
	file_transfer_call(transfer, &store->own.job.call, FILE_CALL_READ,
			   store->own.fds[STORE_SOURCE_FD]);
	return true;
}

static bool store_finish(struct file_store *store);

static bool store_begin_bytes(struct file_store *store)
{
	if (!store->source)
		return store->transfer.size > 0 ? store_write(store) : store_finish(store);
	store->own.state = STORE_SOURCE;
	store->own.job.call = (struct file_call){ .kind = FILE_CALL_OPEN,
						  .fd = AT_FDCWD,
						  .path = store->source,
						  .how = { .flags = O_RDONLY | O_NOFOLLOW |
								    O_NONBLOCK | O_CLOEXEC } };
	return true;
}

static bool store_on_read(struct file_store *store, int64_t result)
{
	if (file_job_failed(&store->own.job, result))
		return store_fail(store);
	if (result == 0) {
		store->transfer.size = 0;
		return store_finish(store);
	}
	store->transfer.size = (size_t)result;
	return store_write(store);
}

static bool store_on_write(struct file_store *store, int64_t result)
{
	if (result == 0)
		result = -EIO; /* it takes nothing, and does not say why */
	if (file_job_failed(&store->own.job, result))
		return store_fail(store);
	store->transfer.done += (size_t)result;
	if (store->transfer.done < store->transfer.size)
		return store_write(store);
	return store->source ? store_read(store) : store_finish(store);
}

/* ------------------------------------------------------------ the name */

static bool store_link(struct file_store *store, bool temporary)
{
	store->own.state = temporary ? STORE_LINK_TEMPORARY : STORE_LINK;
	snprintf(store->link, sizeof(store->link), "/proc/self/fd/%d", store_fd(store));
	store->own.job.call =
		(struct file_call){ .kind = FILE_CALL_LINK,
				    .fd = AT_FDCWD,
				    .path = store->link,
				    .to_fd = store_folder(store),
				    .to_path = temporary ? store->temporary : store->parent.name,
				    .flags = AT_SYMLINK_FOLLOW };
	return true;
}

static bool store_rename(struct file_store *store)
{
	store->own.state = STORE_RENAME;
	store->own.job.call =
		(struct file_call){ .kind = FILE_CALL_RENAME,
				    .fd = store_folder(store),
				    .path = store->temporary,
				    .to_fd = store_folder(store),
				    .to_path = store->parent.name,
				    .flags = store->change.replace ? 0 : RENAME_NOREPLACE };
	return true;
}

/* A name that is known to be taken is not tried. */
static bool store_name(struct file_store *store)
{
	return store->has_temporary ? store_rename(store) : store_link(store, store->is_taken);
}

static bool store_sync(struct file_store *store)
{
	if (!store->change.durable)
		return store_name(store);
	store->own.state = STORE_SYNC;
	return file_beneath_sync(&store->own, store_fd(store));
}

static bool store_finish(struct file_store *store)
{
	if (store->change.mode == FILE_MODE_DEFAULT)
		return store_sync(store);
	store->own.state = STORE_CHMOD;
	store->own.job.call = (struct file_call){ .kind = FILE_CALL_CHMOD,
						  .fd = store_fd(store),
						  .mode = (mode_t)store->change.mode };
	return true;
}

static bool store_on_link(struct file_store *store, int64_t result)
{
	if (result == -EEXIST && store->change.replace && !file_job_is_left(&store->own.job))
		return store_link(store, true);
	if (result < 0) {
		file_job_failed(&store->own.job, result);
		return store_fail(store);
	}
	store->own.state = STORE_SYNC_FOLDER;
	return store->change.durable ? file_beneath_sync(&store->own, store_folder(store))
				     : store_close(store);
}

static bool store_on_rename(struct file_store *store, int64_t result)
{
	if (result == 0)
		store->has_temporary = false;
	return store_on_link(store, result);
}

/* ------------------------------------------------------------ the program */

static bool store_on_parent(struct file_store *store, int64_t result)
{
	switch (file_parent_next(&store->parent, &store->own, result)) {
	case FILE_STEP_CALL:
		return true;
	case FILE_STEP_FAILED:
		return store_close(store);
	case FILE_STEP_DONE:
		break;
	}
	if (store->change.mode == FILE_MODE_DEFAULT && store->change.replace)
		return store_look_at_old(store);
	return store_open_temporary(store, false);
}

static bool store_on_temporary(struct file_store *store, int64_t result)
{
	bool named = store->own.state == STORE_NAMED;

	if (!named && store_has_no_tmpfile(result) && !file_job_is_left(&store->own.job))
		return store_open_temporary(store, true);
	if (result >= 0) {
		store->own.fds[STORE_FD] = (int)result;
		store->has_temporary = named;
	}
	if (file_job_failed(&store->own.job, result))
		return store_fail(store);
	return store_begin_bytes(store);
}

static bool store_on_source(struct file_store *store, int64_t result)
{
	if (result >= 0)
		store->own.fds[STORE_SOURCE_FD] = (int)result;
	if (file_job_failed(&store->own.job, result))
		return store_fail(store);
	return store_read(store);
}

static bool file_store_next(struct file_job *job, int64_t result)
{
	struct file_store *store = file_store_of(job);

	switch (store->own.state) {
	case STORE_START:
		store->own.state = STORE_PARENT;
		return store_on_parent(store, 0);
	case STORE_PARENT:
		return store_on_parent(store, result);
	case STORE_OLD:
		return store_on_old(store, result);
	case STORE_TEMPORARY:
	case STORE_NAMED:
		return store_on_temporary(store, result);
	case STORE_SOURCE:
		return store_on_source(store, result);
	case STORE_READ:
		return store_on_read(store, result);
	case STORE_WRITE:
		return store_on_write(store, result);
	case STORE_CHMOD:
		return file_job_failed(job, result) ? store_fail(store) : store_sync(store);
	case STORE_SYNC:
		return file_job_failed(job, result) ? store_fail(store) : store_name(store);
	case STORE_LINK:
		return store_on_link(store, result);
	case STORE_LINK_TEMPORARY:
		store->has_temporary = result == 0;
		if (result == 0)
			return store_rename(store);
		file_job_failed(job, result);
		return store_fail(store);
	case STORE_RENAME:
		return store_on_rename(store, result);
	case STORE_SYNC_FOLDER:
		file_job_failed(job, result);
		return store_close(store);
	case STORE_UNLINK:
		return store_close(store);
	case STORE_CLOSE:
		return file_beneath_close(&store->own);
	}
	unreachable();
}

/* ------------------------------------------------------------ making */

static void file_store_release(struct file_job *job)
{
	struct file_store *store = file_store_of(job);

	free(store->buffer);
	file_beneath_release(&store->own);
}

static const struct file_job_ops file_store_ops = { .next = file_store_next,
						    .release = file_store_release };

static struct file_store *store_create(const struct file_place *place,
				       const struct file_change *change, size_t buffer_size,
				       size_t source_len, struct arena_budget *budget)
{
	size_t path_size = place->path.len + 1;
	struct file_store *store = file_beneath_create(
		sizeof(*store) + 2 * path_size + source_len + 1, &file_store_ops, place, budget);
	uint64_t random;

	if (!store)
		return NULL;
	store->change = *change;
	check(getrandom(&random, sizeof(random), 0) == sizeof(random));
	snprintf(store->temporary, sizeof(store->temporary), ".leat-%016llx.tmp",
		 (unsigned long long)random);
	file_path_copy(store->path, place->path);
	file_path_copy(store->path + path_size, place->path);
	file_parent_init(&store->parent, store->path, store->path + path_size,
			 &store->own.fds[STORE_FOLDER_FD], &store->own.fds[STORE_ABOVE_FD]);
	store->parent.make = change->folders;
	store->parent.durable = change->durable;
	if (file_job_charge(&store->own.job, buffer_size))
		store->buffer = malloc(buffer_size + 1);
	if (store->buffer)
		return store;
	file_store_release(&store->own.job);
	return NULL;
}

struct file_job *file_store_create(const struct file_place *place, const struct file_change *change,
				   struct str bytes, struct arena_budget *budget)
{
	struct file_store *store = store_create(place, change, bytes.len, 0, budget);

	if (!store)
		return NULL;
	file_path_copy(store->buffer, bytes);
	store->transfer = (struct file_transfer){ .bytes = store->buffer, .size = bytes.len };
	return &store->own.job;
}

struct file_job *file_copy_create(const struct file_place *place, const struct file_change *change,
				  const char *from, struct arena_budget *budget)
{
	struct str source = str_of(from);
	struct file_store *store = store_create(place, change, STORE_PIECE, source.len, budget);

	if (store)
		store->source = file_path_copy(store->path + 2 * (place->path.len + 1), source);
	return store ? &store->own.job : NULL;
}

uint64_t file_store_size(const struct file_job *job)
{
	const struct file_store *store = file_store_of(job);

	return store->written + store->transfer.done;
}
