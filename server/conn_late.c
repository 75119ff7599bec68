/* server/conn_late.c */
#include "server/conn_late.h"
#include "core/base/clock.h"
#include "server/conn_output.h"
#include "server/server.h"
#include <stdlib.h>

enum {
	LATE_MIN = 4096,
	LATE_MAX = 32768, /* of answers: some four hundred */
	QUICK_MS = 10,    /* a message that took longer has waited enough */
};

/* What is left of the input can be used without another event. */
static bool conn_has_more(const struct conn *conn)
{
	return conn->stream.readable || (conn->in_len > 0 && !conn->partial);
}

bool conn_late_is_due(const struct conn *conn)
{
	bool reads = conn->state == CONN_READ_HEAD || conn->state == CONN_READ_BODY;

	return conn->late && reads && !conn_has_more(conn);
}

/* The next message is about to go to work, or is there. */
static bool conn_goes_on(const struct conn *conn)
{
	if (conn->state != CONN_WRITE)
		return conn->stream.readable;
	return conn->resume || conn_has_more(conn);
}

static bool conn_may_wait(const struct conn *conn)
{
	const struct worker *worker = conn->worker;
	uint64_t took_ns = loop_now_ns(worker->loop) - conn->started_ns;

	return conn->is_message && conn->keep_alive && !conn->source && !conn->file &&
	       worker->out_head.len == 0 && worker->out_body.len == 0 &&
	       took_ns < QUICK_MS * NS_PER_MS && conn_goes_on(conn);
}

static bool conn_grow_late(struct conn *conn, size_t room)
{
	char *late;

	if (room <= conn->late_room)
		return true;
	room = MAX(room, MAX((size_t)LATE_MIN, (size_t)conn->late_room * 2));
	if (!arena_budget_take(conn_budget(conn), room - conn->late_room))
		return false;
	late = realloc(conn->late, room);
	if (!late) {
		arena_budget_give_back(conn_budget(conn), room - conn->late_room);
		return false;
	}
	conn->late = late;
	conn->late_room = (uint16_t)room;
	return true;
}

bool conn_put_late(struct conn *conn)
{
	struct worker *worker = conn->worker;
	size_t len = conn->late_len + worker->out_len;

	if (!conn_may_wait(conn) || len > LATE_MAX || !conn_grow_late(conn, len))
		return false;
	if (worker->out_len)
		memcpy(conn->late + conn->late_len, worker->out, worker->out_len);
	conn->late_len = (uint16_t)len;
	conn_forget_output(conn);
	return true;
}

bool conn_take_late(struct conn *conn)
{
	struct worker *worker = conn->worker;

	if (!conn->late)
		return true;
	if (worker->out_len + conn->late_len > WORKER_OUT_SIZE)
		return false; /* the last answer has a head such as nobody makes */
	memmove(worker->out + conn->late_len, worker->out, worker->out_len);
	memcpy(worker->out, conn->late, conn->late_len);
	worker->out_len += conn->late_len;
	conn_forget_late(conn);
	return true;
}

void conn_forget_late(struct conn *conn)
{
	if (!conn->late)
		return;
	arena_budget_give_back(conn_budget(conn), conn->late_room);
	free(take(&conn->late));
	conn->late_len = conn->late_room = 0;
}
