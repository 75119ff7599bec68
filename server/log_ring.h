/* server/log_ring.h: the lines that one thread has written and the log thread has not yet taken.
 *
 * One writer, one reader, no lock: each moves an index of its own. Lines are kept whole, in
 * order, with their kind and time. Internal to the logger. */
#pragma once
#include "core/base/str.h"
#include <stdatomic.h>

enum {
	LOG_RING_SIZE = 256 << 10,
	LOG_RING_RESERVE = 32 << 10, /* the last part: for warnings and errors only */
	LOG_TEXT_MAX = 8192,         /* a longer line is cut */
};

/* A line's level (enum log_level), or that it is an access line. */
enum log_kind {
	LOG_KIND_ERROR,
	LOG_KIND_WARNING,
	LOG_KIND_INFO,
	LOG_KIND_DEBUG,
	LOG_KIND_ACCESS,
};

struct log_record {
	uint32_t size; /* of the text that follows */
	uint32_t kind; /* enum log_kind */
	int64_t wall_ns;
};

struct log_ring {
	struct log_ring *next;              /* in the logger's list; fixed once it is there */
	_Alignas(64) _Atomic uint64_t head; /* bytes ever written; the writer's */
	uint64_t tail_seen;                 /* what the writer last saw of `tail` */
	_Atomic uint64_t n_lines;           /* counted by the writer */
	_Atomic uint64_t n_dropped;         /* counted by the writer */
	_Alignas(64) _Atomic uint64_t tail; /* bytes ever taken; the reader's */
	uint64_t n_reported;                /* of n_dropped; the reader's */
	char bytes[LOG_RING_SIZE];
};

struct log_ring *log_ring_create(void);
void log_ring_destroy(struct log_ring *ring);

/* The writer. How many bytes now wait in the ring, or 0 when there is no room: then the line is
 * not there. */
size_t log_ring_put(struct log_ring *ring, enum log_kind kind, int64_t wall_ns, struct str text);

/* The reader. Takes the oldest line out, its text into `text`; false when there is none. */
bool log_ring_take(struct log_ring *ring, struct log_record *ret_record, char text[LOG_TEXT_MAX]);
bool log_ring_is_empty(struct log_ring *ring);
