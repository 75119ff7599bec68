/* server/gpu/gpu_status.c */
#include "server/gpu/gpu_status.h"
#include "server/expr/json.h"
#include "server/gpu/gpu_device.h"
#include <inttypes.h>

struct writer {
	struct buf *out;
	const char *between;
	enum { METRIC_CALLS, METRIC_FAILED, METRIC_RUNNING, METRIC_MEMORY } metric;
};

static void device_memory(struct gpu_device *device, uint64_t *ret_used, uint64_t *ret_spare)
{
	lock_acquire(&device->lock);
	*ret_used = device->n_used;
	*ret_spare = device->n_spare;
	lock_release(&device->lock);
}

static void status_write_one(struct gpu_device *device, void *data)
{
	struct writer *writer = data;
	struct buf *out = writer->out;
	uint64_t used, spare;

	device_memory(device, &used, &spare);
	buf_printf(out, "%s{\"name\":", writer->between);
	json_write_text(str_of(device->name), out);
	buf_add(out, STR(",\"platform\":"));
	json_write_text(str_of(device->platform), out);
	buf_printf(out,
		   ",\"running\":%u,\"left\":%u,\"done\":%llu,\"failed\":%llu,\"memory\":%" PRIu64
		   ",\"spare\":%" PRIu64 "}",
		   atomic_load(&device->n_running), atomic_load(&device->n_stuck),
		   atomic_load(&device->n_done), atomic_load(&device->n_failed), used, spare);
	writer->between = ",";
}

void gpu_status_write(struct buf *out)
{
	struct writer writer = { .out = out, .between = "" };

	buf_add_char(out, '[');
	gpu_devices_each(status_write_one, &writer);
	buf_add_char(out, ']');
}

static unsigned long long metric_of(struct gpu_device *device, const struct writer *writer)
{
	uint64_t used, spare;

	switch (writer->metric) {
	case METRIC_CALLS:
		return atomic_load(&device->n_done);
	case METRIC_FAILED:
		return atomic_load(&device->n_failed);
	case METRIC_RUNNING:
		return atomic_load(&device->n_running);
	case METRIC_MEMORY:
		device_memory(device, &used, &spare);
		return used;
	}
	unreachable();
}

static void metric_write_one(struct gpu_device *device, void *data)
{
	static const char *const names[] = { "leat_gpu_done_total", "leat_gpu_failed_total",
					     "leat_gpu_running", "leat_gpu_memory_bytes" };
	struct writer *writer = data;

	buf_printf(writer->out, "%s{device=", names[writer->metric]);
	json_write_text(str_of(device->name), writer->out); /* escaped as labels are */
	buf_printf(writer->out, "} %llu\n", metric_of(device, writer));
}

void gpu_metrics_write(struct buf *out)
{
	static const char *const heads[] = {
		"# HELP leat_gpu_done_total Tasks whose kernel has ended.\n"
		"# TYPE leat_gpu_done_total counter\n",
		"# HELP leat_gpu_failed_total Those of them that failed.\n"
		"# TYPE leat_gpu_failed_total counter\n",
		"# HELP leat_gpu_running Tasks on the device.\n# TYPE leat_gpu_running gauge\n",
		"# HELP leat_gpu_memory_bytes Memory in use on the device.\n"
		"# TYPE leat_gpu_memory_bytes gauge\n",
	};
	struct writer writer = { .out = out };

	for (unsigned i = 0; i < ARRAY_LEN(heads); i++) {
		writer.metric = i;
		buf_add(out, str_of(heads[i]));
		gpu_devices_each(metric_write_one, &writer);
	}
}
