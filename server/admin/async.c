/* server/admin/async.c: what the store knows of runs that somebody asked for: of jobs, and of routes
 * with `async`. Tokens of clients are not told. */
#include "core/base/memory.h"
#include "server/admin/admin.h"
#include "server/expr/json.h"
#include "server/jobs/todo_look.h"
#include "server/server.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct async_ask {
	struct store_op op;
	struct request *request; /* NULL: it has left */
	char *name;              /* of the job or route */
	int64_t id;
	struct buf out;
};

enum { ASYNC_OUT_MAX = 4 << 20, ASYNC_SHOWN = 50 };

static void async_free(struct async_ask *ask)
{
	buf_fini(&ask->out);
	free(ask->name);
	free(ask);
}

static void async_answered(struct store_op *op)
{
	struct async_ask *ask = container_of(op, struct async_ask, op);
	struct request *request = ask->request;
	struct str json;

	if (request && op->result == 0) {
		json = arena_str(&request->arena, buf_str(&ask->out));
		request_reply_json(request, json.ptr ? 200 : 503, json.ptr ? json : STR("{}"));
	} else if (request) {
		request_reply(request, reply_refusal(op->result == -ENOENT ? 404 : 503));
	}
	async_free(ask);
}

static void async_left(struct request *request)
{
	struct async_ask *ask = request->native;

	ask->request = NULL;
	request_destroy(request);
}

static void async_submit(struct request *request, store_run_fn *run, struct str name, int64_t id)
{
	struct async_ask *ask = mem_zalloc(sizeof(*ask));

	ask->op.loop = request->worker->loop;
	ask->op.run = run;
	ask->op.on_done = async_answered;
	ask->request = request;
	ask->name = mem_strndup(name.len ? name.ptr : "", name.len);
	ask->id = id;
	buf_init(&ask->out, ASYNC_OUT_MAX);
	request->native = ask;
	request->on_cancel = async_left;
	if (store_submit(request->worker->server->store, &ask->op, sizeof(*ask)) == 0)
		return;
	async_free(ask);
	request_reply(request, reply_refusal(503));
}

/* ------------------------------------------------------------ GET /v1/jobs/NAME/runs/ID */

static int async_run_of_job(struct store_op *op, struct store_db *db)
{
	struct async_ask *ask = container_of(op, struct async_ask, op);
	struct todo_look look;
	int r;

	buf_clear(&ask->out); /* of a first try */
	todo_look_init(&look);
	r = todo_look_job(db, str_of(ask->name), ask->id, &look);
	buf_printf(&ask->out, "{\"id\":%" PRId64 ",\"job\":", ask->id);
	json_write_text(str_of(ask->name), &ask->out);
	buf_add_char(&ask->out, ',');
	todo_look_write(&look, &ask->out);
	buf_add_char(&ask->out, '}');
	todo_look_fini(&look);
	return r;
}

void admin_job_run_told(struct request *request)
{
	int64_t id = 0;

	if (str_to_i64(request_param(request, STR("id")), &id) < 0)
		request_reply(request, reply_refusal(404));
	else
		async_submit(request, async_run_of_job, request_param(request, STR("name")), id);
}

/* ------------------------------------------------------------ GET /v1/async */

static int async_counts(struct store_op *op, struct store_db *db)
{
	struct async_ask *ask = container_of(op, struct async_ask, op);

	buf_clear(&ask->out);
	return todo_look_write_routes(db, &ask->out);
}

void admin_async(struct request *request)
{
	async_submit(request, async_counts, STR(""), 0);
}

static int async_history(struct store_op *op, struct store_db *db)
{
	struct async_ask *ask = container_of(op, struct async_ask, op);

	buf_clear(&ask->out);
	return todo_look_write_route(db, str_of(ask->name), ASYNC_SHOWN, &ask->out);
}

void admin_async_history(struct request *request)
{
	struct str route = request_query(request, STR("route"));

	if (!route.ptr)
		request_reply(request, reply_refusal(400));
	else
		async_submit(request, async_history, route, 0);
}
