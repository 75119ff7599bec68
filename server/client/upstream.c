/* server/client/upstream.c
 *
 * Two counts, because a client keeps connections, and with them the upstream they belong to, for
 * a while after the last generation that names it has gone: `refs` says whether anybody may
 * still call it, `n_holds` whether anybody still looks at its memory. */
#include "server/client/upstream.h"
#include "core/base/memory.h"
#include "core/io/tls_client.h"
#include "server/client/client.h"
#include "server/client/upstream_names.h"
#include <errno.h>
#include <stdlib.h>

enum {
	PORT_HTTP = 80,
	PORT_HTTPS = 443,
	ACQUIRE_MS = 5000,
	CONNECT_MS = 5000,
	FIRST_BYTE_MS = 30000,
	IDLE_MS = 30000,
	MAX_IDLE = 128,
	IDLE_CLOSE_MS = 55000, /* less than the 60 s after which most servers close */
	RESPONSE_MAX = 8 << 20,
	CONNECTIONS_MAX = 10000,
	WAITERS_MAX = 1000,
	STALE_MS = 3600000,
};

struct upstream *upstream_create(struct str name)
{
	struct upstream *upstream = mem_zalloc(sizeof(*upstream));

	atomic_init(&upstream->refs, 1);
	atomic_init(&upstream->n_holds, 1);
	arena_init_required(&upstream->arena);
	upstream->name = arena_str(&upstream->arena, name);
	upstream->timeouts = (struct upstream_timeouts){ .acquire_ms = ACQUIRE_MS,
							 .connect_ms = CONNECT_MS,
							 .first_byte_ms = FIRST_BYTE_MS,
							 .idle_ms = IDLE_MS };
	upstream->pool =
		(struct upstream_pool){ CONNECTIONS_MAX, WAITERS_MAX, MAX_IDLE, IDLE_CLOSE_MS };
	upstream->response_max = RESPONSE_MAX;
	upstream->stale_ms = STALE_MS;
	upstream->retry.budget = UPSTREAM_RETRY_BUDGET;
	upstream->fleet = fleet_create();
	upstream_names_create(upstream);
	upstream_apply(upstream);
	return upstream;
}

struct upstream *upstream_ref(struct upstream *upstream)
{
	check(atomic_fetch_add(&upstream->refs, 1) > 0);
	return upstream;
}

void upstream_unref(struct upstream *upstream)
{
	if (!upstream || atomic_fetch_sub(&upstream->refs, 1) != 1)
		return;
	upstream_names_retire(upstream);
	upstream_release(upstream);
}

void upstream_apply(struct upstream *upstream)
{
	permits_set(upstream->fleet->permits, upstream->pool.max, upstream->pool.waiters);
}

bool upstream_is_called(const struct upstream *upstream)
{
	return atomic_load(&upstream->refs) > 0;
}

void upstream_hold(struct upstream *upstream)
{
	atomic_fetch_add(&upstream->n_holds, 1);
}

void upstream_release(struct upstream *upstream)
{
	if (atomic_fetch_sub(&upstream->n_holds, 1) != 1)
		return;
	upstream_names_destroy(upstream);
	fleet_unref(upstream->fleet);
	tls_client_unref(upstream->tls);
	arena_fini(&upstream->arena);
	free(upstream);
}

/* ------------------------------------------------------------ addresses */

