/* core/io/net.c */
#include "core/io/net.h"
#include "core/base/check.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* ------------------------------------------------------------ addresses */

static int net_addr_unix(struct str path, struct net_addr *ret_addr)
{
	struct net_addr addr = { 0 };
	bool abstract = path.len > 0 && path.ptr[0] == '@';

	if (path.len < (abstract ? 2U : 1U) || path.len >= sizeof(addr.un.sun_path) ||
	    str_has(path, '\0'))
		return -EINVAL;
	addr.un.sun_family = AF_UNIX;
	memcpy(addr.un.sun_path, path.ptr, path.len);
	if (abstract)
		addr.un.sun_path[0] = '\0';
	addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + !abstract);
	*ret_addr = addr;
	return 0;
}

int net_addr_from_host(struct str host, uint16_t port, struct net_addr *ret_addr)
{
	struct net_addr addr = { 0 };
	char text[INET6_ADDRSTRLEN + 1];

	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = (struct str){ host.ptr + 1, host.len - 2 };
	if (host.len == 0 || host.len >= sizeof(text) || str_has(host, '\0'))
		return -EINVAL;
	memcpy(text, host.ptr, host.len);
	text[host.len] = '\0';
	if (inet_pton(AF_INET, text, &addr.in4.sin_addr) == 1) {
		addr.in4.sin_family = AF_INET;
		addr.in4.sin_port = htons(port);
		addr.len = sizeof(addr.in4);
	} else if (inet_pton(AF_INET6, text, &addr.in6.sin6_addr) == 1) {
		addr.in6.sin6_family = AF_INET6;
		addr.in6.sin6_port = htons(port);
		addr.len = sizeof(addr.in6);
	} else {
		return -EINVAL;
	}
	*ret_addr = addr;
	return 0;
}

