/* server/policy/server_timing.c: `server_timing: true`.
 *
 * The answer says what it has taken so far, and each of its tasks (W3C Server Timing). Browsers show
 * it beside the request; who may see it may learn where a service spends its time, so it is off
 * unless said. */
#include "core/base/clock.h"
#include "server/policy/policies.h"
#include "server/request.h"
#include <errno.h>

enum { TASKS_TOLD_MAX = 40 };

static struct policy *server_timing_compile(struct policy_compiler *compiler,
					    const struct node *node, const struct policy *before)
{
	(void)before;
	if (node->kind == NODE_BOOL && node->boolean)
		return arena_zalloc(compiler->arena, sizeof(struct policy));
	diag_error(compiler->diag, node->place, "server_timing is true or off");
	return NULL;
}

static void server_timing_write(struct buf *out, struct str name, uint64_t ns)
{
	if (out->len)
		buf_add(out, STR(", "));
	buf_printf(out, "%.*s;dur=%.3f", STR_ARG(name), (double)ns / NS_PER_MS);
}

static void server_timing_finish(struct policy_run *run, const struct policy *policy,
				 struct reply *reply)
{
	const struct request *request = run->request;
	size_t n_told = 0;
	struct buf out;

	(void)policy;
	buf_init_arena(&out, run->arena);
	server_timing_write(&out, STR("total"), clock_monotonic_ns() - request->started_ns);
	for (size_t i = 0; i < flow_run_n_tasks(&request->run) && n_told < TASKS_TOLD_MAX; i++) {
		struct str name;
		uint64_t took_ns;

		if (!flow_run_took(&request->run, i, &name, &took_ns))
			continue;
		server_timing_write(&out, name, took_ns);
		n_told++;
	}
	if (out.error)
		policy_fail(run, -ENOMEM);
	else
		policy_reply_set(run, reply, STR("Server-Timing"), buf_str(&out));
}

const struct policy_kind policy_server_timing = {
	.id = POLICY_SERVER_TIMING,
	.name = "server_timing",
	.compile = server_timing_compile,
	.finish = server_timing_finish,
};
