/* server/body/receive.c
 *
 *     data() --> [inflater] --> text, collected in the arena
 *                          \--> [form reader] --> [upload: files, written by the pool]
 *
 * A piece that comes may inflate to a thousand times its size, and files may have to wait for the
 * disk. So what is left of a piece is kept (`pending`), the connection is held back, and the piece
 * goes on in the loop's next turn, or when the disk has taken what it was given. */
#include "server/body/receive.h"
#include "server/body/form_data.h"
#include "server/request.h"
#include "server/server.h"

enum {
	OUT_SIZE = 32 << 10,
	TURN_MAX = 256 << 10, /* bytes that are inflated in one turn of the loop */
};

struct receiver {
	struct body_intake intake;
	struct request *request;
	struct inflater *inflater; /* NULL: there is no coding */
	char *out;                 /* OUT_SIZE, for the inflater */
	uint64_t size, size_max;   /* of what is out */
	struct form_reader *form;  /* NULL: a text */
	struct buf text;
	char *pending_room;
	size_t pending_size;
	struct str pending; /* of the piece at hand, what is not used yet */
	bool unfinished;    /* the inflater has more to give, even without another byte */
	bool ending;        /* end() was called, and waits for the disk */
	struct ready turn;
};

static enum intake receiver_refuse(struct receiver *receiver, const struct reply *reply)
{
	receiver->intake.refusal = reply;
	return INTAKE_REFUSED;
}

static enum intake receiver_refuse_with(struct receiver *receiver, int status, struct str detail)
{
	return receiver_refuse(receiver, body_refuse(receiver->request,
						     &(struct body_refusal){ .status = status,
									     .detail = detail }));
}

static enum intake receiver_refuse_bad(struct receiver *receiver)
{
	int status = receiver->request->route->body.undecodable;

	return receiver_refuse_with(receiver, status ? status : 400,
				    STR("the body is not what its Content-Encoding says"));
}

/* Plain bytes. */
static enum intake receiver_sink(struct receiver *receiver, struct str bytes)
{
	receiver->size += bytes.len;
	if (receiver->size > receiver->size_max)
		return receiver_refuse_with(receiver, 413,
					    STR("the body is larger than may be, decoded"));
	if (receiver->form) {
		enum intake intake = form_reader_data(receiver->form, bytes);

		return intake == INTAKE_REFUSED
			       ? receiver_refuse(receiver, form_reader_refusal(receiver->form))
			       : intake;
	}
	buf_add(&receiver->text, bytes);
	if (!receiver->text.error)
		return INTAKE_TAKEN;
	return receiver_refuse(receiver, body_refuse_memory(receiver->request, receiver->size));
}

/* What is left of the piece waits; it may be in `pending_room` already. */
static enum intake receiver_keep(struct receiver *receiver, struct str rest)
{
	struct arena *arena = &receiver->request->arena;

	if (rest.len > receiver->pending_size) {
		receiver->pending_size = MAX(rest.len, (size_t)WORKER_IN_SIZE);
		receiver->pending_room = arena_alloc(arena, receiver->pending_size);
	}
	if (rest.len && !receiver->pending_room)
		return receiver_refuse(receiver, body_refuse_status(receiver->request, 503));
	if (rest.len)
		memmove(receiver->pending_room, rest.ptr, rest.len);
	receiver->pending = (struct str){ receiver->pending_room, rest.len };
	return INTAKE_PAUSED;
}

static enum intake receiver_inflate(struct receiver *receiver, struct str bytes)
{
	uint64_t size = receiver->size;
	enum inflate_step step;
	enum intake intake;
	size_t len;

	do {
		step = inflater_read(receiver->inflater, &bytes, receiver->out, OUT_SIZE, &len);
		receiver->unfinished = step == INFLATE_FULL;
		if (step == INFLATE_BAD)
			return receiver_refuse_bad(receiver);
		if (step == INFLATE_NO_MEMORY)
			return receiver_refuse(receiver,
					       body_refuse_status(receiver->request, 503));
		intake = len ? receiver_sink(receiver, (struct str){ receiver->out, len })
			     : INTAKE_TAKEN;
		if (intake == INTAKE_REFUSED)
			return intake;
		if (intake == INTAKE_PAUSED)
			return receiver_keep(receiver, bytes);
		if (receiver->unfinished && receiver->size - size >= TURN_MAX) {
			loop_ready_next(receiver->request->worker->loop, &receiver->turn);
			return receiver_keep(receiver, bytes);
		}
	} while (receiver->unfinished);
	return INTAKE_TAKEN;
}

