/* server/conn_body.c
 *
 *   conn_begin_request_body() --> [CONN_ADMIT: policies] --> CONN_READ_BODY <--> paused (the intake is full)
 *                                        \                        \--> conn_handle()
 *                                         +--> conn_answer_early() --> CONN_READ_BODY, dropping --> the answer
 *
 * While the intake is paused nothing is read: the client is held back by its own socket. */
#include "server/conn_body.h"
#include "core/base/clock.h"
#include "core/io/net.h"
#include "server/conn_input.h"
#include "server/conn_output.h"
#include "server/conn_time.h"
#include "server/policy/policy.h"
#include "server/server.h"
#include <stdlib.h>

enum { EARLY_DROP_MAX = 64 << 10 };

bool conn_is_too_slow(const struct conn *conn)
{
	uint64_t took_ms = (loop_now_ns(conn->worker->loop) - conn->body_started_ns) / NS_PER_MS;

	if (conn->request && route_is_early(conn->request->route))
		return false; /* it may be made while it is sent */
	return took_ms > CONN_RATE_AFTER_MS && conn->body_size * 1000 / CONN_RATE_MIN < took_ms;
}

/* ------------------------------------------------------------ beginning */

void conn_begin_body(struct conn *conn, const struct http_head *head, uint64_t max)
{
	const struct settings *settings = &conn->worker->generation->settings;

	if (head->has_length && head->length > max) {
		conn_refuse(conn, 413);
		return;
	}
	if (head->chunked) {
		const struct http_body_limits limits = {
			.body_max = max,
			.extensions_max = settings->extensions,
			.trailers_max = settings->trailers,
			.keep_trailers = conn->request && route_is_early(conn->request->route),
		};

		conn->chunked = http_body_create(&limits, false);
		if (!conn->chunked) {
			conn_refuse(conn, 503);
			return;
		}
	}
	conn->body_left = head->chunked ? 0 : head->length;
	conn->body_size = 0;
	conn->body_whole = conn->paused = false;
	conn->body_started_ns = loop_now_ns(conn->worker->loop);
	if (conn->request)
		buf_init_arena(&conn->body, &conn->request->arena);
	conn->state = CONN_READ_BODY;
	conn_set_deadline(conn, settings->timeout_body);
}

/* The request may come in. */
static void conn_pass(struct conn *conn)
{
	struct request *request = conn->request;
	const struct http_head *head = &request->head;
	const struct reply *refusal;

	if (request->route->body.type != BODY_ANY && !head->has_length && !head->chunked) {
		request->replied = true;
		conn_answer(conn, policy_finish(request, reply_refusal(411)), request);
		return;
	}
	refusal = request->route->admit ? request->route->admit(request) : NULL;
	if (!refusal)
		refusal = body_begin(request);
	if (refusal) {
		request->replied = true;
		conn_answer_early(conn, policy_finish(request, refusal));
		return;
	}
	if (!conn_has_body(head)) {
		conn_handle(conn);
		return;
	}
	conn_begin_body(conn, head, request->route->body.max);
	if (conn->state != CONN_READ_BODY)
		return;
	if (route_is_early(request->route))
		request_start(request);
	else if (head->expects_continue)
		conn_continue(conn);
}

void conn_admit(struct conn *conn)
{
	if (conn_has_output(conn)) { /* an answer of a policy comes behind what is there */
		conn->resume = CONN_ADMIT;
		conn->state = CONN_WRITE;
		return;
	}
	conn->state = CONN_ADMIT;
	conn_no_deadline(conn);
	policy_admit(conn->request);
}

void conn_begin_request_body(struct conn *conn)
{
	if (conn->request->policies || request_has_no_route(conn->request))
		conn_admit(conn);
	else
		conn_pass(conn);
}

void conn_on_admitted(struct request *request)
{
	struct conn *conn = request->owner;
	bool inside = conn->processing;

	check(conn->state == CONN_ADMIT && conn->request == request);
	conn->processing = true; /* it may be answered, and closed */
	conn_pass(conn);
	conn->processing = inside;
	conn_move_on(conn);
}

/* ------------------------------------------------------------ what comes */

static void conn_pause(struct conn *conn)
{
	conn->paused = true;
	conn->paused_ns = loop_now_ns(conn->worker->loop);
	if (conn->state == CONN_READ_BODY)
		conn_no_deadline(conn);
}

/* Refuses with an answer of the intake. */
static void conn_refuse_body(struct conn *conn, const struct reply *reply)
{
	conn->keep_alive = false;
	conn->refused = true;
	conn->request->replied = true;
	conn_answer(conn, policy_finish(conn->request, reply), conn->request);
}

/* False when no more may come now. */
static bool conn_take(struct conn *conn, enum intake intake)
{
	switch (intake) {
	case INTAKE_TAKEN:
		return true;
	case INTAKE_PAUSED:
		conn_pause(conn);
		return false;
	case INTAKE_REFUSED:
		conn_refuse_body(conn, conn->request->intake->refusal);
		return false;
	}
	unreachable();
}

/* The buffer, which doubles, has come to the ceiling of the request's own memory; else it is all
 * of leat that has none. */
static bool conn_body_is_too_large(const struct conn *conn, size_t more)
{
	const struct arena *arena = &conn->request->arena;

	return MAX(conn->body.cap * 2, conn->body.len + more) > arena->max - arena->used;
}

static bool conn_body_data(struct conn *conn, struct str data)
{
	struct body_intake *intake;

	conn->body_size += data.len;
	if (conn->after_body || data.len == 0)
		return true;
	intake = conn->request->intake;
	if (intake)
		return conn_take(conn, intake->ops->data(intake, data));
	buf_add(&conn->body, data);
	if (!conn->body.error)
		return true;
	if (conn_body_is_too_large(conn, data.len))
		conn_refuse_body(conn, body_refuse_size(conn->request));
	else
		conn_refuse(conn, 503);
	return false;
}

