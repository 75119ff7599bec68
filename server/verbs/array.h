/* server/verbs/array.h: lists that are sorted, merged or reduced on the pool: what sort, merge and
 * reduce share.
 *
 * The list goes to the pool as JSON in a block of its own, and what is made of it comes back as
 * JSON: nothing in the block points into the request or the generation, so that a request that has
 * ended need not wait for its thread. */
#pragma once
#include "core/task/compute.h"
#include "server/flow/queues.h"
#include "server/flow/step.h"

enum { ARRAY_KEYS_MAX = 8, ARRAY_ERROR_MAX = 160 };

/* Where a value is in an element: the names to go through; none: the element itself. */
struct array_path {
	struct str *names;
	size_t n_names;
	bool descending;
};

struct array_work;

/* On a thread of the pool: reads work->text, writes work->out. */
typedef void array_fn(struct array_work *work);

struct array_work {
	struct arena arena;
	array_fn *run;
	struct pool_queue *queue;
	struct str text; /* the list, or the list of lists */
	struct array_path keys[ARRAY_KEYS_MAX];
	size_t n_keys;
	struct array_path of; /* reduce */
	int combine;          /* reduce: enum combine */
	size_t take;          /* sort, merge: the first so many */
	/* then: */
	struct str out; /* JSON */
	int error;      /* 0; -EINVAL: `message` tells; -ENOMEM */
	char message[ARRAY_ERROR_MAX];
};

/* The state of the verbs. */
struct array_state {
	struct compute_task compute;
	struct step_run *step;
	struct value result;
};

/* ------------------------------------------------------------ compiling */

/* "name", "-price", "customer.name"; `node` NULL: none. `what` names the key. False with an error. */
bool array_compile_path(struct verb_compiler *compiler, const struct node *node, const char *what,
			struct array_path *ret_path);

/* The same for one of them, or a list of up to ARRAY_KEYS_MAX. */
bool array_compile_keys(struct verb_compiler *compiler, const struct node *node, const char *what,
			struct array_path *paths, size_t *ret_n_paths);

/* ------------------------------------------------------------ running */

/* The block for a list, of which the paths are copied. The step has ended when it is NULL. */
struct offload *array_offload(struct step_run *run, struct template_tree *list,
			      const struct array_work *spec);
void array_start(struct step_run *run, const struct compute_queue *queue, struct offload *offload);
void array_cancel(struct step_run *run);
int array_field(struct step_run *run, struct str name, struct value *ret);
extern const char *const array_fields[];

/* ------------------------------------------------------------ on the pool */

/* The list in work->text. False when it is none, or memory is gone: work->error is set. */
bool array_read(struct array_work *work, struct value *ret_list);
void array_fail(struct array_work *work, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Null where the path leads nowhere. */
struct value array_at(struct value element, const struct array_path *path);
