/* server/gpu/gpu_device.c
 *
 * Locking: registry_lock guards the list of open devices and their counts; no driver is opened or
 * closed under it, as loops ask for the list. device.lock guards its lanes and its memory. Whoever
 * holds registry_lock may take a device's lock, and no other. */
#include "server/gpu/gpu_device.h"
#include "core/base/buf.h"
#include "core/base/memory.h"
#include "server/gpu/gpu_guard.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PLATFORMS_MAX = 16, DEVICES_MAX = 64, MEMORY_MIN = 4096 };

struct found {
	cl_device_id id;
	cl_device_type type;
	char name[GPU_NAME_MAX], platform[GPU_NAME_MAX];
};

static struct lock registry_lock = LOCK_INIT;
static struct list registry = LIST_INIT(registry); /* guarded by registry_lock */

/* ------------------------------------------------------------ what there is */

static void gpu_find_of_platform(cl_platform_id platform, struct found *found, unsigned *n_found)
{
	cl_device_id ids[DEVICES_MAX];
	cl_uint n_ids = 0;

	if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, DEVICES_MAX, ids, &n_ids) != CL_SUCCESS)
		return;
	for (cl_uint i = 0; i < n_ids && i < DEVICES_MAX && *n_found < DEVICES_MAX; i++) {
		struct found *one = &found[*n_found];

		*one = (struct found){ .id = ids[i] };
		if (clGetDeviceInfo(ids[i], CL_DEVICE_NAME, GPU_NAME_MAX, one->name, NULL) ||
		    clGetDeviceInfo(ids[i], CL_DEVICE_TYPE, sizeof(one->type), &one->type, NULL))
			continue;
		clGetPlatformInfo(platform, CL_PLATFORM_NAME, GPU_NAME_MAX, one->platform, NULL);
		(*n_found)++;
	}
}

static unsigned gpu_find(struct found *found)
{
	cl_platform_id platforms[PLATFORMS_MAX];
	cl_uint n_platforms = 0;
	unsigned n_found = 0;
	struct gpu_guard guard;

	gpu_guard_enter(&guard, true);
	if (clGetPlatformIDs(PLATFORMS_MAX, platforms, &n_platforms) == CL_SUCCESS)
		for (cl_uint i = 0; i < n_platforms && i < PLATFORMS_MAX; i++)
			gpu_find_of_platform(platforms[i], found, &n_found);
	gpu_guard_leave(&guard);
	return n_found;
}

void gpu_devices_write(struct buf *out)
{
	struct found *found = mem_alloc(DEVICES_MAX * sizeof(*found));
	unsigned n_found = gpu_find(found);

	for (unsigned i = 0; i < n_found; i++)
		buf_printf(out, "%s\"%s\" (%s)", i ? ", " : "", found[i].name, found[i].platform);
	free(found);
}

static bool gpu_name_has(const char *text, struct str part)
{
	struct str rest = str_of(text);

	for (; rest.len >= part.len; rest = str_skip(rest, 1))
		if (str_eq_nocase(str_first(rest, part.len), part))
			return true;
	return false;
}

static const struct found *gpu_choose(const struct found *found, unsigned n_found, struct str name)
{
	for (unsigned i = 0; i < n_found; i++)
		if (name.len ? gpu_name_has(found[i].name, name) ||
				       gpu_name_has(found[i].platform, name)
			     : (found[i].type & CL_DEVICE_TYPE_GPU) != 0)
			return &found[i];
	return name.len || n_found == 0 ? NULL : &found[0];
}

/* ------------------------------------------------------------ opening */

static struct gpu_device *registry_find(cl_device_id id) HOLDS(registry_lock)
{
	struct gpu_device *device;

	list_each(device, &registry, struct gpu_device, link)
		if (device->id == id)
			return device;
	return NULL;
}

static cl_int device_ask(struct gpu_device *device)
{
	cl_bool little = CL_FALSE;
	cl_int error =
		clGetDeviceInfo(device->id, CL_DEVICE_ENDIAN_LITTLE, sizeof(little), &little, NULL);

	if (!error)
		error = clGetDeviceInfo(device->id, CL_DEVICE_MAX_WORK_GROUP_SIZE,
					sizeof(device->group_max), &device->group_max, NULL);
	if (!error)
		error = clGetDeviceInfo(device->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE,
					sizeof(device->alloc_max), &device->alloc_max, NULL);
	if (!error)
		error = clGetDeviceInfo(device->id, CL_DEVICE_LOCAL_MEM_SIZE,
					sizeof(device->local_max), &device->local_max, NULL);
	if (!error) {
		size_t sizes[16] = { 0 };

		error = clGetDeviceInfo(device->id, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof(sizes),
					sizes, NULL);
		memcpy(device->item_max, sizes, sizeof(device->item_max));
	}
	if (!error && (bool)little != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__))
		error = CL_DEVICE_NOT_AVAILABLE;
	return error;
}

