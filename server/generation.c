/* server/generation.c
 *
 * Loading goes over the whole file and collects every error; nothing of it touches what is at
 * work. The sections are compiled in the order of their dependence: settings, upstreams, flows
 * (declared first, so that they may call one another), routes, jobs. */
#include "server/generation.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/actor_routes.h"
#include "server/async/async.h"
#include "server/dns_servers.h"
#include "server/files_root.h"
#include "server/flow/shared.h"
#include "server/jobs/jobs.h"
#include "server/jq/jq_check.h"
#include "server/later.h"
#include "server/peer_route.h"
#include "server/route.h"
#include "server/schema/schema.h"
#include "server/sections.h"
#include "server/share.h"
#include "server/store/store_conf.h"
#include "server/upstream_conf.h"
#include <stdlib.h>

#define FLOW_ROOTS (ROOT_BIT(ROOT_WITH) | ROOT_BIT(ROOT_ENV) | ROOT_BIT(ROOT_SECRET))

/* One load. */
struct load {
	struct flow_compiler compiler; /* first: its callbacks find the load */
	struct schema_loader schemas;
	struct generation *generation;
	const struct generation *before;
	struct diag *diag;
	struct sections_config config;
	struct policy_compiler policies;
};

/* ${env.X} and ${secret.X} are asked for by a callback that knows only names; a load stays on
 * its thread. */
static _Thread_local struct load *loading;

static bool load_constant(const struct expr_names *names, enum expr_root root, struct str name,
			  struct str *ret_text)
{
	struct conf *conf = &loading->generation->conf;
	bool found = root == ROOT_ENV ? conf_env(conf, name, ret_text)
				      : conf_secret(conf, name, ret_text);

	(void)names;
	if (found || !conf->checking || conf->strict)
		return found;
	diag_warning(loading->diag, (struct place){ 0 }, "%s \"%.*s\" does not exist here",
		     root == ROOT_ENV ? "environment variable" : "secret", STR_ARG(name));
	*ret_text = STR("");
	return true;
}

static struct upstream *load_upstream(struct flow_compiler *compiler, struct str name)
{
	return upstream_section_find(
		&container_of(compiler, struct load, compiler)->generation->http, name);
}

static const struct node *load_upstream_key(struct flow_compiler *compiler, struct str name)
{
	return upstream_section_key(
		&container_of(compiler, struct load, compiler)->generation->http, name);
}

static struct sql_db *load_sql(struct flow_compiler *compiler, struct str name)
{
	return sql_section_find(&container_of(compiler, struct load, compiler)->generation->sql,
				name);
}

static struct flow *load_flow(struct flow_compiler *compiler, struct str name)
{
	return map_find(&container_of(compiler, struct load, compiler)->generation->flows, name);
}

/* ------------------------------------------------------------ settings */

static void load_part(struct load *load, const struct setting *table, const struct node *node,
		      const char *what)
{
	const struct settings_part part = { table, &load->generation->settings };

	if (node)
		settings_read(&part, 1, node, what, load->generation->arena, load->diag);
	else
		settings_defaults(table, &load->generation->settings, load->generation->arena);
}

static void load_threads(struct load *load, struct str text, const char *key)
{
	const struct node *node = node_find(load->config.server, key);
	uint64_t n_threads;

	if (str_eq(text, STR("auto")) ||
	    (str_to_u64(text, &n_threads) == 0 && n_threads >= 1 && n_threads <= 1024))
		return;
	diag_error(load->diag, node ? node->place : (struct place){ 0 },
		   "\"%.*s\" is not a number of threads; write auto, "
		   "or a number from 1 to 1024",
		   STR_ARG(text));
}

static void load_log_share(struct load *load)
{
	struct settings *settings = &load->generation->settings;
	int64_t share = share_read(settings->log_sample);

	settings->log_share = (uint64_t)MAX(share, INT64_C(0));
	if (share < 0)
		diag_error(load->diag, node_find(load->config.log, "sample")->place,
			   "\"%.*s\" is not a share of the access lines; write a number from 0 to "
			   "1, for example 0.05",
			   STR_ARG(str_first(settings->log_sample, 40)));
}

