/* server/gpu/gpu_program.h: a file of kernels, built for a device, and what each kernel wants.
 *
 * A program is counted: by the generations whose tasks use it and by each call at work. A reload
 * that finds the same text for the same device takes the one that is there. */
#pragma once
#include "core/base/arena.h"
#include "core/base/diag.h"
#include "server/gpu/gpu_device.h"
#include "server/gpu/gpu_type.h"

enum gpu_param_kind {
	GPU_PARAM_SCALAR,
	GPU_PARAM_ARRAY, /* __global or __constant */
	GPU_PARAM_LOCAL, /* memory of a work group */
	GPU_PARAM_OTHER, /* of a type that no task can give */
};

struct gpu_param {
	struct str name, type_name; /* "y", "float*" */
	enum gpu_param_kind kind;
	struct gpu_type type; /* of it, or of an array's elements */
	bool is_constant;     /* __constant: a table, however many work items there are */
	bool is_written;      /* an array that is not const: its content is a result */
};

struct gpu_kernel {
	struct str name;
	size_t n_params;
	struct gpu_param *params;
	size_t group[3]; /* the work group that it asks for by its attribute; 0: any */
	size_t group_max;
};

struct gpu_program {
	struct list link;
	unsigned n_refs;
	struct gpu_device *device; /* a reference */
	cl_program program;
	struct arena arena;
	struct str text;
	size_t n_kernels;
	struct gpu_kernel *kernels;
};

/* Builds the text of `source` for the device. NULL with errors in `diag`; `named_at` is who asks
 * for it. */
struct gpu_program *gpu_program_open(struct gpu_device *device, const struct source *source,
				     struct place named_at, struct diag *diag);
void gpu_program_ref(struct gpu_program *program);
void gpu_program_unref(struct gpu_program *program); /* NULL is accepted */

const struct gpu_kernel *gpu_program_find(const struct gpu_program *program, struct str name);
