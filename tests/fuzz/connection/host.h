/* tests/fuzz/connection/host.h: the server that the fuzzer talks to: two workers' loops on this
 * thread, a pool of one thread, two configurations in a folder of its own, a clock that stands
 * still. */
#pragma once
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/io/loop_clock.h"
#include "core/task/home.h"
#include "server/admin/admin.h"
#include "server/auth/logins.h"
#include "server/body/uploads.h"
#include "server/live/topics.h"
#include "server/server.h"
#include "tests/fuzz/connection/secure.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define WALL_NS (INT64_C(1800000000) * (int64_t)NS_PER_S)

static const char settings_text[] =
	"admin: { listen: \"unix:@DIR@/admin\" }\n"
	"server: { threads: 1, compute_threads: 1 }\n"
	"log: { access: off, level: error }\n"
	"limits: { line: 300, head: 2k, fields: 20, body: 3k, extensions: 64, trailers: 200,\n"
	"  requests: 30, memory: 64k, total_memory: 4m, connections: 4 }\n"
	"timeouts: { head: 100ms, body: 200ms, idle: 300ms, write: 200ms, handshake: 300ms, route: "
	"400ms, shutdown: "
	"1s }\n"
	"shared: { pool: { permits: 1 }, box: { queue: 2 } }\n";

