/* server/verbs/gpu.h: what `gpu:` is compiled to. Internal to it. */
#pragma once
#include "server/flow/queues.h"
#include "server/flow/step.h"
#include "server/gpu/gpu_set.h"
#include "server/verbs/all.h"

struct gpu_kernel;
struct gpu_param;
struct gpu_program;

enum gpu_output { GPU_OUTPUT_NUMBERS, GPU_OUTPUT_BYTES };
enum gpu_bounds { GPU_BOUNDS_ARRAYS, GPU_BOUNDS_KERNEL };

struct gpu_arg_config {
	struct template_tree *tree; /* the value; or, with `elements`, how many */
	bool elements;
	bool is_returned;
};

struct gpu_config {
	/* as the keys say */
	struct str function, device;
	const struct node *args_node, *size_node, *local_node, *queue_node;
	struct setting_texts returns;
	int output, bounds; /* enum gpu_output, gpu_bounds */
	/* compiled */
	const struct compute_queue *queue;
	const struct gpu_limits *limits;
	struct gpu_program *program; /* the generation's */
	const struct gpu_kernel *kernel;
	struct gpu_arg_config *args; /* as many as the kernel has parameters */
	struct template_tree *size;  /* NULL: as many as the first array has elements */
	size_t local[3];             /* local[0] of 0: any */
	unsigned n_local;
};

struct gpu_call;

struct gpu_state {
	struct gpu_call *call; /* NULL: not started, or over */
	struct value result;
};

extern const struct setting gpu_keys[];
bool gpu_compile(struct verb_compiler *compiler, const struct node *value, void *config);

/* gpu_sizes.c: `local`, then `size`. False with an error. */
bool gpu_compile_local(struct verb_compiler *compiler, struct gpu_config *config);
bool gpu_compile_size(struct verb_compiler *compiler, struct gpu_config *config);

/* gpu_args.c: arguments and sizes at run time, into the call. 0, or as evaluations return it. */
int gpu_make_args(struct step_run *step, struct gpu_call *call);

/* A value for a parameter that is no array, or one component after the other of a vector: 0, or a
 * negative errno with a message that says what is wrong. */
int gpu_make_scalar(const struct gpu_param *param, struct value value, char *out,
		    char message[160]);
