/* server/cpus.c */
#include "server/cpus.h"
#include "core/base/check.h"
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* What a file begins with; 0 when it cannot be read as one or two numbers ("max" is none). */
static int cpus_read_numbers(const char *path, long *ret_first, long *ret_second)
{
	FILE *file = fopen(path, "re");
	int n = 0;

	if (file) {
		n = fscanf(file, "%ld %ld", ret_first, ret_second);
		fclose(file);
	}
	return n > 0 ? n : 0;
}

static unsigned cpus_of_quota(long quota, long period)
{
	if (quota <= 0 || period <= 0)
		return 0;
	return (unsigned)MAX((quota + period - 1) / period, 1L);
}

/* Of this process' own cgroup: the path behind the last ':' of the line for `controller` ("" for
 * v2), below `root`. */
static int cpus_cgroup_file(const char *controller, const char *root, const char *name,
			    char out[512])
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[400], prefix[32];
	int found = 0;

	if (!file)
		return 0;
	snprintf(prefix, sizeof(prefix), ":%s:", controller);
	while (!found && fgets(line, sizeof(line), file)) {
		char *at = strstr(line, prefix);

		if (!at)
			continue;
		at[strcspn(at, "\n")] = '\0';
		found = snprintf(out, 512, "%s%s/%s", root, at + strlen(prefix), name) < 512;
	}
	fclose(file);
	return found;
}

/* 0: no quota. */
static unsigned cpus_quota(void)
{
	long quota = 0, period = 0, none = 0;
	char path[512];

	if (cpus_cgroup_file("", "/sys/fs/cgroup", "cpu.max", path) &&
	    cpus_read_numbers(path, &quota, &period) == 2)
		return cpus_of_quota(quota, period);
	if (cpus_cgroup_file("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us",
			     path) &&
	    cpus_read_numbers(path, &quota, &none) == 1 &&
	    cpus_cgroup_file("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_period_us",
			     path) &&
	    cpus_read_numbers(path, &period, &none) == 1)
		return cpus_of_quota(quota, period);
	return 0;
}

unsigned cpus_count(void)
{
	cpu_set_t set;
	unsigned quota = cpus_quota();
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	unsigned n_cpus = n > 0 ? (unsigned)n : 1;

	return quota ? MIN(quota, n_cpus) : n_cpus;
}
