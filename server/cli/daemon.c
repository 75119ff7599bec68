/* server/cli/daemon.c: the commands that ask the running daemon: reload, status. */
#include "server/cli/cli.h"
#include "server/expr/json.h"
#include <stdio.h>
#include <stdlib.h>

void cli_print_problem(struct str body, struct arena *arena)
{
	struct value problem;
	struct str detail = STR_NONE;

	if (json_read(body, arena, &problem, NULL) == 0)
		detail = cli_text(problem, "detail", arena);
	if (detail.len)
		fprintf(stderr, "leat: %.*s\n", STR_ARG(detail));
	else
		fprintf(stderr, "leat: the daemon answered: %.*s\n", STR_ARG(body));
}

static void reload_print(struct value answer, bool refused, struct arena *arena)
{
	struct str text = cli_text(answer, "diagnostics", arena),
		   generation = cli_text(answer, "generation", arena);

	fprintf(stderr, "%.*s", STR_ARG(text));
	if (refused)
		fprintf(stderr, "leat: reload refused; generation %s goes on\n", generation.ptr);
	else
		printf("reloaded: generation %s is at work\n", generation.ptr);
}

int cli_reload(const struct cli *cli)
{
	return cli_ask_and_print(cli, "POST", "/v1/reload", reload_print);
}

/* "              10.0.0.1:9002 up, breaker closed: 12 calls, 0 failed, 1 in flight, 2 open" */
static void status_print_server(struct value server, struct arena *arena)
{
	struct str breaker = cli_text(server, "breaker", arena);

	printf("              %s %s%s%s: %s calls, %s failed, %s in flight, %s open\n",
	       cli_text(server, "address", arena).ptr, cli_text(server, "state", arena).ptr,
	       breaker.len ? ", breaker " : "", breaker.len ? breaker.ptr : "",
	       cli_text(server, "calls", arena).ptr, cli_text(server, "failed", arena).ptr,
	       cli_text(server, "in_flight", arena).ptr, cli_text(server, "open", arena).ptr);
}

static void status_print_upstreams(struct value status, struct arena *arena)
{
	struct value list = cli_member(status, "upstreams", arena);

	for (uint32_t i = 0; list.kind == VALUE_LIST && i < list.len; i++) {
		struct value one = list.items[i];
		struct value servers = cli_member(one, "servers", arena);

		printf("upstream    %s: %s calls, %s failed, %s in flight, %s idle\n",
		       cli_text(one, "name", arena).ptr, cli_text(one, "calls", arena).ptr,
		       cli_text(one, "failed", arena).ptr, cli_text(one, "in_flight", arena).ptr,
		       cli_text(one, "idle", arena).ptr);
		for (uint32_t j = 0; servers.kind == VALUE_LIST && j < servers.len; j++)
			status_print_server(servers.items[j], arena);
	}
}

static void status_print_listeners(struct value status, struct arena *arena)
{
	struct value list = cli_member(status, "listeners", arena);

	for (uint32_t i = 0; list.kind == VALUE_LIST && i < list.len; i++)
		printf("listening   %s%s\n", cli_text(list.items[i], "address", arena).ptr,
		       str_eq(cli_text(list.items[i], "admin", arena), STR("true")) ? " (admin)"
										    : "");
}

static void status_print_redises(struct value status, struct arena *arena)
{
	struct value list = cli_member(status, "redis", arena);

	for (uint32_t i = 0; list.kind == VALUE_LIST && i < list.len; i++) {
		struct value one = list.items[i];
		struct str problem = cli_text(one, "problem", arena);

		printf("redis       %s: %s, %s connections, %s pipelined, %s waiting, %s commands, "
		       "%s errors, %s reconnects%s%.*s\n",
		       cli_text(one, "name", arena).ptr, cli_text(one, "state", arena).ptr,
		       cli_text(one, "connections", arena).ptr,
		       cli_text(one, "pipelined", arena).ptr, cli_text(one, "waiting", arena).ptr,
		       cli_text(one, "commands", arena).ptr, cli_text(one, "errors", arena).ptr,
		       cli_text(one, "reconnects", arena).ptr, problem.len ? ": " : "",
		       STR_ARG(problem));
	}
}

