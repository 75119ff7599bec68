/* server/native/call.h: one run of a module's function or verb (struct leat_call), and whose
 * thread it is.
 *
 *   MADE --> RUNS --> ENDED
 *
 *   MADE   the loop fills it: input, keys
 *   RUNS   the module has it: on a thread of the pool, or on the loop
 *   ENDED  the module must not touch it any more
 *
 * All that it points at is its own: it may outlive the request, and with it the configuration that
 * it was compiled in. */
#pragma once
#include "core/task/module.h"
#include "server/flow/error.h"
#include "server/native/json.h"
#include "server/native/library.h"
#include <pthread.h>

struct actor_loop;
struct actor_mail;
struct client;
struct homes;
struct natives;
struct offload;
struct pool_queue;
struct step_run;

enum call_state {
	CALL_MADE,
	CALL_RUNS,
	CALL_ENDED,
};

/* What is called. The texts are the module's. */
struct native_target {
	struct library *library;
	const char *name; /* of the function or the verb */
	leat_fn *fn;
	size_t state_size;
	leat_free_fn *release;
	bool on_loop;
	bool is_idempotent;
};

struct native_pair {
	const char *name;
	struct value value;
};

struct leat_call {
	enum call_state state;
	struct native_target target; /* its library is a reference */
	pthread_t thread;            /* of the pool, while it RUNS there */
	const void *offload;         /* the data of its block there */
	struct loop *loop;           /* of one that runs on it; or NULL */
	struct arena arena;
	struct value input;
	size_t n_keys;
	struct native_pair *keys;
	void *data; /* the verb's state */
	struct leat_json result;
	struct leat_json spare; /* where json() found no memory */
	struct str bytes;       /* result_bytes(); .ptr NULL: none */
	struct failure failure;
	bool out_of_memory;
	/* of one that runs on its loop: handler.h */
	struct step_run *run;
	struct module module;
	struct list tasks; /* of struct leat_task: all that it has made */
	struct leat_task *spare_task;
	struct client *client;
	struct homes *homes;      /* NULL: nothing is shared here */
	struct pool_queue *queue; /* NULL: nothing computes here */
	const struct natives *natives;
	/* of one that handles a message: actors.h; else NULL */
	struct leat_actor *self, *subject;
	const struct actor_mail *mail;
	struct actor_loop *actors; /* of the loop; NULL: there are none here */
	struct str id;             /* what it is called in messages that it sends */
};

/* With a reference to the library; its memory has that ceiling and that budget. */
struct leat_call *call_create(const struct native_target *target, size_t memory_max,
			      struct arena_budget *budget);
/* What it has is freed; itself a little later: library_spend(). */
void call_destroy(struct leat_call *call);

/* A block for the compute pool, which runs the call and destroys it (core/task/compute.h); and the
 * call of one. */
struct offload *call_offload(struct leat_call *call);
struct leat_call *call_of_offload(struct offload *offload);

/* Hands it to the module, on this thread; when that has returned on the pool the call has ENDED. */
void call_run(struct leat_call *call);

/* What call_run() does before and after: JSON in its input is read, its state made; false when there
 * is no memory for it. Its result is proved to be one, or the call fails. */
bool call_prepare(struct leat_call *call);
void call_check_result(struct leat_call *call);

/* Its value, in `arena`. 0, or -ENOMEM. After its end, when it has not failed. */
int call_take_result(struct leat_call *call, struct arena *arena, struct value *ret);

/* The first failure counts. */
void call_fail(struct leat_call *call, enum error_code code, const char *detail);

/* `what` must hold, or the module has made a mistake, and the daemon ends with a line that names
 * it. `function` is the one that it called: "json_key". */
_Noreturn void call_misused(const struct leat_call *call, const char *function, const char *what,
			    const char *file, int line);
#define call_check(call, cond, function, what)                                                     \
	(likely(cond) ? (void)0 : call_misused(call, function, what, __FILE__, __LINE__))

/* It runs, and on this thread. */
void call_enter(const struct leat_call *call, const char *function);
