/* server/gpu/gpu_set.c */
#include "server/gpu/gpu_set.h"
#include "conf/file.h"
#include "core/base/memory.h"
#if WITH_GPU
#include "server/gpu/gpu_environment.h"
#include "server/gpu/gpu_program.h"
#endif
#include <errno.h>
#include <stdlib.h>

enum { GPU_FILE_MAX = 1 << 20 };

#define AT(field) offsetof(struct gpu_limits, field)
const struct setting gpu_limit_keys[] = {
	{ "device", SETTING_TEXT, AT(device),
	  .help = "Which device: part of its name or of its platform's; when not said, the first "
		  "GPU, "
		  "or "
		  "else the first of any kind." },
	{ "memory", SETTING_SIZE, AT(memory), "256m",
	  "How much all tasks together may have on a device; more is unavailable.", 1 << 16,
	  INT64_C(1) << 44 },
	{ "keep", SETTING_SIZE, AT(keep), "64m",
	  "How much of what they leave stays there for the next ones.", 0, INT64_C(1) << 44 },
	{ "running", SETTING_INT, AT(running), "4", "How many tasks are on a device at once.", 1,
	  64 },
	{ "waiting", SETTING_INT, AT(waiting), "64",
	  "How many more may wait for their turn; the next fails with queue_full.", 0, 100000 },
	{ "max_size", SETTING_INT, AT(max_size), "16777216",
	  "How many work items one task may have; more is invalid_input.", 1, INT64_C(1) << 40 },
	SETTINGS_END
};
#undef AT

void gpu_set_compile(struct gpu_set *set, const struct node *section, struct arena *arena,
		     struct diag *diag)
{
	const struct settings_part part = { gpu_limit_keys, &set->limits };
	const struct node *device = section ? node_find(section, "device") : NULL;

	*set = (struct gpu_set){ 0 };
	if (device)
		set->device_place = device->place;
	if (section)
		settings_read(&part, 1, section, "gpu", arena, diag);
	else
		settings_defaults(gpu_limit_keys, &set->limits, arena);
}

#if WITH_GPU

/* What was asked for, and came of it; so that each fault is told once. */
struct gpu_file {
	struct gpu_file *next;
	struct str path, device;
	struct source source;
	struct gpu_program *program; /* NULL: it cannot be built */
};

static void set_refuse_device(struct str name, struct place place, struct diag *diag)
{
	struct buf devices;

	buf_init(&devices, 1 << 14);
	gpu_devices_write(&devices);
	diag_error(diag, place, "no device has \"%.*s\" in its name; there is %.*s",
		   STR_ARG(str_first(name, 80)), STR_ARG(buf_str(&devices)));
	buf_fini(&devices);
}

static struct gpu_device *set_open_device(struct gpu_set *set, const struct gpu_wanted *wanted,
					  struct diag *diag)
{
	struct str name = wanted->device.len ? wanted->device : set->limits.device;
	struct place place = wanted->device.len         ? wanted->device_place
			     : set->device_place.source ? set->device_place
							: wanted->path_place;
	struct gpu_device *device = NULL;
	char error_name[48];
	cl_int error = 0;
	int r = gpu_device_open(name, &device, &error);

	if (r == -ENODEV && !set->told_none) {
		set->told_none = true;
		diag_error(diag, wanted->path_place,
			   "there is no OpenCL device here; install a driver, as pocl-opencl-icd, "
			   "which uses the CPU");
	} else if (r == -ENOENT) {
		set_refuse_device(name, place, diag);
	} else if (r == -ENOTSUP) {
		diag_error(diag, place, "the device cannot be opened: %s",
			   gpu_error_name(error, error_name));
	}
	return device;
}

static bool set_read(struct gpu_file *file, const struct gpu_wanted *wanted, struct arena *arena,
		     struct diag *diag)
{
	struct file text;
	int r;

	file->path = arena_str(arena, wanted->path);
	r = file_read(file->path.ptr, GPU_FILE_MAX, arena, &text);
	if (r < 0) {
		diag_error(diag, wanted->path_place, "cannot read the kernels \"%s\": %s",
			   file->path.ptr, file_problem(r, GPU_FILE_MAX, arena).ptr);
		return false;
	}
	file->source = (struct source){ file->path.ptr, text.text };
	if (!str_has(text.text, '\0'))
		return true;
	diag_error(diag, wanted->path_place, "\"%s\" is no text", file->path.ptr);
	return false;
}

struct gpu_program *gpu_set_open(struct gpu_set *set, const struct gpu_wanted *wanted,
				 struct arena *arena, struct diag *diag)
{
	struct gpu_device *device = NULL;
	struct gpu_file *file;

	for (file = set->files; file; file = file->next)
		if (str_eq(file->path, wanted->path) && str_eq(file->device, wanted->device))
			return file->program;
	file = mem_zalloc(sizeof(*file));
	file->next = set->files;
	file->device = wanted->device;
	set->files = file;
	if (gpu_environment_check(wanted->path_place, diag) && set_read(file, wanted, arena, diag))
		device = set_open_device(set, wanted, diag);
	if (device)
		file->program = gpu_program_open(device, &file->source, wanted->path_place, diag);
	gpu_device_unref(device);
	return file->program;
}

void gpu_set_fini(struct gpu_set *set)
{
	while (set->files) {
		struct gpu_file *file = set->files;

		set->files = file->next;
		gpu_program_unref(file->program);
		free(file);
	}
}

#else

void gpu_set_fini(struct gpu_set *set)
{
	(void)set;
}

#endif
