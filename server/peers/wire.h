/* server/peers/wire.h: peers that speak libprocess' own form (server/http/libprocess.h).
 *
 * What comes from them is a request as any other, with its limits and policies, that a route of
 * leat's own takes (wire_receive.c). What goes to them goes over one connection of each, in order
 * (wire_link.c); a reply is a message that comes by a connection of theirs. */
#pragma once
#include "server/peers/peers.h"

struct conn;
struct generation;
struct http_head;
struct route;
struct settings;

/* How bodies are values. */
enum wire_body {
	WIRE_AUTO,   /* JSON, where it is; else a text, which has to be UTF-8 */
	WIRE_TEXT,   /* a text, whatever is in it */
	WIRE_BASE64, /* any bytes, as a text */
};

extern const struct peer_form peer_libprocess;

/* ---- wire_receive.c */

/* The route that takes messages; NULL when no peer of the generation speaks this form. */
const struct route *wire_route(const struct peer_section *section, const struct settings *settings,
			       struct arena *arena);

bool wire_is_number(struct str host); /* an address, not a name */

bool wire_is_number(struct str host); /* an address, not a name */

/* Whether one of them is at that address ("127.0.0.1:4711"). */
bool wire_is_peer(const struct peer_section *section, struct str addr);
