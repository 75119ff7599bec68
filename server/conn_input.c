/* server/conn_input.c
 *
 * The window is what there is to be looked at: the loop's scratch after a read, or the
 * connection's own buffer when part of a message was left from before. What is left at the end
 * goes into (or stays in) that buffer. */
#include "server/conn_input.h"
#include "server/conn_body.h"
#include "server/conn_output.h"
#include "server/conn_proxy.h"
#include "server/conn_time.h"
#include "server/files/files.h"
#include "server/http/libprocess.h"
#include "server/peers/wire.h"
#include "server/policy/cors.h"
#include "server/policy/policies.h"
#include "server/precondition.h"
#include "server/server.h"
#include "server/tls_info.h"
#include "server/trace/trace.h"
#include <errno.h>
#include <stdlib.h>

enum { METHODS_BUT_TRACE = ((1 << HTTP_OTHER) - 1) & ~(1 << HTTP_TRACE) };

/* ------------------------------------------------------------ the window */

void conn_forget_input(struct conn *conn)
{
	arena_budget_give_back(conn_budget(conn), conn->in_room);
	free(take(&conn->in));
	conn->in_len = conn->in_room = 0;
}

/* Makes `in` as large as that. False without memory: limits.total_memory counts it. */
static bool conn_grow_input(struct conn *conn, size_t room)
{
	struct arena_budget *budget = conn_budget(conn);
	char *in;

	if (!arena_budget_take(budget, room - conn->in_room))
		return false;
	in = realloc(conn->in, room);
	if (!in) {
		arena_budget_give_back(budget, room - conn->in_room);
		return false;
	}
	conn->in = in;
	conn->in_room = room;
	return true;
}

/* Keeps `rest`, which is part of `in` or of the scratch. False without memory. */
static bool conn_keep(struct conn *conn, struct str rest)
{
	if (rest.len == 0) {
		if (conn->in)
			conn_forget_input(conn);
		return true;
	}
	/* what is part of `in` fits into it */
	if (rest.len > conn->in_room && !conn_grow_input(conn, rest.len))
		return false;
	memmove(conn->in, rest.ptr, rest.len);
	conn->in_len = rest.len;
	return true;
}

/* Room behind what is kept, for one read. */
static char *conn_in_reserve(struct conn *conn, size_t size)
{
	if (conn->in_room - conn->in_len < size &&
	    !conn_grow_input(conn, MAX(conn->in_room * 2, conn->in_len + size)))
		return NULL;
	return conn->in + conn->in_len;
}

/* Reads once. 1: the window has new bytes; 0: the socket is empty; negative: the end, or an
 * error. */
static int conn_read(struct conn *conn, struct str *window)
{
	enum { MORE = 4096 };
	bool kept = conn->in_len > 0;
	char *to = kept ? conn_in_reserve(conn, MORE) : conn->worker->in;
	size_t room = kept ? MORE : conn_takes_body(conn) ? WORKER_IN_SIZE : WORKER_HEAD_SIZE;
	ssize_t n;

	if (!to)
		return -ENOMEM;
	n = stream_read(&conn->stream, to, room);
	if (n <= 0)
		return n == -EAGAIN ? 0 : n == 0 ? -EPIPE : (int)n;
	if (kept)
		conn->in_len += (size_t)n;
	*window = kept ? (struct str){ conn->in, conn->in_len } : (struct str){ to, (size_t)n };
	return 1;
}

/* ------------------------------------------------------------ heads */

/* An answer that needs nothing of the request, which may have a body all the same: that is read
 * and dropped, so that the next request is found where it begins. */
static void conn_answer_without(struct conn *conn, const struct http_head *head,
				const struct route *route, const struct reply *reply)
{
	if (!conn_has_body(head)) {
		conn_answer_constant(conn, route, head, reply);
		return;
	}
	if (head->expects_continue) { /* the client waits: it learns at once, and may then have sent the body or not */
		conn->keep_alive = false;
		conn->refused = true;
		conn->after_route = route;
		conn_answer(conn, reply, NULL);
		conn->after_route = NULL;
		return;
	}
	check(!conn->after_generation);
	conn->after_body = reply;
	conn->after_route = route;
	conn->after_generation = conn->worker->generation;
	worker_pin(conn->worker, conn->after_generation);
	conn_begin_body(conn, head, conn->worker->generation->settings.body);
}

