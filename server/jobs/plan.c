/* server/jobs/plan.c */
#include "server/jobs/plan.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include <stdio.h>

#define NS_PER_S_SIGNED ((int64_t)NS_PER_S)

/* A planned run: its number, or its time; and what the jitter adds to it. */
static uint64_t plan_jitter_ns(const struct job_spec *spec, uint64_t number)
{
	char text[128];
	int len;

	if (spec->jitter_ms == 0)
		return 0;
	len = snprintf(text, sizeof(text), "%ju %.*s", (uintmax_t)number,
		       STR_ARG(str_first(spec->name, 80)));
	check(len > 0);
	return str_hash(str_of(text)) % (spec->jitter_ms + 1) * NS_PER_MS;
}

struct plan_now plan_clock(void)
{
	return (struct plan_now){ clock_monotonic_ns(), clock_wall_ns() };
}

/* ------------------------------------------------------------ every and delay */

static uint64_t plan_slot_ns(const struct plan *plan, const struct job_spec *spec, uint64_t slot)
{
	return plan->base_ns +
	       (spec->kind == JOB_DELAY ? spec->delay_ms : slot * spec->every_ms) * NS_PER_MS;
}

static uint64_t plan_slot_due_ns(const struct plan *plan, const struct job_spec *spec,
				 uint64_t slot)
{
	return plan_slot_ns(plan, spec, slot) + plan_jitter_ns(spec, slot);
}

static bool plan_is_done(const struct plan *plan, const struct job_spec *spec)
{
	return spec->kind == JOB_DELAY && plan->slot > 0;
}

/* The number of the latest run of `every` whose time has come. */
static uint64_t plan_latest_slot(const struct plan *plan, const struct job_spec *spec,
				 struct plan_now now)
{
	return (now.monotonic_ns - plan->base_ns) / (spec->every_ms * NS_PER_MS);
}

static enum plan_due plan_take_slot(struct plan *plan, const struct job_spec *spec,
				    struct plan_now now, int64_t *ret_planned_wall_ns)
{
	uint64_t slot = plan->slot, latest = slot;

	if (plan_is_done(plan, spec) || now.monotonic_ns < plan_slot_due_ns(plan, spec, plan->slot))
		return PLAN_WAIT;
	if (spec->kind == JOB_EVERY)
		latest = plan_latest_slot(plan, spec, now);
	if (plan_slot_due_ns(plan, spec, latest) <= now.monotonic_ns)
		slot = latest;
	plan->slot = MAX(slot + 1, latest);
	*ret_planned_wall_ns =
		now.wall_ns - (int64_t)(now.monotonic_ns - plan_slot_ns(plan, spec, slot));
	return PLAN_RUN;
}

/* ------------------------------------------------------------ cron */

static int64_t plan_cron_due_ns(const struct job_spec *spec, int64_t planned_s)
{
	return planned_s * NS_PER_S_SIGNED + (int64_t)plan_jitter_ns(spec, (uint64_t)planned_s);
}

static int64_t plan_wall_s(struct plan_now now)
{
	return floor_div(now.wall_ns, NS_PER_S_SIGNED);
}

static void plan_init_cron(struct plan *plan, const struct job_spec *spec, struct plan_now now)
{
	plan->after_s = plan_wall_s(now);
	plan->next_s = cron_next(&spec->cron, spec->zone, plan->after_s);
}

/* The latest planned time up to now; `planned_s` is one. Goes back in growing strides, since schedules are only
 * computed forwards, and most have a time within the last minute, hour or day. */
static int64_t plan_cron_latest(const struct job_spec *spec, int64_t planned_s, int64_t now_s)
{
	static const int64_t strides_s[] = { 60, 3600, SECONDS_PER_DAY, 31 * SECONDS_PER_DAY,
					     366 * SECONDS_PER_DAY };
	int64_t from_s = planned_s, next_s;

	for (size_t i = 0; i < ARRAY_LEN(strides_s); i++) {
		if (now_s - strides_s[i] <= planned_s)
			break;
		next_s = cron_next(&spec->cron, spec->zone, now_s - strides_s[i]);
		if (next_s <= now_s) {
			from_s = next_s;
			break;
		}
	}
	while ((next_s = cron_next(&spec->cron, spec->zone, from_s)) <= now_s)
		from_s = next_s;
	return from_s;
}

