/* server/trace/tracer.h: one loop's spans on their way to a collector.
 *
 * A span is written down when it ends, and sent with others when there are `batch` of them, or the
 * oldest has waited for `interval`. One request is on its way at a time; what comes meanwhile waits,
 * `queue` spans at most, and is dropped and counted beyond that: nobody ever waits for a collector. What
 * a collector does not take for now is sent again a few times, then dropped. All of it is the loop's. */
#pragma once
#include "core/base/buf.h"
#include "core/task/task.h"
#include "server/client/http_call.h"
#include <stdatomic.h>

struct detacher;
struct span;
struct trace_conf;

enum {
	TRACER_BYTES_MAX = 8 << 20, /* of the spans that wait */
	TRACER_TRIES_MAX = 4,
	TRACER_FLUSH_MS = 2000, /* what is left at the end of the process may take */
};

/* Read by any thread. */
struct tracer_stats {
	_Atomic uint64_t spans, dropped, exported, failed; /* failed: requests */
};

struct tracer {
	struct loop *loop;
	struct client *client;
	struct detacher *detacher;     /* counts what is on its way, and keeps its generation */
	const struct trace_conf *conf; /* of the generation at work; ->upstream NULL: no tracing */
	void *generation;
	bool on; /* there is a section `trace:` */
	uint64_t random[2];
	struct buf waiting; /* spans, with commas between them */
	size_t n_waiting;
	struct timer timer; /* of the oldest of them; or of the next try */
	/* on its way, or between two tries; then `holds` */
	bool holds, calling, stopping, gave_up;
	const struct trace_conf *sent_conf;
	void *sent_generation;
	struct buf sending;
	size_t n_sending;
	unsigned n_tries;
	struct arena arena;
	struct scope scope;
	struct http_call call;
	uint64_t stop_ns; /* flushing ends */
	struct tracer_stats stats;
};

void tracer_init(struct tracer *tracer, struct loop *loop, struct client *client,
		 struct detacher *detacher);
void tracer_fini(struct tracer *tracer); /* nothing may be on its way */

/* What is said by the generation at work. */
void tracer_set(struct tracer *tracer, const struct trace_conf *conf, void *generation);

/* Never 0. */
uint64_t tracer_random(struct tracer *tracer);

void tracer_add(struct tracer *tracer, const struct span *span);

/* At the end of the process, when nothing else is at work: true: something is still on its way, and
 * the detacher will be told when it is not. */
bool tracer_flush(struct tracer *tracer);
void tracer_cancel(struct tracer *tracer); /* what is on its way is given up */
