/* server/log_output.h: a descriptor that whole log lines are written to. Internal to the logger.
 *
 * It never waits without a bound, whatever the descriptor is (a pipe nobody reads, a stopped
 * terminal), and lines of several threads never mix. */
#pragma once
#include "core/base/str.h"
#include "core/thread/lock.h"

struct log_output {
	struct lock lock;
	int fd;       /* guarded by lock; -1: none */
	bool own;     /* close it; guarded by lock */
	bool waits;   /* not a regular file: may have to wait for room; guarded by lock */
	bool is_torn; /* the last line was cut by an error; guarded by lock */
};

void log_output_init(struct log_output *output, int fd);
void log_output_fini(struct log_output *output);

/* Other lines go to `fd` (-1: nowhere), which is the output's from now on. */
void log_output_set(struct log_output *output, int fd);

/* Waits for room. False after `wait_ms` without any. */
bool log_output_wait(struct log_output *output, int wait_ms);

/* Writes the first lines of `*lines` (some, at least one) and takes them off. 0, or a negative
 * errno: -EAGAIN when there was no room for `wait_ms`. */
int log_output_write(struct log_output *output, struct str *lines, int wait_ms);

/* 0 with a descriptor that appends to the file, made when it is not there; or a negative errno. */
int log_output_open(const char *path, int *ret_fd);