static void status_print_sqls(struct value status, struct arena *arena)
{
	struct value list = cli_member(status, "sql", arena);

	for (uint32_t i = 0; list.kind == VALUE_LIST && i < list.len; i++) {
		struct value one = list.items[i];

		printf("sql         %s: %s, %s open, %s in use, %s waiting, %s queries, %s "
		       "errors\n",
		       cli_text(one, "name", arena).ptr, cli_text(one, "state", arena).ptr,
		       cli_text(one, "open", arena).ptr, cli_text(one, "in_use", arena).ptr,
		       cli_text(one, "waiting", arena).ptr, cli_text(one, "queries", arena).ptr,
		       cli_text(one, "errors", arena).ptr);
	}
}

static void status_print_actors(struct value status, struct arena *arena)
{
	struct value list = cli_member(status, "actors", arena);

	for (uint32_t i = 0; list.kind == VALUE_LIST && i < list.len; i++) {
		struct value one = list.items[i];

		printf("actor       %s: %s live, %s messages, %s handled, %s failed, %s refused\n",
		       cli_text(one, "name", arena).ptr, cli_text(one, "live", arena).ptr,
		       cli_text(one, "messages", arena).ptr, cli_text(one, "handled", arena).ptr,
		       cli_text(one, "failed", arena).ptr, cli_text(one, "refused", arena).ptr);
	}
}

static void status_print_peers(struct value status, struct arena *arena)
{
	struct value list = cli_member(status, "peers", arena);

	for (uint32_t i = 0; list.kind == VALUE_LIST && i < list.len; i++) {
		struct value one = list.items[i];
		struct str problem = cli_text(one, "problem", arena);
		struct str rtt = cli_text(one, "rtt_ms", arena);

		printf("peer        %s: %s, %s queued, %s unanswered, %s sent, %s acked, %s lost, "
		       "%s received%s%.*s%s%s%.*s\n",
		       cli_text(one, "name", arena).ptr, cli_text(one, "state", arena).ptr,
		       cli_text(one, "queued", arena).ptr, cli_text(one, "unanswered", arena).ptr,
		       cli_text(one, "sent", arena).ptr, cli_text(one, "acked", arena).ptr,
		       cli_text(one, "lost", arena).ptr, cli_text(one, "received", arena).ptr,
		       rtt.len ? ", rtt " : "", STR_ARG(rtt), rtt.len ? " ms" : "",
		       problem.len ? ": " : "", STR_ARG(problem));
	}
}

/* Those that have done anything. */
static void status_print_compute(struct value status, struct arena *arena)
{
	struct value list = cli_member(status, "compute", arena);

	for (uint32_t i = 0; list.kind == VALUE_LIST && i < list.len; i++) {
		struct value one = list.items[i];
		struct str done = cli_text(one, "done", arena);

		if (str_eq(done, STR("0")) && str_eq(cli_text(one, "running", arena), STR("0")))
			continue;
		printf("compute     %s: %s waiting, %s running, %s done, %s refused; waited %s ms, "
		       "at "
		       "most %s ms, ran %s ms\n",
		       cli_text(one, "name", arena).ptr, cli_text(one, "waiting", arena).ptr,
		       cli_text(one, "running", arena).ptr, done.ptr,
		       cli_text(one, "refused", arena).ptr, cli_text(one, "waited_ms", arena).ptr,
		       cli_text(one, "waited_max_ms", arena).ptr,
		       cli_text(one, "ran_ms", arena).ptr);
	}
}

static void status_print_gpu(struct value status, struct arena *arena)
{
	struct value list = cli_member(status, "gpu", arena);

	for (uint32_t i = 0; list.kind == VALUE_LIST && i < list.len; i++) {
		struct value one = list.items[i];

		printf("gpu         %s: %s running, %s left behind, %s done, %s failed\n",
		       cli_text(one, "name", arena).ptr, cli_text(one, "running", arena).ptr,
		       cli_text(one, "left", arena).ptr, cli_text(one, "done", arena).ptr,
		       cli_text(one, "failed", arena).ptr);
	}
}

/* "refused     rate_limit 12, deny 3" */
static void status_print_refused(struct value status, struct arena *arena)
{
	struct value refused = cli_member(status, "refused", arena);

	for (uint32_t i = 0; refused.kind == VALUE_OBJECT && i < refused.len; i++) {
		struct str name = value_str(refused.members[i].key);

		printf("%s%.*s %s", i ? ", " : "refused     ", STR_ARG(name),
		       cli_text(refused, arena_str(arena, name).ptr, arena).ptr);
	}
	if (refused.kind == VALUE_OBJECT && refused.len)
		putchar('\n');
}