/* All of it: the request goes to work, or goes on. */
static void conn_body_is_taken(struct conn *conn)
{
	if (conn->duplex)
		conn->duplex = false;
	else
		conn_handle(conn);
}

/* Hands over what stands behind a chunked body. False without memory. */
static bool conn_take_trailers(struct conn *conn)
{
	struct body_intake *intake = conn->request ? conn->request->intake : NULL;
	struct http_field fields[HTTP_TRAILERS_MAX];
	size_t n;

	if (!conn->chunked || conn->after_body || !intake || !intake->ops->trailers)
		return true;
	n = http_body_trailers(conn->chunked, fields);
	return n == 0 || intake->ops->trailers(intake, fields, n);
}

static void conn_body_end(struct conn *conn)
{
	struct body_intake *intake;

	if (!conn_take_trailers(conn)) {
		conn_fail_body(conn, 503);
		return;
	}
	http_body_destroy(take(&conn->chunked));
	conn->body_whole = true;
	if (conn->after_body) {
		conn_answer(conn, take(&conn->after_body), conn->request);
		return;
	}
	check(conn->request);
	intake = conn->request->intake;
	if (intake && !conn_take(conn, intake->ops->end(intake)))
		return;
	if (!intake)
		conn->request->body = buf_str(&conn->body);
	conn_body_is_taken(conn);
}

/* Each returns how many bytes of the window were used. */
static size_t conn_body_length(struct conn *conn, struct str window)
{
	struct str data = str_first(window, (size_t)MIN(conn->body_left, (uint64_t)window.len));

	conn->body_left -= data.len;
	if (conn_body_data(conn, data) && conn->body_left == 0)
		conn_body_end(conn);
	return data.len;
}

static size_t conn_body_chunked(struct conn *conn, struct str window)
{
	size_t used = 0;

	while (!conn->body_whole && conn_takes_body(conn)) {
		size_t n;
		struct str data;
		int status;

		switch (http_body_read(conn->chunked, str_skip(window, used), &n, &data, &status)) {
		case HTTP_BODY_MORE:
			return used + n;
		case HTTP_BODY_DATA:
			used += n;
			if (!conn_body_data(conn, data))
				return used;
			break;
		case HTTP_BODY_END:
			conn_body_end(conn);
			return used + n;
		case HTTP_BODY_BAD:
			conn_fail_body(conn, status);
			return used + n;
		}
	}
	return used;
}

static size_t conn_body_raw(struct conn *conn, struct str window)
{
	conn_body_data(conn, window);
	return window.len;
}

bool conn_body_at_end(struct conn *conn)
{
	if (!conn->raw || !conn->duplex)
		return false;
	conn_body_end(conn);
	return true;
}

void conn_fail_body(struct conn *conn, int status)
{
	bool is_asked = conn->request && !conn->request->started && !conn->after_body;

	if (status == 413 && is_asked) { /* as body_begin() would, had it known */
		conn_refuse_body(conn, body_refuse_size(conn->request));
		return;
	}
	if (!conn->duplex) {
		conn_refuse(conn, status);
		return;
	}
	net_reset_on_close(stream_fd(&conn->stream)); /* the answer has begun: it is cut */
	conn_close(conn);
}

size_t conn_body(struct conn *conn, struct str window)
{
	size_t used = conn->raw       ? conn_body_raw(conn, window)
		      : conn->chunked ? conn_body_chunked(conn, window)
				      : conn_body_length(conn, window);

	if (conn->state != CONN_READ_BODY || conn->paused)
		return used;
	if (conn_is_too_slow(conn))
		conn_refuse(conn, 408);
	else
		conn_set_deadline(conn, conn->worker->generation->settings.timeout_body);
	return used;
}

/* The time of the pause was not the client's. */
void conn_on_resume_body(struct request *request)
{
	struct conn *conn = request->owner;

	check(conn->paused && !conn->processing);
	conn->paused = false;
	if (conn->resume)
		return; /* what goes out first is not out yet */
	check(conn->state == CONN_READ_BODY || conn->duplex);
	conn->body_started_ns += loop_now_ns(conn->worker->loop) - conn->paused_ns;
	conn->processing = true; /* it may be answered, and closed */
	if (request->intake->refusal)
		conn_refuse_body(conn, request->intake->refusal);
	else if (conn->body_whole)
		conn_body_is_taken(conn);
	else if (!conn->raw && !conn->chunked && conn->body_left == 0)
		conn_body_end(conn);
	else if (conn->state == CONN_READ_BODY)
		conn_set_deadline(conn, conn->worker->generation->settings.timeout_body);
	conn->processing = false;
	conn_move_on(conn);
}

/* ------------------------------------------------------------ answers that come first */

static bool conn_can_drop(const struct http_head *head)
{
	return !head->expects_continue && !head->chunked && head->length <= EARLY_DROP_MAX;
}

void conn_answer_early(struct conn *conn, const struct reply *reply)
{
	struct request *request = conn->request;
	struct reply *late;

	if (conn_has_body(&request->head) && conn_can_drop(&request->head) && conn->keep_alive &&
	    (late = arena_alloc(&request->arena, sizeof(*late)))) {
		*late = *reply;
		conn->after_body = late;
		conn_begin_body(conn, &request->head, EARLY_DROP_MAX);
		return;
	}
	if (conn_has_body(&request->head)) {
		conn->keep_alive = false;
		conn->refused = true;
	}
	conn_answer(conn, reply, request);
}
