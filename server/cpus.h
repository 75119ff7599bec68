/* server/cpus.h: how many CPUs this process may use. */
#pragma once

/* Of the affinity mask and the cgroup's quota (v2 and v1) the lesser, rounded up; at least 1. */
unsigned cpus_count(void);