/* Only where there are any, or were. */
static void status_print_live(struct value live, struct arena *arena)
{
	static const struct str zero = STR_INIT("0");

	if (!str_eq(cli_text(live, "websockets", arena), zero) ||
	    !str_eq(cli_text(live, "event_streams", arena), zero) ||
	    !str_eq(cli_text(live, "received", arena), zero) ||
	    !str_eq(cli_text(live, "sent", arena), zero))
		printf("live        %s websockets, %s event streams, %s received, %s sent, %s "
		       "dropped, %s "
		       "were too slow\n",
		       cli_text(live, "websockets", arena).ptr,
		       cli_text(live, "event_streams", arena).ptr,
		       cli_text(live, "received", arena).ptr, cli_text(live, "sent", arena).ptr,
		       cli_text(live, "dropped", arena).ptr, cli_text(live, "slow", arena).ptr);
	if (!str_eq(cli_text(live, "published", arena), zero) ||
	    !str_eq(cli_text(live, "topics", arena), zero))
		printf("topics      %s, %s subscribers, %s published\n",
		       cli_text(live, "topics", arena).ptr,
		       cli_text(live, "subscribers", arena).ptr,
		       cli_text(live, "published", arena).ptr);
}

/* A file, or one that does not work: what is in memory says nothing else. */
static void status_print_store(struct value store, struct arena *arena)
{
	struct str state = cli_text(store, "state", arena), path = cli_text(store, "path", arena);
	struct str problem = cli_text(store, "problem", arena);

	if (store.kind != VALUE_OBJECT ||
	    (str_eq(path, STR(":memory:")) && str_eq(state, STR("ok"))))
		return;
	printf("store       %.*s: %.*s, %s bytes, %s waiting, %s commits, %s failed, %s "
	       "refused%s%.*s\n",
	       STR_ARG(path), STR_ARG(state), cli_text(store, "size_bytes", arena).ptr,
	       cli_text(store, "waiting", arena).ptr, cli_text(store, "commits", arena).ptr,
	       cli_text(store, "failed", arena).ptr, cli_text(store, "refused", arena).ptr,
	       problem.len ? ": " : "", STR_ARG(problem));
}

static void status_print(struct value status, bool refused, struct arena *arena)
{
	long long uptime_s = atoll(cli_text(status, "uptime_ms", arena).ptr) / 1000;

	(void)refused; /* nobody is */
	printf("leat        %s, pid %s, %s\n", cli_text(status, "version", arena).ptr,
	       cli_text(status, "pid", arena).ptr, cli_text(status, "state", arena).ptr);
	printf("uptime      %lldd %02lld:%02lld:%02lld\n", uptime_s / 86400, uptime_s / 3600 % 24,
	       uptime_s / 60 % 60, uptime_s % 60);
	printf("generation  %s, loaded %s, %s reloads, %s refused\n",
	       cli_text(status, "generation", arena).ptr, cli_text(status, "loaded", arena).ptr,
	       cli_text(status, "reloads", arena).ptr,
	       cli_text(status, "reloads_refused", arena).ptr);
	printf("routes      %s, jobs %s\n", cli_text(status, "routes", arena).ptr,
	       cli_text(status, "jobs", arena).ptr);
	printf("connections %s open, %s accepted\n", cli_text(status, "connections", arena).ptr,
	       cli_text(status, "accepted", arena).ptr);
	printf("requests    %s answered, %s in work\n", cli_text(status, "requests", arena).ptr,
	       cli_text(status, "requests_in_work", arena).ptr);
	status_print_live(cli_member(status, "live", arena), arena);
	status_print_refused(status, arena);
	status_print_listeners(status, arena);
	status_print_store(cli_member(status, "store", arena), arena);
	status_print_upstreams(status, arena);
	status_print_redises(status, arena);
	status_print_sqls(status, arena);
	status_print_actors(status, arena);
	status_print_peers(status, arena);
	cli_print_caches(cli_member(status, "caches", arena), arena);
	status_print_compute(status, arena);
	status_print_gpu(status, arena);
}

int cli_status(const struct cli *cli)
{
	return cli_ask_and_print(cli, "GET", "/v1/status", status_print);
}
