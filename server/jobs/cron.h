/* server/jobs/cron.h: cron schedules: "0 3 * * mon-fri", "@daily".
 *
 * Five fields (minute hour day month weekday), each "*" or a list of values and ranges, with steps
 * behind "*" and ranges; names of three letters for months and weekdays; 0 and 7 are Sunday. When
 * neither the day nor the weekday begins with "*", either is enough.
 *
 * When clocks change: with fixed hours a time that is skipped runs once, at the next minute that
 * exists, and a time that comes twice runs the first time. With "*" or a step in the hour, it runs
 * at each minute whose clock time matches, so an hour that comes twice runs twice. */
#pragma once
#include "core/base/diag.h"
#include "server/jobs/zone.h"

struct cron {
	uint64_t minutes; /* bit n: minute n; so with the others */
	uint32_t hours, days, months;
	uint32_t weekdays;      /* bits 0 to 6 */
	bool has_fixed_hours;   /* neither "*" nor a step in the hour */
	bool either_day_enough; /* the day of the month or the weekday */
};

/* False when `diag` got an error. `place` is where `text` begins; entries point into it. */
bool cron_parse(struct str text, struct place place, struct diag *diag, struct cron *ret);

/* The first planned instant after `after_unix_s`; INT64_MAX when there is none. */
int64_t cron_next(const struct cron *cron, const struct zone *zone, int64_t after_unix_s);
