/* core/io/disk_file.h: an open file that a loop sends, and for whose disk it never waits.
 *
 * sendfile() of bytes that are not in the page cache waits for the disk, whatever the socket
 * says. So whoever sends asks before each turn how many bytes are in memory; where there are
 * none, a piece of the file is read on the pool, and the sender is told. What was found to be in
 * memory is believed for DISK_BELIEVE_MS, with a look at two bytes a turn: that is all that a hot
 * file costs. A piece is read once, however many connections of the loop wait for it.
 *
 * All of it belongs to one loop; only the reading runs elsewhere. */
#pragma once
#include "core/base/list.h"
#include "core/io/loop.h"
#include "core/thread/pool.h"

enum {
	DISK_PIECE = 1 << 20,   /* read at once, and looked at at once; at a multiple of its size */
	DISK_LOOK = 64 << 10,   /* fewer bytes than this are looked at by themselves */
	DISK_SEEN = 32,         /* pieces of a file that are remembered */
	DISK_READS_MAX = 16,    /* of one loop that the pool has; others wait for their turn */
	DISK_BELIEVE_MS = 1000, /* how long what was seen in memory is taken to be there */
};

struct disk_reads;
struct disk_wait;
typedef void disk_wait_fn(struct disk_wait *wait);
typedef void disk_reads_fn(struct disk_reads *reads);

/* The reads of one loop. */
struct disk_reads {
	struct loop *loop;
	struct pool_queue *queue; /* whose bound is never met: DISK_READS_MAX a loop is less */
	struct list waiting;      /* for fewer than DISK_READS_MAX to run */
	size_t n_running, n_reads;
	disk_reads_fn *on_end; /* one has ended; may be NULL */
};

void disk_reads_init(struct disk_reads *reads, struct loop *loop, struct pool_queue *queue,
		     disk_reads_fn *on_end);
void disk_reads_fini(struct disk_reads *reads); /* none may be left */

struct disk_seen {
	uint64_t piece, until_ns; /* until_ns 0: nothing */
	bool cold;                /* it had to be read: so will the one behind it */
};

struct disk_file {
	unsigned n_refs;
	int fd;
	uint64_t size;
	bool blind;        /* its filesystem does not tell what is in memory */
	struct list reads; /* of its pieces */
	struct disk_seen seen[DISK_SEEN];
};

/* Takes the descriptor. One reference. NULL without memory: then it is still the caller's. Any
 * thread. */
struct disk_file *disk_file_create(int fd, uint64_t size);
void disk_file_ref(struct disk_file *file);
void disk_file_unref(struct disk_file *file); /* NULL is accepted */

/* One sender that may have to wait; embedded in it. */
struct disk_wait {
	struct list link;
	disk_wait_fn *on_ready; /* ask again: there is something now, or an error */
	uint64_t granted_ns;    /* when what it waited for was there; 0: it did not wait */
	int error;
};

void disk_wait_init(struct disk_wait *wait, disk_wait_fn *on_ready);
void disk_wait_cancel(struct disk_wait *wait); /* no call of on_ready will come */

/* How many of the `size` bytes at `at` (at least one) are in memory, to be sent at once. 0: none
 * yet, on_ready is called later, from the loop. Or a negative errno: they cannot be read. */
int64_t disk_file_ready(struct disk_file *file, struct disk_reads *reads, struct disk_wait *wait,
			uint64_t at, uint64_t size);
