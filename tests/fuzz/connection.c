/* tests/fuzz/connection.c: a whole connection: the server in this process, a socket pair, a clock
 * that stands still.
 *
 * The input is a script. Its first byte is the size of the pieces in which bytes are sent (0: as
 * they stand), the second one's bits are enum mode. The rest is what the client sends, with
 * actions between: a byte 0xff and a letter.
 *
 *   c  a cut: what was sent is taken by the server before the next byte comes
 *   k  the byte 0xff itself
 *   t  10 ms pass     T  1 s     U  30 s
 *   h  the client half-closes        r  it resets
 *   s  it stops reading              g  it reads again
 *   n  the other of two clients acts from now on
 *   l  a reload to the other configuration     d  draining     D  draining that cancels
 *   m  memory is short               M  it is not
 *   f  a file that is served changes
 *
 * Whatever the script: every answer can be read, there is at most one for each head and one
 * more, none follows the last one (Connection: close), and when the clients have gone and some
 * time has passed, nothing is left. A script that has bytes, cuts and a half-close only is run
 * once more without the cuts, and must have the same answers. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/io/loop_clock.h"
#include "core/task/home.h"
#include "server/admin/admin.h"
#include "server/client/upstream.h"
#include "server/http/body.h"
#include "server/http/response.h"
#include "server/server.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum mode {
	MODE_ADMIN = 1,        /* the clients' requests go to the admin listener */
	MODE_SMALL_BUFFER = 2, /* of what the server sends */
	MODE_HALF_CLOSE = 4,   /* the client half-closes at the end */
};

enum {
	N_CLIENTS = 2,
	GOT_MAX = 8 << 20,
	RELOADS_MAX = 3,
	SLACK_MS = 5000, /* longer than every timeout that the configurations set */
};

#define WALL_NS (INT64_C(1700000000) * (int64_t)NS_PER_S)

/* ------------------------------------------------------------ the server */

static const char settings_text[] =
	"admin: { listen: \"unix:@DIR@/admin\" }\n"
	"server: { threads: 1, compute_threads: 1 }\n"
	"log: { access: off, level: error }\n"
	"limits: { line: 300, head: 2k, fields: 20, body: 3k, extensions: 64, trailers: 200,\n"
	"  requests: 30, memory: 64k, total_memory: 4m, connections: 4 }\n"
	"timeouts: { head: 100ms, body: 200ms, idle: 300ms, write: 200ms, route: 400ms, shutdown: "
	"1s }\n"
	"shared: { pool: { permits: 1 }, box: { queue: 2 } }\n";

static const char routes_text[] =
	"listen: [\"unix:@DIR@/first\", \"unix:@DIR@/second\"]\n"
	"routes:\n"
	"  GET /c: { reply: hello }\n"
	"  POST /c: { reply: { status: 201, headers: { X-A: b }, json: { a: 1 } } }\n"
	"  GET /big: { reply: \"@BIG@\" }\n"
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
	"  GET /app/{path...}: { files: { root: files, fallback: a.txt } }\n";

static const char other_text[] =
	"listen: \"unix:@DIR@/first\"\n"
	"routes:\n"
	"  GET /c: { reply: other }\n"
	"  POST /echo: { reply: { json: { n: \"${len(request.body)}\" } } }\n"
	"  GET /wait: { tasks: { w: { wait: 5ms } }, reply: other }\n"
	"  GET /f/{path...}: { files: files }\n";

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
	const struct {
		const char *mark;
		char *by;
	} marks[] = { { "@DIR@", folder }, { "@BIG@", repeated('x', 20000) } };

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		char *at;

		while ((at = strstr(text, marks[i].mark))) {
			char *whole = mem_printf("%.*s%s%s", (int)(at - text), text, marks[i].by,
						 at + strlen(marks[i].mark));

			free(text);
			text = whole;
		}
	}
	free(marks[1].by);
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
	write_file("files/sub/a.txt", "index");
	write_file("files/large.bin", large);
}

