/* server/live/inbox.c
 *
 *   head --> [checks] --> payload (control: kept; data: unmasked into the message, inflated) --> head
 *                                                            \--> the end of the last frame: a message */
#include "server/live/inbox.h"
#include <stdlib.h>

enum {
	KEEP = 4096, /* bytes of room that are kept for the next message */
	CODE_PROTOCOL = 1002,
	CODE_NOT_TEXT = 1007,
	CODE_TOO_BIG = 1009,
	CODE_SHORT = 1013, /* of memory: try again later */
};

void inbox_init(struct inbox *inbox, const struct inbox_limits *limits,
		const struct deflate_terms *deflate, struct arena_budget *budget)
{
	*inbox = (struct inbox){ .limits = *limits, .deflate = *deflate, .budget = budget };
}

static void inbox_free_data(struct inbox *inbox)
{
	arena_budget_give_back(inbox->budget, inbox->room);
	free(take(&inbox->data));
	inbox->len = inbox->room = 0;
}

void inbox_fini(struct inbox *inbox)
{
	inbox_free_data(inbox);
	inflater_raw_destroy(take(&inbox->inflater));
}

void inbox_forget(struct inbox *inbox)
{
	inbox->whole = false;
	inbox->len = 0;
	if (inbox->room > KEEP)
		inbox_free_data(inbox);
}

void inbox_rest(struct inbox *inbox)
{
	if (!inbox->in_message && !inbox->deflate.peer_takeover)
		inflater_raw_destroy(take(&inbox->inflater));
}

static enum inbox_step inbox_fail(struct inbox *inbox, uint16_t code, const char *detail)
{
	inbox->code = code;
	inbox->detail = detail;
	return INBOX_BAD;
}

/* ------------------------------------------------------------ room */

/* For `size` bytes more; never more than a message may have. False without memory. */
static bool inbox_reserve(struct inbox *inbox, size_t size)
{
	size_t need = inbox->len + size, room = MAX(inbox->room * 2, (size_t)256);
	char *data;

	if (need <= inbox->room)
		return true;
	room = MAX(MIN(room, (size_t)inbox->limits.message_max), need);
	if (!arena_budget_take(inbox->budget, room - inbox->room))
		return false;
	data = realloc(inbox->data, room);
	if (!data) {
		arena_budget_give_back(inbox->budget, room - inbox->room);
		return false;
	}
	inbox->data = data;
	inbox->room = room;
	return true;
}

/* ------------------------------------------------------------ payloads */

/* What was added behind `from`. INBOX_MORE, or INBOX_BAD. */
static enum inbox_step inbox_judge(struct inbox *inbox, size_t from)
{
	if (inbox->len > from && inbox->text &&
	    !utf8_add(&inbox->utf8, (struct str){ inbox->data + from, inbox->len - from }))
		return inbox_fail(inbox, CODE_NOT_TEXT, "the text is not UTF-8");
	return INBOX_MORE;
}

static enum inbox_step inbox_plain(struct inbox *inbox, struct str payload)
{
	size_t from = inbox->len;

	if (payload.len == 0)
		return INBOX_MORE;
	if (payload.len > inbox->limits.message_max - inbox->len)
		return inbox_fail(inbox, CODE_TOO_BIG, "the message is too large");
	if (!inbox_reserve(inbox, payload.len))
		return inbox_fail(inbox, CODE_SHORT, "no memory");
	frame_unmask(inbox->data + from, payload, inbox->head.mask, inbox->at);
	inbox->len += payload.len;
	return inbox_judge(inbox, from);
}

/* INBOX_MORE: all of it is out. */
static enum inbox_step inbox_inflate(struct inbox *inbox, struct str bytes, size_t *turn)
{
	enum { STEP = 4096 };
	enum inflater_raw_step step;

	do {
		size_t left = (size_t)inbox->limits.message_max - inbox->len, n, from = inbox->len;
		char over; /* one byte more than may be: it is too large */

		if (left > 0 && !inbox_reserve(inbox, MIN(left, (size_t)STEP)))
			return inbox_fail(inbox, CODE_SHORT, "no memory");
		step = inflater_raw_read(inbox->inflater, &bytes, left ? inbox->data + from : &over,
					 left ? MIN(inbox->room - from, left) : 1, &n);
		if (n > left)
			return inbox_fail(inbox, CODE_TOO_BIG, "the message is too large");
		inbox->len += n;
		*turn += n;
		if (inbox_judge(inbox, from) == INBOX_BAD)
			return INBOX_BAD;
		if (step == INFLATER_RAW_BAD)
			return inbox_fail(inbox, CODE_PROTOCOL, "the message is not deflate");
	} while (step == INFLATER_RAW_FULL);
	return INBOX_MORE;
}

/* A little at once, so that what comes of it is bounded. */
static enum inbox_step inbox_compressed(struct inbox *inbox, struct str *in)
{
	char chunk[DEFLATE_IN];
	size_t turn = 0;

	while (inbox->at < inbox->head.size && in->len > 0) {
		uint64_t left = MIN(inbox->head.size - inbox->at, (uint64_t)sizeof(chunk));
		struct str part = str_first(*in, (size_t)left);

		if (turn >= INBOX_TURN_SIZE)
			return INBOX_TURN;
		frame_unmask(chunk, part, inbox->head.mask, inbox->at);
		inbox->at += part.len;
		*in = str_skip(*in, part.len);
		if (inbox_inflate(inbox, (struct str){ chunk, part.len }, &turn) == INBOX_BAD)
			return INBOX_BAD;
	}
	return INBOX_MORE;
}