static void load_settings(struct load *load)
{
	struct settings *settings = &load->generation->settings;

	load_part(load, server_keys, load->config.server, "server");
	load_part(load, log_keys, load->config.log, "log");
	load_part(load, limits_keys, load->config.limits, "limits");
	load_part(load, timeouts_keys, load->config.timeouts, "timeouts");
	load_log_share(load);
	load_part(load, store_keys, load->config.store, "store");
	settings->store_path =
		store_place(&load->generation->conf, load->config.store, settings->store_path);
	load_threads(load, settings->threads, "threads");
	load_threads(load, settings->compute_threads, "compute_threads");
	if (settings->uploads.len)
		settings->uploads = conf_path(&load->generation->conf,
					      node_find(load->config.server, "uploads")->place,
					      settings->uploads);
	settings->dns_servers =
		dns_servers_compile(&settings->resolvers, load->generation->arena, load->diag);
	load->generation->http_limits = (struct http_limits){
		.line_max = settings->line,
		.head_max = settings->head,
		.fields_max = (size_t)settings->fields,
		.body_max = UINT64_MAX, /* the route's own bound is asked when the route is known */
	};
}

static void load_listen_one(struct load *load, const struct node *node, struct listen_spec *spec)
{
	struct generation *generation = load->generation;
	struct policy_nodes nodes = { 0 };
	bool ok;

	*spec = (struct listen_spec){ 0 };
	if (!listen_spec_compile(spec, node, &nodes, &generation->conf, load->diag))
		return;
	spec->policies =
		policies_compile(&load->policies, POLICIES_LISTENER, spec->text, &nodes, &ok);
	generation->listens_look |= listen_spec_looks(spec);
}

static void load_listens(struct load *load)
{
	struct generation *generation = load->generation;
	const struct node *node = load->config.listen;
	size_t n_listens = !node ? 0 : node->kind == NODE_LIST ? node->n_entries : 1;

	generation->listens =
		arena_alloc_array(generation->arena, n_listens + 1, sizeof(*generation->listens));
	for (size_t i = 0; i < n_listens; i++) {
		struct listen_spec *spec = &generation->listens[i];

		load_listen_one(load, node->kind == NODE_LIST ? node->entries[i].value : node,
				spec);
		for (size_t j = 0; j < i; j++)
			if (spec->addr.len &&
			    net_addr_eq(&generation->listens[j].addr, &spec->addr))
				diag_error(load->diag, spec->place,
					   "\"%s\" is listed twice; remove one", spec->text.ptr);
	}
	generation->n_listens = n_listens;
}

/* Before listeners and routes: those have policies of their own. Behind upstreams, which they name. */
static void load_policies(struct load *load)
{
	struct generation *generation = load->generation;

	policy_compiler_init(&load->policies, &generation->conf, load->diag, &generation->policies);
	load->policies.outer_names.constant = load_constant;
	load->policies.http = &generation->http;
	load->policies.before = load->before ? &load->before->policies : NULL;
	policies_compile_prefixes(&load->policies, load->config.defaults);
	generation->no_route = arena_zalloc(generation->arena, sizeof(struct route));
	*generation->no_route = (struct route){ .by_path = true,
						.logged = true,
						.body = { .max = generation->settings.body } };
}

/* ------------------------------------------------------------ what is compiled */

static size_t node_n_entries(const struct node *node)
{
	return node ? node->n_entries : 0;
}

static void load_upstreams(struct load *load)
{
	struct generation *generation = load->generation;

	upstream_section_compile(&generation->http, load->config.http,
				 load->before ? &load->before->http : NULL, &generation->conf,
				 load->diag);
	load->compiler.upstream_names = generation->http.names;
}

static void load_redis_section(struct load *load)
{
	struct generation *generation = load->generation;

	redis_section_compile(&generation->redis, load->config.redis,
			      load->before ? &load->before->redis : NULL, &generation->conf,
			      load->diag);
	load->compiler.redis = &generation->redis;
}

static void load_kafka_section(struct load *load)
{
	struct generation *generation = load->generation;

	kafka_section_compile(&generation->kafka, load->config.kafka,
			      load->before ? &load->before->kafka : NULL, &generation->conf,
			      load->diag);
	load->compiler.kafka = &generation->kafka;
}

static void load_sql_section(struct load *load)
{
	struct generation *generation = load->generation;

	generation->files_root = files_root(&generation->conf);
	generation->data_root.path = generation->files_root;
	load->compiler.data_root = &generation->data_root;
	sql_section_compile(&generation->sql, load->config.sql,
			    load->before ? &load->before->sql : NULL, generation->files_root,
			    &generation->conf, load->diag);
	load->compiler.sql_names = generation->sql.names;
}

static void load_flow_one(struct load *load, const struct node_entry *entry)
{
	struct flow_config config = { 0 };
	const struct settings_part part = { flow_keys, &config };

	settings_read(&part, 1, entry->value, "a flow", load->generation->arena, load->diag);
	if (config.tasks)
		flow_compile(&load->compiler, load_flow(&load->compiler, entry->key), config.tasks,
			     config.result, FLOW_ROOTS);
}

