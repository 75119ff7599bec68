/* server/admin/gather.c */
#include "server/admin/gather.h"
#include "core/base/memory.h"
#include "server/server.h"
#include <stdlib.h>

static void gather_on_cancel(struct request *request)
{
	struct gather *gather = request->native;

	gather->request = NULL;
	request_destroy(request);
}

static void gather_free(struct gather *gather)
{
	for (size_t i = 0; i < gather->n_parts; i++)
		buf_fini(&gather->parts[i].out);
	free((char *)(uintptr_t)gather->name.ptr);
	free(gather);
}

static void gather_on_answer(struct post *post)
{
	struct gather *gather = container_of(post, struct gather_part, post)->gather;

	if (--gather->n_waiting > 0)
		return;
	if (gather->request)
		gather->done(gather);
	gather_free(gather);
}

static void gather_ask_here(struct post *post)
{
	struct gather_part *part = container_of(post, struct gather_part, post);

	part->gather->ask(part->gather, part->worker, &part->out);
	part->post.run = gather_on_answer;
	loop_post(part->worker->server->main->loop, &part->post);
}

void gather_start(struct request *request, gather_ask_fn *ask, gather_done_fn *done, int command,
		  struct str name)
{
	struct server *server = request->worker->server;
	struct gather *gather =
		mem_zalloc(sizeof(*gather) + server->n_workers * sizeof(gather->parts[0]));

	gather->request = request;
	gather->ask = ask;
	gather->done = done;
	gather->command = command;
	gather->name = (struct str){ mem_strndup(name.len ? name.ptr : "", name.len), name.len };
	gather->n_parts = gather->n_waiting = server->n_workers;
	request->native = gather;
	request->on_cancel = gather_on_cancel;
	for (size_t i = 0; i < gather->n_parts; i++) {
		struct gather_part *part = &gather->parts[i];

		part->gather = gather;
		part->worker = server->workers[i];
		part->post.run = gather_ask_here;
		buf_init(&part->out, SIZE_MAX);
		loop_post(part->worker->loop, &part->post);
	}
}
