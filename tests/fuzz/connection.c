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
 * once more without the cuts, and must have the same answers; but for what is passed on to an
 * upstream, which may refuse a body that has come, or one that is coming, and for live connections,
 * whose publications have numbers and come between. */
#include "tests/fuzz/connection/answers.h"
#include "tests/fuzz/connection/host.h"
#include "tests/fuzz/connection/secure.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum mode {
	MODE_ADMIN = 1,        /* the clients' requests go to the admin listener */
	MODE_SMALL_BUFFER = 2, /* of what the server sends */
	MODE_HALF_CLOSE = 4,   /* the client half-closes at the end */
	MODE_TLS = 8,          /* the script's bytes go through a session of TLS */
	MODE_RAW = 16,         /* they come as they are where TLS is spoken */
	MODE_PROXIED = 32,     /* a PROXY header is expected first */
};

enum {
	N_CLIENTS = 2,
	RELOADS_MAX = 1,
	SLACK_MS = 5000, /* longer than every timeout that the configurations set */
};

/* ------------------------------------------------------------ a client */

struct client_end {
	int fd;       /* -1: not connected */
	bool stopped; /* does not read */
	bool half_closed;
	bool ended; /* the server has closed */
	SSL *ssl;   /* NULL: without TLS */
	struct buf sent, got;
};

static struct client_end clients[N_CLIENTS];

/* The number of the listener by which a client comes: the first one is in both configurations, the
 * second one speaks TLS and is, too. */
static uint32_t client_listener(const struct client_end *client, unsigned mode)
{
	const struct generation *generation = server.generation;

	if (mode & MODE_ADMIN)
		return generation->admin.number;
	if (mode & (MODE_TLS | MODE_RAW))
		return generation->listens[1].number;
	if (mode & MODE_PROXIED)
		return generation->listens[2].number;
	return generation->listens[client == clients ? 0 : generation->n_listens - 1].number;
}

/* Until it is done, or the server has closed. */
static void client_shake_hands(struct client_end *client)
{
	char bytes[16384];

	client->ssl = secure_create();
	while (SSL_do_handshake(client->ssl) != 1) {
		ssize_t n;

		secure_flush(client->ssl, client->fd);
		settle();
		n = recv(client->fd, bytes, sizeof(bytes), 0);
		if (n <= 0) {
			client->ended = true;
			return;
		}
		secure_take(client->ssl, bytes, (size_t)n);
	}
	secure_flush(client->ssl, client->fd);
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
	if (mode & MODE_TLS && !(mode & MODE_ADMIN))
		client_shake_hands(client);
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
		if (client->ssl)
			secure_take(client->ssl, bytes, (size_t)n);
		else
			buf_add(&client->got, (struct str){ bytes, (size_t)n });
		any = true;
	}
	client->ended = n == 0 || errno != EAGAIN;
	if (client->ssl && any) {
		client->ended |= secure_read(client->ssl, &client->got);
		secure_flush(client->ssl, client->fd);
	}
	check(!client->got.error);
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
	if (client->fd < 0 || client->half_closed || (client->ssl && client->ended))
		return;
	if (client->ssl && bytes.len > 0) {
		ERR_clear_error();
		if (SSL_write(client->ssl, bytes.ptr, (int)bytes.len) == (int)bytes.len)
			buf_add(&client->sent, bytes);
		secure_flush(client->ssl, client->fd);
		return;
	}
	while (bytes.len > 0) {
		ssize_t n = send(client->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* it has closed, or takes no more: the rest is not sent */
		buf_add(&client->sent, str_first(bytes, (size_t)n));
		bytes = str_skip(bytes, (size_t)n);
	}
}

static void client_half_close(struct client_end *client)
{
	client->half_closed = true;
	if (client->fd < 0)
		return;
	if (client->ssl && !client->ended) {
		SSL_shutdown(client->ssl);
		secure_flush(client->ssl, client->fd);
	}
	shutdown(client->fd, SHUT_WR);
}

