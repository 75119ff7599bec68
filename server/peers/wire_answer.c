/* server/peers/wire_answer.c: what comes back by the connection of a link: answers, in the order of the
 * letters. */
#include "server/peers/wire_link.h"
#include <errno.h>

enum {
	ANSWER_BODY_MAX = 65536,
	READS_MAX = 16, /* in one turn of the loop */
};

static int link_status_error(int status)
{
	switch (status) {
	case 401:
	case 403:
		return -EACCES;
	case 404:
		return -ESRCH;
	case 413:
		return -EMSGSIZE;
	case 429:
	case 503:
		return -ENOBUFS;
	default:
		return status >= 200 && status < 300 ? 0 : -EBADMSG;
	}
}

/* It was answered before all of it was sent: the rest would be read as something else. */
static bool link_is_early(const struct wire_link *link, const struct letter *letter)
{
	return letter->end > link->end - stream_unsent(&link->stream);
}

/* False: the connection is no more. */
static bool link_answered(struct wire_link *link)
{
	int error = link_status_error(link->answer.response.status);
	bool goes_on = link->answer.keep_alive;

	http_answer_fini(&link->answer);
	link->reading = false;
	link->n_failures = 0;
	link->ops->on_answer(link, error);
	if (link->conf.answers) {
		struct letter *letter = container_of(link->written.next, struct letter, link);

		if (link_is_early(link, letter)) {
			stream_close(&link->stream); /* first: it refers to the letter */
			goes_on = false;
		}
		wire_link_end_letter(link, letter, error);
		link->n_written--;
	}
	if (!goes_on)
		wire_link_break(link);
	return goes_on;
}

/* False: the connection is no more. */
static bool link_take(struct wire_link *link, struct str bytes)
{
	while (bytes.len) {
		if (!link->reading) {
			if (link->conf.answers && link->n_written == 0)
				break; /* nothing was asked */
			arena_reset(&link->arena);
			http_answer_init(&link->answer, &link->arena, HTTP_POST, ANSWER_BODY_MAX);
			link->reading = true;
		}
		bytes = str_skip(bytes, http_answer_read(&link->answer, bytes));
		if (link->answer.state == ANSWER_FAILED)
			break;
		if (link->answer.state == ANSWER_WHOLE && !link_answered(link))
			return false;
	}
	if (bytes.len == 0 && !(link->reading && link->answer.state == ANSWER_FAILED))
		return true;
	wire_link_break(link);
	return false;
}

void wire_link_read(struct wire_link *link)
{
	size_t n_written = link->n_written;

	for (unsigned i = 0; i < READS_MAX && link->stream.readable; i++) {
		ssize_t n = stream_read(&link->stream, link->in, sizeof(link->in));

		if (n == -EAGAIN)
			break;
		if (n <= 0) {
			wire_link_break(link);
			return;
		}
		if (!link_take(link, (struct str){ link->in, (size_t)n }))
			return;
	}
	if (link->stream.readable)
		loop_ready_next(link->loop, &link->more);
	if (link->n_written < n_written)
		wire_link_await_answer(link);
	wire_link_write(link);
}

void wire_link_on_readable(struct stream *stream)
{
	struct wire_link *link = container_of(stream, struct wire_link, stream);

	if (link->state == WIRE_OPEN)
		wire_link_read(link);
}

void wire_link_on_more(struct ready *ready)
{
	wire_link_read(container_of(ready, struct wire_link, more));
}