static void device_destroy(struct gpu_device *device)
{
	struct gpu_memory *memory;

	list_each(memory, &device->spare, struct gpu_memory, link) {
		clReleaseMemObject(memory->mem);
		free(memory);
	}
	for (unsigned i = 0; i < device->n_lanes; i++)
		clReleaseCommandQueue(device->lanes[i]);
	if (device->context)
		clReleaseContext(device->context);
	lock_fini(&device->lock);
	free(device);
}

static cl_int device_create(const struct found *found, struct gpu_device **ret_device)
{
	struct gpu_device *device = mem_zalloc(sizeof(*device));
	cl_int error;

	device->id = found->id;
	device->compiles_sizes = (found->type & CL_DEVICE_TYPE_CPU) != 0;
	device->n_refs = 1;
	memcpy(device->name, found->name, GPU_NAME_MAX);
	memcpy(device->platform, found->platform, GPU_NAME_MAX);
	/* no user's pool has such a name; two devices may have the same one */
	snprintf(device->permits, sizeof(device->permits), "gpu:%p:%s", (void *)found->id,
		 found->name);
	lock_init(&device->lock);
	list_init(&device->spare);
	error = device_ask(device);
	if (!error)
		device->context = clCreateContext(NULL, 1, &device->id, NULL, NULL, &error);
	if (error) {
		device_destroy(device);
		return error;
	}
	list_init(&device->link);
	*ret_device = device;
	return CL_SUCCESS;
}

/* Another load may have opened it meanwhile: then that one is used. */
static struct gpu_device *registry_add(struct gpu_device *made)
{
	struct gpu_device *device;

	lock_acquire(&registry_lock);
	device = registry_find(made->id);
	if (device)
		device->n_refs++;
	else
		list_add(&registry, &made->link);
	lock_release(&registry_lock);
	if (!device)
		return made;
	device_destroy(made);
	return device;
}

static int registry_open(const struct found *found, struct gpu_device **ret_device,
			 cl_int *ret_error)
{
	struct gpu_device *device;
	struct gpu_guard guard;

	lock_acquire(&registry_lock);
	device = registry_find(found->id);
	if (device)
		device->n_refs++;
	lock_release(&registry_lock);
	if (!device) {
		gpu_guard_enter(&guard, true);
		*ret_error = device_create(found, &device);
		gpu_guard_leave(&guard);
		if (*ret_error)
			return -ENOTSUP;
		device = registry_add(device);
	}
	*ret_device = device;
	return 0;
}

int gpu_device_open(struct str name, struct gpu_device **ret_device, cl_int *ret_error)
{
	struct found *found = mem_alloc(DEVICES_MAX * sizeof(*found));
	unsigned n_found = gpu_find(found);
	const struct found *chosen = gpu_choose(found, n_found, name);
	int r = -ENOENT;

	if (n_found == 0)
		r = -ENODEV;
	else if (chosen)
		r = registry_open(chosen, ret_device, ret_error);
	free(found);
	return r;
}

void gpu_device_ref(struct gpu_device *device)
{
	lock_acquire(&registry_lock);
	device->n_refs++;
	lock_release(&registry_lock);
}

void gpu_device_unref(struct gpu_device *device)
{
	bool last;

	if (!device)
		return;
	lock_acquire(&registry_lock);
	last = --device->n_refs == 0;
	if (last)
		list_remove(&device->link);
	lock_release(&registry_lock);
	if (last)
		device_destroy(device);
}

void gpu_devices_each(void (*each)(struct gpu_device *device, void *data), void *data)
{
	struct gpu_device *device;

	lock_acquire(&registry_lock);
	list_each(device, &registry, struct gpu_device, link)
		each(device, data);
	lock_release(&registry_lock);
}

/* ------------------------------------------------------------ lanes */

cl_int gpu_device_take_lane(struct gpu_device *device, cl_command_queue *ret_lane)
{
	cl_command_queue lane = NULL;
	cl_int error = CL_SUCCESS;
	struct gpu_guard guard;

	lock_acquire(&device->lock);
	if (device->n_lanes > 0)
		lane = device->lanes[--device->n_lanes];
	lock_release(&device->lock);
	if (!lane) {
		gpu_guard_enter(&guard, false);
		lane = clCreateCommandQueue(device->context, device->id, 0, &error);
		gpu_guard_leave(&guard);
	}
	if (error == CL_SUCCESS)
		*ret_lane = lane;
	return error;
}

void gpu_device_give_lane(struct gpu_device *device, cl_command_queue lane, bool is_good)
{
	lock_acquire(&device->lock);
	if (is_good && device->n_lanes < GPU_LANES_MAX) {
		device->lanes[device->n_lanes++] = lane;
		lane = NULL;
	}
	lock_release(&device->lock);
	if (lane)
		clReleaseCommandQueue(lane);
}