static void client_close(struct client_end *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	SSL_free(client->ssl);
	client->ssl = NULL;
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

/* To the other configuration: the odd generations are of the first one. */
static void reload(void)
{
	struct reload *asked = mem_zalloc(sizeof(*asked));

	free((char *)(uintptr_t)server.conf_path);
	server.conf_path = conf_name(server.generation->number % 2);
	list_init(&asked->link);
	asked->on_done = on_reloaded;
	server_reload(&server, asked);
	settle();
}

static void script_reload(struct script *script)
{
	if (script->n_reloads++ < RELOADS_MAX && !worker->draining)
		reload();
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
		client_half_close(client);
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

/* A message may have been put into the queue. */
static bool has_put(void)
{
	for (size_t i = 0; i < N_CLIENTS; i++)
		if (str_find(buf_str(&clients[i].sent), STR("/put")) >= 0 ||
		    str_has(buf_str(&clients[i].sent), '%'))
			return true;
	return false;
}

/* Everything goes; what must be as before is looked at. */
static void script_end(struct script *script)
{
	struct request *request;
	struct file *file;
	struct homes_stats stats;
	struct topics_stats topics;
	size_t kept = 0;

	for (size_t i = 0; i < N_CLIENTS; i++)
		client_close(&clients[i]);
	settle();
	pass_ms(SLACK_MS);
	settle_pool(); /* an upload removes its files when its request has gone */
	settle();
	worker->draining = worker->stopped = false;
	if (server.generation->number % 2 == 0)
		reload(); /* each script begins with the first one */
	for (size_t i = 0; i < 2; i++) {
		struct worker *one = server.workers[i];

		check(list_is_empty(&one->conns) && list_is_empty(&one->live));
		check(list_is_empty(&one->lives) && atomic_load(&one->stats.n_websockets) == 0 &&
		      atomic_load(&one->stats.n_events) == 0);
		check(atomic_load(&one->stats.n_conns) == 0 &&
		      atomic_load(&one->stats.n_busy) == 0);
		check(one->n_detached == 0 && one->out_len == 0 && !one->out_head.len &&
		      !one->out_body.len);
		check(server.generation->n_refs[i] == 1);
		list_each(request, &one->requests, struct request, link)
			kept += one == worker ? request->arena.used
					      : 0; /* the admin's do not count */
		list_each(file, &one->files.cache.files.files, struct file, link)
			kept += file->charged;
		list_each(file, &one->files.cache.misses.files, struct file, link)
			kept += file->charged;
	}
	check(atomic_load(&server.n_conns) == 0 && server.n_old == 0);
	check_that(atomic_load(&server.memory.used) == kept, "used=%zu kept=%zu",
		   atomic_load(&server.memory.used), kept);
	topics_stats(server.topics, &topics);
	check(topics.n_subscriptions == 0 && topics.n_topics == 0 && topics.kept_bytes == 0);
	homes_stats(server.homes, &stats);
	check(stats.n_messages == 0);
	if (stats.n_things > 0) { /* messages that nobody has taken, and nothing else */
		check(stats.n_things == 1 && has_put());
		forget_homes();
	}
	(void)script;
}

/* ------------------------------------------------------------ what must be */

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
		buf_init(&clients[i].sent, ANSWERS_MAX);
		buf_init(&clients[i].got, ANSWERS_MAX);
	}
	script->mode = data[1];
	script_run(script, data + 2, size - 2, data[0]);
	atomic_store(&server.memory.max, 4 << 20);
	for (size_t i = 0; i < N_CLIENTS && !(script->mode & MODE_RAW); i++)
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

static bool has_sent(struct str text, const uint8_t *data, size_t size)
{
	struct str bytes = { (const char *)data, size };

	return str_find(bytes, text) >= 0 || str_has(bytes, '%');
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
	if (script.timeless && !(data[1] & (MODE_ADMIN | MODE_RAW)) &&
	    !has_sent(STR("/up"), data, size) && !has_sent(STR("/ws"), data, size) &&
	    !has_sent(STR("/ev"), data, size)) {
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