static const char routes_text[] =
	"listen: [\"unix:@DIR@/first\", { address: \"unix:@DIR@/tls\", tls: { cert: pem, key: pem "
	"} },\n"
	"  { address: \"unix:@DIR@/proxied\", proxy_protocol: true, trusted_proxies: [unix, "
	"10.0.0.0/8], deny: [10.6.0.0/16] }, \"unix:@DIR@/second\"]\n"
	"http: { down: { url: \"http://127.0.0.1:1\" } }\n"
	"defaults:\n"
	"  /guarded: { rate_limit: { rate: 100/s, burst: 3 }, request_id: { trust: true }, "
	"headers: { "
	"set: { X-H: \"${query.h}\" }, remove: [X-A] }, cors: { origins: [\"https://a.test\"], "
	"methods: [GET, POST], credentials: true } }\n"
	"routes:\n"
	"  /up/{rest...}: { proxy: { to: \"down:/x/\", forwarded: both, headers: { X-Q: "
	"\"${query.q}\" } }, on_error: { any: { status: 502, text: \"${error.code}\" } } }\n"
	"  /guarded/up: { proxy: down, body: { max: 1k } }\n"
	"  POST /schema: { body: { type: json, schema: order.json }, reply: fits }\n"
	"  POST /upload: { body: { type: multipart, files: 2, max_file: 200, max: 2k }, reply: { "
	"json: \"${form_all}\" } }\n"
	"  GET /guarded/basic: { auth: { basic: { users: { ada: "
	"\"$2b$04$abcdefghijklmnopqrstuuyvPXIbu7xe6/CED2DzX8z6Si09MlzlW\" } } }, limit: { "
	"concurrent: 1, queue: 1, wait: 100ms }, tasks: { w: { wait: 5ms } }, reply: { json: "
	"\"${auth}\" } }\n"
	"  /guarded/key: { auth: { api_key: { from: \"query:k\", keys: { ci: "
	"sesame-open-yourself } } }, reply: \"${auth.key} ${request.body}\" }\n"
	"  GET /guarded/jwt: { auth: { jwt: { secret: "
	"0123456789abcdef0123456789abcdef, from: \"cookie:t\" } }, compress: { min: 1 }, reply: { "
	"json: "
	"\"${auth.claims}\" } }\n"
	"  GET /guarded/c: { compress: true, reply: { text: \"${env.LEAT_BIG}\" } }\n"
	"  GET /guarded/s: { redirect_https: true, reply: secret }\n"
	"  GET /c: { reply: hello }\n"
	"  POST /c: { reply: { status: 201, headers: { X-A: b }, json: { a: 1 } } }\n"
	"  GET /big: { reply: \"${env.LEAT_BIG}\" }\n"
	"  GET /echo: { reply: \"${request.body == '' ? 'hello' : request.body}\" }\n"
	"  POST /echo: { reply: \"${request.body == '' ? 'hello' : request.body}\" }\n"
	"  /p/{a}/{b...}: { reply: { headers: { X-A: \"${path.a}\" }, json: [\"${path}\", "
	"\"${query}\", \"${headers}\", \"${cookies}\"] } }\n"
	"  GET host.test/h: { reply: \"${request.host} ${client.address}\" }\n"
	"  POST /json: { body: { type: json, max: 1k }, reply: { json: { all: \"${body}\", a: "
	"\"${body.a}\" } } }\n"
	"  POST /form: { body: { type: form }, reply: { json: [\"${form}\", \"${form_all}\"] } }\n"
	"  POST /text: { body: { type: text, max: 100 }, reply: { html: \"<p>${body}\" } }\n"
	"  GET /now: { tasks: { w: { wait: 0 }, v: { value: \"${len(request.path)}\", after: [w] } "
	"}, reply: \"${v}\" }\n"
	"  GET /wait: { tasks: { w: { wait: 20ms } }, reply: waited }\n"
	"  POST /finish: { tasks: { w: { wait: 150ms } }, reply: \"${client.address} "
	"${request.body}\" }\n"
	"  GET /late: { tasks: { w: { wait: 1s } }, reply: late }\n"
	"  GET /after: { tasks: { w: { wait: 300ms, detach: true } }, reply: now }\n"
	"  GET /fail: { tasks: { f: { fail: teapot, status: 418, detail: \"${query.d}\" } } }\n"
	"  GET /caught: { tasks: { f: { value: \"${1 / number(query.n ?? '0')}\" } }, reply: "
	"\"${f}\", on_error: { expr_error: { status: 400, text: bad } } }\n"
	"  GET /go: { redirect: \"/p/${query.to}\" }\n"
	"  GET /lock/{name}: { tasks: { w: { wait: 30ms, lock: \"${path.name}\" } }, reply: locked "
	"}\n"
	"  GET /permit: { tasks: { w: { wait: 30ms, acquire: pool } }, reply: had }\n"
	"  POST /put: { tasks: { q: { enqueue: box, message: \"${request.body}\", wait: 50ms } }, "
	"reply: put }\n"
	"  GET /take: { tasks: { q: { dequeue: box, wait: 50ms } }, reply: { json: \"${q}\" } }\n"
	"  GET /many: { tasks: { e: { value: \"${item}\", each: \"${split(query.l ?? '', ',')}\" } "
	"}, reply: { json: \"${e.results}\" } }\n"
	"  GET /f/{path...}: { files: { root: files, index: a.txt, cache_control: no-cache, "
	"precompressed: [br, gz] } }\n"
	"  GET /one: { files: files/large.bin }\n"
	"  GET /app/{path...}: { files: { root: files, fallback: a.txt } }\n"
	"  GET /ws: { websocket: { max: 2k, queue: 2k, ping: 200ms, pong: 100ms, close: 100ms, "
	"deflate: { takeover: true }, subscribe: [t, \"${query.t ?? 't'}\"], slow: drop_oldest,\n"
	"    on_open: { reply: \"${conn.protocol} ${client.address}\" }, protocols: [a, b],\n"
	"    on_message: { tasks: { p: { publish: t, message: \"${message.text ?? 'x'}\", when: "
	"\"${len(message.text ?? '') != 3}\" }, w: { wait: 5ms, after: [p], when: "
	"\"${message.text == 'wait'}\" } }, reply: { text: \"${message.text}\", binary: "
	"\"${message.base64}\", close: \"${message.text == 'bye' ? 3000 : null}\" } },\n"
	"    on_close: { tasks: { p: { publish: t, message: \"${conn.code} ${conn.reason}\" } } } "
	"} "
	"}\n"
	"  GET /guarded/ws: { websocket: { deflate: true, queue: 1k, origins: "
	"[\"https://a.test\"], "
	"subscribe: t, on_message: { reply: { json: { m: \"${message.json}\" } } } } }\n"
	"  GET /ev: { events: { subscribe: [t, \"${query.u ?? 'u'}\"], queue: 1k, history: 3, "
	"history_max: 1k, history_age: 2s, keep: 1s, ping: 300ms, lost: lost,\n"
	"    on_open: { tasks: { w: { wait: 5ms } }, reply: \"${query.o}\" }, on_close: { tasks: { "
	"p: "
	"{ publish: u, message: gone } } } } }\n"
	"  GET /guarded/ev: { events: { subscribe: \"${query.t}\", slow: drop_oldest, queue: 1k, "
	"history: 0, ping: 300ms }, compress: true }\n"
	"  POST /pub/{t}: { body: { type: text, max: 1k }, tasks: { p: { publish: \"${path.t}\", "
	"message: \"${body ?? ''}\", event: \"${query.e ?? ''}\" } }, reply: \"${p}\" }\n";