static enum intake receiver_data(struct body_intake *intake, struct str bytes)
{
	struct receiver *receiver = container_of(intake, struct receiver, intake);

	check(!receiver->pending.len);
	return receiver->inflater ? receiver_inflate(receiver, bytes)
				  : receiver_sink(receiver, bytes);
}

/* The rest of the piece, now that there is room. */
static void receiver_go_on(struct receiver *receiver)
{
	struct str bytes = receiver->pending;

	receiver->pending = STR_NONE;
	if (!receiver->intake.refusal && (bytes.len || receiver->unfinished) &&
	    receiver_inflate(receiver, bytes) == INTAKE_PAUSED)
		return;
	request_resume_body(receiver->request);
}

static void receiver_on_turn(struct ready *ready)
{
	receiver_go_on(container_of(ready, struct receiver, turn));
}

/* The disk has taken what it was given, or has failed. */
static void receiver_on_room(struct form_reader *form, void *owner)
{
	struct receiver *receiver = owner;

	receiver->intake.refusal = form_reader_refusal(form);
	if (receiver->ending && !receiver->intake.refusal)
		receiver->intake.refusal = form_reader_finish(form);
	receiver_go_on(receiver);
}

static enum intake receiver_end(struct body_intake *intake)
{
	struct receiver *receiver = container_of(intake, struct receiver, intake);
	enum intake end = INTAKE_TAKEN;

	if (receiver->inflater && !inflater_is_whole(receiver->inflater))
		return receiver_refuse_with(receiver, 400,
					    STR("the body ends before its Content-Encoding does"));
	if (!receiver->form) {
		receiver->request->body = buf_str(&receiver->text);
		return INTAKE_TAKEN;
	}
	receiver->ending = true;
	end = form_reader_end(receiver->form);
	return end == INTAKE_REFUSED
		       ? receiver_refuse(receiver, form_reader_refusal(receiver->form))
		       : end;
}

static void receiver_close(struct body_intake *intake)
{
	struct receiver *receiver = container_of(intake, struct receiver, intake);

	loop_ready_cancel(&receiver->turn);
	inflater_destroy(take(&receiver->inflater));
	form_reader_close(take(&receiver->form));
}

static const struct body_intake_ops receiver_ops = { receiver_data, receiver_end, receiver_close };

/* What may come out of a coding: DECISIONS 17, and what the route itself says. */
static uint64_t receiver_size_max(const struct request *request, const struct receiver_plan *plan)
{
	const struct body_spec *spec = &request->route->body;

	if (!plan->coded)
		return spec->max;
	return spec->max_said ? MIN(spec->max, request->generation->settings.inflated)
			      : request->generation->settings.inflated;
}

bool receiver_begin(struct request *request, const struct receiver_plan *plan)
{
	struct receiver *receiver = arena_zalloc(&request->arena, sizeof(*receiver));

	if (!receiver)
		return false;
	receiver->intake.ops = &receiver_ops;
	receiver->request = request;
	receiver->size_max = receiver_size_max(request, plan);
	ready_init(&receiver->turn, receiver_on_turn);
	buf_init_arena(&receiver->text, &request->arena);
	request->intake = &receiver->intake; /* closed with the request from now on */
	if (plan->coded) {
		receiver->out = arena_alloc(&request->arena, OUT_SIZE);
		receiver->inflater =
			inflater_create(plan->coding, &request->worker->server->memory);
		if (!receiver->out || !receiver->inflater)
			return false;
	}
	if (!plan->boundary.ptr)
		return true;
	receiver->form = form_reader_create(request, plan->boundary, receiver_on_room, receiver);
	return receiver->form != NULL;
}
