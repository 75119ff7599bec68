/* server/files/body.c: small files are in memory; of large ones the disk is asked piece by
 * piece (core/io/disk_file.h). */
#include "server/files/body.h"
#include "server/server.h"

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
