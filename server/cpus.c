/* server/cpus.c
 *
 * /proc/self/cgroup has a line ID:CONTROLLERS:PATH for each hierarchy; that of the unified one is
 * 0::PATH. In a container without a namespace for cgroups the path is the host's, and what is
 * mounted begins at the container's group: then the path leads nowhere, and the group is the top of
 * the mount, where every walk ends. */
#include "server/cpus.h"
#include "core/base/check.h"
#include "core/base/str.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>

/* ------------------------------------------------------------ affinity */

/* The kernel refuses a mask that is smaller than its own, which has room for all CPUs that there
 * could ever be. */
unsigned cpus_of_affinity(void)
{
	for (int n_bits = CPU_SETSIZE; n_bits <= 1 << 20; n_bits *= 2) {
		cpu_set_t *set = CPU_ALLOC((size_t)n_bits);
		int n = 0, r;

		if (!set)
			return 1;
		r = sched_getaffinity(0, CPU_ALLOC_SIZE((size_t)n_bits), set) < 0 ? -errno : 0;
		if (r == 0)
			n = CPU_COUNT_S(CPU_ALLOC_SIZE((size_t)n_bits), set);
		CPU_FREE(set);
		if (r != -EINVAL)
			return n > 0 ? (unsigned)n : 1;
	}
	return 1;
}

/* ------------------------------------------------------------ quota */

/* What a file begins with, at most two numbers ("max" is none): how many there are. */
static int cpus_read_numbers(const char *path, int64_t ret_numbers[2])
{
	FILE *file = fopen(path, "re");
	int n = 0;

	if (file) {
		n = fscanf(file, "%" SCNd64 " %" SCNd64, &ret_numbers[0], &ret_numbers[1]);
		fclose(file);
	}
	return n > 0 ? n : 0;
}

/* The lesser of what is known and this; 0 is no quota. */
static unsigned cpus_lesser(unsigned n_cpus, int64_t quota, int64_t period)
{
	int64_t n;

	if (quota <= 0 || period <= 0)
		return n_cpus;
	n = MAX(quota / period + (quota % period > 0), INT64_C(1));
	n = MIN(n, (int64_t)UINT_MAX);
	return n_cpus ? MIN(n_cpus, (unsigned)n) : (unsigned)n;
}

static unsigned cpus_of_group(const char *folder, bool unified, unsigned n_cpus)
{
	int64_t quota[2], period[2];
	char path[PATH_MAX];

	if (unified) {
		snprintf(path, sizeof(path), "%s/cpu.max", folder);
		return cpus_read_numbers(path, quota) == 2 ? cpus_lesser(n_cpus, quota[0], quota[1])
							   : n_cpus;
	}
	snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", folder);
	if (cpus_read_numbers(path, quota) < 1)
		return n_cpus;
	snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", folder);
	return cpus_read_numbers(path, period) == 1 ? cpus_lesser(n_cpus, quota[0], period[0])
						    : n_cpus;
}

/* From the group up to the top of the mount; a group that is not there counts as none. */
static unsigned cpus_of_groups(const char *mount, struct str group, bool unified, unsigned n_cpus)
{
	char folder[PATH_MAX - 32];

	if (group.len == 0 || group.ptr[0] != '/' || str_find(group, STR("/../")) >= 0 ||
	    str_ends_with(group, STR("/..")))
		group = STR("/");
	for (;;) {
		int len = snprintf(folder, sizeof(folder), "%s%.*s", mount, STR_ARG(group));

		if (len > 0 && (size_t)len < sizeof(folder))
			n_cpus = cpus_of_group(folder, unified, n_cpus);
		if (group.len <= 1)
			return n_cpus;
		while (group.len > 1 && group.ptr[group.len - 1] != '/')
			group.len--;
		while (group.len > 1 && group.ptr[group.len - 1] == '/')
			group.len--;
	}
}

static bool cpus_has_controller(struct str controllers)
{
	struct str name;

	while (str_next_part(&controllers, ',', &name))
		if (str_eq(name, STR("cpu")))
			return true;
	return false;
}

/* One line of /proc/self/cgroup. */
static unsigned cpus_of_line(const char *root, struct str line, unsigned n_cpus)
{
	static const char *const unified[] = { "", "/unified" };
	static const char *const first[] = { "/cpu,cpuacct", "/cpuacct,cpu", "/cpu" };
	struct str id, controllers;
	char mount[PATH_MAX / 2];
	bool is_unified;

	if (!str_next_part(&line, ':', &id) || !str_next_part(&line, ':', &controllers))
		return n_cpus;
	is_unified = str_eq(id, STR("0")) && controllers.len == 0;
	if (!is_unified && !cpus_has_controller(controllers))
		return n_cpus;
	for (size_t i = 0; i < (is_unified ? ARRAY_LEN(unified) : ARRAY_LEN(first)); i++) {
		snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup%s", root,
			 is_unified ? unified[i] : first[i]);
		n_cpus = cpus_of_groups(mount, line, is_unified, n_cpus);
	}
	return n_cpus;
}

unsigned cpus_of_quota(const char *root)
{
	char path[PATH_MAX / 2], line[PATH_MAX];
	unsigned n_cpus = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		n_cpus = cpus_of_line(root, str_trim_space(str_of(line)), n_cpus);
	fclose(file);
	return n_cpus;
}

unsigned cpus_count(void)
{
	unsigned quota = cpus_of_quota(""), n_cpus = cpus_of_affinity();

	return quota ? MIN(quota, n_cpus) : n_cpus;
}
