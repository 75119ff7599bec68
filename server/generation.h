/* server/generation.h: one loaded configuration: immutable, counted, replaced whole (DESIGN §2.4).
 *
 * Built off the loops; used by all of them. Each loop counts its own references without atomics;
 * when a loop that has moved on lets go of its last one, it tells the main thread, which frees
 * the generation when no loop has any. */
#pragma once
#include "conf/load.h"
#include "server/actors/actors.h"
#include "server/cache/cache.h"
#include "server/files_root.h"
#include "server/flow/flow.h"
#include "server/flow/queues.h"
#include "server/gpu/gpu_set.h"
#include "server/http/head.h"
#include "server/kafka/kafka_section.h"
#include "server/listen_spec.h"
#include "server/native/natives.h"
#include "server/peers/peers.h"
#include "server/policy/policies.h"
#include "server/redis_conf.h"
#include "server/router.h"
#include "server/settings.h"
#include "server/sql/sql_section.h"
#include "server/trace/trace_conf.h"
#include "server/upstream_section.h"

struct route;
struct job_spec;

struct generation {
	uint64_t number; /* counts from 1 */
	int64_t loaded_wall_ns;
	struct conf conf;
	struct arena *arena; /* conf.arena */
	struct settings settings;
	struct http_limits http_limits;
	size_t n_listens;
	struct listen_spec *listens;
	bool listens_look; /* at least one of them looks at every request: policies, proxies */
	struct policy_list policies;
	struct route *no_route;       /* of requests that no route takes, but policies look at */
	const struct route *messages; /* of libprocess' peers; NULL: there are none */
	struct listen_spec admin;     /* text.len 0: none */
	struct router *router;
	size_t n_routes;
	struct route **routes; /* in the order of the file */
	size_t n_jobs;
	struct job_spec **jobs;
	struct upstream_section http;
	struct sql_section sql;
	struct redis_section redis;
	struct kafka_section kafka;
	struct str files_root; /* where data is kept */
	struct data_root data_root;
	const struct shared_things *shared; /* `shared:` */
	struct compute_queues queues;
	struct gpu_set gpu;
	struct actor_section actors;
	struct peer_section peers;
	struct natives natives;   /* `modules:` */
	struct cache_list caches; /* of `cache:` */
	struct trace_conf trace;
	struct map flows;       /* name to struct flow * */
	struct flow *all_flows; /* of routes and jobs too; flows_fini() */
	unsigned n_holders;     /* workers that still have references; main thread */
	size_t *n_refs; /* by worker; each written by its worker only; made when it is applied */
};

/* Loads and checks everything. NULL when there are errors; `diag` has them (and warnings in any
 * case). `before` is the generation at work, or NULL: upstreams of the same name are carried
 * over from it. `checking`: for `leat check`, offline; `strict` as its option. Any thread. */
struct generation *generation_load(const char *path, const struct generation *before, bool checking,
				   bool strict, struct diag *diag);
void generation_destroy(struct generation *generation); /* NULL is accepted */

/* What the generation says of an open listener (the admin one too); NULL: its address is not in
 * it. */
const struct listen_spec *generation_listen(const struct generation *generation, uint32_t number);

/* The tables of all sections, for the schema and the manual. */
extern const struct setting sections[];
