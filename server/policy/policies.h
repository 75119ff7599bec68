/* server/policy/policies.h: where policies stand, and which hold for a request.
 *
 * The same keys (policy_keys) may stand in a route, in a path prefix under `defaults:`, and in an
 * entry of `listen:`. For each policy the innermost place that has the key decides; `off` is said
 * like any other value. `headers` merge. A prefix is compared with the path of the request, by
 * whole segments, decoded: so /admin protects what /{path...} serves beneath it, too. The longest
 * prefix that matches is the one place between route and listener; shorter ones do not add to it.
 * Requests that no route takes have the policies of the prefix and the listener.
 *
 * What can be known at load is: a route whose pattern decides by itself which prefix holds has it
 * (route->prefix), and one whose policies change nothing but constant header fields stays on the
 * hot path, with the fields in its constant reply. */
#pragma once
#include "core/base/map.h"
#include "server/http/path.h"
#include "server/policy/policy.h"
#include "server/router.h"

struct generation;
struct listen_spec;
struct route;

/* What the settings of one place are read into. */
struct policy_nodes {
	const struct node *of[N_POLICIES];
};

extern const struct setting policy_keys[]; /* into a struct policy_nodes */
extern const struct policy_kind *const policy_kinds[N_POLICIES];

enum policies_level { POLICIES_ROUTE, POLICIES_PREFIX, POLICIES_LISTENER };

/* One place. */
struct policies {
	enum policies_level level;
	struct str name; /* the route's pattern, the prefix, the address */
	const struct policy *of[N_POLICIES];
};

/* All of a generation: what destroys them, and what the next one takes state over from. */
struct policy_list {
	struct policy *first;
	struct map by_text; /* of struct policy, by place, name and text */
	size_t n_prefixes;
	struct policies **prefixes; /* that have any */
	struct router *router;      /* from a path to its prefix; NULL without prefixes */
};

void policy_list_init(struct policy_list *list);
void policy_list_fini(struct policy_list *list);

/* `list` gets what is compiled. The caller adds outer_names.constant, `http`
 * and `before`. */
void policy_compiler_init(struct policy_compiler *compiler, struct conf *conf, struct diag *diag,
			  struct policy_list *list);

/* Compiles what stands in one place. NULL when nothing does (then *ret_ok is true), or nothing of
 * it is right. `name` tells the place from others of its level. */
struct policies *policies_compile(struct policy_compiler *compiler, enum policies_level level,
				  struct str name, const struct policy_nodes *nodes, bool *ret_ok);

/* Reads the prefixes of `defaults:`, which may be NULL; other keys but `task` are errors. */
void policies_compile_prefixes(struct policy_compiler *compiler, const struct node *defaults);

/* The prefix that holds for every path of a pattern. *ret_by_path: it depends on the path. */
const struct policies *policies_of_pattern(const struct policy_list *list,
					   const struct route_pattern *pattern, bool *ret_by_path);

/* Whence a request comes and where it goes. */
struct policy_way {
	const struct policy_list *list;   /* its generation's */
	const struct listen_spec *listen; /* or NULL */
	const struct route *route;
	const struct http_path *path;
};

/* The places that say something, the innermost first. */
unsigned policies_places(const struct policy_way *way, const struct policies *places[3]);

/* The policy that holds there; NULL: none. */
const struct policy *policies_find(const struct policy_way *way, enum policy_id id);
bool policies_hold(const struct policy_way *way); /* any place says something */

/* The innermost that is said; NULL: none, or `off`. */
const struct policy *policies_innermost(const struct policies *const places[], unsigned n_places,
					unsigned id);

/* A constant reply of a route with what its policies add to it, when all that they do is to
 * change header fields to constant texts (where they do nothing, the reply itself); NULL: each
 * request must be looked at. */
const struct reply *policies_bake(const struct route *route, const struct reply *reply,
				  struct arena *arena);

/* Fills request->policies (NULL: none hold). False without memory. */
bool policies_begin(struct request *request);

/* A line for each policy that holds: where it stands. */
void policies_explain(const struct generation *generation, const struct route *route,
		      const struct http_path *path, struct buf *out);
