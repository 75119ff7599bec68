/* server/live/live.c */
#include "server/live/live.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "server/auth/identity.h"
#include "server/expr/json.h"
#include "server/request_roots.h"
#include "server/trace/trace.h"
#include "server/worker.h"
#include <errno.h>

struct live_root {
	enum expr_root root;
	struct value value;
};

/* ------------------------------------------------------------ compiling */

struct handler_config {
	const struct node *tasks, *reply;
	uint64_t timeout_ms;
};

#define AT(field) offsetof(struct handler_config, field)
const struct setting live_handler_keys[] = {
	{ "tasks", SETTING_MAP, AT(tasks),
	  .help = "What to do, by name; the order follows from the references." },
	{ "reply", SETTING_NODE, AT(reply),
	  .help = "What is sent to the client then: a text, or text, json, binary, close, reason.",
	  .keys = answer_keys },
	{ "timeout", SETTING_DURATION, AT(timeout_ms),
	  .help = "The deadline of the tasks; that of the route when not said.", .min = 1,
	  .max = INT64_C(86400000) },
	SETTINGS_END
};
#undef AT

static bool handler_compile_reply(struct live_compiler *compiler, const struct node *node,
				  struct live_handler *handler)
{
	struct expr_uses uses = { 0 };
	struct expr_compiler expr = { .arena = compiler->flow->arena,
				      .diag = compiler->flow->diag,
				      .names = flow_names(handler->flow),
				      .uses = &uses };

	handler->reply = answer_compile(&expr, node);
	*compiler->roots_used |= uses.roots;
	return handler->reply != NULL;
}

bool live_handler_compile(struct live_compiler *compiler, const struct node *node, const char *name,
			  uint64_t more_roots, bool may_reply, struct live_handler *handler)
{
	struct flow_compiler *flow = compiler->flow;
	struct handler_config config = { .timeout_ms = compiler->place->timeout_ms };
	const struct settings_part part = { live_handler_keys, &config };
	bool ok;

	if (!node)
		return true;
	if (settings_read(&part, 1, node, name, flow->arena, flow->diag) > 0)
		return false;
	handler->timeout_ms = config.timeout_ms;
	handler->flow = flow_declare(
		flow, arena_printf(flow->arena, "%.*s %s", STR_ARG(compiler->place->route), name));
	ok = flow_compile(flow, handler->flow, config.tasks, NULL,
			  compiler->place->roots | more_roots | ROOT_BIT(ROOT_CONN));
	*compiler->roots_used |= flow_roots(handler->flow);
	if (!config.reply)
		return ok;
	if (!may_reply) {
		diag_error(flow->diag, config.reply->place,
			   "%s cannot reply: nobody is there any more; remove reply", name);
		return false;
	}
	return handler_compile_reply(compiler, config.reply, handler) && ok;
}

void live_view_add(struct live_view *view, const char *name, const struct live_handler *handler)
{
	if (!handler->flow)
		return;
	view->handlers[view->n_handlers].name = name;
	view->handlers[view->n_handlers++].handler = handler;
}

/* ------------------------------------------------------------ roots */

static int live_named(struct arena *arena, const struct member *members, size_t n_members,
		      struct str key, struct value *ret)
{
	struct member *copies;

	*ret = value_null();
	for (size_t i = 0; key.ptr && i < n_members; i++)
		if (str_eq(value_str(members[i].key), key))
			*ret = members[i].value;
	if (key.ptr)
		return 0;
	copies = arena_alloc_array(arena, n_members, sizeof(*copies));
	if (!copies)
		return -ENOMEM;
	memcpy(copies, members, n_members * sizeof(*copies));
	*ret = value_object(copies, n_members);
	return 0;
}

static struct value live_text_or_null(struct str text)
{
	return text.len ? value_text(text) : value_null();
}

static int live_root_conn(struct live *live, struct str key, struct value *ret)
{
	const struct member members[] = {
		{ value_text(STR("id")), value_text(live->id) },
		{ value_text(STR("protocol")), live_text_or_null(live->protocol) },
		{ value_text(STR("code")), live->code ? value_int(live->code) : value_null() },
		{ value_text(STR("reason")),
		  live_text_or_null((struct str){ live->reason, live->reason_len }) },
	};

	return live_named(&live->run_arena, members, ARRAY_LEN(members), key, ret);
}

static int live_root(struct context *context, enum expr_root root, struct str key,
		     struct value *ret)
{
	struct live *live = container_of(context, struct live, context);

