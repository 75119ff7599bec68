/* core/io/file_sync.h: those of a loop who wait at once for the same file to be on the disk share one
 * fsync().
 *
 * What was written before file_sync_join() is on the disk at on_end() without an error: who joins while a
 * sync runs, which may have passed its bytes already, waits for the next one. */
#pragma once
#include "core/io/file_io.h"

struct file_sync_wait;
typedef void file_sync_fn(struct file_sync_wait *wait, int error);

/* Embedded in who waits. */
struct file_sync_wait {
	struct list link;
	file_sync_fn *on_end; /* once, from the loop, never inside of file_sync_join() */
};

/* Takes `fd`, which is open for that file; `stat` tells which file it is. 0, or as file_io_start(), or
 * -ENOMEM: then on_end is not called. */
int file_sync_join(struct file_io *io, int fd, const struct statx *stat,
		   struct file_sync_wait *wait, file_sync_fn *on_end);
void file_sync_leave(struct file_sync_wait *wait); /* on_end is not called any more */
