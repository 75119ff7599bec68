/* server/conn_output.c
 *
 * What is put out in one round stands in the worker's scratch, with at most one large head and
 * body behind it that are sent from where they are. After that round the scratch is somebody
 * else's, so what could not be sent is copied. */
#include "server/conn_output.h"
#include "server/access.h"
#include "server/conn_input.h"
#include "server/conn_late.h"
#include "server/conn_source.h"
#include "server/conn_time.h"
#include "server/http/status.h"
#include "server/policy/policy.h"
#include "server/server.h"
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

enum {
	SMALL_BODY = 16 << 10, /* copied into the scratch: cheaper than one more part to send */
	ANSWER_ROOM = SMALL_BODY + REPLY_CONSTANT_HEAD_MAX + 512,
};

bool conn_has_output(const struct conn *conn)
{
	return conn->worker->out_len > 0 || conn->worker->out_head.len > 0 ||
	       conn->worker->out_body.len > 0;
}

void conn_forget_output(struct conn *conn)
{
	conn->worker->out_len = 0;
	conn->worker->out_head = conn->worker->out_body = STR_NONE;
}

bool conn_has_room(const struct conn *conn)
{
	return WORKER_OUT_SIZE - conn->worker->out_len >= ANSWER_ROOM;
}

static inline void conn_put(struct conn *conn, struct str bytes)
{
	struct worker *worker = conn->worker;

	if (unlikely(conn->late) && !conn->is_message) /* those come first */
		check(conn_take_late(conn));           /* into an empty scratch */
	check_that(bytes.len <= WORKER_OUT_SIZE - worker->out_len, "len=%zu out_len=%zu", bytes.len,
		   worker->out_len);
	if (bytes.len)
		memcpy(worker->out + worker->out_len, bytes.ptr, bytes.len);
	worker->out_len += bytes.len;
}

/* "Date: …\r\n": the line without the empty one that follows it. */
static struct str conn_date_line(struct conn *conn)
{
	return str_first(worker_head_end(conn->worker), WORKER_HEAD_END_LEN - 2);
}

/* What every head ends with. */
static void conn_put_head_end(struct conn *conn)
{
	if (likely(conn->keep_alive && !conn->http10)) {
		conn_put(conn, worker_head_end(conn->worker));
		return;
	}
	conn_put(conn, conn_date_line(conn));
	conn_put(conn, conn->keep_alive ? STR("Connection: keep-alive\r\n\r\n")
					: STR("Connection: close\r\n\r\n"));
}

static void conn_put_body(struct conn *conn, struct str body)
{
	if (body.len <= SMALL_BODY && body.len <= WORKER_OUT_SIZE - conn->worker->out_len)
		conn_put(conn, body);
	else
		conn->worker->out_body = body;
}

static struct str conn_body_of(const struct conn *conn, const struct reply *reply)
{
	bool none = conn->is_head || !reply_has_body(reply->status) || reply->source;

	return none ? STR_NONE : reply->body;
}

static bool conn_sends_file(const struct conn *conn, const struct reply *reply)
{
	return reply->file && !conn->is_head;
}

static bool conn_sends_source(const struct conn *conn, const struct reply *reply)
{
	return reply->source &&
	       (reply->switches || (!conn->is_head && reply_has_body(reply->status)));
}

/* Of a body whose size is not known the framing says where it ends (RFC 9112 §6.3): chunks, or
 * for HTTP/1.0 the connection's end. */
static void conn_frame_unknown(struct conn *conn, const struct reply *reply, struct buf *head)
{
	if (reply_size(reply) != BODY_SIZE_UNKNOWN || !reply_has_body(reply->status))
		return;
	if (conn->http10)
		conn->keep_alive = false;
	else
		buf_add(head, STR("Transfer-Encoding: chunked\r\n"));
}

/* The head of an answer that is not constant; where it does not fit the scratch, it stays in the
 * arena. */
