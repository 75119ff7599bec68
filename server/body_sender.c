/* server/body_sender.c */
#include "server/body_sender.h"
#include <errno.h>
#include <stdio.h>

void body_sender_init(struct body_sender *sender, struct stream *stream, struct body_source *source,
		      bool chunked)
{
	*sender = (struct body_sender){
		.stream = stream, .source = source, .left = source->size, .chunked = chunked
	};
}

static struct iovec sender_part(struct str bytes)
{
	return (struct iovec){ (void *)(uintptr_t)bytes.ptr, bytes.len };
}

static int sender_frame(struct body_sender *sender, struct str bytes, struct iovec *parts)
{
	int n = 0;

	sender->sent += bytes.len;
	if (sender->chunked) {
		int len = snprintf(sender->line, sizeof(sender->line), "%zx\r\n", bytes.len);

		parts[n++] = (struct iovec){ sender->line, (size_t)len };
	}
	parts[n++] = sender_part(bytes);
	if (sender->chunked)
		parts[n++] = sender_part(STR("\r\n"));
	return n;
}

/* More or less than was promised would be read as something else. */
static int sender_count(struct body_sender *sender, size_t size)
{
	if (sender->left == BODY_SIZE_UNKNOWN)
		return 0;
	if (size > sender->left || (size == 0 && sender->left > 0))
		return -EPROTO;
	sender->left -= size;
	return 0;
}

/* RFC 9112 §7.1: the last chunk, the trailers, an empty line. */
static int sender_end(const struct body_sender *sender, struct iovec *parts)
{
	struct str trailers = sender->source->trailers;

	if (!sender->trailers || trailers.len == 0) {
		parts[0] = sender_part(STR("0\r\n\r\n"));
		return 1;
	}
	parts[0] = sender_part(STR("0\r\n"));
	parts[1] = sender_part(trailers);
	parts[2] = sender_part(STR("\r\n"));
	return 3;
}

int body_sender_piece(struct body_sender *sender, struct iovec parts[BODY_PIECE_PARTS])
{
	struct str bytes = STR_NONE;
	int r = body_source_read(sender->source, &bytes);

	if (r == -EAGAIN) {
		sender->waiting = true;
		return 0;
	}
	check(r <= 0 || bytes.len > 0);
	if (r >= 0 && sender_count(sender, bytes.len) < 0)
		r = -EPROTO;
	if (r < 0)
		return r;
	if (r > 0)
		return sender_frame(sender, bytes, parts);
	sender->whole = true;
	return sender->chunked ? sender_end(sender, parts) : 0;
}

int body_sender_send(struct body_sender *sender)
{
	uint64_t end = sender->sent + BODY_TURN;
	int r = 1;

	while (r > 0 && !sender->whole) {
		struct iovec parts[BODY_PIECE_PARTS];
		int n;

		if (sender->waiting)
			return 0;
		if (sender->sent >= end)
			return -EAGAIN;
		n = body_sender_piece(sender, parts);
		if (n < 0)
			return n;
		if (n > 0)
			r = stream_write(sender->stream, parts, (size_t)n);
	}
	return r;
}
