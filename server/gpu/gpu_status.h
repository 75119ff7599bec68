/* server/gpu/gpu_status.h: what the devices in use have done, for the admin API. */
#pragma once
#include "core/base/buf.h"

/* [{"name":…},…], empty while no configuration uses a device. */
void gpu_status_write(struct buf *out);

/* The same in Prometheus' text format. */
void gpu_metrics_write(struct buf *out);
