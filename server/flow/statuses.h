/* server/flow/statuses.h: sets of HTTP statuses, as `expect:` and `codes:` write them: 404, 2xx. */
#pragma once
#include "core/base/str.h"

struct statuses {
	uint64_t bits[10]; /* 0 to 639 */
};

/* "404" or "4xx". -EINVAL. */
int statuses_add(struct statuses *statuses, struct str text);
void statuses_add_range(struct statuses *statuses, int first, int last);
bool statuses_has(const struct statuses *statuses, int status);
