/* server/inherited.c */
#include "server/inherited.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "server/notify.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum { NAME_MAX_LEN = 64 }; /* of `listen: systemd:NAME` */
#define PREFIX STR("systemd:")
#define OWN_PREFIX "leat-listener-"

static struct inherited {
	int fd; /* -1: it was taken */
	char name[INHERITED_NAME_MAX];
	struct net_addr addr;
} * sockets;
static size_t n_sockets;

/* ------------------------------------------------------------ names */

bool inherited_is_own(const char *name)
{
	return strncmp(name, OWN_PREFIX, strlen(OWN_PREFIX)) == 0;
}

/* sd_notify(3) takes printable ASCII without colons. Too long a path is cut: then the check by address
 * tells it from another. */
void inherited_own_name(char out[INHERITED_NAME_MAX], const struct net_addr *addr)
{
	static const char hex[] = "0123456789abcdef";
	char text[NET_ADDR_TEXT_MAX];
	size_t len = strlen(OWN_PREFIX);

	memcpy(out, OWN_PREFIX, len);
	net_addr_write(text, addr);
	for (const char *at = text; *at && len + 4 < INHERITED_NAME_MAX; at++) {
		unsigned char c = (unsigned char)*at;

		if (c > ' ' && c < 0x7f && c != '%' && c != ':') {
			out[len++] = *at;
			continue;
		}
		out[len++] = '%';
		out[len++] = hex[c >> 4];
		out[len++] = hex[c & 15];
	}
	out[len] = '\0';
}

/* ------------------------------------------------------------ taking over */

static void inherited_add(int fd, const char *name)
{
	struct inherited *one;

	if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
		log_warning("descriptor of systemd ignored name=%s: it is no listening stream",
			    LOG_QUOTE(str_of(name)));
		close(fd);
		return;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); /* FD_CLOEXEC is set already */
	sockets = mem_realloc_array(sockets, n_sockets + 1, sizeof(sockets[0]));
	one = &sockets[n_sockets++];
	*one = (struct inherited){ .fd = fd };
	snprintf(one->name, sizeof(one->name), "%s", name ? name : "");
	one->addr.len = sizeof(one->addr.storage);
	if (getsockname(fd, &one->addr.sa, &one->addr.len) < 0)
		one->addr.len = 0;
}

void inherited_begin(void)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(true, &names);

	for (int i = 0; i < n; i++) {
		inherited_add(SD_LISTEN_FDS_START + i, names[i]);
		free(names[i]);
	}
	free(names);
}

void inherited_end(void)
{
	for (size_t i = 0; i < n_sockets; i++)
		fd_close(&sockets[i].fd);
	free(sockets);
	sockets = NULL;
	n_sockets = 0;
}

bool inherited_is_meant(struct str text)
{
	return str_starts_with(text, PREFIX);
}

int inherited_parse(struct str text, struct net_addr *ret_addr)
{
	struct str name = str_skip(text, PREFIX.len);
	char address[NET_ADDR_TEXT_MAX];

	if (name.len == 0 || name.len >= NAME_MAX_LEN || str_has(name, ':'))
		return -EINVAL;
	snprintf(address, sizeof(address), "unix:@leat/systemd/%.*s", STR_ARG(name));
	return net_addr_parse(str_of(address), ret_addr);
}

/* One that leat has opened itself. A socket whose path is gone is one that nobody can reach, and with
 * port 0 the kernel has chosen another. */
static bool inherited_is_of(const struct inherited *one, const struct net_addr *addr)
{
	char name[INHERITED_NAME_MAX];
	struct stat st;

	inherited_own_name(name, addr);
	if (strcmp(one->name, name) != 0)
		return false;
	if (addr->sa.sa_family != AF_UNIX)
		return net_addr_port(addr) == 0 || net_addr_port(&one->addr) == net_addr_port(addr);
	return net_addr_eq(&one->addr, addr) &&
	       (!addr->un.sun_path[0] ||
		(lstat(addr->un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode)));
}

static bool inherited_matches(const struct inherited *one, struct str text,
			      const struct net_addr *addr)
{
	if (one->fd < 0)
		return false;
	if (inherited_is_own(one->name))
		return !inherited_is_meant(text) && inherited_is_of(one, addr);
	if (inherited_is_meant(text))
		return str_eq(str_of(one->name), str_skip(text, PREFIX.len));
	return one->addr.len && net_addr_eq(&one->addr, addr);
}

int inherited_take(struct str text, const struct net_addr *addr, char ret_name[INHERITED_NAME_MAX])
{
	for (size_t i = 0; i < n_sockets; i++) {
		struct inherited *one = &sockets[i];
		int fd = one->fd;

		if (!inherited_matches(one, text, addr))
			continue;
		one->fd = -1;
		memcpy(ret_name, one->name, INHERITED_NAME_MAX);
		return fd;
	}
	return -ENOENT;
}

/* ------------------------------------------------------------ what is left */

void inherited_settle(void)
{
	for (size_t i = 0; i < n_sockets; i++) {
		struct inherited *one = &sockets[i];

		if (one->fd < 0)
			continue;
		if (inherited_is_own(one->name)) {
			log_info("listener of before is closed, the configuration does not have it "
				 "name=%s",
				 LOG_QUOTE(str_of(one->name)));
			notify_forget_fd(one->name);
			fd_close(&one->fd);
			continue;
		}
		log_warning("socket of systemd not used name=%s; write listen: systemd:%s, who "
			    "connects waits",
			    LOG_QUOTE(str_of(one->name)), one->name);
	}
}

void inherited_each(void (*each)(void *arg, int fd, const char *name), void *arg)
{
	for (size_t i = 0; i < n_sockets; i++)
		if (sockets[i].fd >= 0)
			each(arg, sockets[i].fd, sockets[i].name);
}
