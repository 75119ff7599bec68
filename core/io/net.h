/* core/io/net.h: addresses and sockets. All sockets are non-blocking and close-on-exec. */
#pragma once
#include "core/base/cidr.h"
#include "core/base/str.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

struct net_addr {
	socklen_t len; /* 0: none */
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	};
};

enum { NET_ADDR_TEXT_MAX = 128 };

/* "127.0.0.1:8080", "[::1]:8080", "*:8080" and ":8080" (every address, both families),
 * "unix:/path" and "unix:@name" (abstract). Numbers only: no names are looked up. -EINVAL. */
int net_addr_parse(struct str text, struct net_addr *ret_addr);

/* A numeric host ("127.0.0.1", "::1", with or without brackets) with a port; -EINVAL when it is
 * a name. */
int net_addr_from_host(struct str host, uint16_t port, struct net_addr *ret_addr);

/* False when it is none (a unix socket). */
bool net_addr_ip(const struct net_addr *addr, struct ip *ret_ip);

/* IPv4 as IPv4, however it is written. */
void net_addr_of_ip(const struct ip *ip, uint16_t port, struct net_addr *ret_addr);

/* The same text that net_addr_parse() reads. */
const char *net_addr_write(char out[NET_ADDR_TEXT_MAX], const struct net_addr *addr);
bool net_addr_eq(const struct net_addr *a, const struct net_addr *b);
bool net_addr_is_loopback(const struct net_addr *addr); /* a unix socket, too */
uint16_t net_addr_port(const struct net_addr *addr);    /* 0 for unix */

/* 0, or a negative errno with *ret_fd untouched. A unix socket that nobody listens on is
 * replaced; one that is in use is -EADDRINUSE. */
int net_listen(const struct net_addr *addr, int backlog, int *ret_fd);

/* The same with the permissions of a unix socket, which it has before anybody can connect; 0: as the
 * umask says. */
int net_listen_mode(const struct net_addr *addr, int backlog, mode_t mode, int *ret_fd);

/* Begins to connect; the socket becomes writable when it is done (then ask net_error()). */
int net_connect(const struct net_addr *addr, int *ret_fd);

/* The next connection: its descriptor, or -EAGAIN, -EMFILE, … `ret_addr` may be NULL. */
int net_accept(int listen_fd, struct net_addr *ret_addr);

int net_error(int fd); /* SO_ERROR as 0 or a negative errno */
int net_local_addr(int fd, struct net_addr *ret_addr);
int net_peer_addr(int fd, struct net_addr *ret_addr); /* also of one that has reset */
void net_set_nodelay(int fd);                         /* no effect on unix sockets */

/* A peer that has gone without a word is found out: silent for so long, it is asked, and the connection
 * fails when it has not answered, or taken what was sent, `n_tries` times as long. No effect on unix
 * sockets. */
void net_keep_alive(int fd, uint64_t silence_ms, unsigned n_tries);
void net_reset_on_close(int fd); /* close() sends RST: nothing half-sent may look whole */

void fd_close(int *fd); /* for scoped(): closes *fd when it is >= 0 */
int fd_take(int *fd);   /* moves it out: *fd is -1 afterwards */