static int upstream_read_port(struct str text, uint16_t *ret_port)
{
	uint64_t port;

	if (text.len > 5 || str_to_u64(text, &port) < 0 || port == 0 || port > UINT16_MAX)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

/* What a resolver may be asked for: no escapes, nothing that would look different in a Host
 * field. */
static bool upstream_is_name(struct str host)
{
	if (host.len == 0 || host.len > NAMES_HOST_MAX || host.ptr[0] == '.')
		return false;
	for (size_t i = 0; i < host.len; i++) {
		char c = host.ptr[i];

		if (!char_is_alpha(c) && !char_is_digit(c) && c != '-' && c != '.' && c != '_')
			return false;
	}
	return true;
}

static bool upstream_is_ip6(struct str host)
{
	struct net_addr addr;

	return net_addr_from_host(host, PORT_HTTP, &addr) == 0 && addr.sa.sa_family == AF_INET6;
}

int upstream_read_address(struct str address, uint16_t usual_port,
			  struct upstream_server *ret_server)
{
	struct upstream_server server = { .host = address, .port = usual_port, .weight = 1 };
	bool bracketed = address.len > 0 && address.ptr[0] == '[';
	ptrdiff_t end = str_find_char(address, bracketed ? ']' : ':');
	struct str rest = STR_NONE;

	if (bracketed && end < 0)
		return -EINVAL;
	if (bracketed) {
		server.host = str_range(address.ptr + 1, address.ptr + end);
		rest = str_skip(address, (size_t)end + 1);
	} else if (end >= 0) {
		server.host = str_first(address, (size_t)end);
		rest = str_skip(address, (size_t)end);
	}
	if (bracketed ? !upstream_is_ip6(server.host) : !upstream_is_name(server.host))
		return -EINVAL;
	if (rest.len > 0 &&
	    (rest.ptr[0] != ':' || upstream_read_port(str_skip(rest, 1), &server.port) < 0))
		return -EINVAL;
	*ret_server = server;
	return 0;
}

struct str upstream_authority(struct arena *arena, const struct upstream_server *server,
			      bool with_port)
{
	bool is_ip6 = str_has(server->host, ':');
	struct str host = is_ip6 ? arena_printf(arena, "[%.*s]", STR_ARG(server->host))
				 : arena_str(arena, server->host);

	if (!with_port)
		return host;
	return arena_printf(arena, "%.*s:%u", STR_ARG(host), server->port);
}

void upstream_secure(struct upstream *upstream, struct tls_client *tls, struct str server_name)
{
	check(!upstream->tls && upstream->n_servers == 0);
	upstream->tls = tls;
	upstream->server_name = arena_str(&upstream->arena, server_name);
}

/* "_http._tcp.example.org" is a service of example.org, which is what Host says. */
static int upstream_read_service(struct str name, struct upstream_server *ret_server)
{
	if (!upstream_is_name(name) || name.ptr[0] != '_')
		return -EINVAL;
	*ret_server = (struct upstream_server){ .host = name, .srv = true, .weight = 1 };
	return 0;
}

static struct str upstream_domain(struct str service)
{
	while (service.len && service.ptr[0] == '_') {
		ptrdiff_t dot = str_find_char(service, '.');

		service = dot < 0 ? STR_NONE : str_skip(service, (size_t)dot + 1);
	}
	return service;
}

static int upstream_read_server(struct str text, uint16_t usual_port,
				struct upstream_server *ret_server)
{
	if (!str_starts_with(text, STR("srv:")))
		return upstream_read_address(text, usual_port, ret_server);
	text = str_skip(text, 4);
	return upstream_domain(text).len ? upstream_read_service(text, ret_server) : -EINVAL;
}

int upstream_add_server(struct upstream *upstream, struct str address)
{
	uint16_t usual_port = upstream->tls ? PORT_HTTPS : PORT_HTTP;
	struct upstream_server server = { .weight = 1 };
	int r = upstream_read_server(address, usual_port, &server);

	if (r < 0)
		return r;
	if (upstream->n_servers == UPSTREAM_SERVERS_MAX)
		return -ENOSPC;
	server.host = arena_str(&upstream->arena, server.host);
	upstream->servers[upstream->n_servers++] = server;
	upstream_names_add(upstream, upstream->n_servers - 1);
	if (upstream->authority.len == 0 && server.srv)
		upstream->authority = upstream_domain(server.host);
	else if (upstream->authority.len == 0)
		upstream->authority =
			upstream_authority(&upstream->arena, &server, server.port != usual_port);
	return 0;
}
