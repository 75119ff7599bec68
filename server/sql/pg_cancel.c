/* server/sql/pg_cancel.c */
#include "server/sql/pg_cancel.h"
#include "server/sql/pg_conn.h"
#include "server/sql/sql_threads.h"
#include <stdlib.h>

enum cancel_state { CANCEL_RUNS, CANCEL_DONE, CANCEL_LEFT };

struct pg_cancel {
	struct post post;
	struct loop *loop;
	struct pg_conn *conn; /* NULL: it has left */
	PGcancel *what;
	atomic_int state; /* enum cancel_state; who comes second frees */
};

static void cancel_free(struct pg_cancel *cancel)
{
	PQfreeCancel(cancel->what);
	free(cancel);
}

static void cancel_on_done(struct post *post)
{
	struct pg_cancel *cancel = container_of(post, struct pg_cancel, post);
	struct pg_conn *conn = cancel->conn;

	cancel_free(cancel);
	if (conn)
		pg_conn_on_cancelled(conn);
}

static void *cancel_main(void *arg)
{
	struct pg_cancel *cancel = arg;
	char error[256];

	PQcancel(cancel->what, error, sizeof(error));
	if (atomic_exchange(&cancel->state, CANCEL_DONE) == CANCEL_LEFT)
		cancel_free(cancel);
	else
		loop_post(cancel->loop, &cancel->post);
	sql_threads_end();
	return NULL;
}

struct pg_cancel *pg_cancel_start(struct pg_conn *conn)
{
	struct pg_cancel *cancel = calloc(1, sizeof(*cancel));

	if (!cancel)
		return NULL;
	cancel->post.run = cancel_on_done;
	cancel->loop = conn->pool->loop;
	cancel->conn = conn;
	cancel->what = PQgetCancel(conn->pg);
	atomic_init(&cancel->state, CANCEL_RUNS);
	if (cancel->what && sql_threads_start(cancel_main, cancel) == 0)
		return cancel;
	cancel_free(cancel);
	return NULL;
}

void pg_cancel_leave(struct pg_cancel *cancel)
{
	int runs = CANCEL_RUNS;

	if (!cancel)
		return;
	cancel->conn = NULL; /* the loop's own; the thread does not look at it */
	atomic_compare_exchange_strong(&cancel->state, &runs, CANCEL_LEFT);
}
