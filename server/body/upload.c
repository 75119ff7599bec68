/* server/body/upload.c
 *
 *   GATHER --flush--> WRITE (on the pool) --post--> GATHER ... --close--> CLEAN (on the pool) --> gone
 *
 * While it writes, all of the upload is the pool's, but for `closed`, which is the loop's alone. */
#include "server/body/upload.h"
#include "core/base/arena.h"
#include "core/io/loop.h"
#include "core/thread/pool.h"
#include "server/body/uploads.h"
#include "server/flow/context.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { NAME_LEN = 32 };

struct upload_file {
	char name[NAME_LEN + 1];
	bool made;
	uint64_t size;
};

/* Bytes of one file in the buffer. */
struct segment {
	uint32_t file;
	size_t len;
};

struct upload {
	struct upload_place place;
	struct work work;
	struct post post;
	struct arena arena; /* of all but the struct */
	upload_fn *on_written;
	void *owner;
	bool writing, closed;
	int error;
	uint32_t n_files, files_max;
	struct upload_file *files;
	size_t n_segments;
	struct segment
		*segments; /* one for each file that is begun between two flushes, and one more */
	char *buffer;
	size_t buffer_len;
};

/* ------------------------------------------------------------ on the pool */

static int file_open(int folder, struct upload_file *file)
{
	const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(folder, file->name, file->made ? flags : flags | O_CREAT | O_EXCL, 0600);

	if (fd < 0)
		return -errno;
	file->made = true;
	return fd;
}

static int file_write(int fd, struct str bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);

		if (n < 0 && errno != EINTR)
			return -errno;
		bytes = str_skip(bytes, n > 0 ? (size_t)n : 0);
	}
	return 0;
}

static int upload_write_all(struct upload *upload)
{
	int folder = uploads_open(upload->place.uploads), r = 0;
	const char *at = upload->buffer;

	if (folder < 0)
		return folder;
	for (size_t i = 0; i < upload->n_segments && r == 0; i++) {
		const struct segment *segment = &upload->segments[i];
		int fd = file_open(folder, &upload->files[segment->file]);

		if (fd < 0)
			return fd;
		r = file_write(fd, (struct str){ at, segment->len });
		if (close(fd) < 0 && r == 0)
			r = -errno; /* some file systems tell only now that there is no room */
		at += segment->len;
	}
	return r;
}

static void upload_write(struct work *work)
{
	struct upload *upload = container_of(work, struct upload, work);

	upload->error = upload_write_all(upload);
	loop_post(upload->place.loop, &upload->post);
}

static void upload_free(struct upload *upload)
{
	arena_fini(&upload->arena);
	free(upload);
}

static void upload_clean(struct work *work)
{
	struct upload *upload = container_of(work, struct upload, work);
	int folder = uploads_open(upload->place.uploads);

	for (uint32_t i = 0; i < upload->n_files; i++)
		if (folder >= 0 && upload->files[i].made)
			unlinkat(folder, upload->files[i].name, 0);
	upload_free(upload);
}

/* ------------------------------------------------------------ on the loop */

static void upload_end(struct upload *upload)
{
	bool made = false;

	for (uint32_t i = 0; i < upload->n_files; i++)
		made |= upload->files[i].made;
	if (!made) {
		upload_free(upload);
		return;
	}
	upload->work.run = upload_clean;
	pool_submit(upload->place.pool, &upload->work);
}

static void upload_on_written(struct post *post)
{
	struct upload *upload = container_of(post, struct upload, post);
	const struct upload_place place = upload->place;

	upload->writing = false;
	upload->n_segments = 0;
	upload->buffer_len = 0;
	if (upload->closed)
		upload_end(upload);
	else
		upload->on_written(upload, upload->error); /* may close it */
	if (place.detacher)
		place.detacher->end(place.detacher, place.generation);
}

static bool upload_make_room(struct upload *upload, uint32_t files_max)
{
	upload->files =
		arena_alloc_array(&upload->arena, (size_t)files_max + 1, sizeof(*upload->files));
	upload->segments =
		arena_alloc_array(&upload->arena, (size_t)files_max + 2, sizeof(*upload->segments));
	upload->buffer = arena_alloc(&upload->arena, UPLOAD_BUFFER_SIZE + UPLOAD_PIECE_MAX);
	return upload->files && upload->segments && upload->buffer;
}

struct upload *upload_create(const struct upload_place *place, uint32_t files_max,
			     upload_fn *on_written, void *owner)
{
	struct upload *upload = calloc(1, sizeof(*upload));

	if (!upload)
		return NULL;
	upload->place = *place;
	upload->on_written = on_written;
	upload->owner = owner;
	upload->files_max = files_max;
	arena_init(&upload->arena, 1 << 20);
	upload->arena.budget = place->budget;
	if (upload_make_room(upload, files_max))
		return upload;
	upload_free(upload);
	return NULL;
}

void *upload_owner(const struct upload *upload)
{
	return upload->owner;
}

static void upload_add_segment(struct upload *upload, uint32_t file)
{
	upload->segments[upload->n_segments++] = (struct segment){ file, 0 };
}

/* A name that nobody can guess, so that a path tells nothing of others. */
static void name_make(char name[NAME_LEN + 1])
{
	unsigned char bytes[NAME_LEN / 2];

	check(getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		name[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		name[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	name[NAME_LEN] = '\0';
}

void upload_begin_file(struct upload *upload)
{
	struct upload_file *file = &upload->files[upload->n_files];

	check(!upload->writing && upload->n_files < upload->files_max);
	*file = (struct upload_file){ .size = 0 };
	name_make(file->name);
	upload_add_segment(upload, upload->n_files++);
}

void upload_add(struct upload *upload, struct str bytes)
{
	check(!upload->writing && upload->n_files > 0);
	check(bytes.len <= UPLOAD_BUFFER_SIZE + UPLOAD_PIECE_MAX - upload->buffer_len);
	if (upload->n_segments == 0) /* the file was begun before the last flush */
		upload_add_segment(upload, upload->n_files - 1);
	memcpy(upload->buffer + upload->buffer_len, bytes.ptr, bytes.len);
	upload->buffer_len += bytes.len;
	upload->segments[upload->n_segments - 1].len += bytes.len;
	upload->files[upload->n_files - 1].size += bytes.len;
}

bool upload_is_full(const struct upload *upload)
{
	return upload->buffer_len >= UPLOAD_BUFFER_SIZE;
}

bool upload_is_empty(const struct upload *upload)
{
	return upload->n_segments == 0;
}

void upload_flush(struct upload *upload)
{
	const struct upload_place *place = &upload->place;

	check(!upload->writing);
	upload->writing = true;
	upload->work.run = upload_write;
	upload->post.run = upload_on_written;
	if (place->detacher)
		place->detacher->begin(place->detacher, place->generation);
	pool_submit(place->pool, &upload->work);
}

struct str upload_name(const struct upload *upload, uint32_t file)
{
	return (struct str){ upload->files[file].name, NAME_LEN };
}

uint64_t upload_size(const struct upload *upload, uint32_t file)
{
	return upload->files[file].size;
}

void upload_close(struct upload *upload)
{
	if (!upload)
		return;
	upload->closed = true;
	if (!upload->writing)
		upload_end(upload);
}
