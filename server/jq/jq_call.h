/* server/jq/jq_call.h: one run of a jq program in a worker, without waiting for it.
 *
 *   WAITING --(a permit)--> STARTING --> TALKING --(its answer)--> on_end(), gone
 *       \                      \            \--(the worker ends)--> on_end(), BURYING --> gone
 *        \----------------------\------------\--(jq_call_leave())-------^
 *
 * A call is a block of its own, as the worker may have to be killed, and reaped, after the one who
 * asked has gone. It is counted by struct processes, so that a shutdown waits for it. */
#pragma once
#include "core/io/process.h"
#include "core/task/resource.h"
#include "server/flow/context.h"
#include "server/jq/jq_pool.h"
#include "server/jq/jq_wire.h"

enum jq_end {
	JQ_END_OK,
	JQ_END_FAILED,      /* .text is what jq says */
	JQ_END_TOO_LARGE,   /* the result */
	JQ_END_DIED,        /* the worker has ended: by this input, or it was killed */
	JQ_END_MEMORY,      /* the arena is full */
	JQ_END_UNAVAILABLE, /* no worker can be started: .error */
	JQ_END_FULL,        /* too many wait */
	JQ_END_CANCELLED,   /* by the scope */
};

struct jq_call;
typedef void jq_call_fn(struct jq_call *call);

struct jq_spec {
	struct str program; /* as the input, stays until on_end() or jq_call_leave() */
	struct str input;   /* one JSON text, at most JQ_INPUT_MAX */
	uint32_t output_max, cpu_s;
};

enum jq_call_state { JQ_CALL_WAITING, JQ_CALL_STARTING, JQ_CALL_TALKING, JQ_CALL_BURYING };

struct jq_call {
	/* for on_end() */
	void *owner;
	enum jq_end end;
	int error;
	struct str text;  /* in the arena: "[value,…]", or what is wrong */
	struct str first; /* the first value in it; empty: there is none */
	/* the rest is jq_call.c's */
	enum jq_call_state state;
	struct jq_pool *pool;
	struct processes *processes;
	struct arena *arena; /* of who asked: not after he has left */
	jq_call_fn *on_end;  /* NULL: it was called, or nobody wants it any more */
	struct jq_spec spec;
	struct wait_task permit;
	struct jq_slot *slot;
	struct work work;
	struct post post;
	struct watch watch;
	struct jq_request request;
	struct jq_answer answer;
	size_t n_sent, n_read; /* of request and what follows; of answer and what follows */
};

/* `on_end` is called once, from the loop, unless jq_call_leave() comes first; the call is gone when
 * it returns. What the call gives is in the context's arena. NULL: no memory. */
struct jq_call *jq_call_start(const struct context *context, struct scope *scope,
			      const struct jq_spec *spec, jq_call_fn *on_end, void *owner);

/* Nobody wants it any more: the worker is killed, if it is at work. */
void jq_call_leave(struct jq_call *call);