	*ret = value_null();
	if (root == ROOT_CONN)
		return live_root_conn(live, key, ret);
	if (root == ROOT_MESSAGE) {
		*ret = live->message;
		return 0;
	}
	for (size_t i = 0; i < live->n_roots; i++) {
		if (live->roots[i].root != root)
			continue;
		*ret = live->roots[i].value;
		if (key.ptr && !value_member(live->roots[i].value, key, ret))
			*ret = value_null();
	}
	return 0;
}

static const struct context_ops live_context_ops = { .root = live_root };

/* By way of JSON: then nothing in it is read later, into memory that is not its own. */
static int live_copy(struct live *live, struct value from, struct value *ret)
{
	struct buf json;
	struct str text;
	int r;

	buf_init(&json, live->arena.max);
	value_write_json(from, &json);
	text = json.error ? STR_NONE : arena_str(&live->arena, buf_str(&json));
	r = text.ptr ? json_read(text, &live->arena, ret, NULL) : -ENOMEM;
	buf_fini(&json);
	return r;
}

/* The roots of the request; not what is the run's own, or constant. */
static bool live_keeps(enum expr_root root, uint64_t roots_used)
{
	return root <= ROOT_CLIENT && roots_used & ROOT_BIT(root);
}

static bool live_keep_roots(struct live *live, struct request *request, uint64_t roots_used)
{
	live->roots = arena_alloc_array(&live->arena, ROOT_CLIENT + 1, sizeof(*live->roots));
	if (!live->roots)
		return false;
	for (unsigned at = 0; at <= ROOT_CLIENT; at++) {
		struct live_root *kept = &live->roots[live->n_roots];
		struct value value;
		int r;

		if (!live_keeps((enum expr_root)at, roots_used))
			continue;
		kept->root = (enum expr_root)at;
		r = request_root(&request->context, kept->root, STR_NONE, &value);
		if (r == 0)
			r = live_copy(live, value, &kept->value);
		if (r == -ENOMEM)
			return false;
		live->n_roots += r == 0;
	}
	return true;
}

/* ------------------------------------------------------------ life */

/* By the clock of the wall, which may be set meanwhile: it is looked at again now and then. */
static void live_await_expiry(struct live *live)
{
	enum { LOOK_MS = 60000 };
	int64_t left_ns = live->until_wall_ns - clock_wall_ns();

	if (live->until_wall_ns)
		timer_start(&live->until,
			    left_ns > 0 ? MIN((uint64_t)left_ns / NS_PER_MS + 1, (uint64_t)LOOK_MS)
					: 0);
}

static void live_on_until(struct timer *timer)
{
	struct live *live = container_of(timer, struct live, until);

	if (clock_wall_ns() < live->until_wall_ns)
		live_await_expiry(live);
	else
		live->ops->expire(live);
}

static void live_init_context(struct live *live, struct request *request)
{
	live->context = request->context;
	live->context.ops = &live_context_ops;
	live->context.arena = &live->run_arena;
	live->context.id = live->id;
	live->context.open = NULL;
	live->context.trace = trace_copy(request->context.trace, &live->arena);
}

bool live_init(struct live *live, const struct live_ops *ops, struct request *request,
	       uint64_t roots_used)
{
	struct worker *worker = request->worker;

	*live = (struct live){ .ops = ops,
			       .worker = worker,
			       .route = request->route,
			       .generation = request->generation };
	arena_init(&live->arena, request->arena.max);
	arena_init(&live->run_arena, request->arena.max);
	live->arena.budget = live->run_arena.budget = request->arena.budget;
	live->id = arena_str(&live->arena, request->context.id);
	live_init_context(live, request);
	if (!live->id.ptr || ((roots_used & (ROOT_BIT(ROOT_CLIENT + 1) - 1)) &&
			      !live_keep_roots(live, request, roots_used))) {
		arena_fini(&live->arena);
		return false;
	}
	timer_init(&live->until, worker->loop, live_on_until);
	live->until_wall_ns = request->identity ? request->identity->until_wall_ns : 0;
	live_await_expiry(live);
	list_add(&worker->lives, &live->link);
	worker->detacher.begin(&worker->detacher, live->generation);
	return true;
}

void live_fini(struct live *live)
{
	struct worker *worker = live->worker;

	check(!live->running && live->n_topics == 0);
	list_remove(&live->link);
	timer_stop(&live->until);
	arena_fini(&live->arena);
	arena_fini(&live->run_arena);
	worker->detacher.end(&worker->detacher, live->generation);
}

