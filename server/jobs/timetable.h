/* server/jobs/timetable.h: when a job runs next: arithmetic on two clocks, and nothing else.
 *
 * `every` and `delay` count on the monotonic clock from the moment at which the plan was made,
 * so their schedule does not drift and no setting of the wall clock moves it. `cron` follows the
 * wall clock, also when that is set:
 *
 *   - what has run does not run again when the clock is set back, and what was jumped over runs once, late;
 *   - past TIMETABLE_STEP_MAX_S the clock was plainly wrong before: then the plan begins anew, as if just made.
 *
 * However late the loop is, at most one run is due at a time: the latest. */
#pragma once
#include "server/jobs/jobs.h"

enum {
	TIMETABLE_STEP_MAX_S = 3 * 3600,
	TIMETABLE_LOOK_MS = 30000, /* how often a cron plan looks at the wall clock */
};

struct timetable_now {
	uint64_t monotonic_ns;
	int64_t wall_ns;
};

struct timetable {
	uint64_t base_ns; /* of every, delay: the monotonic clock when the plan was made */
	uint64_t
		slot; /* of every, delay: the number of the next run; run n is at base + n periods */
	int64_t after_s; /* of cron: the last planned time that is done with */
	int64_t next_s;  /* of cron: the next; INT64_MAX: none */
};

enum timetable_due { TIMETABLE_WAIT, TIMETABLE_RUN, TIMETABLE_MISSED };

struct timetable_now timetable_clock(void);
void timetable_init(struct timetable *timetable, const struct job_spec *spec,
		    struct timetable_now now);

/* TIMETABLE_RUN: a run is due, for *ret_planned_wall_ns, and the plan has moved on.
 * TIMETABLE_MISSED: the same, but it is too late for it. */
enum timetable_due timetable_take(struct timetable *timetable, const struct job_spec *spec,
				  struct timetable_now now, int64_t *ret_planned_wall_ns);

/* Drops what was due meanwhile (after a pause), but not the one run of `delay`. */
void timetable_skip(struct timetable *timetable, const struct job_spec *spec,
		    struct timetable_now now);

/* The planned times after `after_wall_ns` and up to now, while nobody was there: the latest `max`
 * of them, oldest first. How many. None of `delay`. */
size_t timetable_missed(const struct job_spec *spec, struct timetable_now now,
			int64_t after_wall_ns, int64_t *ret_planned_wall_ns, size_t max);

/* Of cron, right after timetable_init(): what was planned up to then is done with, also when the
 * clock has been set back since. */
void timetable_resume(struct timetable *timetable, const struct job_spec *spec,
		      struct timetable_now now, int64_t after_wall_ns);

/* When the next run is due, jitter included; false: never. */
bool timetable_next(const struct timetable *timetable, const struct job_spec *spec,
		    struct timetable_now now, int64_t *ret_wall_ns);

/* When to call timetable_take(), on the monotonic clock; UINT64_MAX: never. */
uint64_t timetable_wake_ns(const struct timetable *timetable, const struct job_spec *spec,
			   struct timetable_now now);
