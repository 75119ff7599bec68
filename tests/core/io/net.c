/* tests/core/io/net.c */
#include "core/io/net.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void addresses_are_written_as_they_are_read(void)
{
	static const char *const texts[] = {
		"127.0.0.1:8080",   "0.0.0.0:0",          "[::1]:65535",
		"[2001:db8::7]:80", "unix:/run/a b.sock", "unix:@abstract",
	};
	char out[NET_ADDR_TEXT_MAX];
	struct net_addr addr;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		is_int(net_addr_parse(str_of(texts[i]), &addr), 0);
		is_text(net_addr_write(out, &addr), texts[i]);
	}
	is_int(net_addr_parse(STR("*:81"), &addr), 0);
	is_text(net_addr_write(out, &addr), "[::]:81");
	is_int(net_addr_port(&addr), 81);
	is_int(net_addr_parse(STR(":81"), &addr), 0);
	is_text(net_addr_write(out, &addr), "[::]:81");
	addr.len = 0;
	is_text(net_addr_write(out, &addr), "unknown");
	is_int(net_addr_port(&addr), 0);
}

static void what_is_no_address_is_refused(void)
{
	static const struct str texts[] = {
		STR_INIT(""),
		STR_INIT(":"),
		STR_INIT("80"),
		STR_INIT("127.0.0.1"),
		STR_INIT("127.0.0.1:"),
		STR_INIT("127.0.0.1:65536"),
		STR_INIT("127.0.0.1:-1"),
		STR_INIT("127.0.0.1:+1"),
		STR_INIT("127.0.0.1:8 "),
		STR_INIT("127.0.0.1:000080"),
		STR_INIT("127.1:80"),
		STR_INIT("256.0.0.1:80"),
		STR_INIT("localhost:80"),
		STR_INIT("::1:80"),
		STR_INIT("[::1]"),
		STR_INIT("[::1:80"),
		STR_INIT("[]:80"),
		STR_INIT("[[::1]]:80"),
		STR_INIT("127.0.0.1\0:80"),
		STR_INIT("unix:"),
		STR_INIT("unix:@"),
		STR_INIT("unix:/a\0b"),
	};
	struct net_addr addr;
	char path[200];

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		is_int(net_addr_parse(texts[i], &addr), -EINVAL);
	memset(path, 'a', sizeof(path));
	memcpy(path, "unix:/", 6);
	is_int(net_addr_parse((struct str){ path, 5 + 107 }, &addr), 0);
	is_int(net_addr_parse((struct str){ path, 5 + 108 }, &addr), -EINVAL);
	is_int(net_addr_from_host(STR("example.org"), 1, &addr), -EINVAL);
	is_int(net_addr_from_host(STR("::1%lo"), 1, &addr), -EINVAL);
}

static void addresses_are_equal_when_all_of_them_is(void)
{
	struct net_addr a, b;

	check(net_addr_parse(STR("127.0.0.1:80"), &a) == 0);
	check(net_addr_from_host(STR("127.0.0.1"), 80, &b) == 0);
	is_true(net_addr_eq(&a, &b));
	check(net_addr_from_host(STR("127.0.0.1"), 81, &b) == 0);
	is_false(net_addr_eq(&a, &b));
	check(net_addr_from_host(STR("::1"), 80, &b) == 0);
	is_false(net_addr_eq(&a, &b));
}

static void wait_for(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	poll(&poll_fd, 1, 2000);
}

