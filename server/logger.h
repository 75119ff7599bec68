/* server/logger.h: where log lines go: rings and a thread of their own (DECISIONS 10).
 *
 * Each loop writes its lines into a ring of 256 KiB without waiting; the log thread drains the
 * rings when one has 64 KiB, every 200 ms, and at once for warnings and errors. A full ring
 * drops access lines, counts them, and the next line says how many; warnings and errors are
 * never dropped: their writer then writes by itself. Threads without a ring write at once. */
#pragma once
#include "core/base/log.h"

enum logger_format { LOGGER_TEXT, LOGGER_JSON };

struct logger_settings {
	enum log_level level;
	enum logger_format format;
	const char *access; /* "off", "stderr", or a path */
	uint64_t share;     /* of SHARE_ALL: access lines of what went well */
};

/* Starts the thread and becomes the sink of core/base/log.h. 0 or a negative errno. Main thread. */
int logger_start(const struct logger_settings *settings);

/* Applies other settings (after a reload). When the access file cannot be opened, the old one
 * stays and the error is returned. Main thread. */
int logger_set(const struct logger_settings *settings);
void logger_reopen(void); /* SIGUSR1: opens the access file anew. Main thread */

/* Writes what is in the rings, and ends the thread. Main thread; others may still write lines, which
 * nobody reads any more, so that the process has to end. */
void logger_end(void);
void logger_stop(void); /* the same, and frees all of it. Main thread, loops are gone */

/* Gives this thread a ring; at the start of each loop thread. */
void logger_attach(void);

bool logger_access_is_on(void); /* any thread; cheap */

/* Whether the line of an answer is among those that are written. `random`: of 64 bits; any thread. */
bool logger_access_takes(int status, uint64_t random);
bool logger_access_is_sampled(void); /* else all of them are */

/* Writes an access line (already complete: pairs without level or time) into this thread's ring. */
void logger_access(struct str line);

struct logger_stats {
	uint64_t lines, dropped;
};
void logger_stats(struct logger_stats *ret_stats);
