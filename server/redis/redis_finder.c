/* server/redis/redis_finder.c
 *
 *   IDLE --> ASKING --> IDLE     somebody has told: the pool resumes
 *              | ^ \
 *              +-+  +-> IDLE     everybody was asked: the pool's tickets fail; a pause
 */
#include "server/redis/redis_finder.h"
#include "core/base/backoff.h"
#include "core/base/memory.h"
#include <stdio.h>
#include <stdlib.h>

enum {
	ANSWER_MAX = 8 << 20, /* of a large cluster */
	ASKED_MAX = 64,       /* servers of a round */
	PAUSE_FIRST_MS = 50,
	PAUSE_MAX_MS = 2000,
};

struct redis_finder {
	struct redis_pool *pool;
	struct redis_call call;
	struct str words[3]; /* of the question */
	struct redis_command question;
	struct arena arena;       /* of the answer */
	struct redis_node *asked; /* NULL: idle */
	uint64_t round;
	unsigned n_asked; /* in this round */
	unsigned n_failed;
	uint64_t retry_at_ns;
	enum redis_error error;
	char problem[REDIS_PROBLEM_MAX];
};

static void finder_ask_next(struct redis_finder *finder);

static void finder_set_question(struct redis_finder *finder)
{
	const struct redis *redis = finder->pool->redis;
	bool sentinel = redis->mode == REDIS_SENTINEL;

	finder->words[0] = sentinel ? STR("SENTINEL") : STR("CLUSTER");
	finder->words[1] = sentinel ? STR("GET-MASTER-ADDR-BY-NAME") : STR("SLOTS");
	finder->words[2] = redis->master;
	finder->question =
		(struct redis_command){ .args = finder->words, .n_args = sentinel ? 3 : 2 };
}

struct redis_finder *redis_finder_create(struct redis_pool *pool)
{
	struct redis_finder *finder = mem_zalloc(sizeof(*finder));

	finder->pool = pool;
	arena_init(&finder->arena, ANSWER_MAX);
	finder_set_question(finder);
	return finder;
}

void redis_finder_destroy(struct redis_finder *finder)
{
	if (!finder)
		return;
	if (finder->asked)
		redis_call_cancel(&finder->call);
	arena_fini(&finder->arena);
	free(finder);
}

bool redis_finder_is_pausing(const struct redis_finder *finder, enum redis_error *ret_error,
			     const char **ret_problem)
{
	if (finder->asked || loop_now_ns(finder->pool->rloop->loop) >= finder->retry_at_ns)
		return false;
	if (ret_error)
		*ret_error = finder->error;
	if (ret_problem)
		*ret_problem = finder->problem;
	return true;
}

/* ------------------------------------------------------------ sentinels */

static bool value_port(struct value value, uint16_t *ret_port)
{
	uint64_t port = 0;

	if (value.kind == VALUE_INT)
		port = value.integer < 0 ? 0 : (uint64_t)value.integer;
	else if (value.kind != VALUE_TEXT || str_to_u64(value_str(value), &port) < 0)
		return false;
	*ret_port = (uint16_t)port;
	return port > 0 && port <= UINT16_MAX;
}

static bool finder_take_master(struct redis_finder *finder, struct value answer)
{
	struct redis_node *node;
	uint16_t port;

	if (answer.kind != VALUE_LIST || answer.len != 2 || answer.items[0].kind != VALUE_TEXT ||
	    !value_port(answer.items[1], &port))
		return false;
	node = redis_pool_node(finder->pool, value_str(answer.items[0]), port);
	if (!node)
		return false;
	finder->pool->master = node;
	redis_pool_forget(finder->pool, finder->asked);
	return true;
}

/* ------------------------------------------------------------ clusters */

/* [from, to, [host, port, …], …replicas]: an empty or missing host is the one that was asked. No two have
 * a slot: so there is as much work in an answer as there are slots, however long it is. */
static bool finder_take_range(struct redis_finder *finder, struct value range,
			      struct redis_node **slots)
{
	struct value from, to, master;
	struct redis_node *node;
	struct str host;
	uint16_t port;

	if (range.kind != VALUE_LIST || range.len < 3)
		return false;
	from = range.items[0];
	to = range.items[1];
	master = range.items[2];
	if (from.kind != VALUE_INT || to.kind != VALUE_INT || from.integer < 0 ||
	    from.integer > to.integer || to.integer >= COMMAND_SLOTS || master.kind != VALUE_LIST ||
	    master.len < 2 || !value_port(master.items[1], &port))
		return false;
	host = master.items[0].kind == VALUE_TEXT ? value_str(master.items[0]) : STR_NONE;
	node = redis_pool_node(finder->pool, host.len ? host : finder->asked->server.host, port);
	for (int64_t slot = from.integer; node && slot <= to.integer; slot++) {
		if (slots[slot])
			return false;
		slots[slot] = node;
	}
	return node != NULL;
}

