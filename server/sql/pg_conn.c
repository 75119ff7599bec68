/* server/sql/pg_conn.c */
#include "server/sql/pg_conn.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "server/sql/pg_cancel.h"
#include "server/sql/pg_params.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum { PG_PORT = 5432, PG_CANCEL_MS = 5000, PG_ADDRS_MAX = 4 };

static void conn_on_event(struct watch *watch, uint32_t events);

struct str pg_message(const char *message)
{
	struct str text = str_of(message);
	ptrdiff_t end = str_find_char(text, '\n');

	if (end >= 0)
		text = str_first(text, (size_t)end);
	while (str_starts_with(text, STR("ERROR:")) || str_starts_with(text, STR("FATAL:")))
		text = str_trim(str_skip(text, 6));
	return text;
}

/* ------------------------------------------------------------ the end */

static void conn_forget(struct ready *ready)
{
	struct pg_conn *conn = container_of(ready, struct pg_conn, forget);
	struct pg_pool *pool = conn->pool;

	sql_cache_clear(&conn->statements);
	buf_fini(&conn->doomed);
	buf_fini(&conn->scratch);
	free(conn->expects);
	free(conn);
	pool->n_conns--;
	pg_pool_gone(pool);
}

void pg_conn_close(struct pg_conn *conn)
{
	struct pg_pool *pool = conn->pool;
	struct sql_job *job = take(&conn->job);

	if (conn->state == PG_CLOSED)
		return;
	timer_stop(&conn->timer);
	if (conn->state == PG_LOOKUP)
		lookup_cancel(&conn->lookup);
	if (conn->watch.fd >= 0)
		loop_remove(pool->loop, &conn->watch);
	pg_cancel_leave(take(&conn->cancel));
	PQfinish(conn->pg);
	list_remove(&conn->link);
	list_remove(&conn->idle);
	if (conn->state < PG_IDLE) {
		pool->n_opening--;
	} else {
		pool->n_open--;
		atomic_fetch_sub(&pool->db->stats.open, 1);
	}
	conn->state = PG_CLOSED;
	loop_ready(pool->loop, &conn->forget);
	if (job) {
		atomic_fetch_sub(&pool->db->stats.in_use, 1);
		sql_db_finish(pool->db, job);
	}
}

/* It never became of use. */
static void conn_fail(struct pg_conn *conn, enum error_code code, struct str message)
{
	char text[SQL_MESSAGE_MAX];

	snprintf(text, sizeof(text), "%.*s", STR_ARG(message));
	pg_conn_close(conn);
	pg_pool_failed(conn->pool, code, text);
}

/* The server is gone in the middle of something. */
static void conn_lose(struct pg_conn *conn)
{
	struct str message = pg_message(PQerrorMessage(conn->pg));

	if (conn->state < PG_IDLE) {
		conn_fail(conn,
			  str_find(message, STR("SSL")) >= 0 ||
					  str_find(message, STR("certificate")) >= 0
				  ? ERROR_TLS_FAILED
				  : ERROR_CONNECT_FAILED,
			  message);
		return;
	}
	if (conn->job)
		sql_job_fail(conn->job, ERROR_SQL_ERROR, "08006", "the connection was lost: %.*s",
			     STR_ARG(message));
	pg_conn_close(conn);
}

/* It answers what was not asked: none of its answers can be told any more. */
static void conn_break(struct pg_conn *conn)
{
	static const char text[] = "what the server says is no answer";

	if (conn->state < PG_IDLE) {
		conn_fail(conn, ERROR_CONNECT_FAILED, str_of(text));
		return;
	}
	if (conn->job)
		sql_job_fail(conn->job, ERROR_SQL_ERROR, "08P01", "%s", text);
	pg_conn_close(conn);
}

static void conn_on_timer(struct timer *timer)
{
	struct pg_conn *conn = container_of(timer, struct pg_conn, timer);

	if (conn->state < PG_IDLE)
		conn_fail(conn, ERROR_CONNECT_FAILED, STR("connecting took too long"));
	else
		pg_conn_close(conn); /* idle for long, or deaf to a cancel */
}

/* ------------------------------------------------------------ the socket */

