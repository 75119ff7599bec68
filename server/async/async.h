/* server/async/async.h: routes with `async`: the request is checked and kept, answered with 202, and
 * runs from the store.
 *
 *   body_ready() --> request_go_on() --> async_keep() --> [commit] --> 202, Location: /runs/TOKEN
 *   agenda --> replay: a request without a client, of the same route --> its answer in the store
 *   GET /runs/TOKEN, DELETE /runs/TOKEN
 *
 * A row of the store is a request (todo.h, TODO_ROUTE); which loop it runs on is by its token. The
 * token is 128 random bits: who has it may ask and cancel, nobody else. */
#pragma once
#include "conf/settings.h"
#include "server/generation.h"

struct agendas;
struct flow_compiler;
struct policy_compiler;
struct request;
struct schema_loader;
struct tally;
struct value;

/* `async:` of a route, compiled. */
struct async_spec {
	struct place place;
	uint64_t keep_ms, wait_ms, max;
	int64_t retry, waiting;
	struct tally *tally; /* a reference: of its tries */
};

extern const struct setting async_keys[];

/* The node at `async`; *ret_spec is NULL when it is false. False with an error. `name` is the route's. */
bool async_compile(const struct node_entry *entry, struct str name, struct arena *arena,
		   struct diag *diag, struct async_spec **ret_spec);
void async_spec_fini(struct async_spec *spec); /* NULL is accepted */

enum { ASYNC_ROUTES_MAX = 2 };

/* Where runs are asked for, when a route of the generation has `async`: the last of its routes. */
void async_routes_add(struct generation *generation, struct flow_compiler *compiler,
		      struct policy_compiler *policies, struct schema_loader *schemas);

/* Keeps a request whose body is whole and checked, and answers it. */
void async_keep(struct request *request);

/* Before the loops run: from now on the agendas know how to run requests. */
void async_begin(struct agendas *agendas);

/* One that runs from the store is not wanted any more. */
bool async_is_cancelled(const struct request *request);

/* What ${tls} is in a request that runs from the store. */
int async_root_tls(const struct request *request, struct str key, struct value *ret);