int net_addr_parse(struct str text, struct net_addr *ret_addr)
{
	struct str host, port_text;
	uint64_t port;
	size_t colon = text.len;

	if (str_starts_with(text, STR("unix:")))
		return net_addr_unix(str_skip(text, 5), ret_addr);
	while (colon > 0 && text.ptr[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return -EINVAL;
	host = str_first(text, colon - 1);
	port_text = str_skip(text, colon);
	if (port_text.len > 5 || str_to_u64(port_text, &port) < 0 || port > UINT16_MAX)
		return -EINVAL;
	if (host.len == 0 || str_eq(host, STR("*")))
		host = STR("[::]");
	else if (str_has(host, ':') && host.ptr[0] != '[')
		return -EINVAL; /* ::1:80 could be read in two ways */
	return net_addr_from_host(host, (uint16_t)port, ret_addr);
}

static const char *net_addr_write_unix(char out[NET_ADDR_TEXT_MAX], const struct net_addr *addr)
{
	size_t len = addr->len - offsetof(struct sockaddr_un, sun_path);

	if (addr->len <= offsetof(struct sockaddr_un, sun_path))
		snprintf(out, NET_ADDR_TEXT_MAX, "unix:");
	else if (addr->un.sun_path[0] == '\0')
		snprintf(out, NET_ADDR_TEXT_MAX, "unix:@%.*s", (int)len - 1, addr->un.sun_path + 1);
	else
		snprintf(out, NET_ADDR_TEXT_MAX, "unix:%.*s", (int)len, addr->un.sun_path);
	return out;
}

const char *net_addr_write(char out[NET_ADDR_TEXT_MAX], const struct net_addr *addr)
{
	char host[INET6_ADDRSTRLEN];

	switch (addr->len ? addr->sa.sa_family : AF_UNSPEC) {
	case AF_INET:
		inet_ntop(AF_INET, &addr->in4.sin_addr, host, sizeof(host));
		snprintf(out, NET_ADDR_TEXT_MAX, "%s:%u", host, ntohs(addr->in4.sin_port));
		return out;
	case AF_INET6:
		inet_ntop(AF_INET6, &addr->in6.sin6_addr, host, sizeof(host));
		snprintf(out, NET_ADDR_TEXT_MAX, "[%s]:%u", host, ntohs(addr->in6.sin6_port));
		return out;
	case AF_UNIX:
		return net_addr_write_unix(out, addr);
	default:
		snprintf(out, NET_ADDR_TEXT_MAX, "unknown");
		return out;
	}
}

bool net_addr_eq(const struct net_addr *a, const struct net_addr *b)
{
	return a->len == b->len && memcmp(&a->storage, &b->storage, a->len) == 0;
}

bool net_addr_is_loopback(const struct net_addr *addr)
{
	switch (addr->len ? addr->sa.sa_family : AF_UNSPEC) {
	case AF_UNIX:
		return true;
	case AF_INET:
		return ntohl(addr->in4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(&addr->in6.sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&addr->in6.sin6_addr) &&
			addr->in6.sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
	default:
		return false;
	}
}

bool net_addr_ip(const struct net_addr *addr, struct ip *ret_ip)
{
	if (addr->len && addr->sa.sa_family == AF_INET) {
		*ret_ip = ip_of_v4(&addr->in4.sin_addr);
		return true;
	}
	if (addr->len && addr->sa.sa_family == AF_INET6) {
		memcpy(ret_ip->bytes, &addr->in6.sin6_addr, sizeof(ret_ip->bytes));
		return true;
	}
	return false;
}

void net_addr_of_ip(const struct ip *ip, uint16_t port, struct net_addr *ret_addr)
{
	*ret_addr = (struct net_addr){ 0 };
	if (ip_is_v4(ip)) {
		ret_addr->in4.sin_family = AF_INET;
		ret_addr->in4.sin_port = htons(port);
		memcpy(&ret_addr->in4.sin_addr, ip->bytes + 12, 4);
		ret_addr->len = sizeof(ret_addr->in4);
	} else {
		ret_addr->in6.sin6_family = AF_INET6;
		ret_addr->in6.sin6_port = htons(port);
		memcpy(&ret_addr->in6.sin6_addr, ip->bytes, sizeof(ip->bytes));
		ret_addr->len = sizeof(ret_addr->in6);
	}
}

uint16_t net_addr_port(const struct net_addr *addr)
{
	if (addr->len && addr->sa.sa_family == AF_INET)
		return ntohs(addr->in4.sin_port);
	if (addr->len && addr->sa.sa_family == AF_INET6)
		return ntohs(addr->in6.sin6_port);
	return 0;
}

/* ------------------------------------------------------------ sockets */

/* A socket file that refuses connections was left behind by a process that is gone. */
static void net_remove_stale_unix(const struct net_addr *addr)
{
	scoped(fd_close) int fd = -1;
	struct stat st;

	if (addr->un.sun_path[0] == '\0' || lstat(addr->un.sun_path, &st) < 0 ||
	    !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, &addr->sa, addr->len) < 0 && errno == ECONNREFUSED)
		unlink(addr->un.sun_path);
}

/* An abstract name has no permissions. */
static int net_set_mode(const struct net_addr *addr, mode_t mode)
{
	if (mode == 0 || addr->sa.sa_family != AF_UNIX || !addr->un.sun_path[0])
		return 0;
	return chmod(addr->un.sun_path, mode) < 0 ? -errno : 0;
}

/* "Every address" on a machine without IPv6 is every address of IPv4. */
static int net_listen_any4(const struct net_addr *addr, int backlog, int *ret_fd)
{
	struct net_addr any = { .len = sizeof(any.in4) };

	any.in4.sin_family = AF_INET;
	any.in4.sin_port = addr->in6.sin6_port;
	return net_listen(&any, backlog, ret_fd);
}

int net_listen(const struct net_addr *addr, int backlog, int *ret_fd)
{
	return net_listen_mode(addr, backlog, 0, ret_fd);
}

int net_listen_mode(const struct net_addr *addr, int backlog, mode_t mode, int *ret_fd)
{
	const int on = 1, off = 0;
	scoped(fd_close) int fd = -1;
	int r;

	if (addr->sa.sa_family == AF_UNIX)
		net_remove_stale_unix(addr);
	fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 && errno == EAFNOSUPPORT && addr->sa.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&addr->in6.sin6_addr))
		return net_listen_any4(addr, backlog, ret_fd);
	if (fd < 0)
		return -errno;
	if (addr->sa.sa_family != AF_UNIX &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (addr->sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
			   IN6_IS_ADDR_UNSPECIFIED(&addr->in6.sin6_addr) ? &off : &on, sizeof(on));
	if (bind(fd, &addr->sa, addr->len) < 0)
		return -errno;
	r = net_set_mode(addr, mode);
	if (r == 0 && listen(fd, backlog) < 0)
		r = -errno;
	if (r < 0) {
		if (addr->sa.sa_family == AF_UNIX)
			net_remove_stale_unix(addr); /* as it is now: bound, and nobody listens */
		return r;
	}
	*ret_fd = fd_take(&fd);
	return 0;
}

int net_connect(const struct net_addr *addr, int *ret_fd)
{
	scoped(fd_close) int fd = -1;

	fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	net_set_nodelay(fd);
	if (connect(fd, &addr->sa, addr->len) < 0 && errno != EINPROGRESS)
		return errno == EAGAIN ? -ECONNREFUSED
				       : -errno; /* EAGAIN: a unix backlog is full */
	*ret_fd = fd_take(&fd);
	return 0;
}

int net_accept(int listen_fd, struct net_addr *ret_addr)
{
	struct net_addr addr = { .len = sizeof(addr.storage) };
	int fd;

	do {
		fd = ret_addr
			     ? accept4(listen_fd, &addr.sa, &addr.len, SOCK_NONBLOCK | SOCK_CLOEXEC)
			     : accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return -errno;
	if (ret_addr)
		*ret_addr = addr;
	return fd;
}

int net_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

int net_local_addr(int fd, struct net_addr *ret_addr)
{
	struct net_addr addr = { .len = sizeof(addr.storage) };

	if (getsockname(fd, &addr.sa, &addr.len) < 0)
		return -errno;
	*ret_addr = addr;
	return 0;
}

/* After a reset getpeername() knows nobody any more, and who that was matters as long as there is
 * something to be read. The kernel wants to be asked for no more bytes than the address has. */
static int net_gone_addr(int fd, struct net_addr *addr)
{
	static const socklen_t sizes[] = { sizeof(struct sockaddr_in6),
					   sizeof(struct sockaddr_in) };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		addr->len = sizes[i];
		if (getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &addr->sa, &addr->len) == 0)
			return 0;
	}
	return -ENOTCONN;
}

int net_peer_addr(int fd, struct net_addr *ret_addr)
{
	struct net_addr addr = { .len = sizeof(addr.storage) };

	if (getpeername(fd, &addr.sa, &addr.len) < 0) {
		int r = errno == ENOTCONN ? net_gone_addr(fd, &addr) : -errno;

		if (r < 0)
			return r;
	}
	*ret_addr = addr;
	return 0;
}

void net_set_nodelay(int fd)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void net_keep_alive(int fd, uint64_t silence_ms, unsigned n_tries)
{
	const uint64_t bounded_ms = MIN(silence_ms, UINT64_C(3600000));
	const int on = 1, seconds = (int)MAX(bounded_ms / 1000, UINT64_C(1)), tries = (int)n_tries;
	const unsigned unacknowledged_ms = (unsigned)bounded_ms * n_tries;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof(tries));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms,
		   sizeof(unacknowledged_ms));
}

void net_reset_on_close(int fd)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}