/* Listens, connects, accepts, and sends a byte. */
static void try_family(const char *text)
{
	struct net_addr want, addr, client_addr, peer;
	int listener = -1, client = -1, server;
	char c = 0;
	int r;

	check(net_addr_parse(str_of(text), &want) == 0);
	r = net_listen(&want, 10, &listener);
	if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT) {
		tap_ok(true, __FILE__, __LINE__, "no %s on this machine", text);
		return;
	}
	is_int(r, 0);
	is_int(net_accept(listener, NULL), -EAGAIN);
	is_int(net_local_addr(listener, &addr), 0);
	is_int(net_connect(&addr, &client), 0);
	wait_for(client, POLLOUT);
	is_int(net_error(client), 0);
	wait_for(listener, POLLIN);
	server = net_accept(listener, &peer);
	is_true(server >= 0);
	is_int(net_local_addr(client, &client_addr), 0);
	if (want.sa.sa_family != AF_UNIX) {
		is_true(net_addr_eq(&peer, &client_addr));
		is_true(net_peer_addr(client, &peer) == 0 && net_addr_eq(&peer, &addr));
	}
	net_set_nodelay(server);
	is_int(write(client, "x", 1), 1);
	wait_for(server, POLLIN);
	is_int(read(server, &c, 1), 1);
	net_reset_on_close(client);
	close(client);
	if (want.sa.sa_family != AF_UNIX)
		is_true(net_peer_addr(server, &peer) == 0 && net_addr_eq(&peer, &client_addr));
	close(server);
	close(listener);
}

static char dir[] = "/tmp/leat-net-XXXXXX";
static char unix_text[64];

static void every_family_listens_connects_and_accepts(void)
{
	try_family("127.0.0.1:0");
	try_family("[::1]:0");
	try_family(unix_text);
	try_family("unix:@leat-test-of-net");
}

static void any_address_takes_both_families(void)
{
	struct net_addr any, addr;
	int listener, client;

	check(net_addr_parse(STR("*:0"), &any) == 0);
	is_int(net_listen(&any, 10, &listener), 0);
	check(net_local_addr(listener, &addr) == 0);
	check(net_addr_from_host(STR("127.0.0.1"), net_addr_port(&addr), &addr) == 0);
	is_int(net_connect(&addr, &client), 0);
	wait_for(client, POLLOUT);
	is_int(net_error(client), 0);
	close(client);
	close(listener);
}

static void a_port_in_use_is_EADDRINUSE(void)
{
	struct net_addr addr;
	int first, second = -7;

	check(net_addr_parse(STR("127.0.0.1:0"), &addr) == 0);
	check(net_listen(&addr, 10, &first) == 0);
	check(net_local_addr(first, &addr) == 0);
	is_int(net_listen(&addr, 10, &second), -EADDRINUSE);
	is_int(second, -7);
	close(first);
}

static void a_stale_unix_socket_is_replaced_and_a_live_one_is_not(void)
{
	struct net_addr addr;
	struct stat st;
	int first, second = -7;

	check(net_addr_parse(str_of(unix_text), &addr) == 0);
	is_int(net_listen(&addr, 10, &first), 0);
	is_int(net_listen(&addr, 10, &second), -EADDRINUSE);
	is_int(second, -7);
	close(first);
	is_int(stat(addr.un.sun_path, &st), 0); /* the file stays behind */
	is_int(net_listen(&addr, 10, &second), 0);
	close(second);
	unlink(addr.un.sun_path);
}

/* Instead of libc's: what the permissions are when the first client could come. */
static mode_t mode_at_listen;
static int listen_error;

int listen(int fd, int backlog)
{
	struct net_addr addr;
	struct stat st;

	if (net_local_addr(fd, &addr) == 0 && addr.sa.sa_family == AF_UNIX &&
	    stat(addr.un.sun_path, &st) == 0)
		mode_at_listen = st.st_mode & 0777;
	if (listen_error) {
		errno = listen_error;
		return -1;
	}
	return (int)syscall(SYS_listen, fd, backlog);
}

static void a_unix_socket_has_its_permissions_before_anybody_can_connect(void)
{
	struct net_addr addr;
	struct stat st;
	int fd;

	check(net_addr_parse(str_of(unix_text), &addr) == 0);
	is_int(net_listen_mode(&addr, 10, 0600, &fd), 0);
	is_int(mode_at_listen, 0600);
	close(fd);
	unlink(addr.un.sun_path);
	listen_error = EMFILE;
	is_int(net_listen_mode(&addr, 10, 0600, &fd), -EMFILE);
	listen_error = 0;
	is_int(stat(addr.un.sun_path, &st), -1); /* nothing is left behind */
}