static void load_flows(struct load *load)
{
	struct generation *generation = load->generation;
	const struct node *node = load->config.flows;
	size_t n_entries = node_n_entries(node);
	const char **names = arena_alloc_array(generation->arena, n_entries + 1, sizeof(char *));

	for (size_t i = 0; i < n_entries; i++) {
		map_set(&generation->flows, node->entries[i].key,
			flow_declare(&load->compiler, node->entries[i].key));
		names[i] = node->entries[i].key.ptr;
	}
	names[n_entries] = NULL;
	load->compiler.flow_names = names;
	for (size_t i = 0; i < n_entries; i++)
		load_flow_one(load, &node->entries[i]);
}

static void load_routes(struct load *load)
{
	struct generation *generation = load->generation;
	const struct node *node = load->config.routes;
	size_t n_entries = node_n_entries(node);
	size_t n_max = n_entries + actor_routes_max(&generation->actors) + ASYNC_ROUTES_MAX + 1;

	generation->router = router_create(generation->arena);
	generation->routes = arena_alloc_array(generation->arena, n_max, sizeof(struct route *));
	for (size_t i = 0; i < n_entries; i++) {
		struct route *route = route_compile(&load->compiler, &load->policies,
						    &load->schemas, &generation->settings,
						    &node->entries[i]);

		if (!route)
			continue;
		if (router_add(generation->router, &route->pattern, route->place, route,
			       load->diag))
			generation->routes[generation->n_routes++] = route;
		else
			route_fini(route);
	}
	actor_routes_add(generation, &load->compiler, &load->policies, &load->schemas);
	peer_route_add(generation, &load->compiler);
	async_routes_add(generation, &load->compiler, &load->policies, &load->schemas);
	for (size_t i = 0; i < generation->n_routes; i++)
		route_add_folder(generation->routes[i], generation->router, generation->arena);
}

static void load_jobs(struct load *load)
{
	struct generation *generation = load->generation;
	const struct node *node = load->config.jobs;
	size_t n_entries = node_n_entries(node);

	generation->jobs =
		arena_alloc_array(generation->arena, n_entries + 1, sizeof(struct job_spec *));
	for (size_t i = 0; i < n_entries; i++) {
		struct job_spec *spec = job_compile(&load->compiler, &node->entries[i]);

		if (!spec)
			continue;
		spec->generation_number = generation->number;
		generation->jobs[generation->n_jobs++] = spec;
	}
}

/* Before flows: modules have verbs. */
static void load_modules(struct load *load)
{
	struct generation *generation = load->generation;

	natives_load(&generation->natives, load->config.modules, &generation->conf,
		     load->before ? &load->before->natives : NULL, load->diag);
	load->compiler.natives = &generation->natives;
}

static void load_shared(struct load *load)
{
	struct arena *arena = load->generation->arena;
	struct shared_things *things = arena_alloc(arena, sizeof(*things));

	shared_compile(things, load->config.shared, arena, load->diag);
	load->compiler.shared = load->generation->shared = things;
	queues_compile(&load->generation->queues, load->config.compute, arena, load->diag);
	load->compiler.queues = &load->generation->queues;
	gpu_set_compile(&load->generation->gpu, load->config.gpu, arena, load->diag);
	load->compiler.gpu = &load->generation->gpu;
}

/* Sections whose settings are constant: what they take from the environment is put in now. */
static void load_resolve(struct load *load)
{
	static const char *const constant[] = { "listen",     "server", "log",   "limits",
						"timeouts",   "admin",  "http",  "shared",
						"compute",    "redis",  "sql",   "kafka",
						"files_root", "gpu",    "trace", "store",
						"peers" };
	struct conf *conf = &load->generation->conf;

	for (size_t i = 0; i < ARRAY_LEN(constant); i++) {
		const struct node_entry *entry = node_entry_find(conf->root, constant[i]);

		if (entry)
			conf_resolve(conf, entry->value, load->diag);
	}
}

