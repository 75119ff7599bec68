/* server/router.h: from method, host and path to a route, in O(length of the path).
 *
 * A pattern is "[METHOD ][HOST]/path/{param}/{rest...}". Literal beats {param} beats {rest...},
 * segment by segment from the left, with backtracking that is bounded; with a method beats
 * without; with a host beats without (the host is decided first). `{rest...}` stands last and
 * may be empty: but "/api" is not matched by "/api/{p...}" (DECISIONS 14). A router is built
 * once and then immutable; any thread may look things up. */
#pragma once
#include "core/base/arena.h"
#include "core/base/diag.h"
#include "server/http/head.h"
#include "server/http/path.h"

enum { ROUTER_PARAMS_MAX = 16 };

struct router;

/* What a pattern says, for messages, for the flow compiler (which parameters exist) and for
 * `leat routes`. */
struct route_pattern {
	struct str text;   /* as written */
	struct str method; /* empty: any */
	struct str host;   /* empty: any; "*.example.org" matches one or more labels; lower case */
	struct str path;
	size_t n_params;
	struct str params[ROUTER_PARAMS_MAX]; /* names, in the order of the path */
	bool has_rest;                        /* the last parameter is {rest...} */
};

/* Reads a pattern; false with an error in `diag` (a path that does not begin with '/', two
 * parameters of one name, a '{' without '}', {rest...} not last, a bad method or host, '%'
 * escapes: write the decoded character). */
bool route_pattern_read(struct str text, struct place place, struct arena *arena, struct diag *diag,
			struct route_pattern *ret_pattern);

struct router *router_create(struct arena *arena);

/* Whether a route of the same paths has this method, or all of them. */
bool router_has(struct router *router, const struct route_pattern *pattern);

/* False with an error in `diag`, which names both places, when an equally specific route is
 * there. `route` is what look-ups give back; not NULL. */
bool router_add(struct router *router, const struct route_pattern *pattern, struct place place,
		void *route, struct diag *diag);

struct router_match {
	void *route; /* NULL: none */
	uint32_t
		allowed; /* when route is NULL but the path exists with other methods: 1 << enum http_method of
				  each; 0: the path does not exist */
	size_t n_params;
	struct str params[ROUTER_PARAMS_MAX]; /* decoded values; for {rest...} see rest_from */
	size_t rest_from; /* the segment that {rest...} begins with; SIZE_MAX: no {rest...} */
};

/* HEAD finds a GET route where there is none for HEAD. `host` is compared without case. For the
 * hot path: allocates nothing. For {rest...} the param's value is empty: its users join
 * path->segments from rest_from. */
void router_find(const struct router *router, enum http_method method, struct str method_name,
		 struct str host, const struct http_path *path, struct router_match *ret_match);