static const char other_text[] =
	"listen: [\"unix:@DIR@/first\", { address: \"unix:@DIR@/tls\", tls: { cert: pem, key: pem, "
	"tickets: false } }, { address: \"unix:@DIR@/proxied\", proxy_protocol: true, "
	"trusted_proxies: [unix] }]\n"
	"routes:\n"
	"  GET /c: { reply: other }\n"
	"  POST /echo: { reply: { json: { n: \"${len(request.body)}\" } } }\n"
	"  GET /wait: { tasks: { w: { wait: 5ms } }, reply: other }\n"
	"  GET /f/{path...}: { files: files }\n"
	"  GET /ws: { websocket: { subscribe: t, ping: 300ms, pong: 100ms } }\n"
	"  POST /pub/{t}: { body: { type: text }, tasks: { p: { publish: \"${path.t}\", message: "
	"\"${body ?? ''}\" } }, reply: \"${p}\" }\n";

static char folder[64];
static struct server server;
static struct worker *worker;

static void write_file(const char *name, const char *text)
{
	scoped(mem_free_ptr) char *path = mem_printf("%s/%s", folder, name);
	FILE *file = fopen(path, "we");

	check(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static char *repeated(char c, size_t size)
{
	char *text = mem_zalloc(size + 1);

	memset(text, c, size);
	return text;
}

static void write_conf(const char *name, const char *routes)
{
	scoped(mem_free_ptr) char *text = mem_printf("%s%s", settings_text, routes);
	char *at;

	while ((at = strstr(text, "@DIR@"))) {
		char *whole = mem_printf("%.*s%s%s", (int)(at - text), text, folder, at + 5);

		free(text);
		text = whole;
	}
	write_file(name, text);
}

static void write_served(void)
{
	scoped(mem_free_ptr) char *large = repeated('y', 100000);
	scoped(mem_free_ptr) char *files = mem_printf("%s/files", folder);
	scoped(mem_free_ptr) char *sub = mem_printf("%s/files/sub", folder);

	check(mkdir(files, 0700) == 0 && mkdir(sub, 0700) == 0);
	write_file("files/a.txt", "abcdefghijklmnopqrstuvwxyz");
	write_file("files/a.txt.gz", "not really");
	write_file("files/.hidden", "secret");
	write_file("pem", secure_pem);
	write_file("files/sub/a.txt", "index");
	write_file("order.json",
		   "{\"type\": \"object\", \"required\": [\"id\"], \"properties\": {\"id\": "
		   "{\"type\": \"integer\", \"multipleOf\": 3}, \"n\": {\"pattern\": "
		   "\"^(a+)+$\"}}, \"additionalProperties\": {\"$ref\": \"#\"}}");
	write_file("files/large.bin", large);
}

static void remove_folder(void)
{
	uploads_destroy(take(&server.uploads));
	static const char *const names[] = {
		"files/a.txt",     "files/a.txt.gz", "files/.hidden", "files/sub/a.txt",
		"files/large.bin", "files/sub",      "files",         "one.yaml",
		"two.yaml",        "first",          "second",        "tls",
		"proxied",         "order.json",     "pem",           "admin"
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		scoped(mem_free_ptr) char *path = mem_printf("%s/%s", folder, names[i]);

		remove(path);
	}
	remove(folder);
}

static char *conf_name(bool other)
{
	return mem_printf("%s/%s.yaml", folder, other ? "two" : "one");
}

static atomic_bool pool_is_idle;
static bool is_disowned; /* a request was at work: what it has left behind may still run */

static void on_pool_idle(struct work *work)
{
	(void)work;
	atomic_store(&pool_is_idle, true);
}

/* What a request that waits has given to the pool, which has one thread: what that runs when nothing
 * else waits is done before it comes to this. */
static void settle_pool(void)
{
	struct work last = { .run = on_pool_idle };

	while (pool_n_waiting(server.pool) > 0)
		sched_yield();
	atomic_store(&pool_is_idle, false);
	pool_submit(server.pool, &last);
	while (!atomic_load(&pool_is_idle))
		sched_yield();
}

/* Also waits for what the pool's thread has still to do: a file being looked for, a
 * configuration being loaded, a password being hashed, an upload being written. */
static void settle(void)
{
	bool elsewhere, asked = false;

	do {
		loop_settle(worker->loop);
		loop_settle(server.main->loop);
		elsewhere = desk_is_busy(&worker->files) ||
			    (server.reloading && server.n_unswapped == 0);
		if (!asked && (!list_is_empty(&worker->live) || is_disowned)) {
			settle_pool();
			asked = elsewhere = true;
			is_disowned = !list_is_empty(&worker->live);
		}
		if (elsewhere)
			sched_yield();
		check(!worker->stopped || list_is_empty(&worker->conns));
	} while (elsewhere || !loop_is_settled(worker->loop) ||
		 !loop_is_settled(server.main->loop));
}

/* The main loop follows in one step. */
static void pass_ms(uint64_t ms)
{
	loop_advance(worker->loop, ms * NS_PER_MS);
	settle();
}

static void make_homes(void)
{
	server.homes = homes_create(&worker->loop, 1);
	scheduler_set_homes(worker->scheduler, server.homes);
}

static void forget_homes(void)
{
	homes_settle(server.homes);
	homes_destroy(server.homes);
	make_homes();
}

static void server_begin(void)
{
	scoped(mem_free_ptr) char *large = repeated('x', 20000);
	struct generation *generation;
	struct diag diag;

	log_set_level(LOG_ERROR);
	signal(SIGPIPE, SIG_IGN);
	snprintf(folder, sizeof(folder), "/tmp/leat-fuzz-XXXXXX");
	check(mkdtemp(folder));
	atexit(remove_folder);
	write_served();
	setenv("LEAT_BIG", large, 1);
	write_conf("one.yaml", routes_text);
	write_conf("two.yaml", other_text);
	clock_freeze(UINT64_C(1000) * NS_PER_S, WALL_NS);
	server.conf_path = conf_name(false);
	list_init(&server.listeners);
	list_init(&server.reloads);
	list_init(&server.reloads_next);
	server.n_workers = 1;
	server.workers = mem_zalloc(2 * sizeof(struct worker *));
	check(worker_create(&server.workers[0], &server, 0, false) == 0);
	check(worker_create(&server.workers[1], &server, 1, true) == 0);
	worker = server.workers[0];
	server.main = server.workers[1];
	server.main->router = admin_router();
	make_homes();
	server.topics = topics_create(&worker->loop, 1, &server.memory);
	check(pool_create(&server.pool, "fuzz", 1) == 0);
	desk_open(&worker->files, server.pool, 1);
	server.logins = logins_create(server.pool);
	worker->fetches.pool = logins_keys_queue(server.logins);
	server.uploads = uploads_create(str_of(folder));
	check(uploads_open(server.uploads) >= 0);
	diag_init(&diag);
	generation = generation_load(server.conf_path, NULL, false, false, &diag);
	if (generation)
		server_open_listeners(&server, generation, &diag);
	diag_print(&diag, stderr);
	check(generation && diag.n_errors == 0);
	diag_fini(&diag);
	server.reloading = server.starting = true;
	server_apply_generation(&server, generation);
	settle();
}