/* False without memory. */
static bool conn_tell_tls(struct conn *conn, struct request *request)
{
	request->secure = conn->stream.tls != NULL;
	if (!request->secure)
		return true;
	if (!conn->tls_info)
		conn->tls_info = tls_info_create(conn->stream.tls);
	if (conn->tls_info)
		request->tls = tls_info_ref(conn->tls_info);
	return request->tls != NULL;
}

/* A route that needs the request: its own copy, its policies, its body, its tasks. */
static void conn_begin_request(struct conn *conn, const struct http_head *head, struct str bytes,
			       const struct http_path *path, const struct router_match *match,
			       bool preflight)
{
	const struct route *route = match->route;
	struct request *request;

	request = request_create(conn->worker, route, head, bytes, path, match);
	if (!request) {
		conn_refuse(conn, 503);
		return;
	}
	request->sink = &conn_sink;
	request->owner = conn;
	request->listen = conn->listen;
	if (!conn_tell_client(conn, request) || !conn_tell_tls(conn, request)) {
		request_destroy(request);
		conn_refuse(conn, 503);
		return;
	}
	conn->request = request;
	if (!conn_tell_forwarded(conn, request)) {
		conn_refuse(conn, 400);
		return;
	}
	if (!trace_begin_request(&conn->worker->tracer, request) || !policies_begin(request)) {
		conn_refuse(conn, 503);
		return;
	}
	if (request->policies)
		request->policies->preflight = preflight;
	conn_begin_request_body(conn);
}

static struct policy_way conn_way(const struct conn *conn, const struct route *route,
				  const struct http_path *path)
{
	return (struct policy_way){ &conn->worker->generation->policies, conn->listen, route,
				    path };
}

static bool conn_asks_listen(const struct conn *conn)
{
	const struct listen_spec *listen =
		generation_listen(conn->worker->generation, conn->listener);

	return listen ? listen_spec_looks(listen) : conn->guarded;
}

static inline bool conn_is_looked_at(const struct conn *conn)
{
	if (unlikely(conn->worker->tracer.on)) /* each request has a span */
		return true;
	return unlikely(conn->worker->generation->listens_look || conn->guarded) &&
	       conn_asks_listen(conn);
}

static bool conn_parse_path(struct conn *conn, const struct http_head *head, struct http_path *path)
{
	struct worker *worker = conn->worker;
	int r;

	path->segments = worker->segments;
	path->raw = worker->raw_segments;
	arena_reset(&worker->path_arena);
	r = http_path_parse(head->path, &worker->path_arena, path);
	if (r < 0)
		conn_refuse(conn, r == -EINVAL ? 400 : r == -E2BIG ? 414 : 503);
	return r == 0;
}

/* 404, 405, 501, and what OPTIONS says of a path. */
static void conn_answer_no_route(struct conn *conn, const struct http_head *head, struct str bytes,
				 const struct http_path *path, uint32_t allowed)
{
	const struct route *route = conn->worker->generation->no_route;
	const struct policy_way way = conn_way(conn, route, path);
	struct router_match match = { (void *)(uintptr_t)route, .allowed = allowed };

	if (!conn->worker->is_main && (conn_is_looked_at(conn) || policies_hold(&way)))
		conn_begin_request(conn, head, bytes, path, &match, false);
	else
		conn_answer_without(conn, head, NULL, server_no_route_reply(head, allowed));
}

static void route_count(const struct route *route)
{
	tally_count(route->tally);
}

