/* server/jobs/zone_file.c
 *
 * The folder is fixed: a TZDIR in the environment would let whoever starts the daemon choose what
 * it reads, and jobs would run at other times than `leat check` says. */
#include "server/jobs/zone_file.h"
#include "core/base/check.h"
#include "core/base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONE_FOLDER "/usr/share/zoneinfo/"

enum { NAME_LEN_MAX = 100, FILE_SIZE_MAX = 256 * 1024 };

static void zone_file_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* No name of a zone has a dot, so none can lead out of the folder. */
static bool zone_file_is_name(struct str name)
{
	if (name.len == 0 || name.len > NAME_LEN_MAX || name.ptr[0] == '/')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (!char_is_alpha(c) && !char_is_digit(c) && (c == '\0' || !strchr("/_+-", c)))
			return false;
	}
	return true;
}

static int zone_file_read_whole(int fd, char *content, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fd, content + done, size - done);

		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}

/* What is in the folder beside zones (folders, a pipe that someone put there) is no zone. */
static int zone_file_read_path(const char *path, char **ret_content, size_t *ret_size)
{
	scoped(zone_file_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *content;
	struct stat st;
	int rc;

	if (fd < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	if (st.st_size > FILE_SIZE_MAX)
		return -EBADMSG;
	content = mem_alloc((size_t)st.st_size + 1);
	rc = zone_file_read_whole(fd, content, (size_t)st.st_size);
	if (rc < 0) {
		free(content);
		return rc;
	}
	*ret_content = content;
	*ret_size = (size_t)st.st_size;
	return 0;
}

bool zone_file_is_there(void)
{
	return access(ZONE_FOLDER, F_OK) == 0;
}

int zone_file_read(const char *name, char **ret_content, size_t *ret_size)
{
	char path[sizeof(ZONE_FOLDER) + NAME_LEN_MAX];

	if (strcmp(name, "local") == 0)
		return zone_file_read_path("/etc/localtime", ret_content, ret_size);
	if (!zone_file_is_name(str_of(name)))
		return -EINVAL;
	snprintf(path, sizeof(path), ZONE_FOLDER "%s", name);
	return zone_file_read_path(path, ret_content, ret_size);
}

/* A line of zone.tab is "FR\t+4852+00220\tEurope/Paris\tcomment". */
static struct str zone_file_line_name(struct str line)
{
	struct str part = STR_NONE;

	if (line.len == 0 || line.ptr[0] == '#')
		return STR_NONE;
	for (unsigned i = 0; i < 3; i++)
		if (!str_next_part(&line, '\t', &part))
			return STR_NONE;
	return part;
}

/* People forget the continent, or its capital letters, more often than they mistype a letter. */
static unsigned zone_file_distance(struct str name, struct str zone, unsigned max)
{
	struct str city = zone;

	if (str_eq_nocase(name, zone))
		return 0;
	for (ptrdiff_t at; (at = str_find_char(city, '/')) >= 0;)
		city = str_skip(city, (size_t)at + 1);
	if (str_eq_nocase(name, city))
		return 0;
	return str_distance(name, zone, max);
}

char *zone_file_nearest(struct str name)
{
	struct str rest, line, nearest = STR_NONE;
	unsigned best = 4, distance;
	char *content, *found = NULL;
	size_t size;

	if (name.len > NAME_LEN_MAX ||
	    zone_file_read_path(ZONE_FOLDER "zone.tab", &content, &size) < 0)
		return NULL;
	rest = (struct str){ content, size };
	while (str_next_part(&rest, '\n', &line)) {
		struct str zone = zone_file_line_name(line);

		distance = zone.len ? zone_file_distance(name, zone, 3) : best;
		if (distance < best) {
			best = distance;
			nearest = zone;
		}
	}
	if (nearest.len)
		found = mem_strndup(nearest.ptr, nearest.len);
	free(content);
	return found;
}
