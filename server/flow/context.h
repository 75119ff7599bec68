/* server/flow/context.h: what a flow runs in the name of: a request, or a run of a job.
 *
 * It gives the values of the roots (path, query, body, run, …), the memory, and the loop's
 * client. A context stays on one loop. */
#pragma once
#include "core/io/loop.h"
#include "server/expr/expr.h"

struct actor_loop;
struct body_source;
struct client;
struct file_io;
struct context;
struct homes;
struct jq_pool;
struct processes;
struct redis_loop;
struct store;
struct topics;
struct trace;

struct context_ops {
	/* As expr_env.root(), for the roots that exist for this kind of context. */
	int (*root)(struct context *context, enum expr_root root, struct str key,
		    struct value *ret);

	/* Keeps a line that a task has logged in its name; NULL: nobody does. */
	void (*log)(struct context *context, struct str line);
};

struct context {
	const struct context_ops *ops;
	struct loop *loop;
	struct client *client;    /* of the loop */
	struct redis_loop *redis; /* of the loop; NULL: no Redis server can be asked here */
	struct arena *arena;      /* with the ceiling limits.memory */
	struct str id;    /* request id or run id: for the log and for outgoing X-Request-Id */
	void *generation; /* what detached flows pin; opaque here */
	struct detacher *detacher;
	struct processes *processes; /* of the loop; NULL: no programs can be run here */
	struct jq_pool *jq;          /* of the process; NULL: no jq program can be run here */
	struct file_io *files;       /* of the loop; NULL: there are no files here */
	struct topics *topics;       /* of what is published; NULL: nothing is here */
	struct homes *homes; /* of locks, pools, queues and signals; NULL: nothing is shared here */
	struct actor_loop *actors; /* of the loop; NULL: there are no actors here */
	struct str actor;          /* whose handler this is, with its keys; empty: nobody's */
	struct store *store;       /* of the process; NULL: nothing can be kept here */
	struct trace *trace;       /* that it belongs to; NULL: none (server/trace/trace.h) */
	bool degraded; /* a task has failed, and its flow went on without: what comes of it is not
			  kept by a cache */
	struct body_source *open; /* bodies that tasks have left to be passed on */
};

/* The body of a task that has ended is still coming: it stays open until somebody takes it, or
 * until context_close(), which whoever made the context calls when nobody will any more. */
void context_leave_open(struct context *context, struct body_source *source);
void context_take(struct context *context, struct body_source *source);
void context_close(struct context *context);

/* What takes care of flows that outlive their context (`detach: true`): the worker implements
 * it. A detached flow has a reference to the generation, is counted, and is waited for at
 * shutdown. */
struct detacher {
	void (*begin)(struct detacher *detacher, void *generation);
	void (*end)(struct detacher *detacher, void *generation);
	struct list runs; /* of struct detached, see detach.c; on this loop */
};

/* Cancels every detached flow of this loop; each still ends by itself, soon. For a shutdown that
 * must not wait. */
void detacher_cancel(struct detacher *detacher);