/* A slot that nobody has stays with whoever had it: he will say that the cluster is down. */
static bool finder_take_slots(struct redis_finder *finder, struct value answer)
{
	struct redis_pool *pool = finder->pool;
	struct redis_node **slots;

	if (answer.kind != VALUE_LIST || answer.len == 0)
		return false;
	slots = mem_zalloc(COMMAND_SLOTS * sizeof(*slots));
	for (uint32_t i = 0; i < answer.len; i++)
		if (!finder_take_range(finder, answer.items[i], slots)) {
			free(slots);
			return false;
		}
	for (size_t i = 0; i < COMMAND_SLOTS; i++)
		if (!slots[i])
			slots[i] = pool->slots ? pool->slots[i] : finder->asked;
	free(pool->slots);
	pool->slots = slots;
	redis_pool_forget(pool, finder->asked);
	return true;
}

/* ------------------------------------------------------------ asking */

static void finder_be_idle(struct redis_finder *finder)
{
	finder->asked = NULL;
	arena_fini(&finder->arena);
}

static void finder_done(struct redis_finder *finder)
{
	if (finder->n_failed > 0)
		redis_set_problem(finder->pool->redis, "");
	finder->n_failed = 0;
	finder->retry_at_ns = loop_now_ns(finder->pool->rloop->loop) +
			      backoff_ns(PAUSE_FIRST_MS, PAUSE_FIRST_MS, 1);
	finder->error = REDIS_CONNECT_FAILED;
	snprintf(finder->problem, sizeof(finder->problem), "the servers change their roles");
	finder_be_idle(finder);
	redis_pool_resume(finder->pool);
}

static void finder_failed(struct redis_finder *finder)
{
	finder->n_failed++;
	finder->retry_at_ns = loop_now_ns(finder->pool->rloop->loop) +
			      backoff_ns(PAUSE_FIRST_MS, PAUSE_MAX_MS, finder->n_failed);
	finder_be_idle(finder);
	redis_set_problem(finder->pool->redis, finder->problem);
	redis_pool_fail(finder->pool, finder->error, finder->problem);
}

static void finder_on_end(struct redis_call *call)
{
	struct redis_finder *finder = container_of(call, struct redis_finder, call);
	bool sentinel = finder->pool->redis->mode == REDIS_SENTINEL;

	if (call->error == REDIS_OK && (sentinel ? finder_take_master(finder, call->results[0])
						 : finder_take_slots(finder, call->results[0]))) {
		finder_done(finder);
		return;
	}
	finder->error = call->error == REDIS_OK ? REDIS_REPLIED : call->error;
	snprintf(finder->problem, sizeof(finder->problem), "%s",
		 call->error != REDIS_OK ? call->detail
		 : sentinel              ? "no sentinel knows this master"
					 : "the server has no slots of a cluster");
	finder_ask_next(finder);
}

static struct redis_node *finder_next(struct redis_finder *finder)
{
	struct redis_pool *pool = finder->pool;
	struct redis_node *node;

	list_each(node, &pool->nodes, struct redis_node, link)
		if (node->asked_round != finder->round &&
		    (node->is_sentinel || pool->redis->mode == REDIS_CLUSTER))
			return node;
	return NULL;
}

static void finder_ask_next(struct redis_finder *finder)
{
	const struct redis_request request = { .redis = finder->pool->redis,
					       .commands = &finder->question,
					       .n_commands = 1,
					       .reads = true,
					       .reply_max = ANSWER_MAX };
	struct redis_node *node = finder->n_asked < ASKED_MAX ? finder_next(finder) : NULL;

	if (!node) {
		finder_failed(finder);
		return;
	}
	finder->n_asked++;
	node->asked_round = finder->round;
	finder->asked = node;
	arena_fini(&finder->arena);
	arena_init(&finder->arena, ANSWER_MAX);
	finder->call.on_end = finder_on_end;
	redis_call_start_at(&finder->call, node, &finder->arena, &request);
}

void redis_finder_start(struct redis_finder *finder)
{
	if (finder->asked)
		return;
	finder->round++;
	finder->n_asked = 0;
	finder->error = REDIS_CONNECT_FAILED;
	finder_ask_next(finder);
}