void live_close_as(struct live *live, uint16_t code, struct str reason)
{
	if (live->code)
		return;
	live->code = code;
	live->reason_len = (uint8_t)MIN(reason.len, sizeof(live->reason));
	if (live->reason_len)
		memcpy(live->reason, reason.ptr, live->reason_len);
}

/* ------------------------------------------------------------ handlers */

static void live_on_flow_end(struct flow_run *run)
{
	struct live *live = container_of(run, struct live, run);

	context_close(&live->context);
	live->on_run_end(live);
}

void live_run(struct live *live, const struct live_handler *handler,
	      void (*on_end)(struct live *live))
{
	check(!live->running);
	live->running = true;
	live->on_run_end = on_end;
	live->handler = handler;
	live->context.degraded = false;
	flow_run_init(&live->run, handler->flow, &live->context, live_on_flow_end);
	if (flow_is_empty(handler->flow)) {
		on_end(live);
		return;
	}
	flow_run_set_deadline(&live->run, clock_monotonic_ns() + handler->timeout_ms * NS_PER_MS);
	flow_run_start(&live->run);
}

void live_run_end(struct live *live)
{
	live->running = false;
	live->message = value_null();
	arena_reset(&live->run_arena);
}

static void live_log_failure(const struct live *live, const struct failure *failure)
{
	log_write(failure_status(failure) >= 500 ? LOG_WARNING : LOG_INFO,
		  "handler failed route=%s flow=%s task=%s code=%.*s detail=%s id=%.*s",
		  LOG_QUOTE(live->route->pattern.text), LOG_QUOTE(flow_name(live->handler->flow)),
		  LOG_QUOTE(failure->task), STR_ARG(failure_code(failure)),
		  LOG_QUOTE(failure->detail), STR_ARG(live->id));
}

bool live_run_answer(struct live *live, struct answer *ret_answer)
{
	struct expr_env *env = flow_run_env(&live->run);
	struct failure failure = live->run.failure;
	int r = 0;

	*ret_answer = (struct answer){ 0 };
	if (failure.code == ERROR_NONE && live->handler->reply)
		r = answer_eval(live->handler->reply, env, ret_answer);
	if (r < 0)
		failure = (struct failure){ .code = r == -ENOMEM    ? ERROR_MEMORY_LIMIT
						    : r == -EBADMSG ? ERROR_INVALID_INPUT
								    : ERROR_EXPR_ERROR,
					    .task = STR("reply"),
					    .detail = r == -ENOMEM ? STR("limits.memory is reached")
								   : str_of(env->message) };
	if (failure.code == ERROR_NONE)
		return true;
	live_log_failure(live, &failure);
	return false;
}

/* ------------------------------------------------------------ all of a worker's */

void lives_end(struct worker *worker)
{
	struct live *live;

	list_each(live, &worker->lives, struct live, link)
		live->ops->end(live);
}

void lives_cancel(struct worker *worker)
{
	struct live *live;

	list_each(live, &worker->lives, struct live, link)
		if (live->running)
			flow_run_cancel(&live->run);
}

/* By what it is called, and that it still ends in the same way. */
static bool live_route_is_there(const struct generation *generation, const struct route *route)
{
	for (size_t i = 0; i < generation->n_routes; i++) {
		const struct route *other = generation->routes[i];

		if (route_is_live(other) && !other->events == !route->events &&
		    str_eq(other->pattern.text, route->pattern.text))
			return true;
	}
	return false;
}

/* Each route is looked for once, however its connections and those of others stand mixed. */
void lives_check_routes(struct worker *worker)
{
	static char there, gone;
	struct live *live;
	struct map found[2]; /* of WebSockets; of event streams */

	if (list_is_empty(&worker->lives))
		return;
	map_init(&found[0]);
	map_init(&found[1]);
	list_each(live, &worker->lives, struct live, link) {
		struct map *of_kind = &found[live->route->events != NULL];
		struct str name = live->route->pattern.text;
		char *is = map_find(of_kind, name);

		if (!is) {
			is = live_route_is_there(worker->generation, live->route) ? &there : &gone;
			map_set(of_kind, name, is);
		}
		if (is == &gone)
			live->ops->end(live);
	}
	map_fini(&found[0]);
	map_fini(&found[1]);
}
