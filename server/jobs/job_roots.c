/* server/jobs/job_roots.c: what ${run…} and ${job…} are. */
#include "core/base/clock.h"
#include "server/jobs/scheduler.h"
#include <errno.h>

typedef int job_field_fn(struct job_run *run, struct value *ret);

struct job_field {
	struct str name;
	job_field_fn *get;
};

enum { JOB_FIELDS_MAX = 8 };

static int job_root_text(struct str text, struct value *ret)
{
	if (!text.ptr)
		return -ENOMEM;
	*ret = value_text(text);
	return 0;
}

static const struct job_spec *job_root_spec(const struct job_run *run)
{
	return run->spec ? run->spec : run->job->spec;
}

/* The planned time on the clocks of the job's zone. */
static struct civil job_root_civil(const struct job_run *run)
{
	return zone_to_civil(job_root_spec(run)->zone,
			     floor_div(run->planned_wall_ns, (int64_t)NS_PER_S));
}

static int job_root_date(struct job_run *run, struct value *ret)
{
	struct civil civil = job_root_civil(run);

	return job_root_text(arena_printf(&run->arena, "%04jd-%02d-%02d", (intmax_t)civil.year,
					  civil.month, civil.day),
			     ret);
}

static int job_root_time(struct job_run *run, struct value *ret)
{
	struct civil civil = job_root_civil(run);

	return job_root_text(
		arena_printf(&run->arena, "%02d:%02d:%02d", civil.hour, civil.minute, civil.second),
		ret);
}

static int job_root_utc(struct job_run *run, int64_t wall_ns, struct value *ret)
{
	struct buf text;

	if (wall_ns == 0) {
		*ret = value_null();
		return 0;
	}
	buf_init_arena(&text, &run->arena);
	history_write_time(wall_ns, &text);
	if (text.error)
		return -ENOMEM;
	*ret = value_text((struct str){ text.data + 1, text.len - 2 }); /* without its quotes */
	return 0;
}

static int job_root_planned(struct job_run *run, struct value *ret)
{
	return job_root_utc(run, run->planned_wall_ns, ret);
}

static int job_root_started(struct job_run *run, struct value *ret)
{
	return job_root_utc(run, run->started_wall_ns, ret);
}

static int job_root_id(struct job_run *run, struct value *ret)
{
	return job_root_text(str_of(run->id), ret);
}

static int job_root_name(struct job_run *run, struct value *ret)
{
	return job_root_text(job_root_spec(run)->name, ret);
}

static int job_root_attempt(struct job_run *run, struct value *ret)
{
	*ret = value_int(run->attempt);
	return 0;
}

static int job_root_schedule(struct job_run *run, struct value *ret)
{
	return job_root_text(arena_str(&run->arena, str_of(run->job->schedule)), ret);
}

static int job_root_timezone(struct job_run *run, struct value *ret)
{
	return job_root_text(job_root_spec(run)->timezone, ret);
}

static const struct job_field run_fields[] = {
	{ STR_INIT("id"), job_root_id },           { STR_INIT("name"), job_root_name },
	{ STR_INIT("date"), job_root_date },       { STR_INIT("time"), job_root_time },
	{ STR_INIT("planned"), job_root_planned }, { STR_INIT("started"), job_root_started },
	{ STR_INIT("attempt"), job_root_attempt },
};

static const struct job_field job_fields[] = {
	{ STR_INIT("name"), job_root_name },
	{ STR_INIT("schedule"), job_root_schedule },
	{ STR_INIT("timezone"), job_root_timezone },
};

_Static_assert(ARRAY_LEN(run_fields) <= JOB_FIELDS_MAX, "the whole root has room");

static int job_root_whole(struct job_run *run, const struct job_field *fields, size_t n_fields,
			  struct value *ret)
{
	struct member *members = arena_alloc_array(&run->arena, n_fields, sizeof(*members));
	int r = members ? 0 : -ENOMEM;

	for (size_t i = 0; i < n_fields && r == 0; i++) {
		members[i].key = value_text(fields[i].name);
		r = fields[i].get(run, &members[i].value);
	}
	if (r == 0)
		*ret = value_object(members, n_fields);
	return r;
}

static int job_root_get(struct job_run *run, const struct job_field *fields, size_t n_fields,
			struct str key, struct value *ret)
{
	if (!key.ptr)
		return job_root_whole(run, fields, n_fields, ret);
	for (size_t i = 0; i < n_fields; i++)
		if (str_eq(key, fields[i].name))
			return fields[i].get(run, ret);
	*ret = value_null();
	return 0;
}

static int job_root(struct context *context, enum expr_root root, struct str key, struct value *ret)
{
	struct job_run *run = container_of(context, struct job_run, context);

	if (root == ROOT_RUN)
		return job_root_get(run, run_fields, ARRAY_LEN(run_fields), key, ret);
	if (root == ROOT_JOB)
		return job_root_get(run, job_fields, ARRAY_LEN(job_fields), key, ret);
	*ret = value_null();
	return 0;
}

static void job_log(struct context *context, struct str line)
{
	job_run_keep_line(container_of(context, struct job_run, context), line);
}

const struct context_ops job_run_ops = { .root = job_root, .log = job_log };
