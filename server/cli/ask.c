/* server/cli/ask.c: one HTTP request to the admin listener, blocking: a command has nothing else
 * to do. */
#include "conf/load.h"
#include "core/io/net.h"
#include "server/cli/cli.h"
#include "server/expr/json.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ADMIN_DEFAULT "unix:/run/leat/admin.sock"
enum { ANSWER_MAX = 256 << 20, CONNECT_MS = 5000 };

/* Another process has taken the place of who was asked, and is asked now; not for ever. */
enum { ASK_AGAIN = -1, ASK_TRIES = 5 };

/* The value behind "listen:" below a line "admin:", for a file that has become unreadable as
 * YAML: then above all `leat reload` must reach the daemon, to be told so by it. */
static bool ask_scan_address(struct str text, struct str *ret_address)
{
	ptrdiff_t at = str_starts_with(text, STR("admin:")) ? 0 : str_find(text, STR("\nadmin:"));
	struct str rest;
	size_t len = 0;

	if (at < 0)
		return false;
	rest = str_skip(text, (size_t)at);
	at = str_find(rest, STR("listen:"));
	if (at < 0 || at > 200)
		return false;
	rest = str_trim_space(str_skip(rest, (size_t)at + 7));
	while (rest.len && (rest.ptr[0] == '"' || rest.ptr[0] == '\''))
		rest = str_skip(rest, 1);
	while (len < rest.len && !strchr(" \t\r\n\"'},", rest.ptr[len]))
		len++;
	*ret_address = str_first(rest, len);
	return len > 0;
}

static bool ask_read_file(const char *path, struct buf *text)
{
	FILE *file = fopen(path, "re");
	char chunk[4096];
	size_t n;

	buf_init(text, 1 << 20);
	if (!file)
		return false;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(text, (struct str){ chunk, n });
	fclose(file);
	return true;
}

static struct net_addr ask_address(const struct cli *cli, char shown[NET_ADDR_TEXT_MAX])
{
	struct str address = str_of(cli->admin ? cli->admin : ADMIN_DEFAULT);
	struct conf conf = { .checking = true };
	struct net_addr addr = { 0 };
	struct diag diag;
	struct buf text;

	diag_init(&diag);
	buf_init(&text, 0);
	if (!cli->admin) {
		const struct node *node = NULL;

		if (conf_load(&conf, cli->conf_path, &diag) == 0 && conf.root) {
			node = node_find(conf.root, "admin");
			node = node && node->kind == NODE_MAP ? node_find(node, "listen") : NULL;
			if (node && node_is_scalar(node))
				address = node->text;
		} else if (ask_read_file(cli->conf_path, &text)) {
			ask_scan_address(buf_str(&text), &address);
		}
	}
	snprintf(shown, NET_ADDR_TEXT_MAX, "%.*s", STR_ARG(address));
	if (net_addr_parse(address, &addr) < 0)
		addr.len = 0;
	buf_fini(&text);
	diag_fini(&diag);
	if (!cli->admin)
		conf_fini(&conf);
	return addr;
}

static int ask_connect(const struct net_addr *addr, int *ret_fd)
{
	scoped(fd_close) int fd = -1;
	struct pollfd wait = { .events = POLLOUT };
	int r = net_connect(addr, &fd);

	if (r < 0)
		return r;
	wait.fd = fd;
	if (poll(&wait, 1, CONNECT_MS) <= 0)
		return -ETIMEDOUT;
	r = net_error(fd);
	if (r < 0)
		return r;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	*ret_fd = fd_take(&fd);
	return 0;
}

static int ask_exchange(int fd, const char *method, const char *target, struct str content,
			struct buf *answer)
{
	struct buf request;
	int r = 0;

	buf_init(&request, 1 << 20);
	buf_printf(&request, "%s %s HTTP/1.1\r\nHost: leat\r\nConnection: close\r\n", method,
		   target);
	if (strcmp(method, "GET") != 0)
		buf_printf(&request, "Content-Length: %zu\r\n", content.len);
	buf_add(&request, STR("\r\n"));
	buf_add(&request, content);
	if (request.error ||
	    send(fd, request.data, request.len, MSG_NOSIGNAL) != (ssize_t)request.len)
		r = -EIO;
	buf_fini(&request);
	while (r == 0) {
		char *at = buf_reserve(answer, 65536);
		ssize_t n = at ? recv(fd, at, 65536, 0) : -1;

		if (n <= 0)
			return n == 0 ? 0 : at ? -errno : -EMSGSIZE;
		answer->len += (size_t)n;
	}
	return r;
}

