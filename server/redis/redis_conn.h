/* server/redis/redis_conn.h: one connection to a Redis server. Many tickets share it: they are sent
 * in their order, without waiting for replies, and replies are told by their order. */
#pragma once
#include "core/io/stream.h"
#include "server/client/dial.h"
#include "server/redis/redis_pool.h"

enum redis_conn_state {
	REDIS_CONN_CONNECT, /* its name is looked up, or its socket connects */
	REDIS_CONN_SECURE,  /* the TLS handshake */
	REDIS_CONN_LOGIN,   /* AUTH, SELECT and the like were sent */
	REDIS_CONN_READY,
};

enum { REDIS_LOGIN_MAX = 5 };

enum redis_login_step {
	REDIS_LOGIN_AUTH,
	REDIS_LOGIN_SELECT,
	REDIS_LOGIN_MULTI, /* whether it may: else what follows it would be carried out one by one */
	REDIS_LOGIN_EXEC,
	REDIS_LOGIN_ROLE,
	REDIS_LOGIN_PING,
};

struct redis_conn {
	struct stream stream;
	struct redis_node *node;
	unsigned lane;
	enum redis_conn_state state;
	struct dial dial;
	struct timer timer;        /* of connecting, login included; then of the oldest reply */
	uint64_t oldest_ns;        /* since when the first of `sent` is waited for */
	struct ready flush;        /* something waits, and may be sent */
	struct ready again;        /* there is more to read than its share of a turn */
	struct list waiting, sent; /* of tickets */
	size_t n_waiting, n_sent;  /* commands of them */
	size_t waiting_bytes;
	struct arena arena; /* of the replies to a login */
	struct buf out;     /* handed to the stream, unless it is empty */
	enum redis_login_step login[REDIS_LOGIN_MAX];
	unsigned n_login, login_at;
	bool broken;   /* sending or reading has failed; what came before is still read */
	bool in_reply; /* resp_begin() was called for the first of `sent` */
	bool in_push;  /* the same, for what is said unasked */
	bool no_multi; /* this user may not have transactions */
	bool asking;   /* the next reply is ASKING's, of the first of `sent` */
	struct resp_reader reader;
};

/* NULL when it cannot even be tried: the node was told why. */
struct redis_conn *redis_conn_open(struct redis_node *node, unsigned lane);

/* Behind what waits. */
void redis_conn_send(struct redis_conn *conn, struct redis_ticket *ticket);

/* The ticket, which is cancelled, is freed unless it was sent. */
void redis_conn_leave(struct redis_conn *conn, struct redis_ticket *ticket);

/* What it has is dropped: nobody waits for it any more. */
void redis_conn_close(struct redis_conn *conn);

static inline size_t redis_conn_load(const struct redis_conn *conn)
{
	return conn->n_waiting + conn->n_sent;
}

/* ---- for the files that a connection consists of */

static inline struct redis *redis_conn_entry(const struct redis_conn *conn)
{
	return conn->node->pool->redis;
}

static inline void redis_conn_count(atomic_int *counter, int by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* redis_conn.c */
void redis_conn_check(const struct redis_conn *conn); /* what holds between two events */
void redis_conn_write(struct redis_conn *conn);       /* what is in `out` */
void redis_conn_flush(struct redis_conn *conn);       /* what waits, as far as it may go */
void redis_conn_watch_oldest(struct redis_conn *conn);
void redis_conn_on_flush(struct ready *ready);
void redis_conn_on_again(struct ready *ready);
void redis_conn_on_readable(struct stream *stream);
void redis_conn_on_sent(struct stream *stream);

/* All its tickets, which are in no queue of it any more. */
void redis_conn_take_all(struct redis_conn *conn, struct list *sent, struct list *waiting);

/* redis_login.c: sends the login; takes the next reply to it. False: the connection is gone. */
void redis_login_start(struct redis_conn *conn);
bool redis_login_reply(struct redis_conn *conn);

/* redis_connect.c: it is of no use any more, and is gone. Its tickets fail, or go elsewhere. */
void redis_conn_lost(struct redis_conn *conn, enum redis_error error, const char *problem);
