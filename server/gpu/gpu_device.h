/* server/gpu/gpu_device.h: the devices that OpenCL has here, and one that is in use.
 *
 * A device is opened when a configuration first names it and closed with the last program built
 * for it, so that a process without `gpu:` never loads a driver. It lives as long as the process
 * wants it, whatever the generation. */
#pragma once
#include "core/base/list.h"
#include "core/base/str.h"
#include "core/thread/lock.h"
#include "server/gpu/cl.h"
#include "server/gpu/gpu_set.h"
#include <stdatomic.h>

struct buf;

enum { GPU_NAME_MAX = 256, GPU_LANES_MAX = 64 };

/* Memory on the device; from gpu_device_take_memory(). */
struct gpu_memory {
	struct list link; /* device->spare, while nobody uses it */
	cl_mem mem;
	size_t size;
};

struct gpu_device {
	struct list link; /* in the registry, whose lock guards it and n_refs */
	unsigned n_refs;
	char name[GPU_NAME_MAX], platform[GPU_NAME_MAX];
	char permits[GPU_NAME_MAX + 32]; /* the name of its pool of permits */
	cl_device_id id;
	cl_context context;
	bool compiles_sizes;           /* a CPU: code is made anew for each size of a work group */
	size_t group_max, item_max[3]; /* of a work group; fixed */
	uint64_t alloc_max, local_max; /* the largest single piece, of both memories; fixed */
	struct lock lock;
	struct list spare;        /* of gpu_memory; the last used first; guarded by lock */
	uint64_t n_used, n_spare; /* bytes, in use and spare; guarded by lock */
	cl_command_queue lanes[GPU_LANES_MAX]; /* that nobody uses; guarded by lock */
	unsigned n_lanes;                      /* the same */
	atomic_uint n_running;                 /* calls at work on it */
	atomic_uint n_stuck;                   /* those of them whose task has gone */
	atomic_ullong n_done, n_failed;        /* of n_done, which are back on their loops */
};

/* The names of all devices, as a message shows them: "A" (platform), "B" (platform); empty: none. */
void gpu_devices_write(struct buf *out);

/* The first device whose name or platform contains `name` (in any case); an empty name is the first
 * GPU, or else the first of any kind. Opens it, or counts one more user. 0; -ENODEV: there is no
 * device at all; -ENOENT: none of that name; -ENOTSUP: it cannot be used, by its order of bytes or
 * as it does not open, and *ret_error tells. May take a second: the driver is loaded. */
int gpu_device_open(struct str name, struct gpu_device **ret_device, cl_int *ret_error);
void gpu_device_ref(struct gpu_device *device);
void gpu_device_unref(struct gpu_device *device); /* NULL is accepted */

/* Calls `each` for every open device. Any thread. */
void gpu_devices_each(void (*each)(struct gpu_device *device, void *data), void *data);

/* A queue of commands of one's own, for one call at a time. 0 or an error of OpenCL. */
cl_int gpu_device_take_lane(struct gpu_device *device, cl_command_queue *ret_lane);
void gpu_device_give_lane(struct gpu_device *device, cl_command_queue lane, bool is_good);

/* At least `size` bytes, not cleared. 0; -ENOBUFS: others have it, or the device has no more;
 * -EFBIG: it can never be had. */
int gpu_device_take_memory(struct gpu_device *device, const struct gpu_limits *limits, size_t size,
			   struct gpu_memory **ret_memory);
void gpu_device_give_memory(struct gpu_device *device, const struct gpu_limits *limits,
			    struct gpu_memory *memory);

/* "CL_OUT_OF_RESOURCES", or "OpenCL error -9999". */
const char *gpu_error_name(cl_int error, char out[48]);
