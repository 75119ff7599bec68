/* server/live/websocket_handle.c: messages to handlers, and what these say. */
#include "server/expr/json.h"
#include "server/live/websocket_private.h"
#include "server/worker.h"
#include <errno.h>
#include <openssl/evp.h>

static void websocket_answer(struct websocket *ws, const struct answer *answer)
{
	if (ws->state != WEBSOCKET_OPEN || !ws->request)
		return;
	if (answer->has_message && !websocket_put_message(ws, answer->opcode, answer->message))
		websocket_fail(ws, CODE_ERROR, "no memory");
	else if (answer->close)
		websocket_close(ws, answer->close, answer->reason);
}

void websocket_on_run_end(struct live *live)
{
	struct websocket *ws = websocket_of(live);
	struct answer answer;

	if (live_run_answer(live, &answer))
		websocket_answer(ws, &answer);
	else
		websocket_close(ws, CODE_ERROR, STR_NONE);
	if (outbox_release(&ws->outbox) && ws->deflater)
		deflater_reset(ws->deflater); /* they stand between, in the client's window only */
	live_run_end(live);
	inbox_forget(&ws->inbox);
	websocket_go_on(ws);
}

/* As JSON, when it is some. */
static int message_json(struct str text, struct arena *arena, struct value *ret)
{
	struct json_error error;

	*ret = value_null();
	return json_check(text, &error) ? value_json(ret, arena, text) : 0;
}

static int message_base64(struct str bytes, struct arena *arena, struct value *ret)
{
	unsigned char *digits = arena_alloc(arena, (bytes.len + 2) / 3 * 4 + 1);
	int len;

	if (!digits)
		return -ENOMEM;
	len = EVP_EncodeBlock(digits, (const unsigned char *)bytes.ptr, (int)bytes.len);
	*ret = value_text((struct str){ (const char *)digits, (size_t)len });
	return 0;
}

/* {type, text, json, base64}: of a binary message the last, of a text the others. */
static int message_value(struct str message, bool text, struct arena *arena, struct value *ret)
{
	struct member *members = arena_alloc_array(arena, 4, sizeof(*members));
	int r;

	if (!members)
		return -ENOMEM;
	members[0] = (struct member){ value_text(STR("type")),
				      value_text(text ? STR("text") : STR("binary")) };
	members[1] = (struct member){ value_text(STR("text")),
				      text ? value_text(message) : value_null() };
	members[2] = (struct member){ value_text(STR("json")), value_null() };
	members[3] = (struct member){ value_text(STR("base64")), value_null() };
	r = text ? message_json(message, arena, &members[2].value)
		 : message_base64(message, arena, &members[3].value);
	*ret = value_object(members, 4);
	return r;
}

void websocket_on_message(struct websocket *ws)
{
	struct live *live = &ws->live;

	if (ws->state != WEBSOCKET_OPEN || !ws->spec->on_message.flow) {
		inbox_forget(&ws->inbox);
		return;
	}
	if (message_value(inbox_message(&ws->inbox), ws->inbox.text, &live->run_arena,
			  &live->message) < 0) {
		live_run_end(live);
		websocket_fail(ws, CODE_ERROR, "limits.memory is reached");
		return;
	}
	live_run(live, &ws->spec->on_message, websocket_on_run_end);
}
