/* server/proxy/proxy.h: the ending `proxy:`: a request is passed on to an upstream, and the answer
 * back, both while they come.
 *
 * The request goes out before its body is there; neither body is ever held whole: one piece of each
 * at most, and who is slow holds back the other side by its own socket. What comes before the head of
 * an answer fails as a task would (DESIGN §1.6), and on_error: may answer it; behind it the
 * connection is cut, so that nobody takes half of a body for a whole one. */
#pragma once
#include "conf/settings.h"
#include "server/flow/flow.h"

struct cache_spec;
struct proxy;
struct request;

extern const struct setting proxy_keys[];

struct proxy_place {
	bool has_rest;                 /* the pattern ends in {name...}: that is what is sent on */
	uint64_t timeout_ms;           /* until the head of the answer; 0: none */
	struct str name;               /* of its route */
	const struct node *definition; /* the route, in the file */
};

/* Compiles the node at `proxy:` (a name, a URL or a map). NULL with errors in the compiler's diag. */
const struct proxy *proxy_compile(struct flow_compiler *compiler, struct expr_compiler *expr,
				  const struct node *node, const struct proxy_place *place);

/* On the request's loop, when its head is there and its body may come; leads to exactly one answer. */
void proxy_serve(const struct proxy *proxy, struct request *request);

/* Where answers that it passes on are kept; NULL: nowhere. */
const struct cache_spec *proxy_cache(const struct proxy *proxy);
