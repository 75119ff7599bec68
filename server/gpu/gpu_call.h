/* server/gpu/gpu_call.h: one run of a kernel.
 *
 *   permit --> prepare (pool) --> device --> finish (pool) --> the loop that asked
 *
 * What can outlive its task is one block, which holds the permit, a reference to the program and a
 * lane of the device until it is back on its loop: a kernel that runs cannot be stopped, so that a
 * task which has gone leaves it behind, and `running` counts what is on the device. It is counted by
 * struct processes, so that a shutdown waits for it.
 *
 * Numbers become the device's on the pool and back again; the loop copies texts, no more. */
#pragma once
#include "core/task/resource.h"
#include "core/thread/pool.h"
#include "server/flow/context.h"
#include "server/flow/error.h"
#include "server/gpu/gpu_program.h"
#include "server/gpu/gpu_set.h"

struct gpu_call;
typedef void gpu_call_fn(struct gpu_call *call);

enum gpu_arg_form {
	GPU_ARG_SCALAR,   /* `scalar` */
	GPU_ARG_NUMBERS,  /* `text`: a list in JSON, of numbers and lists of them */
	GPU_ARG_BYTES,    /* `text`: its memory as it is */
	GPU_ARG_ELEMENTS, /* n_elements, zero, or for a work group */
};

struct gpu_arg {
	const struct gpu_param *param;
	enum gpu_arg_form form;
	bool is_returned;
	struct str text; /* in the call's arena */
	uint64_t n_elements;
	char scalar[GPU_VALUE_MAX];
	/* gpu_run.c */
	void *host; /* NULL: it has no content here */
	size_t size;
	struct gpu_memory *memory;
};

struct gpu_call {
	void *owner;
	gpu_call_fn *on_end; /* NULL: it was called, or nobody wants it any more; the loop's */
	/* what is to be done: in the arena */
	struct gpu_program *program; /* a reference */
	const struct gpu_kernel *kernel;
	struct gpu_limits limits;
	struct arena arena;
	size_t n_args;
	struct gpu_arg *args;
	unsigned n_dims; /* 0: as many work items as the first array has elements */
	uint64_t sizes[3];
	size_t local[3]; /* local[0] of 0: as the driver likes */
	bool is_bounded; /* no array may have fewer elements than there are work items */
	bool gives_bytes;
	/* what came of it */
	enum error_code code;
	struct str message; /* static, or in the arena */
	struct str out;     /* JSON or bytes, in the arena */
	/* the rest is gpu_call.c's and gpu_run.c's */
	struct processes *processes;
	struct pool *pool;
	struct pool_queue *queue; /* of the generation: until it was prepared */
	struct wait_task permit;
	bool waits; /* for its permit */
	struct work work;
	struct post post;
	void (*on_device)(struct gpu_call *call);
	atomic_bool abandoned;
	atomic_bool sent; /* orders what was prepared before what the driver's thread does */
	int32_t status;
	cl_command_queue lane;
	cl_kernel cl_kernel;
	cl_event ran, done;
	size_t n_budget; /* bytes on the device, taken from the arena's budget */
};

/* A block whose arguments the caller fills in, in its arena. NULL: no memory. */
struct gpu_call *gpu_call_create(const struct context *context, struct gpu_program *program,
				 const struct gpu_kernel *kernel, const struct gpu_limits *limits);
void gpu_call_destroy(struct gpu_call *call); /* one that was not started */

/* `on_end` is called once, from the loop, unless gpu_call_leave() comes first; the call is gone when
 * it returns. */
void gpu_call_start(struct gpu_call *call, const struct context *context, struct scope *scope,
		    struct pool_queue *queue, gpu_call_fn *on_end, void *owner);

/* Nobody wants it any more. */
void gpu_call_leave(struct gpu_call *call);

/* ------------------------------------------------------------ gpu_run.c, on the pool */

/* Sends the call to the device: true, and `done` will be called by a thread of the driver. False: it
 * has failed, or there was nothing to do. */
bool gpu_run_send(struct gpu_call *call, void (*done)(struct gpu_call *call));

/* What the device has made, as the result; and lets go of all that is the device's. */
void gpu_run_finish(struct gpu_call *call);