/* libpq may have another socket after each step of connecting. */
static bool conn_watch(struct pg_conn *conn, uint32_t events)
{
	struct loop *loop = conn->pool->loop;
	int fd = PQsocket(conn->pg), r = 0;

	if (conn->watch.fd >= 0 && conn->watch.fd != fd) {
		loop_remove(loop, &conn->watch);
		conn->watch.fd = -1;
	}
	if (fd >= 0 && conn->watch.fd < 0)
		r = loop_add(loop, &conn->watch, fd, events, conn_on_event);
	else if (fd >= 0 && events != conn->events)
		r = loop_change(loop, &conn->watch, events);
	conn->events = events;
	return fd >= 0 && r == 0;
}

bool pg_conn_flush(struct pg_conn *conn)
{
	int r = PQflush(conn->pg);

	if (r >= 0 && conn_watch(conn, r > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN))
		return true;
	/* what the server has said before it went is worth more than that it went */
	if (PQconsumeInput(conn->pg) && PQstatus(conn->pg) != CONNECTION_BAD)
		return true;
	conn_lose(conn);
	return false;
}

bool pg_conn_flush_request(struct pg_conn *conn)
{
	if (PQsendFlushRequest(conn->pg))
		return true;
	conn_lose(conn);
	return false;
}

bool pg_conn_expect(struct pg_conn *conn, int sent, enum pg_expect_kind kind, size_t statement)
{
	if (!sent) {
		conn_lose(conn);
		return false;
	}
	if (conn->n_expects == conn->n_expects_room) {
		conn->n_expects_room = conn->n_expects_room ? conn->n_expects_room * 2 : 16;
		conn->expects = mem_realloc_array(conn->expects, conn->n_expects_room,
						  sizeof(*conn->expects));
	}
	conn->expects[conn->n_expects++] = (struct pg_expect){ kind, statement };
	return true;
}

/* ------------------------------------------------------------ becoming of use */

static void conn_set_idle(struct pg_conn *conn)
{
	conn->state = PG_IDLE;
	conn->n_expects = conn->expect_at = 0;
	list_add_first(&conn->pool->idle, &conn->idle);
	timer_start(&conn->timer, conn->pool->db->settings.idle_ms);
	pg_pool_idle(conn->pool);
}

static void conn_on_set_up(struct pg_conn *conn)
{
	struct pg_pool *pool = conn->pool;

	pool->n_opening--;
	pool->n_open++;
	atomic_fetch_add(&pool->db->stats.open, 1);
	sql_db_opened(pool->db);
	conn_set_idle(conn);
}

/* ------------------------------------------------------------ a job */

void pg_conn_start(struct pg_conn *conn, struct sql_job *job)
{
	check(conn->state == PG_IDLE && !conn->job);
	timer_stop(&conn->timer);
	list_remove(&conn->idle);
	conn->job = job;
	conn->again = false;
	atomic_fetch_add(&conn->pool->db->stats.in_use, 1);
	pg_run_start(conn);
}

/* What a cancel might still hit is not another job's. */
void pg_conn_done(struct pg_conn *conn)
{
	struct pg_pool *pool = conn->pool;
	struct sql_job *job;

	conn->state = PG_END;
	conn->n_expects = conn->expect_at = 0;
	if (conn->cancel)
		return;
	if (PQtransactionStatus(conn->pg) != PQTRANS_IDLE) {
		pg_conn_close(conn);
		return;
	}
	job = take(&conn->job);
	atomic_fetch_sub(&pool->db->stats.in_use, 1);
	sql_db_finish(pool->db, job);
	conn_set_idle(conn);
}

void pg_conn_interrupt(struct pg_conn *conn)
{
	if (conn->cancel || conn->state <= PG_IDLE || conn->state == PG_CLOSED)
		return;
	sql_job_is_over(conn->job);
	conn->cancel = pg_cancel_start(conn);
	timer_start(&conn->timer, PG_CANCEL_MS);
	if (!conn->cancel)
		pg_conn_close(conn);
}

void pg_conn_on_cancelled(struct pg_conn *conn)
{
	conn->cancel = NULL;
	if (conn->state == PG_END && conn->n_expects == 0) {
		timer_stop(&conn->timer);
		pg_conn_done(conn);
	}
}

