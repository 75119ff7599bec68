/* tests/server/native/loaded.h: flows of tests/server/flow/try.h with a module and a pool. */
#pragma once
#include "conf/load.h"
#include "core/thread/pool.h"
#include "server/flow/queues.h"
#include "server/native/natives.h"
#include "tests/server/flow/try.h"
#include "tests/server/native/dying.h"

static struct conf module_conf;
static struct natives natives;
static struct compute_queues queues;
static struct pool *pool;

static void begin_with(const char *name)
{
	struct node node = { .kind = NODE_TEXT };

	begin();
	check(pool_create(&pool, "test", 2) == 0);
	queues_compile(&queues, NULL, &load_arena, &diag);
	queues_open(&queues, pool);
	compiler.queues = &queues;
	arena_init_required(&module_conf.arena);
	node.text = module_path(name);
	check(natives_load(&natives, &node, &module_conf, NULL, &diag));
	natives.upstreams = upstreams;
	natives.n_upstreams = n_upstreams;
	check(natives_start(&natives, NULL, &diag));
	compiler.natives = &natives;
}

static inline void end_with(void)
{
	queues_close(&queues);
	pool_destroy(pool);
	settle();
	natives_fini(&natives);
	end();
	arena_fini(&module_conf.arena);
}

/* Turns the loop until the flow has ended: for what another thread does. */
static inline void await_end(void)
{
	for (int i = 0; n_ended == 0 && i < 100000; i++) {
		loop_run_once(loop, false);
		usleep(100);
	}
	settle();
}