static void a_file_that_is_no_socket_is_not_replaced(void)
{
	struct net_addr addr;
	struct stat st;
	FILE *file;
	int fd;

	check(net_addr_parse(str_of(unix_text), &addr) == 0);
	file = fopen(addr.un.sun_path, "w");
	check(file && fclose(file) == 0);
	is_int(net_listen(&addr, 10, &fd), -EADDRINUSE);
	is_true(stat(addr.un.sun_path, &st) == 0 && S_ISREG(st.st_mode));
	unlink(addr.un.sun_path);
}

static void nobody_listening_is_ECONNREFUSED(void)
{
	struct net_addr addr;
	int fd, r;

	check(net_addr_parse(STR("127.0.0.1:0"), &addr) == 0);
	check(net_listen(&addr, 10, &fd) == 0);
	check(net_local_addr(fd, &addr) == 0);
	close(fd);
	r = net_connect(&addr, &fd);
	if (r == 0) {
		wait_for(fd, POLLOUT);
		r = net_error(fd);
		close(fd);
	}
	is_int(r, -ECONNREFUSED);
	check(net_addr_parse(STR("unix:/nonexistent/socket"), &addr) == 0);
	is_int(net_connect(&addr, &fd), -ENOENT);
}

static void reset_on_close_is_seen_by_the_peer(void)
{
	struct net_addr addr;
	int listener, client, server;
	char c;

	check(net_addr_parse(STR("127.0.0.1:0"), &addr) == 0);
	check(net_listen(&addr, 10, &listener) == 0);
	check(net_local_addr(listener, &addr) == 0 && net_connect(&addr, &client) == 0);
	wait_for(listener, POLLIN);
	server = net_accept(listener, NULL);
	check(server >= 0);
	net_reset_on_close(server);
	close(server);
	wait_for(client, POLLIN);
	is_true(read(client, &c, 1) < 0 && errno == ECONNRESET);
	close(client);
	close(listener);
}

static int option(int fd, int level, int name)
{
	socklen_t size = sizeof(int);
	int value = -1;

	check(getsockopt(fd, level, name, &value, &size) == 0);
	return value;
}

static void a_silent_peer_is_asked_and_given_up(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	net_keep_alive(fd, 5000, 3);
	is_int(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	is_int(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 5);
	is_int(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 5);
	is_int(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
	is_int(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 15000);
	net_keep_alive(fd, 20, 3);
	is_int(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 1);
	net_keep_alive(fd, UINT64_MAX, 3);
	is_int(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 3 * 3600000);
	close(fd);
}

static void a_descriptor_is_closed_once_or_moved(void)
{
	int fd = dup(0), taken;

	taken = fd_take(&fd);
	is_int(fd, -1);
	fd_close(&fd);
	is_true(dup2(taken, taken) == taken);
	fd_close(&taken);
	is_int(taken, -1);
}

int main(void)
{
	check(mkdtemp(dir));
	snprintf(unix_text, sizeof(unix_text), "unix:%s/socket", dir);
	TEST(addresses_are_written_as_they_are_read);
	TEST(what_is_no_address_is_refused);
	TEST(addresses_are_equal_when_all_of_them_is);
	TEST(every_family_listens_connects_and_accepts);
	TEST(any_address_takes_both_families);
	TEST(a_port_in_use_is_EADDRINUSE);
	unlink(unix_text + 5);
	TEST(a_stale_unix_socket_is_replaced_and_a_live_one_is_not);
	TEST(a_unix_socket_has_its_permissions_before_anybody_can_connect);
	TEST(a_file_that_is_no_socket_is_not_replaced);
	TEST(nobody_listening_is_ECONNREFUSED);
	TEST(reset_on_close_is_seen_by_the_peer);
	TEST(a_silent_peer_is_asked_and_given_up);
	TEST(a_descriptor_is_closed_once_or_moved);
	rmdir(dir);
	return tap_done();
}