static void load_sections(struct load *load)
{
	struct later_config later = { 0 };
	const struct settings_part parts[] = { { sections, &load->config },
					       { later_sections, &later } };
	struct generation *generation = load->generation;

	load->compiler = (struct flow_compiler){
		.arena = generation->arena,
		.diag = load->diag,
		.upstream = load_upstream,
		.upstream_key = load_upstream_key,
		.sql = load_sql,
		.flow = load_flow,
		.constant = load_constant,
	};
	load_resolve(load);
	sections_refuse_later(load->generation->conf.root, load->diag);
	settings_read(parts, ARRAY_LEN(parts), generation->conf.root, "the configuration",
		      generation->arena, load->diag);
	load->compiler.defaults = load->config.defaults;
	cache_list_init(&generation->caches, generation->conf.root,
			load->before ? &load->before->caches : NULL, generation->arena);
	load->compiler.caches = &generation->caches;
	load_modules(load);
	flow_check_defaults(&load->compiler);
	load_settings(load);
	load_upstreams(load);
	load_policies(load);
	load_listens(load);
	listen_spec_compile_admin(&generation->admin, load->config.admin, generation->arena,
				  load->diag);
	trace_conf_compile(&generation->trace, load->config.trace, &generation->http,
			   &generation->conf, load->diag);
	generation->natives.upstreams = generation->http.upstreams;
	generation->natives.n_upstreams = generation->http.n_upstreams;
	load_redis_section(load);
	load_sql_section(load);
	load_kafka_section(load);
	load_shared(load);
	peer_section_compile(&generation->peers, load->config.peers,
			     load->before ? &load->before->peers : NULL, &generation->conf,
			     load->diag);
	load->compiler.peers = &generation->peers;
	actor_section_declare(&load->generation->actors, &load->compiler, load->config.actors,
			      natives_n_kinds(&generation->natives));
	natives_declare_actors(&generation->natives, &load->compiler, &generation->actors);
	generation->actors.compute = &generation->queues.queues[0];
	load->compiler.actors = &load->generation->actors;
	peer_section_check_reach(load->config.peers, &generation->actors, load->diag);
	load_flows(load);
	actor_section_compile(&load->generation->actors, &load->compiler, load->config.actors);
	load_routes(load);
	load_jobs(load);
	flow_check_cached(&load->compiler);
}

struct generation *generation_load(const char *path, const struct generation *before, bool checking,
				   bool strict, struct diag *diag)
{
	struct generation *generation = mem_zalloc(sizeof(*generation));
	struct load load = { .generation = generation, .before = before, .diag = diag };

	generation->loaded_wall_ns = clock_wall_ns();
	generation->number = before ? before->number + 1 : 1;
	generation->conf.checking = checking;
	generation->conf.strict = strict;
	map_init(&generation->flows);
	policy_list_init(&generation->policies);
	if (conf_load(&generation->conf, path, diag) == 0 && generation->conf.root) {
		generation->arena = &generation->conf.arena;
		loading = &load;
		schema_loader_init(&load.schemas, generation->arena, diag);
		load_sections(&load);
		schema_loader_fini(&load.schemas);
		loading = NULL;
		generation->all_flows = load.compiler.flows;
		jq_check_destroy(load.compiler.jq_check);
		data_root_open(&generation->data_root, checking, diag);
#if WITH_KAFKA
		if (!checking && diag->n_errors == 0)
			kafka_section_start(&generation->kafka, load.config.kafka, diag);
#endif
	}
	diag_sort(diag);
	if (diag->n_errors > 0) {
		generation_destroy(generation);
		return NULL;
	}
	return generation;
}

void generation_destroy(struct generation *generation)
{
	if (!generation)
		return;
	for (size_t i = 0; i < generation->n_routes; i++)
		route_fini(generation->routes[i]);
	for (size_t i = 0; i < generation->n_jobs; i++)
		job_spec_fini(generation->jobs[i]);
	trace_conf_fini(&generation->trace);
	upstream_section_fini(&generation->http);
	redis_section_fini(&generation->redis);
	peer_section_fini(&generation->peers);
	sql_section_fini(&generation->sql);
	kafka_section_fini(&generation->kafka);
	for (size_t i = 0; i < generation->n_listens; i++)
		listen_spec_fini(&generation->listens[i]);
	flows_fini(generation->all_flows);
	data_root_close(&generation->data_root);
	gpu_set_fini(&generation->gpu);
	natives_fini(&generation->natives);
	queues_close(&generation->queues);
	cache_list_fini(&generation->caches);
	map_fini(&generation->flows);
	policy_list_fini(&generation->policies);
	conf_fini(&generation->conf);
	free(generation->n_refs);
	free(generation);
}

const struct listen_spec *generation_listen(const struct generation *generation, uint32_t number)
{
	for (size_t i = 0; i < generation->n_listens; i++)
		if (generation->listens[i].number == number)
			return &generation->listens[i];
	return generation->admin.number == number ? &generation->admin : NULL;
}
