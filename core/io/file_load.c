/* core/io/file_load.c: reading files: opened, read whole or by a range, looked at. */
#include "core/base/arena.h"
#include "core/io/file_beneath.h"
#include "core/io/file_rw.h"
#include "core/io/net.h"
#include <errno.h>
#include <fcntl.h>

/*   OPEN --> STAT --> READ … --> CLOSE */
enum { LOAD_START, LOAD_OPEN, LOAD_STAT, LOAD_READ, LOAD_CLOSE };
enum { LOAD_FD };

struct file_load {
	struct file_beneath own;
	bool keeps; /* only opens, and leaves it open */
	struct file_range range;
	struct statx stat;
	struct arena_block *block;
	struct file_transfer transfer;
	char path[];
};

static struct file_load *file_load_of(const struct file_job *job)
{
	return container_of(job, struct file_load, own.job);
}

static bool file_load_close(struct file_load *load)
{
	load->own.state = LOAD_CLOSE;
	return file_beneath_close(&load->own);
}

static bool file_load_fail(struct file_load *load, int error)
{
	file_job_failed(&load->own.job, error);
	return file_load_close(load);
}

static bool file_load_read(struct file_load *load)
{
	load->own.state = LOAD_READ;
	file_transfer_call(&load->transfer, &load->own.job.call, FILE_CALL_READ,
			   load->own.fds[LOAD_FD]);
	return true;
}

/* What it is, and how much of it is wanted, is known. */
static bool file_load_begin(struct file_load *load)
{
	const struct file_range *range = &load->range;
	uint64_t size = load->stat.stx_size - MIN(load->stat.stx_size, range->offset);
	int r = file_check_regular(&load->stat);

	size = MIN(size, range->length);
	if (r < 0)
		return file_load_fail(load, r);
	if (load->keeps)
		return false;
	if (size > range->max)
		return file_load_fail(load, -EMSGSIZE);
	if (size == 0)
		return file_load_close(load);
	if (file_job_charge(&load->own.job, size + 1))
		load->block = arena_block_create(size + 1);
	if (!load->block)
		return file_load_fail(load, -ENOMEM);
	load->transfer = (struct file_transfer){ .bytes = arena_block_bytes(load->block),
						 .size = size,
						 .at = range->offset };
	return file_load_read(load);
}

/* A file that has become shorter meanwhile is read to its end. */
static bool file_load_on_read(struct file_load *load, int64_t result)
{
	struct file_transfer *transfer = &load->transfer;

	transfer->done += (size_t)MAX(result, INT64_C(0));
	if (result > 0 && transfer->done < transfer->size) {
		if (file_job_failed(&load->own.job, result))
			return file_load_close(load);
		return file_load_read(load);
	}
	file_job_failed(&load->own.job, result);
	transfer->bytes[transfer->done] = '\0';
	return file_load_close(load);
}

static bool file_load_next(struct file_job *job, int64_t result)
{
	struct file_load *load = file_load_of(job);
	struct file_beneath *own = &load->own;

	switch (own->state) {
	case LOAD_START:
		own->state = LOAD_OPEN;
		return file_beneath_open(own, load->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	case LOAD_OPEN:
		if (result >= 0)
			own->fds[LOAD_FD] = (int)result;
		if (file_job_failed(job, result))
			return file_load_close(load);
		own->state = LOAD_STAT;
		return file_beneath_stat(own, own->fds[LOAD_FD], &load->stat);
	case LOAD_STAT:
		if (file_job_failed(job, result))
			return file_load_close(load);
		return file_load_begin(load);
	case LOAD_READ:
		return file_load_on_read(load, result);
	case LOAD_CLOSE:
		return file_beneath_close(own);
	}
	unreachable();
}

static void file_load_release(struct file_job *job)
{
	struct file_load *load = file_load_of(job);

	arena_block_destroy(load->block);
	file_beneath_release(&load->own);
}

static const struct file_job_ops file_load_ops = { .next = file_load_next,
						   .release = file_load_release };

static struct file_load *file_load_make(const struct file_place *place, struct arena_budget *budget)
{
	struct file_load *load = file_beneath_create(sizeof(*load) + place->path.len + 1,
						     &file_load_ops, place, budget);

	if (load)
		file_path_copy(load->path, place->path);
	return load;
}

struct file_job *file_load_create(const struct file_place *place, const struct file_range *range,
				  struct arena_budget *budget)
{
	struct file_load *load = file_load_make(place, budget);

	if (!load)
		return NULL;
	load->range = *range;
	return &load->own.job;
}

struct arena_block *file_load_take(struct file_job *job, size_t *ret_size)
{
	struct file_load *load = file_load_of(job);

	*ret_size = load->transfer.done;
	file_job_give_back(job);
	return take(&load->block);
}

const struct statx *file_load_stat(const struct file_job *job)
{
	return &file_load_of(job)->stat;
}

/* ------------------------------------------------------------ open */

struct file_job *file_open_create(const struct file_place *place, struct arena_budget *budget)
{
	struct file_load *load = file_load_make(place, budget);

	if (!load)
		return NULL;
	load->keeps = true;
	return &load->own.job;
}

int file_open_take(struct file_job *job)
{
	return fd_take(&file_load_of(job)->own.fds[LOAD_FD]);
}

const struct statx *file_open_stat(const struct file_job *job)
{
	return file_load_stat(job);
}

/* ------------------------------------------------------------ stat */

struct file_look {
	struct file_beneath own;
	struct statx stat;
	char path[];
};

/* O_NOFOLLOW with O_PATH opens the link itself, also where links are refused. */
static bool file_look_next(struct file_job *job, int64_t result)
{
	struct file_look *look = container_of(job, struct file_look, own.job);
	struct file_beneath *own = &look->own;

	switch (own->state) {
	case LOAD_START:
		own->state = LOAD_OPEN;
		return file_beneath_open(own, look->path, O_PATH | (own->links ? 0 : O_NOFOLLOW),
					 0);
	case LOAD_OPEN:
		if (result >= 0)
			own->fds[LOAD_FD] = (int)result;
		own->state = LOAD_STAT;
		if (!file_job_failed(job, result))
			return file_beneath_stat(own, own->fds[LOAD_FD], &look->stat);
		return file_beneath_close(own);
	case LOAD_STAT:
		file_job_failed(job, result);
		own->state = LOAD_CLOSE;
		return file_beneath_close(own);
	case LOAD_CLOSE:
		return file_beneath_close(own);
	}
	unreachable();
}

static void file_look_release(struct file_job *job)
{
	file_beneath_release(&container_of(job, struct file_look, own.job)->own);
}

static const struct file_job_ops file_look_ops = { .next = file_look_next,
						   .release = file_look_release };

struct file_job *file_stat_create(const struct file_place *place, struct arena_budget *budget)
{
	struct file_look *look = file_beneath_create(sizeof(*look) + place->path.len + 1,
						     &file_look_ops, place, budget);

	if (!look)
		return NULL;
	file_path_copy(look->path, place->path);
	return &look->own.job;
}

const struct statx *file_stat_found(const struct file_job *job)
{
	return &container_of(job, const struct file_look, own.job)->stat;
}
