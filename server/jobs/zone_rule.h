/* server/jobs/zone_rule.h: the rule by which a time zone goes on after its last listed change.
 *
 * It is the TZ string of POSIX with the extensions of RFC 8536 §3.3: "CET-1CEST,M3.5.0,M10.5.0/3". */
#pragma once
#include "core/base/str.h"

enum { ZONE_ABBREVIATION_MAX = 15, ZONE_OFFSET_MAX_S = 26 * 3600 };

struct zone_kind {
	int32_t offset_s; /* east of Greenwich */
	bool is_dst;
	char abbreviation[ZONE_ABBREVIATION_MAX + 1];
};

enum zone_date_form {
	ZONE_DATE_WEEKDAY,     /* Mm.w.d: the w-th weekday d of month m; w = 5 is the last */
	ZONE_DATE_DAY,         /* n: day of the year from 0, February 29 counted */
	ZONE_DATE_DAY_NO_LEAP, /* Jn: day of the year from 1, February 29 never counted */
};

struct zone_date {
	enum zone_date_form form;
	int month, week, weekday; /* ZONE_DATE_WEEKDAY */
	int day;                  /* the others */
	int32_t time_s;           /* from that day's midnight; may be negative or past the day */
};

struct zone_rule {
	struct zone_kind standard, dst;
	bool has_dst;
	struct zone_date dst_start, dst_end;
};

/* What holds over [start, end). */
struct zone_span {
	const struct zone_kind *kind;
	int64_t start, end; /* INT64_MIN, INT64_MAX: without end */
};

/* -EBADMSG, and *ret is not touched, when `text` is not such a string. */
int zone_rule_parse(struct str text, struct zone_rule *ret);
struct zone_span zone_rule_span(const struct zone_rule *rule, int64_t unix_s);
