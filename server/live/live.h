/* server/live/live.h: a connection that goes on after its request was answered: what `websocket:` and
 * `events:` have in common.
 *
 * It is a block of its own, which outlives the request and the client: what a handler does when the
 * client has left still needs what the request said. So it pins the generation it was opened with, and
 * keeps copies of the roots that its handlers read. One handler runs at a time. All of it is one loop's. */
#pragma once
#include "server/flow/flow.h"
#include "server/live/answer.h"
#include "server/request.h"

struct live;

/* `on_open:`, `on_message:`, `on_close:`; flow NULL: there is none. */
struct live_handler {
	struct flow *flow;
	struct answer_spec *reply; /* or NULL */
	uint64_t timeout_ms;
};

extern const struct setting live_handler_keys[];

/* Of the route. */
struct live_place {
	struct str route;    /* its name */
	uint64_t roots;      /* that exist in it before a body comes */
	uint64_t timeout_ms; /* of a handler, by default */
};

/* What compiling needs. */
struct live_compiler {
	struct flow_compiler *flow;
	const struct live_place *place;
	uint64_t *roots_used;
};

/* Compiles a map of tasks, reply and timeout; NULL is accepted. False with errors in the diag. */
bool live_handler_compile(struct live_compiler *compiler, const struct node *node, const char *name,
			  uint64_t more_roots, bool may_reply, struct live_handler *handler);

struct live_ops {
	/* It should end soon, in good order: leat stops, or its route is gone. */
	void (*end)(struct live *live);
};

struct live_root;

struct live {
	struct list link; /* in worker->lives */
	const struct live_ops *ops;
	struct worker *worker;
	const struct route *route;
	struct generation *generation;
	struct arena arena; /* what is kept of the request */
	struct live_root *roots;
	size_t n_roots;
	struct str protocol; /* of a WebSocket: its subprotocol */
	uint16_t code;       /* how it was closed; 0: not yet */
	uint8_t reason_len;
	char reason[FRAME_CONTROL_MAX];
	struct str id;
	/* the handler that runs */
	bool running;
	void (*on_run_end)(struct live *live);
	const struct live_handler *handler;
	struct arena run_arena;
	struct context context;
	struct flow_run run;
	struct value message; /* ${message} */
};

/* Copies what the handlers read. False without memory; then nothing is left. Counted in the worker, and
 * in its detacher, until live_fini(). */
bool live_init(struct live *live, const struct live_ops *ops, struct request *request,
	       uint64_t roots_used);
void live_fini(struct live *live);

void live_close_as(struct live *live, uint16_t code, struct str reason); /* the first counts */

/* Runs a handler; on_end is called once, perhaps at once. Then live->run.failure tells how. Until
 * live_run_end() the run's results, and its memory (live->run_arena), are there. */
void live_run(struct live *live, const struct live_handler *handler,
	      void (*on_end)(struct live *live));
void live_run_end(struct live *live);

/* What the handler that has ended says; a failure of it, or of its reply, is logged and false. */
bool live_run_answer(struct live *live, struct answer *ret_answer);

/* ---- of a worker's, on its thread */
void lives_end(struct worker *worker);    /* all, in good order */
void lives_cancel(struct worker *worker); /* the handlers that run are cancelled */

/* The worker has another generation: those whose route is no more there end. */
void lives_check_routes(struct worker *worker);