static void inbox_take_control(struct inbox *inbox, struct str payload)
{
	frame_unmask(inbox->control + inbox->at, payload, inbox->head.mask, inbox->at);
	inbox->control_len = (uint8_t)(inbox->at + payload.len);
}

/* ------------------------------------------------------------ frames */

/* The head is whole: whether such a frame may come here. */
static enum inbox_step inbox_begin_frame(struct inbox *inbox)
{
	const struct frame_head *head = &inbox->head;

	inbox->in_frame = true;
	inbox->at = 0;
	if (frame_is_control(head->opcode)) {
		inbox->control_len = inbox->reason_at = 0;
		return INBOX_MORE;
	}
	if ((head->opcode == FRAME_CONTINUATION) != inbox->in_message)
		return inbox_fail(inbox, CODE_PROTOCOL,
				  inbox->in_message ? "a message begins inside of another"
						    : "there is no message to go on with");
	if (head->size > inbox->limits.frame_max)
		return inbox_fail(inbox, CODE_TOO_BIG, "the frame is too large");
	if (inbox->in_message)
		return INBOX_MORE;
	inbox->in_message = true;
	inbox->text = head->opcode == FRAME_TEXT;
	inbox->compressed = head->compressed;
	inbox->utf8 = (struct utf8){ 0 };
	if (inbox->compressed && !inbox->inflater)
		inbox->inflater = inflater_raw_create(inbox->budget);
	if (inbox->compressed && !inbox->inflater)
		return inbox_fail(inbox, CODE_SHORT, "no memory");
	return INBOX_MORE;
}

static enum inbox_step inbox_payload(struct inbox *inbox, struct str *in)
{
	struct str part =
		str_first(*in, (size_t)MIN(inbox->head.size - inbox->at, (uint64_t)in->len));
	enum inbox_step step = INBOX_MORE;

	if (!frame_is_control(inbox->head.opcode) && inbox->compressed)
		return inbox_compressed(inbox, in);
	if (frame_is_control(inbox->head.opcode))
		inbox_take_control(inbox, part);
	else
		step = inbox_plain(inbox, part);
	inbox->at += part.len;
	*in = str_skip(*in, part.len);
	return step;
}

static enum inbox_step inbox_end_close(struct inbox *inbox)
{
	struct utf8 utf8 = { 0 };
	unsigned code;

	inbox->code = INBOX_NO_CODE;
	if (inbox->control_len == 0)
		return INBOX_CLOSE;
	if (inbox->control_len == 1)
		return inbox_fail(inbox, CODE_PROTOCOL, "half of a close code");
	code = (unsigned)(uint8_t)inbox->control[0] << 8 | (uint8_t)inbox->control[1];
	if (!frame_close_code_is_valid(code))
		return inbox_fail(inbox, CODE_PROTOCOL, "that close code may not be sent");
	inbox->reason_at = 2;
	if (!utf8_add(&utf8, inbox_control(inbox)) || !utf8_is_whole(&utf8))
		return inbox_fail(inbox, CODE_NOT_TEXT, "the reason is not UTF-8");
	inbox->code = (uint16_t)code;
	return INBOX_CLOSE;
}

static enum inbox_step inbox_end_message(struct inbox *inbox)
{
	inbox->in_message = false;
	if (inbox->compressed && !inbox->deflate.peer_takeover)
		inflater_raw_reset(inbox->inflater);
	if (inbox->text && !utf8_is_whole(&inbox->utf8))
		return inbox_fail(inbox, CODE_NOT_TEXT, "the text ends within a character");
	inbox->whole = true;
	return INBOX_MESSAGE;
}

static enum inbox_step inbox_end_frame(struct inbox *inbox)
{
	size_t turn = 0;

	inbox->in_frame = false;
	if (inbox->head.opcode == FRAME_PING)
		return INBOX_PING;
	if (inbox->head.opcode == FRAME_PONG)
		return INBOX_PONG;
	if (inbox->head.opcode == FRAME_CLOSE)
		return inbox_end_close(inbox);
	if (!inbox->head.final)
		return INBOX_MORE;
	if (inbox->compressed && inbox_inflate(inbox, STR("\0\0\xff\xff"), &turn) == INBOX_BAD)
		return INBOX_BAD;
	return inbox_end_message(inbox);
}

static enum inbox_step inbox_head(struct inbox *inbox, struct str *in)
{
	switch (frame_read(&inbox->scan, in, inbox->deflate.on, &inbox->head)) {
	case FRAME_MORE:
		return INBOX_MORE;
	case FRAME_WHOLE:
		return inbox_begin_frame(inbox);
	case FRAME_BAD:
		return inbox_fail(inbox, CODE_PROTOCOL, "a frame's head is wrong");
	}
	unreachable();
}

/* What can be done without more bytes: INBOX_MORE also means to go on while there are any. */
static enum inbox_step inbox_step(struct inbox *inbox, struct str *in)
{
	enum inbox_step step = inbox->in_frame ? INBOX_MORE : inbox_head(inbox, in);

	if (step == INBOX_MORE && inbox->in_frame)
		step = inbox_payload(inbox, in);
	if (step == INBOX_MORE && inbox->in_frame && inbox->at == inbox->head.size)
		step = inbox_end_frame(inbox);
	return step;
}

enum inbox_step inbox_read(struct inbox *inbox, struct str *in)
{
	enum inbox_step step = INBOX_MORE;

	if (inbox->whole)
		inbox_forget(inbox);
	if (inbox->code && inbox->detail)
		return INBOX_BAD;
	while (step == INBOX_MORE && in->len > 0)
		step = inbox_step(inbox, in);
	return step;
}
