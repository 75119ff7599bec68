/* conf/examples/rooms.c: actors in C: a room that remembers how many have come, and rooms that are made as they
 * are asked for; a hall, which is linked to each of them and counts those that have gone. See rooms.yaml. */
#include <leat.h>
#include <stdlib.h>
#include <string.h>

struct room {
	int64_t n_guests;
};

struct hall {
	int64_t n_rooms, n_gone, n_guests;
};

static const struct leat_kind kinds[3];

/* ------------------------------------------------------------ a room */

/* message: how many come; the reply: how many there are */
static void room_enter(struct leat_call *call)
{
	struct room *room = leat->state(call);
	int64_t n = 1;

	leat->integer(leat->input(call), &n);
	if (n < 1) {
		leat->fail(call, "invalid_input", 0, "%lld guests cannot enter", (long long)n);
		return;
	}
	room->n_guests += n;
	leat->json_int(leat->result(call), room->n_guests);
}

static void room_leave(struct leat_call *call)
{
	struct room *room = leat->state(call);

	if (room->n_guests > 0)
		room->n_guests--;
	leat->json_int(leat->result(call), room->n_guests);
}

/* Who is alone turns off the light: the room ends after this message. */
static void room_close(struct leat_call *call)
{
	leat->exit(call, false);
}

static const struct leat_handler room_handlers[] = {
	{ "enter", "Guests come.", room_enter, 0 },
	{ "leave", "One guest goes.", room_leave, 0 },
	{ "close", "The room goes.", room_close, 0 },
	LEAT_END,
};

/* ------------------------------------------------------------ the hall */

/* message: the name of a new room */
static void hall_open(struct leat_call *call)
{
	struct hall *hall = leat->state(call);
	struct leat_text text = leat->text(leat->input(call));
	struct room *room = calloc(1, sizeof(*room));
	struct leat_actor *actor;
	char name[128] = "room/";

	if (room && text.len > 0 && text.len < 100) {
		memcpy(name + 5, text.ptr, text.len);
		actor = leat->spawn(&leat_module, &kinds[1], name, room);
		if (actor) {
			hall->n_rooms++;
			leat->link(call, actor);
			leat->actor_unref(actor);
			return;
		}
	}
	free(room);
	leat->fail(call, "aborted", 409, "there is such a room, or no room for it");
}

/* message: the name of a room. A guest is sent there; what the room says of it comes as a message of its own, and until then
 * the hall does other things. */
static void hall_guide(struct leat_call *call)
{
	const struct leat_mail then = { .actor = leat->self(call), .handler = "entered" };
	struct leat_mail mail = { .handler = "enter" };
	struct leat_text text = leat->text(leat->input(call));
	struct leat_promise *promise;
	char name[128] = "room/";

	if (text.len > 0 && text.len < 100) {
		memcpy(name + 5, text.ptr, text.len);
		mail.actor = leat->find(&leat_module, name);
	}
	if (!mail.actor) {
		leat->fail(call, "not_found", 0, "there is no such room");
		return;
	}
	promise = leat->defer(&then);
	if (promise)
		leat->associate(promise, &mail);
	else
		leat->fail(call, "memory_limit", 0, "there is no memory");
	leat->actor_unref(mail.actor);
}

/* message: { "value": how many are there now }, or { "error": … } */
static void hall_entered(struct leat_call *call)
{
	struct hall *hall = leat->state(call);

	if (leat->type(leat->member(leat->input(call), "value")) == LEAT_NUMBER)
		hall->n_guests++;
}

/* A room has ended. */
static void hall_on_exit(struct leat_call *call)
{
	struct hall *hall = leat->state(call);

	hall->n_gone++;
}

static void hall_count(struct leat_call *call)
{
	const struct hall *hall = leat->state(call);
	struct leat_json *json = leat->result(call);

	leat->json_object(json);
	leat->json_key(json, "rooms");
	leat->json_int(json, hall->n_rooms);
	leat->json_key(json, "gone");
	leat->json_int(json, hall->n_gone);
	leat->json_key(json, "guests");
	leat->json_int(json, hall->n_guests);
	leat->json_end(json);
}

static const struct leat_handler hall_handlers[] = {
	{ "open", "Makes a room.", hall_open, 0 },
	{ "guide", "Sends a guest to a room.", hall_guide, 0 },
	{ "entered", "What the room says of him.", hall_entered, 0 },
	{ "count", "How many rooms were made, and have gone; how many guests were sent.",
	  hall_count, LEAT_GET },
	LEAT_END,
};

/* ------------------------------------------------------------ */

static const struct leat_kind kinds[3] = {
	{ .name = "hall",
	  .help = "Makes rooms.",
	  .handlers = hall_handlers,
	  .on_exit = hall_on_exit,
	  .release = free,
	  .flags = LEAT_EXPOSE },
	{ .name = "room/{name}",
	  .help = "Counts guests.",
	  .handlers = room_handlers,
	  .release = free },
	LEAT_END,
};

static const char *init(void)
{
	struct hall *hall = calloc(1, sizeof(*hall));
	struct leat_actor *actor = hall ? leat->spawn(&leat_module, &kinds[0], "hall", hall) : NULL;

	if (!actor) {
		free(hall);
		return "there is no memory for the hall";
	}
	leat->actor_unref(actor); /* it is found by its name */
	return NULL;
}

LEAT_MODULE(.name = "rooms", .init = init, .kinds = kinds);
