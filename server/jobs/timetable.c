/* server/jobs/timetable.c */
#include "server/jobs/timetable.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include "core/base/memory.h"
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_S_SIGNED ((int64_t)NS_PER_S)

/* A planned run: its number, or its time; and what the jitter adds to it. */
static uint64_t timetable_jitter_ns(const struct job_spec *spec, uint64_t number)
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

struct timetable_now timetable_clock(void)
{
	return (struct timetable_now){ clock_monotonic_ns(), clock_wall_ns() };
}

/* ------------------------------------------------------------ every and delay */

static uint64_t timetable_slot_ns(const struct timetable *timetable, const struct job_spec *spec,
				  uint64_t slot)
{
	return timetable->base_ns +
	       (spec->kind == JOB_DELAY ? spec->delay_ms : slot * spec->every_ms) * NS_PER_MS;
}

static uint64_t timetable_slot_due_ns(const struct timetable *timetable,
				      const struct job_spec *spec, uint64_t slot)
{
	return timetable_slot_ns(timetable, spec, slot) + timetable_jitter_ns(spec, slot);
}

static bool timetable_is_done(const struct timetable *timetable, const struct job_spec *spec)
{
	return spec->kind == JOB_DELAY && timetable->slot > 0;
}

/* The number of the latest run of `every` whose time has come. */
static uint64_t timetable_latest_slot(const struct timetable *timetable,
				      const struct job_spec *spec, struct timetable_now now)
{
	return (now.monotonic_ns - timetable->base_ns) / (spec->every_ms * NS_PER_MS);
}

static enum timetable_due timetable_take_slot(struct timetable *timetable,
					      const struct job_spec *spec, struct timetable_now now,
					      int64_t *ret_planned_wall_ns)
{
	uint64_t slot = timetable->slot, latest = slot;

	if (timetable_is_done(timetable, spec) ||
	    now.monotonic_ns < timetable_slot_due_ns(timetable, spec, timetable->slot))
		return TIMETABLE_WAIT;
	if (spec->kind == JOB_EVERY)
		latest = timetable_latest_slot(timetable, spec, now);
	if (timetable_slot_due_ns(timetable, spec, latest) <= now.monotonic_ns)
		slot = latest;
	timetable->slot = MAX(slot + 1, latest);
	*ret_planned_wall_ns = now.wall_ns - (int64_t)(now.monotonic_ns -
						       timetable_slot_ns(timetable, spec, slot));
	return TIMETABLE_RUN;
}

/* ------------------------------------------------------------ cron */

static int64_t timetable_cron_due_ns(const struct job_spec *spec, int64_t planned_s)
{
	return planned_s * NS_PER_S_SIGNED +
	       (int64_t)timetable_jitter_ns(spec, (uint64_t)planned_s);
}

static int64_t timetable_wall_s(struct timetable_now now)
{
	return floor_div(now.wall_ns, NS_PER_S_SIGNED);
}

static void timetable_init_cron(struct timetable *timetable, const struct job_spec *spec,
				struct timetable_now now)
{
	timetable->after_s = timetable_wall_s(now);
	timetable->next_s = cron_next(&spec->cron, spec->zone, timetable->after_s);
}

/* The latest planned time up to now; `planned_s` is one. Goes back in growing strides, since
 * schedules are only computed forwards, and most have a time within the last minute, hour or
 * day. */
static int64_t timetable_cron_latest(const struct job_spec *spec, int64_t planned_s, int64_t now_s)
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

static enum timetable_due timetable_take_cron(struct timetable *timetable,
					      const struct job_spec *spec, struct timetable_now now,
					      int64_t *ret_planned_wall_ns)
{
	int64_t planned_s = timetable->next_s, latest_s;

	if (timetable_wall_s(now) < timetable->after_s - TIMETABLE_STEP_MAX_S) {
		timetable_init_cron(timetable, spec, now);
		return TIMETABLE_WAIT;
	}
	if (planned_s == INT64_MAX || now.wall_ns < timetable_cron_due_ns(spec, planned_s))
		return TIMETABLE_WAIT;
	latest_s = timetable_cron_latest(spec, planned_s, timetable_wall_s(now));
	if (timetable_cron_due_ns(spec, latest_s) <= now.wall_ns)
		planned_s = latest_s;
	timetable->after_s = planned_s;
	timetable->next_s = planned_s < latest_s ? latest_s
						 : cron_next(&spec->cron, spec->zone, planned_s);
	*ret_planned_wall_ns = planned_s * NS_PER_S_SIGNED;
	return (now.wall_ns - timetable_cron_due_ns(spec, planned_s)) / NS_PER_S_SIGNED >
			       TIMETABLE_STEP_MAX_S
		       ? TIMETABLE_MISSED
		       : TIMETABLE_RUN;
}

/* ------------------------------------------------------------ after a stop */

/* Keeps the latest `max` in a ring; which is then turned, so that the oldest comes first. */
static size_t timetable_turn(int64_t *times, size_t n_found, size_t max)
{
	size_t start = n_found > max ? n_found % max : 0;
	int64_t *turned = mem_alloc(max * sizeof(*turned));

	for (size_t i = 0; i < MIN(n_found, max); i++)
		turned[i] = times[(start + i) % max];
	memcpy(times, turned, MIN(n_found, max) * sizeof(*turned));
	free(turned);
	return MIN(n_found, max);
}

