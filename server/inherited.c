/* server/inherited.c */
#include "server/inherited.h"
#include "core/base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum { INHERITED_MAX = 64, NAME_MAX_LEN = 64 };
#define PREFIX STR("systemd:")

static struct inherited {
	int fd; /* -1: it was taken */
	char name[NAME_MAX_LEN];
	struct net_addr addr;
} sockets[INHERITED_MAX];
static size_t n_sockets;

static void inherited_add(int fd, const char *name)
{
	struct inherited *one = &sockets[n_sockets];

	if (n_sockets == INHERITED_MAX || sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
		log_warning("descriptor of systemd ignored name=%s: it is no listening stream",
			    LOG_QUOTE(str_of(name)));
		close(fd);
		return;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); /* FD_CLOEXEC is set already */
	*one = (struct inherited){ .fd = fd };
	snprintf(one->name, sizeof(one->name), "%s", name ? name : "");
	one->addr.len = sizeof(one->addr.storage);
	if (getsockname(fd, &one->addr.sa, &one->addr.len) < 0)
		one->addr.len = 0;
	n_sockets++;
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

int inherited_take(struct str text, const struct net_addr *addr)
{
	bool named = inherited_is_meant(text);
	struct str name = str_skip(text, MIN(PREFIX.len, text.len));

	for (size_t i = 0; i < n_sockets; i++) {
		struct inherited *one = &sockets[i];
		int fd = one->fd;

		if (fd < 0 || (named ? !str_eq(str_of(one->name), name)
				     : !one->addr.len || !net_addr_eq(&one->addr, addr)))
			continue;
		one->fd = -1;
		return fd;
	}
	return -ENOENT;
}

void inherited_warn(void)
{
	for (size_t i = 0; i < n_sockets; i++)
		if (sockets[i].fd >= 0)
			log_warning("socket of systemd not used name=%s; write listen: systemd:%s, "
				    "who connects waits",
				    LOG_QUOTE(str_of(sockets[i].name)), sockets[i].name);
}
