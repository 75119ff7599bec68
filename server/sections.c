/* server/sections.c: the table of sections. To add one: a row here, its node in sections.h, its load in
 * generation.c. Declared in generation.h, for whoever prints it. */
#include "server/sections.h"
#include "server/actors/actors.h"
#include "server/flow/shared.h"
#include "server/generation.h"
#include "server/jobs/jobs.h"
#include "server/peers/peers.h"
#include "server/route.h"
#include "server/upstream_conf.h"

#define AT(field) offsetof(struct flow_config, field)
const struct setting flow_keys[] = {
	{ "tasks", SETTING_MAP, AT(tasks), .help = "What to do.", .required = true },
	{ "result", SETTING_VALUE, AT(result), .help = "What the flow gives to its caller." },
	SETTINGS_END
};
#undef AT

#define AT(field) offsetof(struct sections_config, field)
const struct setting sections[] = {
	{ "listen", SETTING_NODE, AT(listen),
	  .help = "Addresses to serve on: host:port, [v6]:port, *:port, unix:/path; or a map for "
		  "each.",
	  .keys = listen_keys, .more_keys = policy_keys },
	{ "server", SETTING_MAP, AT(server), .help = "What is fixed for the life of the process.",
	  .keys = server_keys },
	{ "log", SETTING_MAP, AT(log), .help = "What is logged, and where.", .keys = log_keys },
	{ "limits", SETTING_MAP, AT(limits), .help = "Bounds of what clients may ask for.",
	  .keys = limits_keys },
	{ "timeouts", SETTING_MAP, AT(timeouts), .help = "Bounds of every wait.",
	  .keys = timeouts_keys },
	{ "store", SETTING_MAP, AT(store),
	  .help = "Where is kept what outlives the process: runs of jobs, and what is yet to be "
		  "done.",
	  .keys = store_keys },
	{ "admin", SETTING_MAP, AT(admin),
	  .help = "Where leat's own commands reach the daemon: {listen: unix:/path}." },
	{ "secrets", SETTING_MAP, AT(secrets),
	  .help = "Where ${secret.NAME} is read from: {dir: PATH}." },
	{ "include", SETTING_NODE, AT(include),
	  .help = "More files, by name or pattern, relative to this one." },
	{ "defaults", SETTING_MAP, AT(defaults),
	  .help = "Modifiers for every task: {task: {timeout: …}}, and policies for prefixes of "
		  "paths: {/api: {cors: …}}.",
	  .keys = policy_keys },
	{ "modules", SETTING_NODE, AT(modules),
	  .help = "Files of native modules (shared objects), relative to this file, whose "
		  "functions and verbs tasks may use." },
	{ "http", SETTING_MAP, AT(http), .help = "HTTP upstreams by name.", .keys = upstream_keys },
	{ "redis", SETTING_MAP, AT(redis), .help = "Redis servers by name.", .keys = redis_keys },
	{ "sql", SETTING_MAP, AT(sql), .help = "Databases by name.", .keys = sql_keys },
	{ "kafka", SETTING_MAP, AT(kafka), .help = "Clusters of Kafka brokers by name.",
	  .keys = kafka_keys },
	{ "files_root", SETTING_TEXT, AT(files_root),
	  .help = "The folder that data is kept in, which nothing leaves; relative to this file. "
		  "The state directory's `files` when not said." },
	{ "shared", SETTING_MAP, AT(shared),
	  .help = "Pools and queues by name: {permits: n} or {queue: n}.", .keys = shared_keys },
	{ "compute", SETTING_MAP, AT(compute),
	  .help = "Queues of the threads that compute, by name.", .keys = compute_keys },
	{ "gpu", SETTING_MAP, AT(gpu),
	  .help = "The devices of OpenCL, and what tasks may have of them.",
	  .keys = gpu_limit_keys },
	{ "flows", SETTING_MAP, AT(flows),
	  .help = "Tasks to be called from several places: tasks and result.", .keys = flow_keys },
	{ "routes", SETTING_MAP, AT(routes),
	  .help = "\"[METHOD ][HOST]/path/{param}/{rest...}\" to what is done.", .keys = route_keys,
	  .more_keys = policy_keys },
	{ "trace", SETTING_MAP, AT(trace),
	  .help = "Where spans of requests, tasks, calls and jobs are sent.", .keys = trace_keys },
	{ "jobs", SETTING_MAP, AT(jobs), .help = "Tasks that run by the clock.", .keys = job_keys },
	{ "actors", SETTING_MAP, AT(actors),
	  .help = "Named state, and handlers that change it, one message at a time.",
	  .keys = actor_keys },
	{ "peers", SETTING_MAP, AT(peers),
	  .help = "Other hosts by name: whose actors are sent to, and who may send to ours.",
	  .keys = peer_keys },
	SETTINGS_END
};
#undef AT
