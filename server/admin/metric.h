/* server/admin/metric.h: writing Prometheus' text format 0.0.4.
 *
 * Labels are names of the configuration, never what a request says, and of each kind at most
 * METRIC_NAMES_MAX are listed; the rest is summed under "(others)". So the size of an answer has a
 * bound whatever clients do and however long the configuration is. */
#pragma once
#include "core/base/buf.h"
#include "server/tally.h"

enum { METRIC_NAMES_MAX = 1000 };

void metric_head(struct buf *out, const char *name, const char *type, const char *help);

/* {a="b",…}: what `labels` and `more` say, of which each may be empty; values are escaped. */
struct metric_label {
	const char *name; /* NULL: none */
	struct str value;
};
void metric_u64(struct buf *out, const char *name, const struct metric_label labels[2],
		uint64_t number);
void metric_double(struct buf *out, const char *name, const struct metric_label labels[2],
		   double number);

/* One histogram in seconds. */
void metric_times(struct buf *out, const char *name, const struct metric_label labels[2],
		  const struct tally_view *view);

/* A family with one series and no labels. */
void metric_one(struct buf *out, const char *name, const char *type, const char *help,
		uint64_t number);
