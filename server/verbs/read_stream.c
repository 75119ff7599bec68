/* server/verbs/read_stream.c: a file as a body that is passed on, one piece at a time.
 *
 * What is in the page cache is copied at once; for what is not the loop waits without stopping. A
 * piece is in a block of its own, which the kernel may still write to when the client has left. A
 * file that becomes shorter meanwhile cannot be sent whole: the answer is cut. */
#include "core/io/file_rw.h"
#include "server/body_source.h"
#include "server/files/mime.h"
#include "server/verbs/file.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { STREAM_PIECE = 64 << 10 };

_Static_assert((int)STREAM_PIECE <= (int)FILE_NOW_MAX, "a piece may be copied at once");

struct file_stream {
	struct body_source source;
	struct file_io *io;
	struct file_handle *file;
	struct arena_budget *budget;
	uint64_t at, left;
	struct file_job *job; /* of the piece at hand, under way or over; NULL: none */
	const char *bytes;    /* that it reads into */
	bool waiting;
};

static void stream_drop_piece(struct file_stream *stream)
{
	if (!stream->job)
		return;
	if (stream->waiting)
		file_job_leave(stream->job);
	else
		file_job_drop(stream->job);
	stream->job = NULL;
	stream->waiting = false;
	arena_budget_give_back(stream->budget, STREAM_PIECE);
}

static int stream_take(struct file_stream *stream, struct str *ret_bytes)
{
	size_t size = file_rw_size(stream->job);

	if (stream->job->error)
		return stream->job->error;
	if (size < MIN(stream->left, (uint64_t)STREAM_PIECE))
		return -EIO;
	*ret_bytes = (struct str){ stream->bytes, size };
	stream->at += size;
	stream->left -= size;
	return 1;
}

static void stream_on_end(struct file_job *job)
{
	struct file_stream *stream = job->owner;

	stream->waiting = false;
	stream->source.on_more(&stream->source);
}

static struct file_job *stream_make_job(struct file_stream *stream)
{
	char *bytes = malloc(STREAM_PIECE);
	struct iovec iov = { bytes, MIN(stream->left, (uint64_t)STREAM_PIECE) };
	const struct file_rw_spec spec = { .file = stream->file,
					   .at = stream->at,
					   .iov = &iov,
					   .n_iov = 1,
					   .owner = bytes,
					   .release = free };
	struct file_job *job = bytes ? file_read_create(&spec) : NULL;

	if (!job) {
		free(bytes);
		return NULL;
	}
	stream->bytes = bytes;
	arena_budget_add(stream->budget, STREAM_PIECE);
	return job;
}

static int stream_begin(struct file_stream *stream)
{
	int r;

	stream->job = stream_make_job(stream);
	if (!stream->job)
		return -ENOMEM;
	if (file_job_now(stream->job))
		return 0;
	stream->job->owner = stream;
	r = file_io_start(stream->io, stream->job, stream_on_end);
	if (r < 0) /* -EAGAIN would mean that on_more() comes */
		return -EBUSY;
	stream->waiting = true;
	return -EAGAIN;
}

static int stream_read(struct body_source *source, struct str *ret_bytes)
{
	struct file_stream *stream = container_of(source, struct file_stream, source);
	bool came = stream->job && stream->bytes && stream->job->owner == stream;
	int r;

	check(!stream->waiting);
	if (came) {
		stream->job->owner = NULL; /* handed out: the next call is for the next piece */
		return stream_take(stream, ret_bytes);
	}
	stream_drop_piece(stream);
	if (stream->left == 0)
		return 0;
	r = stream_begin(stream);
	return r == 0 ? stream_take(stream, ret_bytes) : r;
}

static void stream_close(struct body_source *source)
{
	struct file_stream *stream = container_of(source, struct file_stream, source);

	stream_drop_piece(stream);
	file_handle_unref(stream->file);
	free(stream);
}

static struct str stream_type(struct str path)
{
	struct str name;

	while (str_next_part(&path, '/', &name))
		;
	return mime_type(name);
}

struct body_source *file_stream_create(struct step_run *step, int fd, uint64_t at, uint64_t size,
				       struct str path)
{
	static const struct body_source_ops ops = { stream_read, stream_close };
	struct file_io *io = step->run->context->files;
	struct file_stream *stream = calloc(1, sizeof(*stream));

	if (stream)
		stream->file = file_handle_create(fd, pool_queue_pool(io->engine->queue));
	if (!stream || !stream->file) {
		close(fd);
		free(stream);
		return NULL;
	}
	stream->source =
		(struct body_source){ .ops = &ops, .size = size, .type = stream_type(path) };
	stream->io = io;
	stream->budget = file_budget(step);
	stream->at = at;
	stream->left = size;
	return &stream->source;
}
