/* server/log_ring.c
 *
 * `head` is stored sequentially consistent: the logger decides by what it reads afterwards
 * whether the log thread sleeps, and the log thread looks at the rings after it has said that it
 * is about to. */
#include "server/log_ring.h"
#include "core/base/check.h"
#include <stdlib.h>

enum { RECORD_ALIGN = 16 }; /* so that a record's head never wraps */
_Static_assert(sizeof(struct log_record) == RECORD_ALIGN, "a record's head is one unit");

struct log_ring *log_ring_create(void)
{
	struct log_ring *ring = aligned_alloc(64, sizeof(*ring));

	if (!ring)
		return NULL;
	ring->next = NULL;
	ring->tail_seen = ring->n_reported = 0;
	atomic_init(&ring->head, 0);
	atomic_init(&ring->tail, 0);
	atomic_init(&ring->n_lines, 0);
	atomic_init(&ring->n_dropped, 0);
	return ring;
}

void log_ring_destroy(struct log_ring *ring)
{
	free(ring);
}

static size_t log_ring_need(size_t size)
{
	return sizeof(struct log_record) +
	       ((size + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1));
}

static void log_ring_copy_in(struct log_ring *ring, uint64_t at, struct str bytes)
{
	size_t offset = at % LOG_RING_SIZE, n = MIN(bytes.len, LOG_RING_SIZE - offset);

	memcpy(ring->bytes + offset, bytes.ptr, n);
	memcpy(ring->bytes, bytes.ptr + n, bytes.len - n);
}

static void log_ring_copy_out(struct log_ring *ring, uint64_t at, char *bytes, size_t size)
{
	size_t offset = at % LOG_RING_SIZE, n = MIN(size, LOG_RING_SIZE - offset);

	memcpy(bytes, ring->bytes + offset, n);
	memcpy(bytes + n, ring->bytes, size - n);
}

size_t log_ring_put(struct log_ring *ring, enum log_kind kind, int64_t wall_ns, struct str text)
{
	struct str cut = str_first(text, LOG_TEXT_MAX);
	struct log_record record = { (uint32_t)cut.len, kind, wall_ns };
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	size_t max = kind <= LOG_KIND_WARNING ? LOG_RING_SIZE : LOG_RING_SIZE - LOG_RING_RESERVE;
	size_t need = log_ring_need(cut.len);

	if (head - ring->tail_seen + need > max)
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
	if (head - ring->tail_seen + need > max)
		return 0;
	memcpy(ring->bytes + head % LOG_RING_SIZE, &record, sizeof(record));
	if (cut.len > 0)
		log_ring_copy_in(ring, head + sizeof(record), cut);
	atomic_store(&ring->head, head + need);
	return head + need - ring->tail_seen;
}

bool log_ring_take(struct log_ring *ring, struct log_record *ret_record, char text[LOG_TEXT_MAX])
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (atomic_load(&ring->head) == tail)
		return false;
	memcpy(ret_record, ring->bytes + tail % LOG_RING_SIZE, sizeof(*ret_record));
	check(ret_record->size <= LOG_TEXT_MAX);
	log_ring_copy_out(ring, tail + sizeof(*ret_record), text, ret_record->size);
	atomic_store_explicit(&ring->tail, tail + log_ring_need(ret_record->size),
			      memory_order_release);
	return true;
}

bool log_ring_is_empty(struct log_ring *ring)
{
	return atomic_load(&ring->head) == atomic_load_explicit(&ring->tail, memory_order_relaxed);
}
