/* server/files/open.h: opening beneath a root, which is never left.
 *
 * The kernel resolves the path (openat2), so what is changed meanwhile cannot lead out either.
 * All of it blocks: on the pool, or while the configuration is loaded. */
#pragma once
#include <stdint.h>
#include <sys/stat.h>

enum file_links {
	FILE_LINKS_INSIDE, /* symbolic links are followed as long as they stay beneath the root */
	FILE_LINKS_ANY,    /* wherever they lead */
	FILE_LINKS_NONE,   /* none is followed */
};

int root_open(const char *root); /* a descriptor to resolve from (O_PATH), or a negative errno */

/* `flags` as of open(). A descriptor or a negative errno: -EXDEV, -ELOOP for a link that must not
 * be followed. */
int root_open_at(int root, const char *path, enum file_links links, uint64_t flags);

/* The same for a regular file or a folder, to be read, and what is known of it; anything else is
 * -ENOENT. Never waits for a pipe. */
int root_open_file(int root, const char *path, enum file_links links, struct stat *ret_stat);

/* Whether the kernel keeps a path beneath its root: 0 or a negative errno, of the root too. */
int root_check(const char *root);
