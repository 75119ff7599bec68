/* conf/units.h: durations, sizes and numbers as people write them. */
#pragma once
#include "core/base/str.h"

/* "200ms", "5s", "10m", "3h", "2d", "1m30s", "0": whole numbers with units, largest first, no
 * space. Milliseconds. -EINVAL; -ERANGE past 10,000 days. A bare number other than 0 is -EINVAL. */
int units_duration_ms(struct str text, uint64_t *ret_ms);

/* "512", "64k", "8m", "1g", upper case too: powers of 1024, bytes. -EINVAL, -ERANGE. */
int units_size(struct str text, uint64_t *ret_bytes);

/* The shortest text that reads as the same: 90000 is "1m30s", 65536 is "64k". `out` has room for
 * 32. */
const char *units_write_duration(char out[32], uint64_t ms);
const char *units_write_size(char out[32], uint64_t bytes);
