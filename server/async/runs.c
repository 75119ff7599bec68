/* server/async/runs.c: GET and DELETE /runs/TOKEN.
 *
 * Who does not have a token learns nothing: what is not one, what is forgotten and what never was are
 * all 404. */
#include "server/async/runs.h"
#include "core/base/memory.h"
#include "server/async/async.h"
#include "server/expr/json.h"
#include "server/jobs/agenda.h"
#include "server/jobs/todo_look.h"
#include "server/server.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct runs_look {
	struct store_op op;
	struct request *request; /* NULL: it has left */
	bool cancels;            /* it was asked to */
	char token[TODO_TOKEN_LEN + 1];
	struct todo_look look;
};

struct str async_location(struct arena *arena, struct str token)
{
	return arena_printf(arena, "/runs/%.*s", STR_ARG(token));
}

/* ------------------------------------------------------------ what is told */

static void runs_refuse(struct request *request, int status, const char *code, const char *detail)
{
	struct reply reply = reply_problem(&request->arena, status, str_of(code), STR_NONE,
					   request->context.id, str_of(detail));

	request_reply(request, &reply);
}

static void runs_no_such(struct request *request)
{
	runs_refuse(request, 404, "not_found", "there is no such run, or it is forgotten");
}

static void runs_write_base64(struct str bytes, struct buf *out)
{
	char *at = buf_reserve(out, (bytes.len + 2) / 3 * 4 + 1);

	if (at)
		out->len += (size_t)EVP_EncodeBlock(
			(unsigned char *)at, (const unsigned char *)bytes.ptr, (int)bytes.len);
}

/* JSON as it is, text as a text; what is neither in base64. */
static void runs_write_body(struct str body, struct buf *out)
{
	if (json_check(body, &(struct json_error){ 0 })) {
		buf_add(out, STR(",\"body\":"));
		buf_add(out, body);
	} else if (str_is_utf8(body)) {
		buf_add(out, STR(",\"body\":"));
		json_write_text(body, out);
	} else {
		buf_add(out, STR(",\"body_base64\":\""));
		runs_write_base64(body, out);
		buf_add_char(out, '"');
	}
}

static void runs_write(const struct todo_look *look, struct buf *out)
{
	buf_add_char(out, '{');
	todo_look_write(look, out);
	buf_add(out, STR(",\"result\":"));
	if (!look->status) {
		buf_add(out, STR("null"));
	} else {
		buf_printf(out, "{\"status\":%d,\"headers\":", look->status);
		buf_add(out, buf_str(&look->fields));
		runs_write_body(buf_str(&look->body), out);
		buf_add_char(out, '}');
	}
	buf_add_char(out, '}');
}

static void runs_answer(struct request *request, int status, const struct todo_look *look)
{
	static struct http_field fields[] = { { STR_INIT("Cache-Control"), STR_INIT("no-store") },
					      { STR_INIT("Retry-After"), STR_INIT("1") } };
	struct reply reply = { .status = status,
			       .content_type = STR("application/json"),
			       .fields = fields,
			       .n_fields = todo_look_is_over(look) ? 1 : 2 };
	struct buf out;

	buf_init_arena(&out, &request->arena);
	runs_write(look, &out);
	reply.body = buf_str(&out);
	request_reply(request, out.error ? reply_refusal(503) : &reply);
}

/* ------------------------------------------------------------ asking the store */

static int runs_look_run(struct store_op *op, struct store_db *db)
{
	struct runs_look *look = container_of(op, struct runs_look, op);

	return todo_look_token(db, str_of(look->token), &look->look);
}

static void runs_looked(struct store_op *op)
{
	struct runs_look *look = container_of(op, struct runs_look, op);
	struct request *request = look->request;
	bool over = todo_look_is_over(&look->look);

	if (request && op->result == -ENOENT)
		runs_no_such(request);
	else if (request && op->result < 0)
		request_reply(request, reply_refusal(503));
	else if (request && look->cancels && over && look->look.state != TODO_IS_CANCELLED)
		runs_refuse(request, 409, "aborted", "the run is over");
	else if (request)
		runs_answer(request, look->cancels && !over ? 202 : 200, &look->look);
	todo_look_fini(&look->look);
	free(look);
}

static void runs_left(struct request *request)
{
	struct runs_look *look = request->native;

	look->request = NULL;
	request_destroy(request);
}

static void runs_look(struct request *request, struct str token, bool cancels)
{
	struct runs_look *look = mem_zalloc(sizeof(*look));

	look->op.loop = request->worker->loop;
	look->op.run = runs_look_run;
	look->op.on_done = runs_looked;
	look->request = request;
	look->cancels = cancels;
	memcpy(look->token, token.ptr, TODO_TOKEN_LEN);
	todo_look_init(&look->look);
	request->native = look;
	request->on_cancel = runs_left;
	if (store_submit(request->worker->server->store, &look->op, sizeof(*look)) == 0)
		return;
	todo_look_fini(&look->look);
	free(look);
	request_reply(request, reply_refusal(503));
}

/* ------------------------------------------------------------ the two requests */

static bool runs_token(const struct request *request, struct str *ret_token)
{
	*ret_token = request_param(request, STR("run"));
	return ret_token->len == TODO_TOKEN_LEN;
}

void async_run_tell(struct request *request)
{
	struct str token;

	if (runs_token(request, &token))
		runs_look(request, token, false);
	else
		runs_no_such(request);
}

static void runs_cancelled(struct todo_ask *ask)
{
	struct request *request = ask->user;

	if (request && ask->result < 0)
		request_reply(request, reply_refusal(503));
	else if (request)
		runs_look(request, ask->todo.token, true);
}

static void runs_cancel_left(struct request *request)
{
	struct todo_ask *ask = request->native;

	ask->user = NULL;
	request_destroy(request);
}

void async_run_cancel(struct request *request)
{
	struct todo_ask *ask;
	struct str token;

	if (!runs_token(request, &token)) {
		runs_no_such(request);
		return;
	}
	ask = agendas_cancel_token(request->worker->server->agendas, token, request->worker->loop,
				   runs_cancelled, request);
	if (!ask) {
		request_reply(request, reply_refusal(503));
		return;
	}
	request->native = ask;
	request->on_cancel = runs_cancel_left;
}
