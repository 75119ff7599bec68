/* tests/server/flow/try.h: flows written in YAML, compiled and run on a loop of the test's own.
 *
 * The document has `tasks:`, and perhaps `result:`, `flows:` (name to tasks and result) and
 * `defaults:`. The clock stands still and moves by pass(): so an order of events is an order in
 * time. */
#pragma once
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/task/home.h"
#include "server/client/upstream.h"
#include "server/expr/json.h"
#include "server/flow/flow.h"
#include "server/flow/shared.h"
#include "tests/lib/tap.h"
#include <stdlib.h>

enum { UPSTREAMS_MAX = 4, LOG_MAX = 65536 };

#define ALL_ROOTS                                                                                  \
	(ROOT_BIT(ROOT_QUERY) | ROOT_BIT(ROOT_BODY) | ROOT_BIT(ROOT_PATH) | ROOT_BIT(ROOT_HEADERS))

static struct loop *loop;
static struct client *client;
static struct arena load_arena, run_arena, context_arena;
static struct diag diag;
static struct source source;
static struct flow_compiler compiler;
static struct flow *main_flow;
static struct flow *named_flows[8];
static const char *flow_name_list[9];
static struct upstream *upstreams[UPSTREAMS_MAX];
static const char *upstream_name_list[UPSTREAMS_MAX + 1];
static size_t n_upstreams;
static struct value roots; /* an object: root to value */
static struct context *context;
static struct flow_run *run;
static struct detacher detacher;
static struct homes *homes;
static struct shared_things shared;
static int n_detached, n_detached_begun;
static unsigned n_ended;
static char log_text[LOG_MAX];
static size_t log_len;

/* ------------------------------------------------------------ what is around a flow */

static int try_root(struct context *of, enum expr_root root, struct str key, struct value *ret)
{
	struct value whole;
	int r;

	*ret = value_null();
	if (!value_member(roots, str_of(expr_root_name(root)), &whole))
		return 0;
	*ret = whole;
	if (!key.ptr)
		return 0;
	r = value_open(&whole, of->arena);
	if (r < 0)
		return r;
	if (!value_member(whole, key, ret))
		*ret = value_null();
	return 0;
}

static const struct context_ops try_ops = { .root = try_root };

static bool try_constant(const struct expr_names *names, enum expr_root root, struct str name,
			 struct str *ret_text)
{
	(void)names;
	*ret_text = root == ROOT_SECRET ? STR("hush") : STR("home");
	return str_eq(name, STR("x"));
}

static struct upstream *try_upstream(struct flow_compiler *of, struct str name)
{
	(void)of;
	for (size_t i = 0; i < n_upstreams; i++)
		if (str_eq(str_of(upstream_name_list[i]), name))
			return upstreams[i];
	return NULL;
}

static struct flow *try_flow(struct flow_compiler *of, struct str name)
{
	(void)of;
	for (size_t i = 0; named_flows[i]; i++)
		if (str_eq(flow_name(named_flows[i]), name))
			return named_flows[i];
	return NULL;
}

static void try_begin(struct detacher *of, void *generation)
{
	(void)of;
	is_ptr(generation, (void *)&n_detached);
	n_detached++;
	n_detached_begun++;
}

static void try_end(struct detacher *of, void *generation)
{
	(void)of;
	(void)generation;
	n_detached--;
}

static void try_log(enum log_level level, struct str line)
{
	int n = snprintf(log_text + log_len, sizeof(log_text) - log_len, "%s %.*s\n",
			 log_level_name(level), STR_ARG(line));

	if (n > 0 && (size_t)n < sizeof(log_text) - log_len)
		log_len += (size_t)n;
}

static inline void try_upstream_add(const char *name, uint16_t port)
{
	char address[32];

	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	upstreams[n_upstreams] = upstream_create(str_of(name));
	check(upstreams[n_upstreams]);
	check(upstream_add_server(upstreams[n_upstreams], str_of(address)) == 0);
	upstream_name_list[n_upstreams] = name;
	upstream_name_list[++n_upstreams] = NULL;
}

static void begin(void)
{
	check(loop_create(&loop) == 0);
	check(client_create(&client, loop) == 0);
	homes = homes_create(&loop, 1);
	arena_init_required(&load_arena);
	arena_init(&run_arena, 1 << 20);
	arena_init(&context_arena, 1 << 20);
	diag_init(&diag);
	compiler = (struct flow_compiler){ .arena = &load_arena,
					   .diag = &diag,
					   .upstream = try_upstream,
					   .upstream_names = upstream_name_list,
					   .flow = try_flow,
					   .flow_names = flow_name_list,
					   .constant = try_constant };
	detacher = (struct detacher){ .begin = try_begin, .end = try_end };
	list_init(&detacher.runs);
	memset(named_flows, 0, sizeof(named_flows));
	memset(flow_name_list, 0, sizeof(flow_name_list));
	roots = value_null();
	n_ended = 0;
	n_detached_begun = 0;
	log_len = 0;
	log_text[0] = '\0';
	log_set_sink(try_log);
	context = mem_zalloc(sizeof(*context));
	run = mem_zalloc(sizeof(*run));
	*context = (struct context){ .ops = &try_ops,
				     .loop = loop,
				     .client = client,
				     .arena = &run_arena,
				     .id = STR("req-1"),
				     .generation = (void *)&n_detached,
				     .detacher = &detacher,
				     .homes = homes };
}

/* The request is over: nothing of it is left for those who should not use it. */
static void forget(void)
{
	free(run);
	free(context);
	run = NULL;
	context = NULL;
	arena_fini(&run_arena);
	arena_init(&run_arena, 1 << 20);
	arena_fini(&context_arena);
	arena_init(&context_arena, 1 << 20);
	roots = value_null();
}