/* What the forms of values and the lexer rely on, whatever the server's configuration says. */
static void conn_set_up(struct pg_conn *conn)
{
	static const char *const settings[] = { "set datestyle to iso", "set bytea_output to hex",
						"set standard_conforming_strings to on" };
	char timeout[64];
	bool ok = true;

	conn->state = PG_SET_UP;
	snprintf(timeout, sizeof(timeout), "set statement_timeout to %llu",
		 (unsigned long long)conn->pool->db->settings.timeout_ms);
	if (PQsetnonblocking(conn->pg, 1) != 0 || !PQenterPipelineMode(conn->pg)) {
		conn_lose(conn);
		return;
	}
	for (size_t i = 0; ok && i <= ARRAY_LEN(settings); i++)
		ok = pg_conn_expect(
			conn,
			PQsendQueryParams(conn->pg, i < ARRAY_LEN(settings) ? settings[i] : timeout,
					  0, NULL, NULL, NULL, NULL, 0),
			PG_EXPECT_COMMAND, 0);
	if (ok && pg_conn_expect(conn, PQpipelineSync(conn->pg), PG_EXPECT_SYNC, 0))
		pg_conn_flush(conn);
}

static void conn_poll(struct pg_conn *conn)
{
	switch (PQconnectPoll(conn->pg)) {
	case PGRES_POLLING_READING:
		if (!conn_watch(conn, EPOLLIN))
			conn_lose(conn);
		return;
	case PGRES_POLLING_WRITING:
		if (!conn_watch(conn, EPOLLOUT))
			conn_lose(conn);
		return;
	case PGRES_POLLING_OK:
		conn_set_up(conn);
		return;
	case PGRES_POLLING_FAILED:
	case PGRES_POLLING_ACTIVE:
		conn_lose(conn);
		return;
	}
	unreachable();
}

/* ------------------------------------------------------------ reading */

static void conn_take_set_up(struct pg_conn *conn, const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_FATAL_ERROR)
		conn_fail(conn, ERROR_CONNECT_FAILED, pg_message(PQresultErrorMessage(result)));
}

/* False: the connection is gone. */
static bool conn_take(struct pg_conn *conn, PGresult *result)
{
	if (conn->state == PG_SET_UP && result)
		conn_take_set_up(conn, result);
	else if (conn->state != PG_SET_UP)
		pg_run_result(conn, result);
	PQclear(result);
	return conn->state != PG_CLOSED;
}

static bool conn_is_over(const struct pg_conn *conn, const PGresult *result)
{
	enum pg_expect_kind kind = conn->expects[conn->expect_at].kind;

	return kind == PG_EXPECT_SYNC ? PQresultStatus(result) == PGRES_PIPELINE_SYNC : !result;
}

/* False: libpq and the server do not agree on what is answered, and libpq may give the same for ever: a
 * COPY that nobody reads, or nothing where the end of a pipeline is to come. */
static bool conn_is_answer(struct pg_conn *conn, const PGresult *result)
{
	bool at_sync = conn->expects[conn->expect_at].kind == PG_EXPECT_SYNC;
	ExecStatusType status = PQresultStatus(result);
	bool again = conn->had_nothing;

	conn->had_nothing = !result && at_sync;
	if (!result)
		return !again; /* an error at the end of a pipeline has one behind it */
	if (status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH)
		return false;
	return status != PGRES_PIPELINE_SYNC || at_sync;
}

/* Takes what has come. False: the connection is gone. */
static bool conn_read(struct pg_conn *conn)
{
	while (conn->expect_at < conn->n_expects && !PQisBusy(conn->pg)) {
		PGresult *result = PQgetResult(conn->pg);
		bool over = conn_is_over(conn, result);

		/* nothing, where the end of a pipeline is to come: the connection has broken */
		if (!result && !over && PQstatus(conn->pg) == CONNECTION_BAD)
			break;
		if (!conn_is_answer(conn, result)) {
			PQclear(result);
			conn_break(conn);
			return false;
		}
		if (!conn_take(conn, result))
			return false;
		if (!over)
			continue;
		conn->expect_at++;
		if (conn->state != PG_SET_UP)
			pg_run_next(conn);
	}
	if (PQstatus(conn->pg) != CONNECTION_BAD)
		return true;
	conn_lose(conn);
	return false;
}

