/* server/native/tasks.h: tasks that a module's verb starts on its loop (struct leat_task): each is
 * one of the core's, with what the module may ask of it.
 *
 *   MADE --> GIVEN --> ENDED
 *
 *   MADE   nobody has it; it goes with the call
 *   GIVEN  it was started, or belongs to a composite, which will start or drop it
 *   ENDED  on_end is being called, or was
 *
 * All of it is in the call's memory and on its loop. */
#pragma once
#include "core/task/alarm.h"
#include "core/task/compute.h"
#include "core/task/counter.h"
#include "core/task/future.h"
#include "core/task/module.h"
#include "core/task/parallel.h"
#include "core/task/series.h"
#include "server/actors/actors.h"
#include "server/client/http_call.h"
#include "server/native/call.h"

enum native_kind {
	NATIVE_SPARE, /* there was no memory for it: it does nothing */
	NATIVE_SERIES,
	NATIVE_PARALLEL,
	NATIVE_GRAPH,
	NATIVE_TIMER,
	NATIVE_COUNTER,
	NATIVE_HTTP,
	NATIVE_COMPUTE,
	NATIVE_FUTURE,
	NATIVE_NAMED, /* await, signal */
	NATIVE_POST,  /* send, ask, join */
};

enum native_state_of {
	NATIVE_MADE,
	NATIVE_GIVEN,
	NATIVE_ENDED,
};

struct dag;
struct native_edge;

struct native_graph {
	struct dag *dag; /* behind a pointer: core/task/dag.h and server/flow/step.h share words */
	struct leat_task *first, *last; /* by next_node */
	struct native_edge *edges;
	uint32_t n_nodes;
};

struct native_http {
	struct http_call call;
	bool has_read; /* the body was read as JSON */
};

struct native_compute {
	struct module module;
	struct compute_task compute; /* alone in it */
	struct offload *offload;     /* when it is done: the work's call, with its data */
	bool is_begun;
};

struct native_future {
	struct task task;
	struct future *future; /* a reference; NULL: it has ended */
	struct future_watch watch;
	struct leat_promise *promise;
};

struct native_post {
	struct task task;
	struct actor_send send;   /* its texts are the call's; a reference of its value */
	struct leat_actor *actor; /* a handle; or NULL: by its name */
	bool asks, joins;
	struct future *future; /* NULL: it is not under way */
	struct future_watch watch;
};

struct leat_task {
	struct list link; /* in call->tasks */
	struct leat_call *call;
	struct task *task; /* that of its kind */
	leat_task_fn *on_end;
	struct leat_task *parent; /* the composite that it was given to, or NULL */
	struct leat_task *next_node;
	uint32_t number; /* of a node */
	uint8_t kind;    /* enum native_kind */
	uint8_t state;   /* enum native_state_of */
	void *context;   /* the module's */
	struct failure failure;
	struct value value;
	bool has_value;
	bool is_broken;
	struct upstream *upstream; /* a reference, of a request to an absolute URL */
	void *data;                /* the module's, that a computation or a promise gave */
	leat_free_fn *free_data;
	union {
		struct task broken; /* what cannot be done: it fails when it is started */
		struct series series;
		struct parallel parallel;
		struct native_graph graph;
		struct alarm_task timer;
		struct counter_task counter;
		struct native_http http;
		struct native_compute compute;
		struct native_future future;
		struct wait_task wait;
		struct native_post post;
	};
};

/* A task of that kind; of NATIVE_SPARE when there is no memory, which the caller returns as it is. */
struct leat_task *native_task_make(struct leat_call *call, const char *function,
				   enum native_kind kind, leat_task_fn *on_end);

/* In place of what it would have been: FAILED, as soon as it is started. */
void native_task_break(struct leat_task *task, enum error_code code, const char *detail);

/* The core's task has ended: what there is to say is in the task. */
void native_task_end(struct leat_task *task);

/* Frees what it has outside of the call's memory; the call has ended. */
void native_task_fini(struct leat_task *task);

/* The handle is one of a call that runs on this thread. */
void native_task_enter(const struct leat_task *task, const char *function);

/* The same, of that kind; false when it is a spare one. */
bool native_task_enter_kind(const struct leat_task *task, enum native_kind kind,
			    const char *function, const char *what);

/* It is given away, by `function`: to the composite, or (NULL) started. */
void native_task_give(struct leat_task *task, struct leat_task *parent, const char *function);

/* task_http.c, task_compute.c, task_future.c, task_named.c, task_group.c: of those of their kind */
void native_http_fini(struct leat_task *task);
void native_compute_fini(struct leat_task *task);
void native_future_fini(struct leat_task *task);
void native_named_fini(struct leat_task *task);
void native_post_fini(struct leat_task *task);
void native_graph_fini(struct leat_task *task);
void native_graph_finish(struct leat_task *task, const char *function);
