/* server/admin/metrics_process.c: the process itself, under the names that all exporters use. */
#include "core/base/clock.h"
#include "core/base/version.h"
#include "server/admin/metric.h"
#include "server/admin/status.h"
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static double process_cpu_seconds(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return 0;
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* 0 where /proc cannot be read. */
static uint64_t process_resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t process_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	if (!dir)
		return 0;
	for (const struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* without that of the folder */
}

static uint64_t process_max_fds(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

void admin_write_process_metrics(const struct server *server, struct buf *out)
{
	metric_head(out, "process_cpu_seconds_total", "counter", "User and system time together.");
	metric_double(out, "process_cpu_seconds_total", NULL, process_cpu_seconds());
	metric_one(out, "process_resident_memory_bytes", "gauge", "Memory that is resident.",
		   process_resident_bytes());
	metric_one(out, "process_open_fds", "gauge", "Open file descriptors.", process_open_fds());
	metric_one(out, "process_max_fds", "gauge", "How many there may be.", process_max_fds());
	metric_head(out, "process_start_time_seconds", "gauge", "When it was started.");
	metric_double(out, "process_start_time_seconds", NULL,
		      (double)server->started_wall_ns / NS_PER_S);
	metric_head(out, "leat_build_info", "gauge", "Always 1.");
	metric_u64(out, "leat_build_info",
		   (struct metric_label[2]){ { "version", STR(LEAT_VERSION) } }, 1);
	metric_one(out, "leat_memory_used_bytes", "gauge",
		   "What limits.total_memory counts: requests, their bodies, connections.",
		   atomic_load(&server->memory.used));
}
