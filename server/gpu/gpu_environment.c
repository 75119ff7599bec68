/* server/gpu/gpu_environment.c */
#include "server/gpu/gpu_environment.h"
#include "server/cpus.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char own_folder[400]; /* in $TMPDIR; empty: it is another */

static bool cache_has(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] == '/';
}

/* The first of a list that is separated by colons, as systemd gives it. */
static bool cache_beneath(const char *variable)
{
	const char *folders = getenv(variable);
	char folder[400];
	int n;

	if (!folders || folders[0] != '/')
		return false;
	n = snprintf(folder, sizeof(folder), "%.*s/pocl", (int)strcspn(folders, ":"), folders);
	return n > 0 && (size_t)n < sizeof(folder) && setenv("POCL_CACHE_DIR", folder, 0) == 0;
}

static void cache_choose(void)
{
	const char *temporary = getenv("TMPDIR");
	int n;

	if (getenv("POCL_CACHE_DIR") || cache_beneath("CACHE_DIRECTORY") ||
	    cache_beneath("STATE_DIRECTORY") || cache_has("XDG_CACHE_HOME") || cache_has("HOME"))
		return;
	n = snprintf(own_folder, sizeof(own_folder), "%s/leat-pocl-%u",
		     temporary && temporary[0] == '/' ? temporary : "/tmp", (unsigned)geteuid());
	if (n < 0 || (size_t)n >= sizeof(own_folder) || setenv("POCL_CACHE_DIR", own_folder, 0) < 0)
		own_folder[0] = '\0';
}

void gpu_environment_set(void)
{
	char n_threads[16];

	cache_choose();
	snprintf(n_threads, sizeof(n_threads), "%u", cpus_count());
	setenv("POCL_MAX_PTHREAD_COUNT", n_threads, 0);
}

bool gpu_environment_check(struct place place, struct diag *diag)
{
	struct stat info;

	if (!own_folder[0])
		return true;
	if (mkdir(own_folder, 0700) < 0 && errno != EEXIST) {
		diag_error(diag, place, "cannot make the folder \"%s\" for compiled kernels: %s",
			   own_folder, strerrorname_np(errno));
		return false;
	}
	if (lstat(own_folder, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
	    (info.st_mode & 077) == 0)
		return true;
	diag_error(diag, place,
		   "the folder \"%s\" for compiled kernels is not this user's alone; remove it, or "
		   "set "
		   "POCL_CACHE_DIR",
		   own_folder);
	return false;
}
