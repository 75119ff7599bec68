/* core/io/file_ring.h: io_uring for one loop: calls in, results out.
 *
 * Calls that are made in one turn of the loop are submitted together, at its end. Each is made by a
 * worker of the kernel (IOSQE_ASYNC), so that the submit never waits for a disk. */
#pragma once
#include "core/io/file_call.h"
#include "core/io/loop.h"

enum { FILE_RING_CALLS_MAX = 64 }; /* under way at once, not counting those that are cancelled */

struct file_ring;
typedef void file_ring_fn(void *data, int64_t result);

/* What the kernel's rings can do: bits of enum file_call_kind. A negative errno: there are none
 * (-ENOSYS, -EPERM), or they lack what files need (-EOPNOTSUPP). Any thread. */
int file_ring_probe(uint32_t *ret_calls);

/* 0 or a negative errno. On the loop's thread, or before it runs. */
int file_ring_create(struct file_ring **ret_ring, struct loop *loop, file_ring_fn *on_result);
void file_ring_destroy(struct file_ring *ring); /* nothing is under way; NULL is accepted */

/* on_result(data, …) is called once, later; `call` stays until then. */
void file_ring_make(struct file_ring *ring, const struct file_call *call, void *data);

/* Asks the kernel to give up that call; its result comes all the same. */
void file_ring_cancel(struct file_ring *ring, void *data);