static size_t timetable_cron_between(const struct job_spec *spec, int64_t after_s, int64_t now_s,
				     int64_t *ret_times, size_t max)
{
	size_t n_found = 0;

	for (int64_t s = after_s; (s = cron_next(&spec->cron, spec->zone, s)) <= now_s;)
		ret_times[n_found++ % max] = s * NS_PER_S_SIGNED;
	return n_found;
}

/* Goes back in growing strides, until there are enough. */
static size_t timetable_cron_missed(const struct job_spec *spec, int64_t after_s, int64_t now_s,
				    int64_t *ret_times, size_t max)
{
	static const int64_t strides_s[] = { 100 * 60, 100 * 3600, 100 * SECONDS_PER_DAY,
					     10 * 366 * SECONDS_PER_DAY };
	size_t n_found = 0;

	for (size_t i = 0; i < ARRAY_LEN(strides_s); i++) {
		int64_t from_s = MAX(after_s, now_s - strides_s[i]);

		n_found = timetable_cron_between(spec, from_s, now_s, ret_times, max);
		if (n_found >= max || from_s == after_s)
			break;
	}
	return timetable_turn(ret_times, n_found, max);
}

static size_t timetable_every_missed(const struct job_spec *spec, int64_t after_ns, int64_t now_ns,
				     int64_t *ret_times, size_t max)
{
	int64_t period_ns = (int64_t)(spec->every_ms * NS_PER_MS);
	int64_t n_missed = (now_ns - after_ns) / period_ns;
	size_t n_told = (size_t)MIN(n_missed, (int64_t)max);

	for (size_t i = 0; i < n_told; i++)
		ret_times[i] = after_ns + (n_missed - (int64_t)(n_told - 1 - i)) * period_ns;
	return n_told;
}

size_t timetable_missed(const struct job_spec *spec, struct timetable_now now,
			int64_t after_wall_ns, int64_t *ret_planned_wall_ns, size_t max)
{
	if (after_wall_ns >= now.wall_ns || spec->kind == JOB_DELAY)
		return 0;
	if (spec->kind == JOB_EVERY)
		return timetable_every_missed(spec, after_wall_ns, now.wall_ns, ret_planned_wall_ns,
					      max);
	return timetable_cron_missed(spec, floor_div(after_wall_ns, NS_PER_S_SIGNED),
				     timetable_wall_s(now), ret_planned_wall_ns, max);
}

void timetable_resume(struct timetable *timetable, const struct job_spec *spec,
		      struct timetable_now now, int64_t after_wall_ns)
{
	int64_t after_s = floor_div(after_wall_ns, NS_PER_S_SIGNED);

	if (spec->kind != JOB_CRON || after_s <= timetable_wall_s(now) ||
	    after_s > timetable_wall_s(now) + TIMETABLE_STEP_MAX_S)
		return;
	timetable->after_s = after_s;
	timetable->next_s = cron_next(&spec->cron, spec->zone, after_s);
}

/* ------------------------------------------------------------ all kinds */

void timetable_init(struct timetable *timetable, const struct job_spec *spec,
		    struct timetable_now now)
{
	*timetable = (struct timetable){ .base_ns = now.monotonic_ns, .next_s = INT64_MAX };
	if (spec->kind == JOB_CRON)
		timetable_init_cron(timetable, spec, now);
	else if (spec->kind == JOB_EVERY && !spec->at_start)
		timetable->slot = 1;
}

enum timetable_due timetable_take(struct timetable *timetable, const struct job_spec *spec,
				  struct timetable_now now, int64_t *ret_planned_wall_ns)
{
	if (spec->kind == JOB_CRON)
		return timetable_take_cron(timetable, spec, now, ret_planned_wall_ns);
	return timetable_take_slot(timetable, spec, now, ret_planned_wall_ns);
}

void timetable_skip(struct timetable *timetable, const struct job_spec *spec,
		    struct timetable_now now)
{
	if (spec->kind == JOB_CRON)
		timetable_init_cron(timetable, spec, now);
	else if (spec->kind == JOB_EVERY)
		timetable->slot =
			MAX(timetable->slot, timetable_latest_slot(timetable, spec, now) + 1);
}

bool timetable_next(const struct timetable *timetable, const struct job_spec *spec,
		    struct timetable_now now, int64_t *ret_wall_ns)
{
	if (spec->kind == JOB_CRON) {
		if (timetable->next_s != INT64_MAX)
			*ret_wall_ns = timetable_cron_due_ns(spec, timetable->next_s);
		return timetable->next_s != INT64_MAX;
	}
	if (timetable_is_done(timetable, spec))
		return false;
	*ret_wall_ns =
		now.wall_ns + (int64_t)(timetable_slot_due_ns(timetable, spec, timetable->slot) -
					now.monotonic_ns);
	return true;
}

uint64_t timetable_wake_ns(const struct timetable *timetable, const struct job_spec *spec,
			   struct timetable_now now)
{
	int64_t due_ns;

	if (spec->kind != JOB_CRON)
		return timetable_is_done(timetable, spec)
			       ? UINT64_MAX
			       : timetable_slot_due_ns(timetable, spec, timetable->slot);
	if (timetable->next_s == INT64_MAX)
		return UINT64_MAX;
	due_ns = timetable_cron_due_ns(spec, timetable->next_s) - now.wall_ns;
	if (due_ns <= 0)
		return now.monotonic_ns;
	return now.monotonic_ns + MIN((uint64_t)due_ns, TIMETABLE_LOOK_MS * NS_PER_MS);
}
