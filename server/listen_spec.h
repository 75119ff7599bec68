/* server/listen_spec.h: one entry of `listen:`, compiled: what a generation says of an address.
 *
 * The socket itself outlives generations (server/listener.h); a connection knows its listener by
 * number and asks the generation at work what holds for it now. */
#pragma once
#include "conf/load.h"
#include "conf/settings.h"
#include "core/io/net.h"
#include "server/networks.h"

struct policies;
struct policy_nodes;
struct tls_server;

struct listen_spec {
	struct str text; /* as written: what identifies the listener over reloads */
	struct net_addr addr;
	struct place place;
	uint32_t number;                 /* of the listener, once it is open; 0: it is not */
	const struct policies *policies; /* of all that comes by it; or NULL */
	struct tls_server *tls;          /* a reference; NULL: plain */
	const struct networks *trusted;  /* proxies that are believed; NULL: none are named */
	bool proxy_protocol;             /* each connection begins with a PROXY header */
};

/* Reads one entry: an address, or a map by listen_keys. False with errors in diag. Before the
 * address is known to be wrong, `spec` has what could be read; its policies go into `nodes`, to be
 * compiled by the caller. In `leat check` an address that is empty comes from an environment that
 * is not here, which was said already. */
bool listen_spec_compile(struct listen_spec *spec, const struct node *node,
			 struct policy_nodes *nodes, struct conf *conf, struct diag *diag);
/* Each request that comes by it has to be looked at: there is no hot path. */
static inline bool listen_spec_looks(const struct listen_spec *spec)
{
	return spec->policies || spec->trusted;
}

/* Reads the section `admin:`, or NULL. Errors go to the diag. */
void listen_spec_compile_admin(struct listen_spec *spec, const struct node *node,
			       struct arena *arena, struct diag *diag);

void listen_spec_fini(struct listen_spec *spec);

extern const struct setting listen_keys[];
