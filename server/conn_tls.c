/* server/conn_tls.c */
#include "server/conn_tls.h"
#include "core/base/log.h"
#include "core/io/tls.h"
#include "core/io/tls_server.h"
#include "server/conn_input.h"
#include "server/conn_output.h"
#include "server/conn_time.h"
#include "server/server.h"
#include <errno.h>
#include <stdlib.h>

/* ------------------------------------------------------------ the handshake */

static void conn_count_handshake(_Atomic uint64_t *counter)
{
	/* written by one thread only: no locked instruction is needed */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void conn_handshake_failed(struct conn *conn, const char *why)
{
	const struct listen_spec *listen =
		generation_listen(conn->worker->generation, conn->listener);

	conn_count_handshake(&conn->worker->stats.handshakes_failed);
	log_info("tls handshake failed listener=%.*s client=%.*s reason=%s",
		 STR_ARG(listen ? listen->text : STR("")), STR_ARG(conn_addr(conn)),
		 LOG_QUOTE(str_of(why)));
}

void conn_handshake_timed_out(struct conn *conn)
{
	conn_handshake_failed(conn, "timeout");
	conn_close(conn);
}

/* Somebody speaks plain HTTP: a word that he can read is worth more than an alert. */
static void conn_answer_plain(struct conn *conn)
{
	stream_unsecure(&conn->stream);
	conn->state = CONN_READ_HEAD;
	conn_refuse_plain(conn);
	conn_flush_alone(conn);
}

static void conn_on_secure(struct stream *stream)
{
	struct conn *conn = container_of(stream, struct conn, stream);

	check(conn->state == CONN_SECURE);
	if (stream->error) {
		conn_handshake_failed(conn, tls_failure(stream->tls));
		if (tls_met_plain_http(stream->tls))
			conn_answer_plain(conn);
		else
			conn_close(conn);
		return;
	}
	conn_count_handshake(&conn->worker->stats.handshakes);
	if (tls_was_resumed(stream->tls))
		conn_count_handshake(&conn->worker->stats.handshakes_resumed);
	conn->state = CONN_READ_HEAD;
	conn_greet(conn);
}

void conn_secure(struct conn *conn, struct tls_server *server)
{
	struct tls *tls = tls_accept(server, conn_budget(conn));

	if (!tls || stream_secure(&conn->stream, tls, conn_on_secure) < 0) {
		tls_destroy(tls);
		conn_close(conn);
		return;
	}
	conn->state = CONN_SECURE;
	conn_set_deadline(conn, conn->worker->generation->settings.timeout_handshake);
}