/* ------------------------------------------------------------ memory */

/* Pieces have the sizes of powers of two, so that what one call leaves fits the next one. */
static size_t memory_round(size_t size)
{
	size_t rounded = MEMORY_MIN;

	while (rounded < size)
		rounded *= 2;
	return rounded;
}

static void memory_drop_spare(struct gpu_device *device, uint64_t until) HOLDS(device->lock)
{
	while (device->n_spare > until) {
		struct gpu_memory *last = container_of(device->spare.prev, struct gpu_memory, link);

		list_remove(&last->link);
		device->n_spare -= last->size;
		clReleaseMemObject(last->mem);
		free(last);
	}
}

static struct gpu_memory *memory_find_spare(struct gpu_device *device, size_t size)
	HOLDS(device->lock)
{
	struct gpu_memory *memory;

	list_each(memory, &device->spare, struct gpu_memory, link) {
		if (memory->size != size)
			continue;
		list_remove(&memory->link);
		device->n_spare -= size;
		return memory;
	}
	return NULL;
}

/* In use from now on, whoever comes to be without. */
static bool memory_reserve(struct gpu_device *device, const struct gpu_limits *limits, size_t size,
			   struct gpu_memory **ret_spare)
{
	bool room;

	lock_acquire(&device->lock);
	room = device->n_used + size <= limits->memory;
	*ret_spare = room ? memory_find_spare(device, size) : NULL;
	if (room) {
		device->n_used += size;
		if (device->n_used + device->n_spare > limits->memory)
			memory_drop_spare(device, limits->memory - device->n_used);
	}
	lock_release(&device->lock);
	return room;
}

static void memory_unreserve(struct gpu_device *device, size_t size)
{
	lock_acquire(&device->lock);
	check(device->n_used >= size);
	device->n_used -= size;
	lock_release(&device->lock);
}

int gpu_device_take_memory(struct gpu_device *device, const struct gpu_limits *limits, size_t size,
			   struct gpu_memory **ret_memory)
{
	struct gpu_memory *memory;
	cl_int error;

	if (size > limits->memory || size > device->alloc_max || size > SIZE_MAX / 4)
		return -EFBIG;
	if (memory_round(size) <= device->alloc_max && memory_round(size) <= limits->memory)
		size = memory_round(size);
	if (!memory_reserve(device, limits, size, &memory))
		return -ENOBUFS;
	if (memory) {
		*ret_memory = memory;
		return 0;
	}
	memory = calloc(1, sizeof(*memory));
	if (memory) {
		memory->size = size;
		list_init(&memory->link);
		memory->mem =
			clCreateBuffer(device->context, CL_MEM_READ_WRITE, size, NULL, &error);
		if (error == CL_SUCCESS) {
			*ret_memory = memory;
			return 0;
		}
		free(memory);
	}
	memory_unreserve(device, size);
	return -ENOBUFS;
}

void gpu_device_give_memory(struct gpu_device *device, const struct gpu_limits *limits,
			    struct gpu_memory *memory)
{
	lock_acquire(&device->lock);
	check(device->n_used >= memory->size);
	device->n_used -= memory->size;
	list_add_first(&device->spare, &memory->link);
	device->n_spare += memory->size;
	memory_drop_spare(device, limits->keep);
	lock_release(&device->lock);
}

/* ------------------------------------------------------------ errors */

const char *gpu_error_name(cl_int error, char out[48])
{
#define NAME(code)                                                                                 \
	{                                                                                          \
		code, #code                                                                        \
	}
	static const struct {
		cl_int error;
		const char *name;
	} names[] = {
		NAME(CL_DEVICE_NOT_FOUND),
		NAME(CL_DEVICE_NOT_AVAILABLE),
		NAME(CL_COMPILER_NOT_AVAILABLE),
		NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE),
		NAME(CL_OUT_OF_RESOURCES),
		NAME(CL_OUT_OF_HOST_MEMORY),
		NAME(CL_BUILD_PROGRAM_FAILURE),
		NAME(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST),
		NAME(CL_KERNEL_ARG_INFO_NOT_AVAILABLE),
		NAME(CL_INVALID_VALUE),
		NAME(CL_INVALID_KERNEL_ARGS),
		NAME(CL_INVALID_WORK_DIMENSION),
		NAME(CL_INVALID_WORK_GROUP_SIZE),
		NAME(CL_INVALID_WORK_ITEM_SIZE),
		NAME(CL_INVALID_BUFFER_SIZE),
		NAME(CL_INVALID_GLOBAL_WORK_SIZE),
	};
#undef NAME

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].error == error)
			return names[i].name;
	snprintf(out, 48, "OpenCL error %d", error);
	return out;
}
