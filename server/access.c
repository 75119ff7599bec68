/* server/access.c
 *
 *     request done method=GET path=/hello status=200 sent_bytes=12 took_us=31 client=127.0.0.1:4711 id=…
 *
 * The line is put together by hand: printf() would cost more than the rest of the hot path. */
#include "server/access.h"
#include "core/base/clock.h"
#include "core/io/net.h"
#include "server/conn_output.h"
#include "server/logger.h"
#include "server/server.h"
#include "server/trace/trace.h"

enum { LINE_SIZE = 1536, TARGET_SHOWN_MAX = 512 };

struct line {
	size_t len;
	char text[LINE_SIZE];
};

static void line_add(struct line *line, struct str s)
{
	size_t len = MIN(s.len, LINE_SIZE - line->len);

	if (len)
		memcpy(line->text + line->len, s.ptr, len);
	line->len += len;
}

static void line_add_number(struct line *line, uint64_t number)
{
	char digits[20], *at = digits + sizeof(digits);

	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	line_add(line, str_range(at, digits + sizeof(digits)));
}

static void line_add_quoted(struct line *line, struct str value)
{
	char quoted[TARGET_SHOWN_MAX];

	line_add(line, str_of(log_quote(quoted, sizeof(quoted), value)));
}

static bool access_is_wanted(const struct conn *conn, const struct route *route, int status)
{
	return logger_access_is_on() && !conn->worker->is_main && (!route || route->logged) &&
	       (!logger_access_is_sampled() ||
		logger_access_takes(status, tracer_random(&conn->worker->tracer)));
}

struct access {
	struct str method, target, client, id, trace; /* the last two may be empty */
	int status;
	size_t body_size;
};

static void access_log(const struct conn *conn, const struct access *access)
{
	struct line line = { .len = 0 };
	uint64_t now_ns = clock_monotonic_ns();

	line_add(&line, STR("request done method="));
	line_add_quoted(&line, access->method);
	line_add(&line, STR(" path="));
	line_add_quoted(&line, access->target);
	line_add(&line, STR(" status="));
	line_add_number(&line, (uint64_t)access->status);
	line_add(&line, STR(" sent_bytes="));
	line_add_number(&line, access->body_size);
	line_add(&line, STR(" took_us="));
	line_add_number(&line, now_ns > conn->started_ns && conn->started_ns
				       ? (now_ns - conn->started_ns) / 1000
				       : 0);
	line_add(&line, STR(" client="));
	line_add_quoted(&line, access->client);
	if (access->id.len) {
		line_add(&line, STR(" id="));
		line_add(&line, access->id);
	}
	if (access->trace.len) {
		line_add(&line, STR(" trace="));
		line_add(&line, access->trace);
	}
	logger_access((struct str){ line.text, line.len });
}

void access_log_head(struct conn *conn, const struct route *route, const struct http_head *head,
		     int status, size_t body_size)
{
	if (access_is_wanted(conn, route, status))
		access_log(conn, &(struct access){ head->method, head->target, conn_addr(conn),
						   STR_NONE, STR_NONE, status, body_size });
}

void access_log_request(struct conn *conn, const struct request *request, int status,
			size_t body_size)
{
	if (access_is_wanted(conn, request->route, status))
		access_log(conn,
			   &(struct access){ request->head.method, request->head.target,
					     request->client_addr, request->context.id,
					     trace_id(request->context.trace), status, body_size });
}

void access_log_refusal(struct conn *conn, const struct route *route, int status, size_t body_size)
{
	if (access_is_wanted(conn, route, status))
		access_log(conn, &(struct access){ STR("-"), STR("-"), conn_addr(conn), STR_NONE,
						   STR_NONE, status, body_size });
}

void access_log_abandoned(struct conn *conn, const struct request *request)
{
	access_log_request(conn, request, 499, 0);
}