/* Nobody listens: libpq would keep them. */
static void conn_drop_notifies(struct pg_conn *conn)
{
	PGnotify *notify;

	while ((notify = PQnotifies(conn->pg)))
		PQfreemem(notify);
}

static void conn_on_event(struct watch *watch, uint32_t events)
{
	struct pg_conn *conn = container_of(watch, struct pg_conn, watch);

	if (conn->state == PG_CONNECT) {
		conn_poll(conn);
		return;
	}
	conn_drop_notifies(conn);
	if ((events & ~(uint32_t)EPOLLOUT) && !PQconsumeInput(conn->pg)) {
		conn_lose(conn);
		return;
	}
	if (conn->state == PG_IDLE) {
		(void)PQisBusy(conn->pg); /* reads what the server tells */
		if (PQstatus(conn->pg) == CONNECTION_BAD)
			conn_lose(conn);
		return;
	}
	if (!pg_conn_flush(conn) || !conn_read(conn) || conn->expect_at < conn->n_expects)
		return;
	if (conn->state == PG_SET_UP)
		conn_on_set_up(conn);
	else
		pg_run_step(conn);
}

/* ------------------------------------------------------------ opening */

static void conn_connect(struct pg_conn *conn, const char *host, const char *hostaddr)
{
	conn->state = PG_CONNECT;
	conn->pg = pg_params_connect(&conn->pool->db->address, host, hostaddr, conn->pool->port);
	if (!conn->pg) {
		conn_fail(conn, ERROR_MEMORY_LIMIT, STR("no memory"));
		return;
	}
	if (PQstatus(conn->pg) == CONNECTION_BAD || !conn_watch(conn, EPOLLOUT))
		conn_lose(conn);
}

static bool conn_write_addr(const struct net_addr *addr, char out[INET6_ADDRSTRLEN])
{
	if (addr->sa.sa_family == AF_INET)
		return inet_ntop(AF_INET, &addr->in4.sin_addr, out, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, &addr->in6.sin6_addr, out, INET6_ADDRSTRLEN);
}

/* libpq tries one address after the other, and wants the name of the host with each. */
static void conn_on_lookup(struct lookup *lookup)
{
	struct pg_conn *conn = container_of(lookup, struct pg_conn, lookup);
	struct buf hosts, addrs;
	char ip[INET6_ADDRSTRLEN];

	if (lookup->error || lookup->n_addrs == 0) {
		conn_fail(conn, ERROR_DNS_FAILED,
			  lookup->error == -ENOENT
				  ? STR("the host of the database has no address")
				  : STR("the host of the database cannot be looked up"));
		return;
	}
	buf_init(&hosts, SIZE_MAX);
	buf_init(&addrs, SIZE_MAX);
	for (unsigned i = 0; i < MIN(lookup->n_addrs, (unsigned)PG_ADDRS_MAX); i++) {
		if (!conn_write_addr(&lookup->addrs[i], ip))
			continue;
		buf_printf(&hosts, "%s%s", i ? "," : "", conn->pool->db->address.host.ptr);
		buf_printf(&addrs, "%s%s", i ? "," : "", ip);
	}
	buf_add_char(&hosts, '\0');
	buf_add_char(&addrs, '\0');
	conn_connect(conn, hosts.data, addrs.data);
	buf_fini(&hosts);
	buf_fini(&addrs);
}

void pg_conn_open(struct pg_pool *pool)
{
	const struct sql_address *address = &pool->db->address;
	struct pg_conn *conn = mem_zalloc(sizeof(*conn));

	conn->pool = pool;
	conn->watch.fd = -1;
	list_init(&conn->idle);
	ready_init(&conn->forget, conn_forget);
	list_add(&pool->conns, &conn->link);
	pool->n_conns++;
	pool->n_opening++;
	buf_init(&conn->doomed, SIZE_MAX);
	buf_init(&conn->scratch, SIZE_MAX);
	timer_init(&conn->timer, pool->loop, conn_on_timer);
	timer_start(&conn->timer, pool->db->settings.connect_ms);
	pg_run_init(conn);
	if (address->host.len == 0 || address->host.ptr[0] == '/') {
		conn_connect(conn, address->host.ptr, NULL);
		return;
	}
	lookup_start(&conn->lookup, pool->names, address->host,
		     address->port ? address->port : PG_PORT, conn_on_lookup);
}