/* leat's own answers have a length, or end with the connection: the body is what is behind the
 * head. */
static int ask_split(struct buf *answer, int *ret_status)
{
	struct str text = buf_str(answer);
	ptrdiff_t end = str_find(text, STR("\r\n\r\n"));
	uint64_t status;

	if (!str_starts_with(text, STR("HTTP/1.1 ")) || end < 0 || text.len < 12 ||
	    str_to_u64((struct str){ text.ptr + 9, 3 }, &status) < 0)
		return -EPROTO;
	*ret_status = (int)status;
	buf_consume(answer, (size_t)end + 4);
	return 0;
}

int cli_ask(const struct cli *cli, const char *method, const char *target, int *ret_status,
	    struct buf *body)
{
	return cli_ask_with(cli, method, target, STR(""), ret_status, body);
}

int cli_ask_with(const struct cli *cli, const char *method, const char *target, struct str content,
		 int *ret_status, struct buf *body)
{
	char shown[NET_ADDR_TEXT_MAX];
	struct net_addr addr = ask_address(cli, shown);
	scoped(fd_close) int fd = -1;
	int r = addr.len ? ask_connect(&addr, &fd) : -EINVAL;

	buf_init(body, ANSWER_MAX);
	if (r == 0)
		r = ask_exchange(fd, method, target, content, body);
	if (r == 0)
		r = ask_split(body, ret_status);
	if (r == 0)
		return EXIT_DONE;
	fprintf(stderr, "leat: the daemon cannot be reached at %s: %s\n", shown, strerror(-r));
	if (r == -ENOENT || r == -ECONNREFUSED)
		fprintf(stderr,
			"leat: is it running? start it with: systemctl start leat, or: leat run -c "
			"%s\n",
			cli->conf_path);
	if (r == -EACCES)
		fprintf(stderr,
			"leat: run this command as root, or as a member of the daemon's group\n");
	return EXIT_UNREACHABLE;
}

/* 404: it is not the admin listener, or a leat that has no such command yet. */
static int ask_explain(int status, struct str body, struct arena *arena)
{
	if (status != 404) {
		cli_print_problem(body, arena);
		return EXIT_REFUSED;
	}
	fprintf(stderr, "leat: what answers there does not know this command: it is not the admin "
			"listener, or the leat that runs is too old; restart that\n");
	return EXIT_UNREACHABLE;
}

static int ask_print(const struct cli *cli, int status, struct str body, struct arena *arena,
		     cli_print_fn *print)
{
	struct value answer;
	bool readable = json_read(body, arena, &answer, NULL) == 0;
	bool done = readable && status == 200,
	     refused = readable && status != 200 &&
		       !value_is_null(cli_member(answer, "diagnostics", arena));

	if (refused && !value_is_null(cli_member(answer, "again", arena)))
		return ASK_AGAIN;
	if (!done && !refused)
		return ask_explain(status, body, arena);
	if (cli->json)
		printf("%.*s\n", STR_ARG(body));
	else
		print(answer, refused, arena);
	return done ? EXIT_DONE : EXIT_REFUSED;
}

int cli_ask_and_print(const struct cli *cli, const char *method, const char *target,
		      cli_print_fn *print)
{
	int code = ASK_AGAIN;

	if (cli->n_args)
		return cli_usage("this command takes no arguments");
	for (int tries = ASK_TRIES; tries > 0 && code == ASK_AGAIN; tries--) {
		struct arena arena;
		struct buf body;
		int status = 0;

		code = cli_ask(cli, method, target, &status, &body);
		arena_init_required(&arena);
		if (code == EXIT_DONE)
			code = ask_print(cli, status, buf_str(&body), &arena, print);
		arena_fini(&arena);
		buf_fini(&body);
	}
	return code == ASK_AGAIN ? EXIT_REFUSED : code;
}

void cli_encode(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (char_is_alpha(c) || char_is_digit(c) || strchr("-._~", c))
			buf_add_char(out, c);
		else
			buf_printf(out, "%%%02X", (unsigned char)c);
	}
}

struct value cli_member(struct value object, const char *key, struct arena *arena)
{
	struct value value = value_null();

	if (value_open(&object, arena) == 0)
		value_member(object, str_of(key), &value);
	return value;
}

struct str cli_text(struct value object, const char *key, struct arena *arena)
{
	struct buf out;

	buf_init_arena(&out, arena);
	value_write_text(cli_member(object, key, arena), &out);
	buf_add_char(&out, '\0');
	return (struct str){ out.data, out.len - 1 };
}
