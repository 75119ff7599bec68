/* conf/file.h: reading a whole file that may be anything. */
#pragma once
#include "core/base/arena.h"
#include <sys/types.h>

struct file {
	struct str text; /* in the arena, NUL behind it */
	dev_t dev;       /* dev and ino are the same for two names of one file */
	ino_t ino;
};

/* Never waits and never reads without end: only regular files are read, and at most `max_bytes` of
 * them (more is -EFBIG; a directory -EISDIR; another kind of file -ENOTSUP). */
int file_read(const char *path, size_t max_bytes, struct arena *arena, struct file *ret_file);

/* Why it could not be read, and the mend, to stand behind a name. `max_bytes` as above. */
struct str file_problem(int error, size_t max_bytes, struct arena *arena);
