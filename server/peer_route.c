/* server/peer_route.c */
#include "server/peer_route.h"
#include "server/peers/peer_frame.h"
#include "server/peers/peer_loop.h"
#include "server/peers/wire.h"
#include "server/route.h"

static bool peer_may_come(const struct peer_section *section)
{
	for (size_t i = 0; i < section->n_peers; i++)
		if (section->peers[i]->form == &peer_leat)
			return true;
	return false;
}

void peer_route_add(struct generation *generation, struct flow_compiler *compiler)
{
	struct route *route;
	struct diag unheard;

	generation->messages =
		wire_route(&generation->peers, &generation->settings, generation->arena);
	if (!peer_may_come(&generation->peers))
		return;
	route = arena_zalloc(generation->arena, sizeof(*route));
	route->native = peer_accept;
	route->place = node_find(generation->conf.root, "peers")->place;
	route->flow = flow_declare(compiler, STR("peers"));
	flow_compile(compiler, route->flow, NULL, NULL, 0);
	diag_init(&unheard);
	if (route_pattern_read(STR("GET " PEER_PATH), (struct place){ 0 }, generation->arena,
			       &unheard, &route->pattern))
		router_add(generation->router, &route->pattern, (struct place){ 0 }, route,
			   &unheard);
	diag_fini(&unheard);
}
