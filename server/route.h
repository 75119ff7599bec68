/* server/route.h: one entry of `routes:`, compiled. */
#pragma once
#include "server/body/body.h"
#include "server/flow/flow.h"
#include "server/generation.h"
#include "server/reply.h"
#include "server/tally.h"

struct async_spec;
struct policies;
struct proxy;
struct policy_compiler;
struct request;
struct websocket_spec;
struct events_spec;

/* Answers by itself; for the admin listener. Called on the request's loop when its body is
 * whole. Leads to exactly one request_reply(), now or later. */
typedef void route_native_fn(struct request *request);

/* Of a native route: the answer that refuses a request before its body comes; or NULL. */
typedef const struct reply *route_admit_fn(struct request *request);

struct route_error_rule {
	enum error_code code; /* ERROR_CUSTOM: by `custom`; ERROR_NONE: any */
	struct str custom;
	struct reply_spec *reply;
};

struct route {
	struct route_pattern pattern;
	struct place place;
	struct flow *flow;         /* never NULL, perhaps empty; NULL for a native one */
	struct reply_spec *reply;  /* NULL: 204 */
	const struct files *files; /* or NULL; then there are no tasks */
	const struct proxy *proxy; /* the same */
	struct cache_spec *cache;  /* of the whole answer; or NULL */
	const struct websocket_spec *websocket; /* the same */
	const struct events_spec *events;       /* the same */
	struct async_spec *async;               /* its requests run from the store; or NULL */
	route_native_fn *native;
	route_admit_fn *admit; /* or NULL */
	/* No tasks, no body wanted, a constant reply, and no policy but such as are in it already:
	 * the hot path. */
	const struct reply *constant;
	bool is_conditional; /* and `constant` has an ETag or a date that clients may ask by */
	const struct policies *policies; /* its own; or NULL */
	const struct policies *prefix;   /* that holds for all of its paths; or NULL */
	bool by_path;                    /* which prefix holds depends on the path */
	uint64_t roots;                  /* ROOT_BIT()s that anything of the route reads */
	uint64_t timeout_ms;
	struct body_spec body;
	bool finishes; /* on_disconnect: finish */
	bool logged;   /* in the access log */
	size_t n_error_rules;
	struct route_error_rule *error_rules;
	struct tally *tally; /* a reference; NULL of leat's own */
};

/* Its requests are at work while their bodies come. */
static inline bool route_is_early(const struct route *route)
{
	return route->proxy != NULL;
}

/* Its connections go on when its requests are answered. */
static inline bool route_is_live(const struct route *route)
{
	return route->websocket || route->events;
}

/* DECISIONS 14: of one with `files`, "/static" leads to "/static/", unless a route of its own says
 * otherwise: when all routes have been added. */
void route_add_folder(struct route *route, struct router *router, struct arena *arena);

/* Compiles one entry. NULL with errors in the compiler's diag. */
struct route *route_compile(struct flow_compiler *compiler, struct policy_compiler *policies,
			    struct schema_loader *schemas, const struct settings *settings,
			    const struct node_entry *entry);

void route_fini(struct route *route); /* what is not in the arena */

/* The rule of on_error: for this failure, or NULL. */
const struct reply_spec *route_error_reply(const struct route *route,
					   const struct failure *failure);

extern const struct setting route_keys[];
