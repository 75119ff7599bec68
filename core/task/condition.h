/* core/task/condition.h: signals with values, and those who wait for them; a counter when they
 * wait for several.
 *
 *   signal   brings a value to those who wait: one to each (WAKE_ALL), or n of them, each to the one who has waited longest and
 *            still wants one. What nobody waits for is lost, unless it is kept for a time.
 *   await    waits until `count` values have come to it; first it takes what was kept, oldest first. What comes after
 *            the last one it wanted is not its own: counting past the target is safe.
 *
 * So a counter is an await with a count and signals with a keep: they may come before the await
 * or after it. Those who wait are served in the order in which they came. A value that was for
 * one (wake_n) or that was kept, and whose await ends without its count (cancelled, expired,
 * gone when it came), goes to the next who waits, or is kept for what is left of its time. A
 * value for all is not passed on.
 *
 * A named one is reached from every loop; `struct condition` is the same without a name,
 * embedded, for one loop. */
#pragma once
#include "core/task/home.h"

#define WAKE_ALL UINT64_MAX

/* What is wanted of an await; zeroes mean: one value, at once or not at all. */
struct await {
	uint32_t count; /* 0 is 1 */
	uint32_t
		n_wait_max; /* how many may wait for the name at once; 0: no bound. More fail with REASON_FULL */
	uint64_t wait_ms; /* then it ends with REASON_EXPIRED; WAIT_FOREVER */
};

/* What goes with a signal. */
struct signal {
	struct blob *value; /* may be NULL; the call takes a reference of its own */
	uint64_t wake_n;    /* WAKE_ALL, or how many; 0 is 1 */
	uint64_t
		keep_ms; /* how long one that nobody waited for is kept; 0: lost; WAIT_FOREVER. With WAKE_ALL it is kept for
			     * one, with wake_n for as many as it did not reach */
};

void await_init(struct wait_task *wait, struct homes *homes, struct str name,
		const struct await *await, task_fn *on_end);

/* The values that came, oldest first: wait->ask.n_parcels of them. Valid after its end with
 * OUTCOME_OK. list_each(parcel, await_values(&wait), struct parcel, link) …
 * blob_str(parcel->blob) */
struct list *await_values(struct wait_task *wait);
void await_fini(
	struct wait_task *wait); /* drops the values: once, after its end, however it ended */

/* A signal as a task, which ends when it has been delivered: REASON_FULL when it had to be kept
 * and there was no room. */
void signal_init(struct wait_task *wait, struct homes *homes, struct str name,
		 const struct signal *signal, task_fn *on_end);
uint64_t signal_n_woken(
	const struct wait_task *wait); /* how many it reached; valid after OUTCOME_OK */

/* The same without an answer, from any thread. */
void signal_send(struct homes *homes, struct str name, const struct signal *signal);

/* ------------------------------------------------------------ without a name, on one loop */

struct condition {
	struct loop *loop;
	struct list waiting; /* of struct ask.link */
	struct list kept;    /* of struct parcel.link, oldest first */
	size_t n_waiting, n_kept, kept_bytes;
	struct homes *homes; /* that of a named one */
	struct thing *thing;
	struct timer expiry; /* of the kept one that goes first */
};

void condition_init(struct condition *condition, struct loop *loop);
void condition_fini(struct condition *condition); /* drops what is kept; nobody may wait */

void condition_await_init(struct wait_task *wait, struct condition *condition,
			  const struct await *await, task_fn *on_end);

/* How many it reached. */
uint64_t condition_signal(struct condition *condition, const struct signal *signal);