static bool conn_put_head(struct conn *conn, const struct reply *reply, struct arena *arena)
{
	struct buf head;

	buf_init_arena(&head, arena);
	reply_write_head(reply, &head);
	conn_frame_unknown(conn, reply, &head);
	if (head.error)
		return false;
	if (head.len + 256 <= WORKER_OUT_SIZE - conn->worker->out_len) {
		conn_put(conn, buf_str(&head));
		conn_put_head_end(conn);
		return true;
	}
	buf_add(&head, conn_date_line(conn));
	buf_add(&head, conn->keep_alive ? STR("Connection: keep-alive\r\n\r\n")
					: STR("Connection: close\r\n\r\n"));
	conn->worker->out_head = buf_str(&head);
	return !head.error;
}

/* An answer that is not constant. False without memory: then nothing was put out. */
static bool conn_put_made(struct conn *conn, const struct reply *reply, struct arena *arena)
{
	if (conn_sends_source(conn, reply) && !conn_source_begin(conn, reply))
		return false;
	if (conn_put_head(conn, reply, arena))
		return true;
	conn->source = NULL;
	return false;
}

static void conn_count(struct conn *conn, int status)
{
	struct worker_stats *stats = &conn->worker->stats;

	/* these are written by one thread only: no locked instruction is needed */
	atomic_store_explicit(&stats->requests,
			      atomic_load_explicit(&stats->requests, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	status = status / 100;
	atomic_store_explicit(&stats->status[status],
			      atomic_load_explicit(&stats->status[status], memory_order_relaxed) +
				      1,
			      memory_order_relaxed);
}

void conn_answer(struct conn *conn, const struct reply *reply, struct request *request)
{
	struct str body = conn_body_of(conn, reply);

	conn->keep_alive = conn->keep_alive && !reply->close && !conn->worker->draining;
	if (reply->switches)
		conn->keep_alive =
			true; /* as far as the head is concerned, which says it already */
	conn->state = CONN_WRITE;
	if (reply->constant) {
		conn_put(conn, reply->head);
		conn_put_head_end(conn);
	} else if (!request || !conn_put_made(conn, reply, &request->arena)) {
		reply = reply_refusal(500);
		body = conn_body_of(conn, reply);
		conn_put(conn, reply->head);
		conn_put_head_end(conn);
	}
	if (conn->worker->out_head.len)
		conn->worker->out_body = body;
	else
		conn_put_body(conn, body);
	if (request && conn_sends_file(conn, reply)) {
		conn->file = reply->file;
		conn->n_parts_sent = 0;
		body.len = reply->file->size; /* for the log */
	}
	conn_count(conn, reply->status);
	if (conn->source)
		return; /* its access line comes at its end */
	if (request)
		access_log_request(conn, request, reply->status, body.len);
	else
		access_log_refusal(conn, conn->after_route, reply->status, body.len);
}

void conn_answer_constant(struct conn *conn, const struct route *route,
			  const struct http_head *head, const struct reply *reply)
{
	struct str body = conn_body_of(conn, reply);

	conn_put(conn, reply->head);
	conn_put_head_end(conn);
	conn_put_body(conn, body);
	conn_count(conn, reply->status);
	access_log_head(conn, route, head, reply->status, body.len);
	if (!conn->keep_alive || conn->worker->out_body.len)
		conn->state = CONN_WRITE;
	else
		conn_set_deadline(conn, conn->worker->generation->settings.timeout_idle);
}

/* It is at work, and nobody waits for its answer any more. */
static void conn_refuse_early(struct conn *conn, const struct reply *reply)
{
	struct request *request = take(&conn->request);

	conn->after_route = request->route; /* for the log */
	conn_answer(conn, reply, NULL);
	conn->after_route = NULL;
	request_abandon(request);
}

void conn_refuse(struct conn *conn, int status)
{
	const struct reply *reply = reply_refusal(status);

	conn->keep_alive = false;
	conn->refused = true;
	if (conn->request && conn->request->started) {
		conn_refuse_early(conn, reply);
		return;
	}
	if (conn->request)
		conn->request->replied = true;
	if (conn->request && conn->request->policies)
		conn_answer(conn, policy_finish(conn->request, reply), conn->request);
	else
		conn_answer(conn, reply, NULL);
}

void conn_refuse_plain(struct conn *conn)
{
	conn->keep_alive = false;
	conn->refused = true;
	conn->started_ns = loop_now_ns(conn->worker->loop);
	conn_answer(conn, reply_plain_http(), NULL);
}

void conn_refuse_head(struct conn *conn, int status)
{
	conn->is_head = conn->http10 = conn->is_message = false;
	conn->started_ns = loop_now_ns(conn->worker->loop);
	conn_refuse(conn, status);
}

void conn_continue(struct conn *conn)
{
	conn_put(conn, STR("HTTP/1.1 100 Continue\r\n\r\n"));
}

bool conn_put_interim(struct conn *conn, int status, const struct http_field *fields,
		      size_t n_fields)
{
	char first[80];
	int len = snprintf(first, sizeof(first), "HTTP/1.1 %d %.*s\r\n", status,
			   STR_ARG(http_status_reason(status)));
	struct str line = { first, (size_t)len };
	size_t size = line.len + 2;

	for (size_t i = 0; i < n_fields; i++)
		size += fields[i].name.len + fields[i].value.len + 4;
	if (size > WORKER_OUT_SIZE - conn->worker->out_len)
		return false;
	conn_put(conn, line);
	for (size_t i = 0; i < n_fields; i++) {
		conn_put(conn, fields[i].name);
		conn_put(conn, STR(": "));
		conn_put(conn, fields[i].value);
		conn_put(conn, STR("\r\n"));
	}
	conn_put(conn, STR("\r\n"));
	return true;
}

/* ------------------------------------------------------------ sending */

size_t conn_unsent(const struct conn *conn)
{
	uint64_t size = stream_unsent(&conn->stream);
	int in_kernel = 0;

	/* a client that reads slowly empties the socket's buffer long before there is room for
	 * more */
	if (ioctl(stream_fd(&conn->stream), SIOCOUTQ, &in_kernel) == 0 && in_kernel > 0)
		size += (size_t)in_kernel;
	for (size_t i = conn->n_parts_sent; conn->file && i < conn->file->n_parts; i++)
		size += conn->file->parts[i].bytes.len + conn->file->parts[i].len;
	return size;
}

/* The scratch is of nobody in the next turn. */
static bool conn_is_scratch(const struct conn *conn, const struct iovec *part)
{
	const char *at = part->iov_base;

	return at >= conn->worker->out && at < conn->worker->out + WORKER_OUT_SIZE;
}

/* What is the generation's is not copied, however many read it slowly: it stays as long as it is
 * needed. (What is a request's is there as long as the request, whose generation is pinned.) */
static void conn_pin_unsent(struct conn *conn)
{
	if (conn->request || conn->after_generation)
		return;
	conn->after_generation = conn->worker->generation;
	worker_pin(conn->worker, conn->after_generation);
}

struct arena_budget *conn_budget(const struct conn *conn)
{
	return conn->worker->is_main ? NULL : &conn->worker->server->memory;
}

void conn_forget_unsent(struct conn *conn)
{
	if (!conn->unsent)
		return;
	arena_budget_give_back(conn_budget(conn), conn->unsent_size);
	free(take(&conn->unsent));
	conn->unsent_size = 0;
}

/* limits.total_memory counts it. */
static char *conn_alloc_unsent(struct conn *conn, size_t size)
{
	struct arena_budget *budget = conn_budget(conn);

	check(!conn->unsent);
	if (!arena_budget_take(budget, size))
		return NULL;
	conn->unsent = malloc(size);
	if (conn->unsent)
		conn->unsent_size = size;
	else
		arena_budget_give_back(budget, size);
	return conn->unsent;
}

static int conn_keep_unsent(struct conn *conn)
{
	struct stream *stream = &conn->stream;
	size_t size = 0;
	char *at;

	for (unsigned i = 0; i < stream->n_out; i++)
		if (conn_is_scratch(conn, &stream->out[i]))
			size += stream->out[i].iov_len;
		else
			conn_pin_unsent(conn);
	if (size == 0)
		return 0;
	at = conn_alloc_unsent(conn, size);
	if (!at)
		return -ENOMEM;
	for (unsigned i = 0; i < stream->n_out; i++) {
		struct iovec *part = &stream->out[i];

		if (!conn_is_scratch(conn, part))
			continue;
		memcpy(at, part->iov_base, part->iov_len);
		part->iov_base = at;
		at += part->iov_len;
	}
	return 0;
}

static struct iovec conn_part(struct str bytes)
{
	return (struct iovec){ (void *)(uintptr_t)bytes.ptr, bytes.len };
}

static int conn_send_file(struct conn *conn)
{
	int r = 1;

	while (r > 0 && conn->file && conn->n_parts_sent < conn->file->n_parts) {
		const struct reply_part *part = &conn->file->parts[conn->n_parts_sent];

		if (conn->part_bytes_sent || part->bytes.len == 0) {
			conn->n_parts_sent++;
			conn->part_bytes_sent = false;
			if (part->len)
				r = stream_write_file(&conn->stream, conn->file->fd, part->from,
						      part->len, conn->file->gate);
			continue;
		}
		conn->part_bytes_sent = true;
		if (part->len)
			stream_cork(&conn->stream);
		r = stream_write(
			&conn->stream,
			&(struct iovec){ (void *)(uintptr_t)part->bytes.ptr, part->bytes.len }, 1);
	}
	if (r > 0)
		conn->file = NULL;
	return r;
}

int conn_send_rest(struct conn *conn)
{
	int r = conn_send_file(conn);

	return r > 0 ? conn_source_send(conn) : r;
}

/* What stands in the scratch, and what goes behind it from where it is. */
static size_t conn_own_parts(const struct conn *conn, struct iovec parts[3])
{
	const struct worker *worker = conn->worker;
	size_t n = 0;

	parts[n++] = (struct iovec){ worker->out, worker->out_len };
	if (worker->out_head.len)
		parts[n++] = conn_part(worker->out_head);
	if (worker->out_body.len)
		parts[n++] = conn_part(worker->out_body);
	return n;
}

int conn_send(struct conn *conn)
{
	struct iovec parts[3 + BODY_PIECE_PARTS];
	size_t n_parts;
	int r;

	if (!conn_take_late(conn)) {
		conn_forget_output(conn);
		return -ENOBUFS;
	}
	n_parts = conn_own_parts(conn, parts);
	r = conn->source ? conn_source_first(conn, parts + n_parts) : 0;

	if (conn->file && conn->file->size > 0)
		stream_cork(&conn->stream);
	if (r >= 0)
		r = stream_write(&conn->stream, parts, n_parts + (size_t)r);
	if (r == 0)
		r = conn_keep_unsent(conn);
	else if (r > 0 && (conn->file || conn->source))
		r = conn_send_rest(conn);
	conn_forget_output(conn);
	return r;
}

void conn_socket_addr(const struct conn *conn, struct net_addr *ret_addr)
{
	struct ip ip;

	if (net_peer_addr(stream_fd(&conn->stream), ret_addr) < 0)
		ret_addr->len = 0;
	if (net_addr_ip(ret_addr, &ip) && ip_is_v4(&ip)) /* by a socket of both families */
		net_addr_of_ip(&ip, net_addr_port(ret_addr), ret_addr);
}

void conn_set_addr(struct conn *conn, const struct net_addr *addr)
{
	char text[NET_ADDR_TEXT_MAX];

	net_addr_write(text, addr);
	conn->addr_len = (uint16_t)MIN(strlen(text), sizeof(conn->addr));
	memcpy(conn->addr, text, conn->addr_len);
}

struct str conn_addr(struct conn *conn)
{
	struct net_addr addr;

	if (conn->addr_len == 0) {
		conn_socket_addr(conn, &addr);
		conn_set_addr(conn, &addr);
	}
	return (struct str){ conn->addr, conn->addr_len };
}
