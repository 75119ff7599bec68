/* tests/server/cpus.c: CPUs by affinity and by the quota of cgroups, in a folder that stands for the
 * root. */
#include "server/cpus.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[] = "/tmp/leat-cpus-XXXXXX";

/* With the folders above it. */
static void put(const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *at = path + sizeof(root); (at = strchr(at, '/')); at++) {
		*at = '\0';
		check(mkdir(path, 0700) == 0 || errno == EEXIST);
		*at = '/';
	}
	file = fopen(path, "w");
	check(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static int drop(const char *path, const struct stat *info, int kind, struct FTW *at)
{
	(void)info;
	(void)kind;
	return at->level > 0 ? remove(path) : 0;
}

static void begin(const char *groups)
{
	check(nftw(root, drop, 8, FTW_DEPTH | FTW_PHYS) == 0);
	if (groups)
		put("proc/self/cgroup", groups);
}

static void without_groups_there_is_no_quota(void)
{
	begin(NULL);
	is_int(cpus_of_quota(root), 0);
	begin("");
	is_int(cpus_of_quota(root), 0);
	begin("0::/a\n");
	is_int(cpus_of_quota(root), 0);
	put("sys/fs/cgroup/a/cpu.max", "max 100000\n");
	is_int(cpus_of_quota(root), 0);
}

static void a_quota_of_version_2_is_rounded_up(void)
{
	begin("0::/a\n");
	put("sys/fs/cgroup/a/cpu.max", "250000 100000\n");
	is_int(cpus_of_quota(root), 3);
	put("sys/fs/cgroup/a/cpu.max", "200000 100000\n");
	is_int(cpus_of_quota(root), 2);
	put("sys/fs/cgroup/a/cpu.max", "10000 100000\n");
	is_int(cpus_of_quota(root), 1);
	put("sys/fs/cgroup/a/cpu.max", "9223372036854775807 1\n");
	is_int(cpus_of_quota(root), UINT32_MAX);
}

static void the_lowest_quota_of_the_groups_above_counts(void)
{
	begin("0::/a.slice/b.slice/leat.service\n");
	put("sys/fs/cgroup/a.slice/cpu.max", "200000 100000\n");
	put("sys/fs/cgroup/a.slice/b.slice/cpu.max", "max 100000\n");
	put("sys/fs/cgroup/a.slice/b.slice/leat.service/cpu.max", "400000 100000\n");
	is_int(cpus_of_quota(root), 2);
	put("sys/fs/cgroup/a.slice/b.slice/cpu.max", "100000 100000\n");
	is_int(cpus_of_quota(root), 1);
}

static void a_container_sees_its_group_as_the_top(void)
{
	begin("0::/\n");
	put("sys/fs/cgroup/cpu.max", "300000 100000\n");
	is_int(cpus_of_quota(root), 3);
	/* the host's path, which leads nowhere here */
	begin("0::/docker/0123456789\n");
	put("sys/fs/cgroup/cpu.max", "300000 100000\n");
	is_int(cpus_of_quota(root), 3);
	/* a group outside of the namespace */
	begin("0::/../../elsewhere\n");
	put("sys/fs/cgroup/cpu.max", "300000 100000\n");
	is_int(cpus_of_quota(root), 3);
}

static void version_1_has_a_quota_too(void)
{
	begin("5:memory:/x\n4:cpu,cpuacct:/a/b\n1:name=systemd:/a::b\n0::/a/b\n");
	put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
	put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
	is_int(cpus_of_quota(root), 0);
	put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "150000\n");
	put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "50000\n");
	is_int(cpus_of_quota(root), 3);
	put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "200000\n");
	is_int(cpus_of_quota(root), 2);
	put("sys/fs/cgroup/unified/a/cpu.max", "100000 100000\n"); /* a hybrid */
	is_int(cpus_of_quota(root), 1);
}

static void other_names_of_the_controller_are_known(void)
{
	begin("4:cpuacct,cpu:/a\n");
	put("sys/fs/cgroup/cpuacct,cpu/a/cpu.cfs_quota_us", "200000\n");
	put("sys/fs/cgroup/cpuacct,cpu/a/cpu.cfs_period_us", "100000\n");
	is_int(cpus_of_quota(root), 2);
	begin("4:cpu:/a\n3:cpuset:/a\n2:cpuacct:/a\n");
	put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "300000\n");
	put("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
	is_int(cpus_of_quota(root), 3);
}

static void nonsense_is_no_quota(void)
{
	begin("x\n::\n0:\n0::\n0::no/slash\n4:cpu\n");
	put("sys/fs/cgroup/cpu.max", "-100000 100000\n");
	is_int(cpus_of_quota(root), 0);
	put("sys/fs/cgroup/cpu.max", "100000 0\n");
	is_int(cpus_of_quota(root), 0);
	put("sys/fs/cgroup/cpu.max", "");
	is_int(cpus_of_quota(root), 0);
}

/* In a child, as the mask stays. */
static void the_affinity_mask_counts(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		cpu_set_t set;
		int cpu = sched_getcpu();

		CPU_ZERO(&set);
		CPU_SET((size_t)(cpu < 0 ? 0 : cpu), &set);
		_exit(sched_setaffinity(0, sizeof(set), &set) == 0
			      ? (int)cpus_of_affinity() + (int)cpus_count()
			      : 99);
	}
	is_int(waitpid(pid, &status, 0), pid);
	is_int(WEXITSTATUS(status), 2);
	is_true(cpus_of_affinity() >= 1);
	is_true(cpus_count() >= 1);
	is_true(cpus_count() <= cpus_of_affinity());
}

int main(void)
{
	check(mkdtemp(root));
	TEST(without_groups_there_is_no_quota);
	TEST(a_quota_of_version_2_is_rounded_up);
	TEST(the_lowest_quota_of_the_groups_above_counts);
	TEST(a_container_sees_its_group_as_the_top);
	TEST(version_1_has_a_quota_too);
	TEST(other_names_of_the_controller_are_known);
	TEST(nonsense_is_no_quota);
	TEST(the_affinity_mask_counts);
	begin(NULL);
	rmdir(root);
	return tap_done();
}