/* A small file that is in memory, with nothing else to be asked: as a constant reply. */
static bool conn_take_file(struct conn *conn, const struct http_head *head, struct str bytes,
			   const struct http_path *path, const struct router_match *match)
{
	const struct route *route = match->route;
	struct worker *worker = conn->worker;
	struct head_memo_entry *entry;
	const struct reply *reply;
	uint64_t until_ns;

	if (!route->files || route->policies || route->prefix || route->by_path ||
	    conn_has_body(head) || conn_is_looked_at(conn))
		return false;
	reply = files_hot(route->files, worker, head, path, match->rest_from, &until_ns);
	if (!reply)
		return false;
	entry = head_memo_add(&worker->head_memo, bytes, head, route, reply);
	if (entry) {
		entry->until_ns = until_ns;
		entry->epoch = worker->files.cache.epoch;
	}
	route_count(route);
	conn_answer_constant(conn, route, head, reply);
	return true;
}

static void conn_take_route(struct conn *conn, const struct http_head *head, struct str bytes,
			    const struct http_path *path, const struct router_match *match)
{
	const struct route *route = match->route;

	if (conn_take_file(conn, head, bytes, path, match))
		return;
	/* with a body it may come to a refusal, which has header fields of policies, too */
	if (!route->constant || conn_is_looked_at(conn) ||
	    (conn_has_body(head) && (route->policies || route->prefix)) ||
	    (route->is_conditional && precondition_is_named(head))) {
		conn_begin_request(conn, head, bytes, path, match, false);
		return;
	}
	if (!conn_has_body(head))
		head_memo_add(&conn->worker->head_memo, bytes, head, route, route->constant);
	route_count(route);
	conn_answer_without(conn, head, route, route->constant);
}

/* A preflight is for the route that it asks about, where that has something to say to it. */
static bool conn_take_preflight(struct conn *conn, const struct http_head *head, struct str bytes,
				const struct http_path *path)
{
	struct router_match match = { 0 };
	struct policy_way way;
	struct str method;

	if (!cors_is_preflight(head, &method))
		return false;
	router_find(conn->worker->router, http_method_find(method), method, head->host, path,
		    &match);
	if (!match.route)
		return false;
	way = conn_way(conn, match.route, path);
	if (!policies_find(&way, POLICY_CORS))
		return false;
	conn_begin_request(conn, head, bytes, path, &match, true);
	return true;
}

/* What libprocess sends goes to actors, not to routes. */
static bool conn_take_message(struct conn *conn, const struct http_head *head, struct str bytes,
			      const struct http_path *path)
{
	const struct route *route = conn->worker->generation->messages;
	struct router_match match = { (void *)(uintptr_t)route };

	if (!route || conn->worker->is_main || !libprocess_is_message(head))
		return false;
	conn->is_message = true;
	conn_begin_request(conn, head, bytes, path, &match, false);
	return true;
}

static void conn_route(struct conn *conn, const struct http_head *head, struct str bytes)
{
	struct worker *worker = conn->worker;
	struct router_match match;
	struct http_path path;

	if (head->path.len == 1 && head->path.ptr[0] == '*') {
		path = (struct http_path){ .segments = worker->segments,
					   .raw = worker->raw_segments };
		conn_answer_no_route(conn, head, bytes, &path, UINT32_MAX);
		return;
	}
	if (!conn_parse_path(conn, head, &path) || conn_take_message(conn, head, bytes, &path))
		return;
	if (conn->unheard) { /* whoever wants an answer has gone */
		conn_close(conn);
		return;
	}
	if (conn_take_preflight(conn, head, bytes, &path))
		return;
	router_find(worker->router, head->method_id, head->method, head->host, &path, &match);
	if (head->method_id == HTTP_TRACE && match.route &&
	    ((const struct route *)match.route)->pattern.method.len == 0)
		match = (struct router_match){
			.allowed = METHODS_BUT_TRACE
		}; /* RFC 9110 9.3.8: not unless asked for */
	if (!match.route)
		conn_answer_no_route(conn, head, bytes, &path, match.allowed);
	else
		conn_take_route(conn, head, bytes, &path, &match);
}

