/* server/policy/rate_limit.h: the rows of `rate_limit:`, and its rates. */
#pragma once
#include "server/policy/buckets.h"
#include "server/policy/policy.h"

/* "10/s", "100/m", "5/h", "1/d": the interval of one, and how many. -EINVAL. */
int rate_parse(struct str text, uint64_t *ret_interval_ns, uint64_t *ret_n);

extern const struct setting rate_limit_keys[];
