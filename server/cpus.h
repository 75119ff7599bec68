/* server/cpus.h: how many CPUs this process may use. */
#pragma once

/* Of the affinity mask and the quota of the cgroups the lesser, rounded up; at least 1. The quota is the
 * lowest of this process' group and of all above it that can be seen, in the unified hierarchy
 * (cpu.max) and in that of version 1 (cpu.cfs_quota_us). */
unsigned cpus_count(void);

/* ---- for tests */

/* How many the affinity mask has. */
unsigned cpus_of_affinity(void);

/* How many the quota comes to, rounded up; 0: there is none. `root` is what /proc and /sys are beneath:
 * "" but in tests. */
unsigned cpus_of_quota(const char *root);