static void end(void)
{
	is_int(n_detached, 0);
	forget();
	arena_fini(&run_arena);
	arena_fini(&context_arena);
	flows_fini(compiler.flows);
	diag_fini(&diag);
	homes_settle(homes);
	homes_destroy(homes);
	client_destroy(client);
	for (size_t i = 0; i < n_upstreams; i++)
		upstream_unref(upstreams[i]);
	n_upstreams = 0;
	upstream_name_list[0] = NULL;
	loop_destroy(loop);
	arena_fini(&load_arena);
	log_set_sink(NULL);
}

/* ------------------------------------------------------------ compiling */

static void try_compile_flows(const struct node *flows)
{
	const uint64_t flow_roots_all = ROOT_BIT(ROOT_WITH);

	for (size_t i = 0; flows && i < flows->n_entries; i++) {
		named_flows[i] = flow_declare(&compiler, flows->entries[i].key);
		flow_name_list[i] = flows->entries[i].key.ptr;
	}
	for (size_t i = 0; flows && i < flows->n_entries; i++)
		flow_compile(&compiler, named_flows[i], node_find(flows->entries[i].value, "tasks"),
			     node_find(flows->entries[i].value, "result"), flow_roots_all);
}

/* True when it has no errors. */
static bool compile(const char *yaml)
{
	const struct node *tree;

	source = (struct source){ "t.yaml", str_of(yaml) };
	tree = tree_read(&source, &load_arena, &diag);
	if (!tree || diag.n_errors)
		return false;
	compiler.defaults = node_find(tree, "defaults");
	flow_check_defaults(&compiler);
	shared_compile(&shared, node_find(tree, "shared"), &load_arena, &diag);
	compiler.shared = &shared;
	try_compile_flows(node_find(tree, "flows"));
	main_flow = flow_declare(&compiler, STR("main"));
	flow_compile(&compiler, main_flow, node_find(tree, "tasks"), node_find(tree, "result"),
		     ALL_ROOTS);
	return diag.n_errors == 0;
}

/* ------------------------------------------------------------ running */

static void try_on_end(struct flow_run *ended)
{
	check(ended == run);
	n_ended++;
}

/* Gives the roots as JSON. */
static inline void with_roots(const char *json)
{
	check(json_read(str_of(json), &context_arena, &roots, NULL) == 0);
}

/* Turns the loop until nothing is left to do without time passing. */
static void settle(void)
{
	for (int i = 0; i < 100; i++)
		loop_run_once(loop, false);
}

static inline void pass(uint64_t ms)
{
	for (; ms > 0; ms--) {
		clock_advance(NS_PER_MS);
		loop_run_once(loop, false);
		loop_run_once(loop, false);
	}
	settle();
}

static void start(void)
{
	flow_run_init(run, main_flow, context, try_on_end);
	flow_run_start(run);
}

static inline void run_yaml(const char *yaml)
{
	bool ok = compile(yaml);

	is_true(ok);
	if (!ok) {
		diag_print(&diag, stdout);
		exit(1);
	}
	start();
	settle();
}

/* ------------------------------------------------------------ asking */

/* What an expression gives in the environment of the run's reply, as JSON; "error: …" when it
 * fails. */
static inline const char *eval(const char *text)
{
	static char out[4096];
	struct expr_names names = *flow_names(main_flow);
	struct expr_compiler expr = { .arena = &load_arena, .diag = &diag, .names = &names };
	struct expr *compiled;
	struct value value;
	struct buf json;
	int r;

	names.roots |= ROOT_BIT(ROOT_ERROR);
	compiled = expr_compile(&expr, str_of(text), (struct place){ 0 });
	if (!compiled) {
		snprintf(out, sizeof(out), "refused: %s", diag.entries[diag.n_entries - 1].message);
		return out;
	}
	flow_run_env(run)->message[0] = '\0';
	r = expr_eval(compiled, flow_run_env(run), &value);
	if (r < 0) {
		snprintf(out, sizeof(out), "error: %s", flow_run_env(run)->message);
		return out;
	}
	buf_init(&json, sizeof(out) - 1);
	value_write_json(value, &json);
	snprintf(out, sizeof(out), "%.*s", STR_ARG(buf_str(&json)));
	buf_fini(&json);
	return out;
}

#define gives(text, json) is_text(eval(text), json)

static inline void ended_ok(void)
{
	is_int(n_ended, 1);
	is_str(failure_code(&run->failure), STR(""));
}

static inline void ended_by(const char *code, const char *task)
{
	is_int(n_ended, 1);
	is_str(failure_code(&run->failure), str_of(code));
	is_str(run->failure.task, str_of(task));
}

/* Compiles what is wrong, and looks for "line:col: message" among the errors (the start of it). */
static inline void refused(const char *yaml, const char *error)
{
	char line[1024] = "";
	bool found = false;

	begin();
	compile(yaml);
	for (size_t i = 0; i < diag.n_entries && !found; i++) {
		snprintf(line, sizeof(line), "%u:%u: %s", diag.entries[i].line, diag.entries[i].col,
			 diag.entries[i].message);
		found = strncmp(line, error, strlen(error)) == 0;
	}
	tap_ok(found, __FILE__, __LINE__, "refused with %s", error);
	if (!found)
		for (size_t i = 0; i < diag.n_entries || i == 0; i++)
			printf("# not: %s\n",
			       diag.n_entries ? (snprintf(line, sizeof(line), "%u:%u: %s",
							  diag.entries[i].line, diag.entries[i].col,
							  diag.entries[i].message),
						 line)
					      : "no error");
	end();
}