static void remove_folder(void)
{
	static const char *const names[] = { "files/a.txt",     "files/a.txt.gz",  "files/.hidden",
					     "files/sub/a.txt", "files/large.bin", "files/sub",
					     "files",           "one.yaml",        "two.yaml",
					     "first",           "second",          "admin" };

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

static bool is_looked_for(void)
{
	struct request *request;

	list_each(request, &worker->live, struct request, link)
		if (request->route->files && request->native)
			return true;
	return false;
}

/* Also waits for what the pool's thread has still to do: a file being looked for, a
 * configuration being loaded. */
static void settle(void)
{
	bool loading, looking;

	do {
		loop_settle(worker->loop);
		loop_settle(server.main->loop);
		looking = is_looked_for();
		loading = server.reloading && server.n_unswapped == 0;
		if (looking)
			loop_run_once(worker->loop, true);
		else if (loading)
			loop_run_once(server.main->loop, true);
	} while (looking || loading || !loop_is_settled(worker->loop) ||
		 !loop_is_settled(server.main->loop));
}

static void pass_ms(uint64_t ms)
{
	for (; ms > 0; ms -= MIN(ms, UINT64_C(50))) { /* two loops: in steps */
		loop_advance(worker->loop, MIN(ms, UINT64_C(50)) * NS_PER_MS);
		settle();
	}
}

static void server_begin(void)
{
	struct generation *generation;
	struct loop *loop;
	struct diag diag;

	log_set_level(LOG_ERROR);
	signal(SIGPIPE, SIG_IGN);
	snprintf(folder, sizeof(folder), "/tmp/leat-fuzz-XXXXXX");
	check(mkdtemp(folder));
	atexit(remove_folder);
	write_served();
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
	loop = worker->loop;
	server.homes = homes_create(&loop, 1);
	scheduler_set_homes(worker->scheduler, server.homes);
	check(pool_create(&server.pool, "fuzz", 1) == 0);
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

/* ------------------------------------------------------------ a client */

struct client_end {
	int fd;       /* -1: not connected */
	bool stopped; /* does not read */
	bool half_closed;
	bool ended; /* the server has closed */
	struct buf sent, got;
};

static struct client_end clients[N_CLIENTS];

/* The number of the listener by which a client comes: the first one is in both configurations. */
static uint32_t client_listener(const struct client_end *client, unsigned mode)
{
	const struct generation *generation = server.generation;

	if (mode & MODE_ADMIN)
		return generation->admin.number;
	return generation->listens[client == clients ? 0 : generation->n_listens - 1].number;
}

static void client_connect(struct client_end *client, unsigned mode)
{
	struct worker *to;
	int pair[2], size = 1;

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	check(pair[0] < 64 && pair[1] < 64); /* else descriptors are lost */
	if (mode & MODE_SMALL_BUFFER)
		setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	client->fd = pair[0];
	to = server_pick_worker(&server, mode & MODE_ADMIN);
	check(to);
	check(loop_give(to->loop, pair[1], client_listener(client, mode),
			EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) == 0);
}

/* True when something came. */
static bool client_read(struct client_end *client)
{
	static char bytes[65536];
	bool any = false;
	ssize_t n;

	if (client->fd < 0 || client->stopped || client->ended)
		return false;
	while ((n = recv(client->fd, bytes, sizeof(bytes), 0)) > 0) {
		buf_add(&client->got, (struct str){ bytes, (size_t)n });
		check(!client->got.error);
		any = true;
	}
	if (n == 0 || errno != EAGAIN)
		client->ended = true;
	return any;
}

/* Until nothing moves without time. */
static void pump(void)
{
	bool any;

	do {
		settle();
		any = false;
		for (size_t i = 0; i < N_CLIENTS; i++)
			any |= client_read(&clients[i]);
	} while (any);
}

static void client_send(struct client_end *client, struct str bytes)
{
	if (client->fd < 0 || client->half_closed)
		return;
	while (bytes.len > 0) {
		ssize_t n = send(client->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* it has closed, or takes no more: the rest is not sent */
		buf_add(&client->sent, str_first(bytes, (size_t)n));
		bytes = str_skip(bytes, (size_t)n);
	}
}

static void client_close(struct client_end *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

/* ------------------------------------------------------------ a script */

struct script {
	unsigned mode;
	bool cut;        /* as it says; else at once */
	bool timeless;   /* so far nothing but bytes, cuts and half-closes */
	bool unfinished; /* an answer may have been cut off, for a good reason */
	unsigned n_reloads;
	struct client_end *client;
};

static void on_reloaded(struct reload *reload, bool accepted, struct str text)
{
	check_that(accepted, "%.*s", STR_ARG(text));
	free(reload);
}

static void script_reload(struct script *script)
{
	struct reload *reload;

	if (script->n_reloads++ >= RELOADS_MAX || worker->draining)
		return;
	free((char *)(uintptr_t)server.conf_path);
	server.conf_path = conf_name(server.generation->number % 2);
	reload = mem_zalloc(sizeof(*reload));
	list_init(&reload->link);
	reload->on_done = on_reloaded;
	server_reload(&server, reload);
	settle();
}

static void script_pass(struct script *script, uint64_t ms)
{
	pump();
	pass_ms(ms);
	pump();
	script->unfinished = true;
}

static void script_act(struct script *script, uint8_t letter)
{
	struct client_end *client = script->client;

	script->timeless &= letter == 'c' || letter == 'k' || letter == 'h';
	switch (letter) {
	case 'c':
		if (script->cut)
			pump();
		break;
	case 'k':
		client_send(client, STR("\xff"));
		break;
	case 't':
		script_pass(script, 10);
		break;
	case 'T':
		script_pass(script, 1000);
		break;
	case 'U':
		script_pass(script, 30000);
		break;
	case 'h':
		if (client->fd >= 0)
			shutdown(client->fd, SHUT_WR);
		client->half_closed = true;
		break;
	case 'r':
		client_close(client);
		script->unfinished = true;
		break;
	case 's':
	case 'g':
		client->stopped = letter == 's';
		break;
	case 'n':
		script->client = client == clients ? clients + 1 : clients;
		if (script->client->fd < 0 && !script->client->got.len)
			client_connect(script->client, script->mode);
		break;
	case 'l':
		script_reload(script);
		break;
	case 'd':
	case 'D':
		pump();
		server.n_undrained = 1000;
		worker_drain(worker, letter == 'D');
		script->unfinished |= letter == 'D';
		break;
	case 'm':
	case 'M':
		atomic_store(&server.memory.max,
			     letter == 'M' ? 4 << 20 : atomic_load(&server.memory.used) + 3000);
		script->unfinished |= letter == 'm';
		break;
	case 'f':
		write_file("files/a.txt", "it has changed");
		break;
	default:
		break;
	}
}

static void script_send(struct script *script, struct str bytes, size_t piece)
{
	while (bytes.len > 0) {
		struct str part = script->cut && piece ? str_first(bytes, MIN(piece, bytes.len))
						       : bytes;

		client_send(script->client, part);
		bytes = str_skip(bytes, part.len);
		if (script->cut && piece)
			pump();
	}
}

static void script_run(struct script *script, const uint8_t *data, size_t size, size_t piece)
{
	size_t at = 0;

	clock_freeze(clock_monotonic_ns(), WALL_NS); /* the same Date and ids in every run */
	worker->date_until_ns = server.main->date_until_ns = 0;
	worker->id_prefix = worker->id_next = server.main->id_prefix = server.main->id_next = 0;
	script->client = clients;
	script->timeless = true;
	client_connect(clients, script->mode);
	while (at < size) {
		const uint8_t *mark = memchr(data + at, 0xff, size - at);
		size_t len = mark ? (size_t)(mark - data) - at : size - at;

		script_send(script, (struct str){ (const char *)data + at, len }, piece);
		at += len + 2;
		if (mark && at <= size)
			script_act(script, data[at - 1]);
	}
	if (script->mode & MODE_HALF_CLOSE)
		script_act(script, 'h');
	for (size_t i = 0; i < N_CLIENTS; i++)
		clients[i].stopped = false;
	pump();
}

/* Everything goes; what must be as before is looked at. */
static void script_end(struct script *script)
{
	struct request *request;
	struct homes_stats stats;
	size_t kept = 0;

	for (size_t i = 0; i < N_CLIENTS; i++)
		client_close(&clients[i]);
	settle();
	pass_ms(SLACK_MS);
	for (size_t i = 0; i < 2; i++) {
		struct worker *one = server.workers[i];

		check(list_is_empty(&one->conns) && list_is_empty(&one->live));
		check(atomic_load(&one->stats.n_conns) == 0 &&
		      atomic_load(&one->stats.n_busy) == 0);
		check(one->n_detached == 0 && one->out_len == 0 && !one->out_head.len &&
		      !one->out_body.len);
		check(server.generation->n_refs[i] == 1);
		list_each(request, &one->requests, struct request, link)
			kept += request->arena.used;
		one->draining = one->stopped = false;
	}
	check(atomic_load(&server.n_conns) == 0 && server.n_old == 0);
	check_that(atomic_load(&server.memory.used) == kept, "used=%zu kept=%zu",
		   atomic_load(&server.memory.used), kept);
	homes_stats(server.homes, &stats);
	check(stats.n_messages == 0);
	(void)script;
}

/* ------------------------------------------------------------ what the answers must be */

/* As many as there are ends of lines with nothing between: what the server takes for a head has
 * one. */
static size_t count_heads(struct str sent)
{
	size_t n = 0, line = 0;

	for (size_t i = 0; i < sent.len; i++) {
		if (sent.ptr[i] == '\n') {
			n += line == 0;
			line = 0;
		} else if (sent.ptr[i] != '\r') {
			line++;
		}
	}
	return n;
}

struct answers {
	struct str bytes;
	bool may_be_head; /* an answer without the body that it tells of */
	bool unfinished;
	bool ended;
	size_t n_final, n_max;
};

/* The size of a chunked body, 0 when it is not whole. */
static size_t chunked_size(struct str bytes)
{
	const struct http_body_limits limits = { GOT_MAX, 0, 1000 };
	struct http_body *body = http_body_create(&limits, true);
	size_t at = 0;

	check(body);
	for (;;) {
		struct str data;
		size_t used;
		int status;
		enum http_body_step step =
			http_body_read(body, str_skip(bytes, at), &used, &data, &status);

		check(step != HTTP_BODY_BAD);
		at += used;
		if (step == HTTP_BODY_DATA)
			continue;
		http_body_destroy(body);
		return step == HTTP_BODY_END ? at : 0;
	}
}

static bool answers_read(struct answers *answers, size_t at, size_t n_final);

static bool answers_rest(struct answers *answers, const struct http_response_head *head,
			 size_t body_at, bool is_head, size_t n_final)
{
	struct str rest = str_skip(answers->bytes, body_at);
	size_t size = 0;

	if (!is_head && head->framing == HTTP_FRAMING_LENGTH)
		size = (size_t)head->length;
	else if (!is_head && head->framing == HTTP_FRAMING_CHUNKED && !(size = chunked_size(rest)))
		return answers->unfinished;
	else if (!is_head && head->framing == HTTP_FRAMING_CLOSE)
		return answers->ended;
	if (size > rest.len)
		return answers->unfinished;
	if (head->status >= 200 && !head->keep_alive)
		return rest.len == size && (answers->ended || answers->unfinished);
	return answers_read(answers, body_at + size, n_final);
}

/* Whether the bytes from `at` on are answers. That to a HEAD looks like one whose body is
 * missing, so both are tried where there was one. */
static bool answers_read(struct answers *answers, size_t at, size_t n_final)
{
	static const struct http_limits limits = { .line_max = 8192,
						   .head_max = 16384,
						   .fields_max = HTTP_FIELDS_MAX,
						   .body_max = GOT_MAX };
	struct http_field fields[HTTP_FIELDS_MAX];
	struct http_response_head head = { .fields = fields };
	struct http_scan scan = { 0 };
	struct str rest = str_skip(answers->bytes, at);
	size_t size;

	if (rest.len == 0)
		return true;
	switch (http_response_scan(&scan, rest, &limits, &size)) {
	case HTTP_MORE:
		return answers->unfinished;
	case HTTP_BAD:
		return false;
	case HTTP_WHOLE:
		break;
	}
	if (http_response_parse(str_first(rest, size), HTTP_GET, &limits, &head) < 0)
		return false;
	n_final += head.status >= 200;
	if (n_final > answers->n_max)
		return false;
	return answers_rest(answers, &head, at + size, false, n_final) ||
	       (answers->may_be_head && head.framing != HTTP_FRAMING_NONE &&
		answers_rest(answers, &head, at + size, true, n_final));
}

static void client_check(const struct client_end *client, const struct script *script)
{
	struct answers answers = {
		.bytes = buf_str(&client->got),
		.may_be_head = str_find(buf_str(&client->sent), STR("HEAD ")) >= 0,
		.unfinished = script->unfinished,
		.ended = client->ended,
		.n_max = count_heads(buf_str(&client->sent)) + 1,
	};

	check_that(answers_read(&answers, 0, 0), "answers:\n%.*s", STR_ARG(answers.bytes));
}

/* ------------------------------------------------------------ */

static void run(struct script *script, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < N_CLIENTS; i++) {
		clients[i] = (struct client_end){ .fd = -1 };
		buf_init(&clients[i].sent, GOT_MAX);
		buf_init(&clients[i].got, GOT_MAX);
	}
	script->mode = data[1];
	script_run(script, data + 2, size - 2, data[0]);
	atomic_store(&server.memory.max, 4 << 20);
	for (size_t i = 0; i < N_CLIENTS; i++)
		client_check(&clients[i], script);
	script_end(script);
}

static void forget(void)
{
	for (size_t i = 0; i < N_CLIENTS; i++) {
		buf_fini(&clients[i].sent);
		buf_fini(&clients[i].got);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = { .cut = true };
	struct script at_once = { .cut = false };
	struct buf got;
	bool ended;

	if (!worker)
		server_begin();
	if (size < 2)
		return 0;
	run(&script, data, size);
	got = clients[0].got;
	ended = clients[0].ended;
	clients[0].got = (struct buf){ 0 };
	forget();
	if (script.timeless && !(data[1] & MODE_ADMIN)) {
		run(&at_once, data, size);
		check_that(str_eq(buf_str(&got), buf_str(&clients[0].got)) &&
				   ended == clients[0].ended,
			   "cut:\n%.*s\nat once:\n%.*s", STR_ARG(buf_str(&got)),
			   STR_ARG(buf_str(&clients[0].got)));
		forget();
	}
	buf_fini(&got);
	return 0;
}
