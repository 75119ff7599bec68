/* server/files/body.c: small files are in memory; of large ones the disk is asked piece by
 * piece (core/io/disk_file.h). */
#include "server/files/body.h"
#include "server/server.h"
#include <errno.h>
#include <unistd.h>

enum { SOURCE_PIECE = 32 << 10 };

struct file_body {
	struct reply_file reply;
	struct stream_gate gate;
	struct disk_wait wait;
	struct disk_file *disk; /* of request->file, which lives as long as this */
	struct disk_reads *reads;
	struct stream *stream; /* that sends it */
};

static int64_t file_body_ready(struct stream_gate *gate, struct stream *stream, uint64_t at,
			       uint64_t size)
{
	struct file_body *body = container_of(gate, struct file_body, gate);

	body->stream = stream;
	return disk_file_ready(body->disk, body->reads, &body->wait, at, size);
}

static void file_body_leave(struct stream_gate *gate)
{
	disk_wait_cancel(&container_of(gate, struct file_body, gate)->wait);
}

static void file_body_on_ready(struct disk_wait *wait)
{
	stream_go_on(container_of(wait, struct file_body, wait)->stream);
}

static bool file_body_on_disk(struct request *request, const struct file *file, struct reply *reply,
			      const struct reply_part *parts, size_t n_parts)
{
	struct file_body *body = arena_zalloc(&request->arena, sizeof(*body));

	if (!body)
		return false;
	body->disk = file->disk;
	body->reads = &request->worker->files.reads;
	body->gate = (struct stream_gate){ file_body_ready, file_body_leave };
	disk_wait_init(&body->wait, file_body_on_ready);
	body->reply = (struct reply_file){
		.fd = file->disk->fd, .gate = &body->gate, .n_parts = n_parts, .parts = parts
	};
	for (size_t i = 0; i < n_parts; i++)
		body->reply.size += parts[i].bytes.len + parts[i].len;
	reply->file = &body->reply;
	return true;
}

bool file_body_set(struct request *request, struct file *file, struct reply *reply,
		   const struct reply_part *parts, size_t n_parts)
{
	struct buf out;

	if (file->disk)
		return file_body_on_disk(request, file, reply, parts, n_parts);
	if (n_parts == 1) {
		reply->body = (struct str){ file->bytes + parts[0].from, parts[0].len };
		return true;
	}
	buf_init_arena(&out, &request->arena);
	for (size_t i = 0; i < n_parts; i++) {
		buf_add(&out, parts[i].bytes);
		buf_add(&out, (struct str){ file->bytes + parts[i].from, parts[i].len });
	}
	reply->body = buf_str(&out);
	return !out.error;
}

/* ------------------------------------------------------------ as a source */

struct file_source {
	struct body_source source;
	struct disk_wait wait;
	struct disk_file *disk;
	struct disk_reads *reads;
	uint64_t at, left;
	char *piece; /* SOURCE_PIECE */
};

static void file_source_on_ready(struct disk_wait *wait)
{
	struct file_source *own = container_of(wait, struct file_source, wait);

	own->source.on_more(&own->source);
}

/* What is in memory is read at once. A file that has become shorter cannot be sent. */
static int file_source_read(struct body_source *source, struct str *ret_bytes)
{
	struct file_source *own = container_of(source, struct file_source, source);
	size_t size = (size_t)MIN(own->left, (uint64_t)SOURCE_PIECE);
	int64_t ready;
	ssize_t n;

	if (own->left == 0)
		return 0;
	ready = disk_file_ready(own->disk, own->reads, &own->wait, own->at, size);
	if (ready <= 0)
		return ready == 0 ? -EAGAIN : (int)ready;
	do {
		n = pread(own->disk->fd, own->piece, (size_t)MIN((int64_t)size, ready),
			  (off_t)own->at);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	own->at += (uint64_t)n;
	own->left -= (uint64_t)n;
	*ret_bytes = (struct str){ own->piece, (size_t)n };
	return 1;
}

static void file_source_close(struct body_source *source)
{
	disk_wait_cancel(&container_of(source, struct file_source, source)->wait);
}

struct body_source *file_body_source(struct arena *arena, const struct reply_file *body)
{
	static const struct body_source_ops ops = { file_source_read, file_source_close };
	const struct file_body *file = container_of(body, const struct file_body, reply);
	struct file_source *own = arena_zalloc(arena, sizeof(*own));
	char *piece = arena_alloc(arena, SOURCE_PIECE);

	check(body->n_parts == 1 && body->parts->bytes.len == 0);
	if (!own || !piece)
		return NULL;
	own->source.ops = &ops;
	own->source.size = own->left = body->parts->len;
	own->at = body->parts->from;
	own->disk = file->disk;
	own->reads = file->reads;
	own->piece = piece;
	disk_wait_init(&own->wait, file_source_on_ready);
	return &own->source;
}
