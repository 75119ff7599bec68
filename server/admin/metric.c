/* server/admin/metric.c */
#include "server/admin/metric.h"
#include "core/base/clock.h"
#include "server/admin/admin.h"
#include <inttypes.h>
#include <stdio.h>

void metric_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline are escaped. */
void admin_write_label(struct str value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] == '\\' || value.ptr[i] == '"')
			buf_add_char(out, '\\');
		if (value.ptr[i] == '\n')
			buf_add(out, STR("\\n"));
		else
			buf_add_char(out, value.ptr[i]);
	}
}

/* `le` may be NULL. */
static void metric_series(struct buf *out, const char *name, const char *suffix,
			  const struct metric_label labels[2], const char *le)
{
	const char *before = "{";

	buf_printf(out, "%s%s", name, suffix);
	for (size_t i = 0; labels && i < 2 && labels[i].name; i++) {
		buf_printf(out, "%s%s=\"", before, labels[i].name);
		admin_write_label(labels[i].value, out);
		buf_add_char(out, '"');
		before = ",";
	}
	if (le) {
		buf_printf(out, "%sle=\"%s\"", before, le);
		before = ",";
	}
	buf_add(out, before[0] == ',' ? STR("} ") : STR(" "));
}

void metric_u64(struct buf *out, const char *name, const struct metric_label labels[2],
		uint64_t number)
{
	metric_series(out, name, "", labels, NULL);
	buf_printf(out, "%" PRIu64 "\n", number);
}

void metric_double(struct buf *out, const char *name, const struct metric_label labels[2],
		   double number)
{
	metric_series(out, name, "", labels, NULL);
	buf_printf(out, "%.15g\n", number);
}

void metric_times(struct buf *out, const char *name, const struct metric_label labels[2],
		  const struct tally_view *view)
{
	char le[24];

	for (size_t i = 0; i < TALLY_BOUNDS; i++) {
		snprintf(le, sizeof(le), "%g", tally_bounds_us[i] / 1e6);
		metric_series(out, name, "_bucket", labels, le);
		buf_printf(out, "%" PRIu64 "\n", view->up_to[i]);
	}
	metric_series(out, name, "_bucket", labels, "+Inf");
	buf_printf(out, "%" PRIu64 "\n", view->up_to[TALLY_BOUNDS]);
	metric_series(out, name, "_sum", labels, NULL);
	buf_printf(out, "%.9f\n", (double)view->sum_ns / NS_PER_S);
	metric_series(out, name, "_count", labels, NULL);
	buf_printf(out, "%" PRIu64 "\n", view->up_to[TALLY_BOUNDS]);
}

void metric_one(struct buf *out, const char *name, const char *type, const char *help,
		uint64_t number)
{
	metric_head(out, name, type, help);
	metric_u64(out, name, NULL, number);
}
