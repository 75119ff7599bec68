/* server/logger_thread.h: what the logger's thread shares with those who write lines. Internal
 * to the logger. */
#pragma once
#include "server/log_line.h"
#include "server/log_output.h"
#include "server/log_ring.h"
#include "server/logger.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
	LOGGER_BATCH_SIZE = 64 << 10, /* bytes of lines that are written at once */
	LOGGER_BATCH_MAX = 1 << 20,
};

enum logger_thread_state {
	LOGGER_IDLE,   /* all rings were empty; it sleeps without a timeout */
	LOGGER_DOZING, /* there may be lines; it sleeps for a while */
	LOGGER_AWAKE,  /* it is draining */
};

enum logger_target { LOGGER_ACCESS_OFF, LOGGER_ACCESS_STDERR, LOGGER_ACCESS_FILE };

struct logger_state {
	bool started; /* main thread */
	pthread_t thread;
	int wake_fd;
	bool journal;   /* stderr is systemd's journal; fixed while started */
	int journal_fd; /* its socket for structured lines; -1: none; fixed while started */
	struct log_ring *_Atomic rings;
	_Atomic int state;  /* enum logger_thread_state */
	atomic_bool urgent; /* the thread has been woken for this turn already */
	atomic_bool stopping;
	_Atomic int format, access; /* enum logger_format, logger_target */
	_Atomic uint64_t share;
	_Atomic uint64_t n_lines; /* that had no ring */
	_Atomic uint64_t n_lost;  /* that no output took */
	struct log_output err, file;
	char *path; /* of the access file; main thread */
};

extern struct logger_state logger;

struct log_style logger_style(const struct log_output *output);

/* Appends the line to `lines`, unless it is for the journal and the journal has taken it. */
void logger_format(struct log_output *output, const struct log_record *record, struct str text,
		   struct buf *lines);

/* Where lines of this kind (enum log_kind) go now, or NULL. */
struct log_output *logger_output(uint32_t kind);

int logger_thread_start(void); /* 0 or a negative errno */
void logger_thread_join(void); /* after `stopping` was set and it was woken */
