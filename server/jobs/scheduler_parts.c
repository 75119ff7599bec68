/* server/jobs/scheduler_parts.c: what runs may use; before the first one. */
#include "server/jobs/scheduler.h"

void scheduler_set_topics(struct scheduler *scheduler, struct topics *topics)
{
	scheduler->topics = topics;
}

void scheduler_set_homes(struct scheduler *scheduler, struct homes *homes)
{
	scheduler->homes = homes;
}

void scheduler_set_actors(struct scheduler *scheduler, struct actor_loop *actors)
{
	scheduler->actors = actors;
}

void scheduler_set_programs(struct scheduler *scheduler, struct processes *processes,
			    struct jq_pool *jq)
{
	scheduler->processes = processes;
	scheduler->jq = jq;
}

void scheduler_set_tracer(struct scheduler *scheduler, struct tracer *tracer)
{
	scheduler->tracer = tracer;
}

void scheduler_set_files(struct scheduler *scheduler, struct file_io *files)
{
	scheduler->files = files;
}

void scheduler_set_flows(struct scheduler *scheduler,
			 struct flow *(*find_flow)(void *generation, struct str name))
{
	scheduler->find_flow = find_flow;
}

void scheduler_set_store(struct scheduler *scheduler, struct store *store)
{
	scheduler->store = store;
}

void scheduler_set_redis(struct scheduler *scheduler, struct redis_loop *redis)
{
	scheduler->redis = redis;
}

void scheduler_set_memory(struct scheduler *scheduler, size_t memory_max,
			  struct arena_budget *budget)
{
	scheduler->memory_max = memory_max;
	scheduler->memory_budget = budget;
}
