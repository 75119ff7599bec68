/* server/live/live.h: a connection that goes on after its request was answered: what `websocket:` and
 * `events:` have in common.
 *
 * It is a block of its own, which outlives the request and the client: what a handler does when the
 * client has left still needs what the request said. So it pins the generation it was opened with, and
 * keeps copies of the roots that its handlers read. One handler runs at a time. All of it is one loop's. */
#pragma once
#include "server/flow/flow.h"
#include "server/live/answer.h"
#include "server/live/outbox.h"
#include "server/live/topics.h"
#include "server/request.h"

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

/* A live route, for people who look at it. */
struct live_view {
	const struct node *subscribe; /* as it is written; or NULL */
	size_t n_handlers;
	struct {
		const char *name;
		const struct live_handler *handler;
	} handlers[3];
};

void live_view_add(struct live_view *view, const char *name, const struct live_handler *handler);

enum live_slow { LIVE_SLOW_DROP, LIVE_SLOW_DISCONNECT };
extern const char *const live_slow_choices[];

enum { LIVE_TOPICS_MAX = 16 };

/* `subscribe:`, compiled. */
struct live_topics_spec {
	size_t n_names;
	struct template **names;
};

/* Compiles a name or a list of them; NULL is accepted. False with errors in the compiler's diag. */
bool live_topics_compile(struct expr_compiler *compiler, const struct node *node,
			 struct live_topics_spec *spec);

struct live;

/* A topic that it subscribes to. */
struct live_topic {
	struct subscription subscription;
	struct live *live;
	uint64_t last_id; /* of what it has been given; for ops->publish() to keep */
	bool joined;
};

/* How it subscribes. */
struct live_following {
	struct topic_terms terms;
	bool comes_again; /* it wants what was kept behind after_ids, one a topic */
	const uint64_t *after_ids;
};

struct live_ops {
	/* It should end soon, in good order: leat stops, or its route is gone. */
	void (*end)(struct live *live);

	/* The token that it was opened with has expired. */
	void (*expire)(struct live *live);

	/* All topics of live_follow() are joined. */
	void (*joined)(struct live *live);

	void (*publish)(struct live *live, struct live_topic *topic,
			struct publication *publication);
};

struct live_root;

struct live {
	struct list link; /* in worker->lives */
	const struct live_ops *ops;
	struct worker *worker;
	const struct route *route;
	struct generation *generation;
	int64_t until_wall_ns; /* 0: it may stay */
	struct timer until;
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
	bool lost;            /* what it has missed may not be all that is kept */
	uint64_t n_dropped;   /* publications, since it does not read */
	size_t n_topics, n_joining;
	struct live_topic *topics;
};

/* Copies what the handlers read. False without memory; then nothing is left. Counted in the worker, and
 * in its detacher, until live_fini(). */
bool live_init(struct live *live, const struct live_ops *ops, struct request *request,
	       uint64_t roots_used);
void live_fini(struct live *live);

void live_close_as(struct live *live, uint16_t code, struct str reason); /* the first counts */

/* Subscribes: ops->joined() is called when all are, from the loop; not at all where there are none (then
 * live->n_topics is 0). 0, or as template_eval(), with the environment's message; then nothing is left. */
int live_follow(struct live *live, const struct live_topics_spec *spec, struct expr_env *env,
		const struct live_following *following);
void live_unfollow(struct live *live); /* harmless before, and twice */

/* For a publication of `size` bytes, within `max`: by dropping the oldest, which is counted. False: the
 * client is slow, and has to go. */
bool live_make_room(struct live *live, struct outbox *outbox, size_t size, size_t max, int slow);

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
