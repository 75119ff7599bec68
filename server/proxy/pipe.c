/* server/proxy/pipe.c */
#include "server/proxy/pipe.h"
#include "server/http/fields.h"
#include "server/request.h"
#include "server/server.h"
#include <errno.h>
#include <stdlib.h>

struct pipe_piece {
	struct list link;
	size_t len;
	char bytes[];
};

static struct arena_budget *pipe_budget(const struct pipe *pipe)
{
	return pipe->request->arena.budget;
}

static struct pipe_piece *piece_of(struct list *link)
{
	return container_of(link, struct pipe_piece, link);
}

/* What it costs: a body may come in chunks of one byte. */
static size_t pipe_cost(size_t len)
{
	return sizeof(struct pipe_piece) + len;
}

static void pipe_drop(struct pipe *pipe, struct pipe_piece *piece)
{
	list_remove(&piece->link);
	arena_budget_give_back(pipe_budget(pipe), pipe_cost(piece->len));
	free(piece);
}

static void pipe_tell(struct pipe *pipe)
{
	if (!pipe->waiting)
		return;
	pipe->waiting = false;
	pipe->source.on_more(&pipe->source);
}

/* ------------------------------------------------------------ the client's end */

static void pipe_add(struct pipe *pipe, struct str bytes)
{
	struct pipe_piece *piece = NULL;

	if (arena_budget_take(pipe_budget(pipe), pipe_cost(bytes.len))) {
		piece = malloc(sizeof(*piece) + bytes.len);
		if (!piece)
			arena_budget_give_back(pipe_budget(pipe), pipe_cost(bytes.len));
	}
	if (!piece) {
		pipe->error = -ENOMEM;
		return;
	}
	piece->len = bytes.len;
	memcpy(piece->bytes, bytes.ptr, bytes.len);
	list_add(&pipe->pieces, &piece->link);
	if (!pipe->next)
		pipe->next = piece;
}

static enum intake pipe_data(struct body_intake *intake, struct str bytes)
{
	struct pipe *pipe = container_of(intake, struct pipe, intake);

	check(!pipe->ended && !pipe->paused);
	if (pipe->stopped) {
		pipe->paused = true;
		return INTAKE_PAUSED;
	}
	pipe->size += bytes.len;
	pipe->turn_size += pipe_cost(bytes.len);
	pipe_add(pipe, bytes);
	pipe_tell(pipe);
	pipe->paused = pipe->next || pipe->error || pipe->stopped || pipe->turn_size >= PIPE_TURN;
	if (pipe->paused && pipe->waiting)
		loop_ready_next(pipe->request->worker->loop, &pipe->turn);
	return pipe->paused ? INTAKE_PAUSED : INTAKE_TAKEN;
}

/* They are what the source says behind its last piece; also when all of it is said once more. */
static bool pipe_trailers(struct body_intake *intake, const struct http_field *fields, size_t n)
{
	struct pipe *pipe = container_of(intake, struct pipe, intake);
	struct buf out;

	buf_init_arena(&out, &pipe->request->arena);
	for (size_t i = 0; i < n; i++)
		if (pipe->passes_trailer(pipe->owner, fields[i].name))
			http_field_write(&out, &fields[i]);
	pipe->source.trailers = buf_str(&out);
	return out.error == 0;
}

static enum intake pipe_end(struct body_intake *intake)
{
	struct pipe *pipe = container_of(intake, struct pipe, intake);

	pipe->ended = true;
	pipe_tell(pipe);
	return INTAKE_TAKEN;
}

static void pipe_on_turn(struct ready *ready)
{
	struct pipe *pipe = container_of(ready, struct pipe, turn);

	pipe->paused = false;
	pipe->turn_size = 0;
	if (pipe->request->owner)
		request_resume_body(pipe->request);
}

void pipe_stop(struct pipe *pipe)
{
	if (!pipe)
		return;
	pipe->stopped = true;
	pipe->waiting = false;
	loop_ready_cancel(&pipe->turn);
}

static void pipe_close(struct body_intake *intake)
{
	struct pipe *pipe = container_of(intake, struct pipe, intake);

	pipe_stop(pipe);
	while (!list_is_empty(&pipe->pieces))
		pipe_drop(pipe, piece_of(pipe->pieces.next));
	if (pipe->on_close)
		pipe->on_close(pipe->owner);
}

/* ------------------------------------------------------------ the upstream's end */

/* What was taken is not asked for again, unless it is as good as nothing. */
static void pipe_forget(struct pipe *pipe)
{
	while (pipe->kept > PIPE_KEEP || pipe->forgotten) {
		struct pipe_piece *piece = list_first(&pipe->pieces, struct pipe_piece, link);

		if (!piece || piece == pipe->next)
			break;
		pipe->forgotten = true;
		pipe_drop(pipe, piece);
	}
}

static void pipe_wait(struct pipe *pipe)
{
	pipe->waiting = true;
	if (pipe->paused && !pipe->stopped)
		loop_ready(pipe->request->worker->loop, &pipe->turn);
}

static int pipe_read(struct body_source *source, struct str *ret_bytes)
{
	struct pipe *pipe = container_of(source, struct pipe, source);
	struct pipe_piece *piece = pipe->next;

	check(!pipe->stopped);
	pipe_forget(pipe);
	if (pipe->error)
		return pipe->error;
	if (!piece && pipe->ended)
		return 0;
	if (!piece) {
		pipe_wait(pipe);
		return -EAGAIN;
	}
	pipe->next = piece->link.next == &pipe->pieces ? NULL : piece_of(piece->link.next);
	pipe->kept += pipe_cost(piece->len);
	*ret_bytes = (struct str){ piece->bytes, piece->len };
	return 1;
}

/* It is the request's intake that is closed. */
static void pipe_close_source(struct body_source *source)
{
	pipe_stop(container_of(source, struct pipe, source));
}

static bool pipe_can_rewind(const struct body_source *source)
{
	return !container_of(source, struct pipe, source)->forgotten;
}

static void pipe_rewind(struct body_source *source)
{
	struct pipe *pipe = container_of(source, struct pipe, source);

	pipe->next = list_first(&pipe->pieces, struct pipe_piece, link);
	pipe->kept = 0;
	pipe->waiting = false;
}

struct pipe *pipe_create(struct request *request, uint64_t size)
{
	static const struct body_intake_ops intake_ops = { pipe_data, pipe_end, pipe_close,
							   pipe_trailers };
	static const struct body_source_ops source_ops = { pipe_read, pipe_close_source,
							   pipe_can_rewind, pipe_rewind };
	struct pipe *pipe = arena_zalloc(&request->arena, sizeof(*pipe));

	if (!pipe)
		return NULL;
	pipe->intake.ops = &intake_ops;
	pipe->source.ops = &source_ops;
	pipe->source.size = size;
	pipe->request = request;
	list_init(&pipe->pieces);
	ready_init(&pipe->turn, pipe_on_turn);
	request->intake = &pipe->intake;
	return pipe;
}