static void conn_begin(struct conn *conn, const struct http_head *head)
{
	struct worker *worker = conn->worker;

	conn->n_requests++;
	conn->started_ns = loop_now_ns(worker->loop);
	conn->http10 = head->minor == 0;
	conn->is_head = head->method_id == HTTP_HEAD;
	conn->is_message = false;
	conn->listen = generation_listen(worker->generation, conn->listener);
	if (conn->listen)
		conn->guarded = listen_spec_looks(conn->listen);
	conn->keep_alive =
		head->keep_alive && !worker->draining && conn->listen &&
		(conn->n_requests < worker->generation->settings.requests || conn_is_link(conn));
}

static void conn_head(struct conn *conn, struct str bytes)
{
	struct worker *worker = conn->worker;
	struct http_head head = { .fields = worker->fields };
	int status = http_head_parse(bytes, &worker->generation->http_limits, &head);

	conn->scan = (struct http_scan){ 0 };
	conn_begin(conn, &head);
	if (status != 0)
		conn_refuse(conn, status);
	else if (!conn->listen && conn->guarded)
		conn_refuse(conn, 503); /* nobody says any more who may come in */
	else
		conn_route(conn, &head, bytes);
}

/* ------------------------------------------------------------ */

/* A head that was read before needs no second reading. Returns the bytes used; 0: it was not. */
static size_t conn_known_head(struct conn *conn, struct str window)
{
	const struct head_memo_entry *known = head_memo_find(&conn->worker->head_memo, window);

	if (!known || conn_is_looked_at(conn))
		return 0;
	if (known->until_ns != UINT64_MAX) { /* a file */
		if (known->epoch != conn->worker->files.cache.epoch ||
		    loop_now_ns(conn->worker->loop) >= known->until_ns)
			return 0;
	}
	route_count(known->route);
	conn_begin(conn, &known->head);
	conn_answer_constant(conn, known->route, &known->head, known->reply);
	return known->len;
}

/* One head, or as much of it as there is. Returns the bytes used; 0: more are needed. */
static size_t conn_scan_head(struct conn *conn, struct str window)
{
	size_t size = conn->partial ? 0 : conn_known_head(conn, window);
	int status = 0;

	if (size > 0)
		return size;
	switch (http_head_scan(&conn->scan, window, &conn->worker->generation->http_limits, &size,
			       &status)) {
	case HTTP_MORE:
		if (!conn->partial) /* the deadline of a head counts from its first byte */
			conn_set_deadline(conn, conn->worker->generation->settings.timeout_head);
		conn->partial = true;
		return 0;
	case HTTP_WHOLE:
		conn->partial = false;
		conn_head(conn, str_first(window, size));
		return size;
	case HTTP_BAD:
		conn_refuse_head(conn, status);
		return window.len;
	}
	unreachable();
}

/* Uses the window from the front; returns what is left. */
static struct str conn_use(struct conn *conn, struct str window)
{
	while (window.len > 0) {
		size_t used;

		if (conn->state == CONN_READ_HEAD && conn_has_room(conn))
			used = conn_scan_head(conn, window);
		else if (conn_takes_body(conn))
			used = conn_body(conn, window);
		else
			break;
		if (used == 0)
			break;
		window = str_skip(window, used);
	}
	return window;
}

/* The peer has closed, or the connection is dead, while a request was expected or coming. */
static void conn_read_failed(struct conn *conn, int error)
{
	if (error == -ENOMEM)
		conn_fail_body(conn, 503);
	else if (error != -EPIPE || !conn_body_at_end(conn))
		conn_close(conn);
}

bool conn_input(struct conn *conn)
{
	struct str window = { conn->in, conn->in_len };
	int r = 1;

	if (conn->in_len == 0 || conn->partial)
		r = conn_read(conn, &window);
	if (r < 0)
		conn_read_failed(conn, r);
	if (r <= 0)
		return false;
	window = conn_use(conn, window);
	if (conn->state == CONN_CLOSED)
		return false;
	if (!conn_keep(conn, window)) {
		if (conn->state == CONN_READ_HEAD && conn_has_output(conn))
			conn_flush(conn); /* answers to what came before it */
		if (conn->state != CONN_CLOSED)
			conn_close(conn); /* whatever is in work: what follows it would be lost */
		return false;
	}
	return conn->stream.readable || (conn->in_len > 0 && !conn->partial);
}
