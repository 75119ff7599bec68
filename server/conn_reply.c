/* server/conn_reply.c: a request of the connection goes to work, and what it says. */
#include "server/conn_body.h"
#include "server/conn_input.h"
#include "server/conn_output.h"
#include "server/conn_time.h"

void conn_answer_at_work(struct conn *conn, const struct reply *reply)
{
	bool beside = reply->source && reply->status < 300;

	if (reply->switches) {
		conn->raw = conn->duplex = true;
		conn->body_whole = false; /* that of a request before */
	} else if (conn->state == CONN_READ_BODY) {
		check(route_is_early(conn->request->route));
		conn->keep_alive = conn->keep_alive && beside;
		conn->duplex = beside;
		conn->refused = !beside;
		conn->paused = conn->paused && beside;
	} else {
		check(conn->state == CONN_HANDLE);
	}
	conn_answer(conn, reply, conn->request);
	if (conn->raw)
		conn->keep_alive = false;
}

/* What stands before it is not out yet. */
static void conn_hold(struct conn *conn, const struct reply *reply)
{
	struct reply *held = arena_alloc(&conn->request->arena, sizeof(*held));

	if (held)
		*held = *reply;
	conn->held = held ? held : reply_refusal(503);
}

static void conn_reply(struct request *request, const struct reply *reply)
{
	struct conn *conn = request->owner;

	check(conn->request == request);
	if (conn->state == CONN_ADMIT)
		conn_answer_early(conn, reply);
	else if (conn->resume)
		conn_hold(conn, reply);
	else
		conn_answer_at_work(conn, reply);
	conn_move_on(conn);
}

static void conn_interim(struct request *request, int status, const struct http_field *fields,
			 size_t n_fields)
{
	struct conn *conn = request->owner;
	bool waits = conn->state == CONN_HANDLE || conn->state == CONN_READ_BODY;

	if (conn->http10 || !waits || conn->processing || conn_has_output(conn))
		return;
	if (!conn_put_interim(conn, status, fields, n_fields))
		return;
	conn->resume = conn->state;
	conn->state = CONN_WRITE;
	conn_move_on(conn);
}

static size_t conn_unsent_of(const struct request *request)
{
	return conn_unsent(request->owner);
}

const struct request_sink conn_sink = {
	.reply = conn_reply,
	.admitted = conn_on_admitted,
	.resume_body = conn_on_resume_body,
	.unsent = conn_unsent_of,
	.interim = conn_interim,
};

/* The body is whole (or there is none): the request goes to work. */
void conn_handle(struct conn *conn)
{
	if (conn_has_output(conn)) { /* it has to wait: its own answer comes behind what is there */
		conn->resume = CONN_HANDLE;
		conn->state = CONN_WRITE;
		return;
	}
	conn->state = CONN_HANDLE;
	conn_no_deadline(conn);
	if (!conn->request->started)
		request_start(conn->request);
}
