/* server/worker.h: one loop and all that serves on it.
 *
 * N workers serve the listeners, each on a thread of its own; the main thread is one more, which
 * serves the admin listener. What is here is touched by its own thread only, unless a field says
 * otherwise. */
#pragma once
#include "core/io/file_io.h"
#include "core/io/process.h"
#include "server/auth/digest_cache.h"
#include "server/auth/key_source.h"
#include "server/client/upstream.h"
#include "server/compress/coders.h"
#include "server/files/desk.h"
#include "server/flow/context.h"
#include "server/generation.h"
#include "server/head_memo.h"
#include "server/http/status.h"
#include "server/jobs/jobs.h"
#include "server/live/round.h"
#include "server/trace/tracer.h"
#include <pthread.h>

struct server;

enum {
	WORKER_IN_SIZE = 64 << 10, /* one read, of whichever connection */
	WORKER_HEAD_SIZE =
		16
		<< 10, /* one read where a head is expected: what is behind it may have to be kept */
	WORKER_OUT_SIZE = 64 << 10, /* answers of one connection in one turn */
	WORKER_HURRY_MS = 500, /* between TERM and KILL of programs, when a shutdown cancels all */
	WORKER_TOKENS = 2048,  /* that are remembered: 80 KiB, once there is one */
	WORKER_HEAD_END_LEN = 6 + HTTP_DATE_LEN + 4,
};

/* Read by any thread. */
struct worker_stats {
	atomic_uint n_conns, n_busy; /* connections; those with a request in work */
	_Atomic uint64_t requests, accepted, refused;
	atomic_uint n_websockets, n_events; /* live connections */
	_Atomic uint64_t live_in, live_out; /* their messages */
	_Atomic uint64_t live_dropped,
		live_slow;          /* for clients that do not read; those that were cut */
	_Atomic uint64_t status[6]; /* by its first digit */
	_Atomic uint64_t handshakes, handshakes_resumed, handshakes_failed; /* of TLS */
};

struct worker {
	struct server *server;
	size_t index;
	bool is_main;
	pthread_t thread;
	struct loop *loop;
	struct client *client;
	struct redis_loop *redis;
	struct scheduler *scheduler;   /* NULL on the main thread */
	struct actor_loop *actors;     /* NULL on the main thread, and in tests without any */
	struct peer_loop *peers;       /* NULL on the main thread, and in tests without any */
	struct generation *generation; /* the one at work: what new requests pin */
	const struct router *router;   /* the generation's, or that of the admin listener */
	struct detacher detacher;
	size_t n_detached;
	struct processes processes; /* programs that run, or are still to be reaped */
	struct list conns;          /* of struct conn, all */
	struct list requests;       /* free struct requests, for reuse */
	struct list live;           /* of struct request: those in work */
	struct list lives;          /* of struct live: connections that go on behind an answer */
	struct round round;         /* of those that have something to send */
	size_t n_free_requests;
	bool draining;               /* no keep-alive any more */
	bool cancelling;             /* and nothing is waited for */
	bool stopped;                /* told the main thread that nothing is left */
	uint64_t id_prefix, id_next; /* of request ids */
	uint64_t date_until_ns;      /* `head_end` is right before this moment */
	char head_end[WORKER_HEAD_END_LEN];
	/* scratch, of nobody between two callbacks: WORKER_IN_SIZE, WORKER_OUT_SIZE */
	char *in, *out;
	size_t out_len;                /* of what is in `out` */
	struct str out_head, out_body; /* to be sent behind it, not copied */
	struct http_field fields[HTTP_FIELDS_MAX];
	struct str segments[HTTP_SEGMENTS_MAX], raw_segments[HTTP_SEGMENTS_MAX];
	struct arena path_arena;    /* of the path being looked at */
	struct head_memo head_memo; /* of `generation` and `router` */
	struct digest_cache tokens; /* whose signatures were found good */
	struct key_fetches fetches;
	struct desk files;
	struct file_io file_io; /* of tasks; worker_open_files() */
	struct coders coders;
	struct worker_stats stats;
	struct tracer tracer;
	struct post sweep;
	struct post drain, cancel; /* the main thread's, at the end of the process */
	atomic_bool sweep_posted;  /* any thread's */
};

/* 0 or a negative errno. The thread is not started. */
int worker_create(struct worker **ret_worker, struct server *server, size_t index, bool is_main);
int worker_start(struct worker *worker); /* its thread runs its loop until loop_stop() */
void worker_destroy(
	struct worker *worker); /* its thread has ended (loop_stop(), then this joins it) */

/* Its loop has done its last turn; before worker_destroy(), which does it otherwise. */
void worker_join(struct worker *worker);

/* On the worker's thread: new requests use this generation; the old one is let go when its last
 * request ends. */
void worker_set_generation(struct worker *worker, struct generation *generation);
void worker_pin(struct worker *worker, struct generation *generation);
void worker_unpin(struct worker *worker, struct generation *generation);

/* On any thread: the worker closes its connections to upstreams that no generation names any
 * more. */
void worker_sweep(struct worker *worker);

/* On the worker's thread: idle connections close, others with their answer; new ones are not
 * expected. When nothing is left the server is told, once. `cancel`: what is in work is
 * cancelled. */
void worker_drain(struct worker *worker, bool cancel);
void worker_check_drained(struct worker *worker); /* called when something has ended */

/* Before its thread runs. */
void worker_open_files(struct worker *worker, struct file_engine *engine);

/* NULL on the main thread. */
static inline struct file_io *worker_file_io(struct worker *worker)
{
	return worker->file_io.loop ? &worker->file_io : NULL;
}

/* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n", of now: what most heads end with. */
struct str worker_head_end(struct worker *worker);
struct str worker_make_id(struct worker *worker, char out[32]);
