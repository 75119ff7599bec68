/* core/io/resolver.c
 *
 * c-ares tells by resolver_on_socket() which sockets it wants to be watched; each has a watch of
 * its own. What it waits for in time is asked after every call into it, and kept by one timer. */
#include "core/io/resolver.h"
#include "core/base/memory.h"
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>

struct resolver_socket {
	struct list link;
	struct watch watch;
	struct resolver *resolver;
};

static void resolver_arm_timer(struct resolver *resolver)
{
	struct timeval wait;

	if (!ares_timeout(resolver->channel, NULL, &wait)) {
		timer_stop(&resolver->timer);
		return;
	}
	timer_start(&resolver->timer,
		    (uint64_t)wait.tv_sec * 1000 + (uint64_t)wait.tv_usec / 1000 + 1);
}

static void resolver_on_timer(struct timer *timer)
{
	struct resolver *resolver = container_of(timer, struct resolver, timer);

	ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	resolver_arm_timer(resolver);
}

/* The socket may be gone after this. */
static void resolver_on_event(struct watch *watch, uint32_t events)
{
	struct resolver *resolver = container_of(watch, struct resolver_socket, watch)->resolver;
	int fd = watch->fd;

	ares_process_fd(resolver->channel,
			events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? fd : ARES_SOCKET_BAD,
			events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
	resolver_arm_timer(resolver);
}

static struct resolver_socket *resolver_find_socket(struct resolver *resolver, int fd)
{
	struct resolver_socket *found;

	list_each(found, &resolver->sockets, struct resolver_socket, link)
		if (found->watch.fd == fd)
			return found;
	return NULL;
}

static void resolver_add_socket(struct resolver *resolver, int fd, uint32_t events)
{
	struct resolver_socket *added = mem_zalloc(sizeof(*added));

	added->resolver = resolver;
	if (loop_add(resolver->loop, &added->watch, fd, events, resolver_on_event) < 0) {
		free(added); /* its query times out */
		return;
	}
	list_add(&resolver->sockets, &added->link);
}

static void resolver_drop_socket(struct resolver *resolver, struct resolver_socket *dropped)
{
	loop_remove(resolver->loop, &dropped->watch);
	list_remove(&dropped->link);
	free(dropped);
}

/* c-ares tells what it waits for; neither: it is about to close the socket. */
static void resolver_on_socket(void *data, ares_socket_t fd, int reading, int writing)
{
	struct resolver *resolver = data;
	struct resolver_socket *found = resolver_find_socket(resolver, fd);
	uint32_t events = (reading ? EPOLLIN : 0U) | (writing ? EPOLLOUT : 0U);

	if (!found && events)
		resolver_add_socket(resolver, fd, events);
	else if (found && events)
		loop_change(resolver->loop, &found->watch, events);
	else if (found)
		resolver_drop_socket(resolver, found);
}

static int resolver_open_channel(struct resolver *resolver, ares_channel *ret_channel)
{
	struct ares_options options = {
		.sock_state_cb = resolver_on_socket,
		.sock_state_cb_data = resolver,
		.timeout = (int)resolver->timeout_ms,
		.tries = (int)resolver->tries,
		.resolvconf_path = (char *)(uintptr_t)resolver->conf_path, /* c-ares copies it */
	};
	ares_channel channel;
	int status = ares_init_options(&channel, &options,
				       ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS |
					       ARES_OPT_TRIES | ARES_OPT_RESOLVCONF);

	if (status != ARES_SUCCESS)
		return status == ARES_ENOMEM ? -ENOMEM : -EIO;
	if (resolver->servers &&
	    ares_set_servers_ports_csv(channel, resolver->servers) != ARES_SUCCESS) {
		ares_destroy(channel);
		return -EINVAL;
	}
	*ret_channel = channel;
	return 0;
}

/* c-ares takes most of its settings only at the start of a channel. */
static int resolver_reopen(struct resolver *resolver)
{
	ares_channel channel;
	int r = resolver_open_channel(resolver, &channel);

	if (r < 0)
		return r;
	timer_stop(&resolver->timer);
	ares_destroy(resolver->channel);
	resolver->channel = channel;
	return 0;
}

/* What tells that the file is another than the one that was read: zeros when there is none. */
static struct resolver_stamp resolver_stamp_read(const struct resolver *resolver)
{
	struct stat st;

	if (stat(resolver->conf_path, &st) < 0)
		return (struct resolver_stamp){ 0 };
	return (struct resolver_stamp){ st.st_ino, st.st_size, st.st_mtim };
}

static bool resolver_stamp_eq(const struct resolver_stamp *a, const struct resolver_stamp *b)
{
	return a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

int resolver_refresh(struct resolver *resolver)
{
	struct resolver_stamp stamp = resolver_stamp_read(resolver);
	int r;

	if (resolver_stamp_eq(&stamp, &resolver->stamp))
		return 0;
	r = resolver_reopen(resolver);
	if (r == 0)
		resolver->stamp = stamp;
	return r;
}

int resolver_open(struct resolver *resolver, struct loop *loop)
{
	*resolver = (struct resolver){ .loop = loop, .timeout_ms = 2000, .tries = 3 };
	resolver->conf_path = "/etc/resolv.conf";
	resolver->stamp = resolver_stamp_read(resolver);
	list_init(&resolver->sockets);
	timer_init(&resolver->timer, loop, resolver_on_timer);
	return resolver_open_channel(resolver, &resolver->channel);
}

void resolver_close(struct resolver *resolver)
{
	ares_destroy(resolver->channel);
	check(list_is_empty(&resolver->sockets));
	timer_stop(&resolver->timer);
	free(resolver->servers);
}

void resolver_ask(struct resolver *resolver, const char *host, ares_addrinfo_callback on_answer,
		  void *arg)
{
	static const struct ares_addrinfo_hints hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};

	ares_getaddrinfo(resolver->channel, host, NULL, &hints, on_answer, arg);
	resolver_arm_timer(resolver);
}

void resolver_search(struct resolver *resolver, const char *name, int type, ares_callback on_answer,
		     void *arg)
{
	enum { CLASS_IN = 1 };

	ares_search(resolver->channel, name, CLASS_IN, type, on_answer, arg);
	resolver_arm_timer(resolver);
}

int resolver_set_servers(struct resolver *resolver, const char *csv)
{
	char *before = resolver->servers;
	int r;

	resolver->servers = mem_strdup(csv);
	r = resolver_reopen(resolver);
	if (r < 0) {
		free(resolver->servers);
		resolver->servers = before;
		return r;
	}
	free(before);
	return 0;
}

int resolver_set_conf(struct resolver *resolver, const char *path)
{
	resolver->conf_path = path;
	resolver->stamp = resolver_stamp_read(resolver);
	return resolver_reopen(resolver);
}

int resolver_set_patience(struct resolver *resolver, unsigned timeout_ms, unsigned tries)
{
	resolver->timeout_ms = timeout_ms;
	resolver->tries = tries;
	return resolver_reopen(resolver);
}
