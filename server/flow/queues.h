/* server/flow/queues.h: the section `compute:`: named queues of the pool, for tasks that compute.
 *
 * A queue has a share of the pool's threads (weight), a number of works that run at once, and a
 * number that may wait; past that a task fails with queue_full. A task that names none uses the
 * queue `compute`, which always exists and may be declared like others. */
#pragma once
#include "conf/settings.h"
#include "core/thread/pool.h"

struct flow_compiler;

struct compute_queue {
	struct str name;
	struct pool_limits limits;
	struct pool_queue *open; /* while the generation is at work; NULL: nothing computes here */
};

struct compute_queues {
	size_t n_queues;
	struct compute_queue *queues; /* the first is `compute` */
	const char **names;           /* NULL at the end, for suggestions */
};

/* For the schema: the keys of one entry. */
extern const struct setting compute_keys[];

/* Reads the section (or NULL) into the arena. False when there were errors. */
bool queues_compile(struct compute_queues *queues, const struct node *section, struct arena *arena,
		    struct diag *diag);

/* The queue that the key `queue` of a task names (NULL: `compute`). NULL: there is none, which was
 * told. */
const struct compute_queue *queues_find(struct flow_compiler *compiler, const struct node *value);

/* The generation goes to work, with these limits from now on; is gone. Main thread. */
void queues_open(struct compute_queues *queues, struct pool *pool);
void queues_close(struct compute_queues *queues);