static enum plan_due plan_take_cron(struct plan *plan, const struct job_spec *spec,
				    struct plan_now now, int64_t *ret_planned_wall_ns)
{
	int64_t planned_s = plan->next_s, latest_s;

	if (plan_wall_s(now) < plan->after_s - PLAN_STEP_MAX_S) {
		plan_init_cron(plan, spec, now);
		return PLAN_WAIT;
	}
	if (planned_s == INT64_MAX || now.wall_ns < plan_cron_due_ns(spec, planned_s))
		return PLAN_WAIT;
	latest_s = plan_cron_latest(spec, planned_s, plan_wall_s(now));
	if (plan_cron_due_ns(spec, latest_s) <= now.wall_ns)
		planned_s = latest_s;
	plan->after_s = planned_s;
	plan->next_s = planned_s < latest_s ? latest_s
					    : cron_next(&spec->cron, spec->zone, planned_s);
	*ret_planned_wall_ns = planned_s * NS_PER_S_SIGNED;
	return (now.wall_ns - plan_cron_due_ns(spec, planned_s)) / NS_PER_S_SIGNED > PLAN_STEP_MAX_S
		       ? PLAN_MISSED
		       : PLAN_RUN;
}

/* ------------------------------------------------------------ all kinds */

void plan_init(struct plan *plan, const struct job_spec *spec, struct plan_now now)
{
	*plan = (struct plan){ .base_ns = now.monotonic_ns, .next_s = INT64_MAX };
	if (spec->kind == JOB_CRON)
		plan_init_cron(plan, spec, now);
	else if (spec->kind == JOB_EVERY && !spec->at_start)
		plan->slot = 1;
}

enum plan_due plan_take(struct plan *plan, const struct job_spec *spec, struct plan_now now,
			int64_t *ret_planned_wall_ns)
{
	if (spec->kind == JOB_CRON)
		return plan_take_cron(plan, spec, now, ret_planned_wall_ns);
	return plan_take_slot(plan, spec, now, ret_planned_wall_ns);
}

void plan_skip(struct plan *plan, const struct job_spec *spec, struct plan_now now)
{
	if (spec->kind == JOB_CRON)
		plan_init_cron(plan, spec, now);
	else if (spec->kind == JOB_EVERY)
		plan->slot = MAX(plan->slot, plan_latest_slot(plan, spec, now) + 1);
}

bool plan_next(const struct plan *plan, const struct job_spec *spec, struct plan_now now,
	       int64_t *ret_wall_ns)
{
	if (spec->kind == JOB_CRON) {
		if (plan->next_s != INT64_MAX)
			*ret_wall_ns = plan_cron_due_ns(spec, plan->next_s);
		return plan->next_s != INT64_MAX;
	}
	if (plan_is_done(plan, spec))
		return false;
	*ret_wall_ns = now.wall_ns +
		       (int64_t)(plan_slot_due_ns(plan, spec, plan->slot) - now.monotonic_ns);
	return true;
}

uint64_t plan_wake_ns(const struct plan *plan, const struct job_spec *spec, struct plan_now now)
{
	int64_t due_ns;

	if (spec->kind != JOB_CRON)
		return plan_is_done(plan, spec) ? UINT64_MAX
						: plan_slot_due_ns(plan, spec, plan->slot);
	if (plan->next_s == INT64_MAX)
		return UINT64_MAX;
	due_ns = plan_cron_due_ns(spec, plan->next_s) - now.wall_ns;
	if (due_ns <= 0)
		return now.monotonic_ns;
	return now.monotonic_ns + MIN((uint64_t)due_ns, PLAN_LOOK_MS * NS_PER_MS);
}
