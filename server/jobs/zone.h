/* server/jobs/zone.h: time zones: what the clocks of a place show at an instant, and back.
 *
 * leat reads the system's compiled zones (TZif, RFC 8536) itself, since the C library knows one
 * zone a process. A zone never changes once it is loaded: any thread may read it. Instants are
 * seconds since 1970-01-01T00:00:00Z and lie within ZONE_TIME_MAX of it; what lies farther off is
 * taken for that limit. Local times are civil times counted as in civil.h. */
#pragma once
#include "core/base/diag.h"
#include "server/jobs/civil.h"
#include "server/jobs/zone_rule.h"

#define ZONE_TIME_MAX INT64_C(10000000000000) /* some 300,000 years */

struct zone;

/* `name` is "UTC", "local" (/etc/localtime; UTC without it) or a file beneath /usr/share/zoneinfo.
 * -EINVAL: cannot be a zone's name; -ENOENT: there is none; -EBADMSG: not a zone's file, or one
 * that contradicts itself; another errno of open() and read(). */
int zone_load(const char *name, struct zone **ret);

/* As zone_load(), for a name that stands in a configuration: false, and `diag` says what is wrong
 * and what was probably meant. */
bool zone_find(struct str name, struct place place, struct diag *diag, struct zone **ret);

/* From the content of a TZif file. */
int zone_parse(const char *name, struct str content, struct zone **ret);
void zone_destroy(struct zone *zone);
const char *zone_name(const struct zone *zone);

/* The offset that holds at an instant, and from when to when it surely does: the time before or
 * after may have the same. The span points into the zone. */
struct zone_span zone_span(const struct zone *zone, int64_t unix_s);

struct civil zone_to_civil(const struct zone *zone, int64_t unix_s);

/* The first instant at which clocks show `local_s` or later. So a time that is skipped gives the
 * end of the gap, and of a time that comes twice it is the first. */
int64_t zone_to_unix(const struct zone *zone, int64_t local_s);

/* The latest time that clocks have shown up to and with an instant; before the end of an hour that
 * comes twice, that is not what they show now. */
int64_t zone_latest_local(const struct zone *zone, int64_t unix_s);
