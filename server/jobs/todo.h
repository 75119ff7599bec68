/* server/jobs/todo.h: what is to be done once, and is kept until it is done: rows of the store.
 * Internal to jobs.
 *
 *   waiting --> running --> (gone, or done when somebody may ask about it)
 *     ^  |         |
 *     |  +-> gone  +--> dead        (cancelled; it has failed or was cut too often)
 *     +------------+                (it has failed, or was cut)
 *
 * Runs of jobs, requests, and what has an idempotency key stay known for some time after their end.
 *
 * Those with the same key are done one after the other, by the time at which they are due, then by
 * the order in which they came: all but the first are `blocked`. One that has failed and waits for
 * its next try blocks those behind it. */
#pragma once
#include "server/jobs/agenda.h"
#include "server/store/store.h"

/* A row that has been taken to be run; its texts are the caller's to free. */
struct todo_row {
	int kind;
	char *target, *key, *args, *token; /* key: NULL when it has none */
	size_t args_len;
	int64_t due_wall_ns; /* as it was asked for */
	int64_t starts, tries, pause_ms;
};

/* The first or next of a key, or one that was added: what the agenda must know. */
struct todo_next {
	int64_t id, due_wall_ns; /* id 0: there is none */
};

/* Those of one loop. */
struct todo_slots {
	unsigned n_loops, loop;
	enum todo_lane lane;
};

/* All on the store's thread. 0 or a negative errno. */

struct todo_added {
	int64_t id;
	bool blocked; /* or known already: there is nothing to be done about it now */
	int64_t look_slot; /* whose agenda must look again, as another may be the first of its key; or -1 */
	char token[TODO_TOKEN_LEN + 1]; /* of that id; or empty */
};

/* -EEXIST: the name is taken. With an idempotency key that is known the id is of what was added
 * first, and nothing is new; -EEXIST when that was asked for otherwise. -EBUSY: waiting_max. */
int todo_insert(struct store_db *db, const struct todo *todo, int64_t now_wall_ns,
		struct todo_added *ret);
/* How many that wait were removed: 0 or 1; of messages, as many as have the name. */
int todo_delete_sends(struct store_db *db, struct str name, int64_t *ret_n);
int todo_delete(struct store_db *db, struct str name, int64_t *ret_n, int64_t *ret_look_slot);

/* One with that token that waits is over now, one that runs is marked; its kind is TODO_ROUTE. */
int todo_cancel_token(struct store_db *db, struct str token, int64_t now_wall_ns, int64_t *ret_n);

/* -ENOENT: it is gone, or not to be run now. */
int todo_start(struct store_db *db, int64_t id, int64_t now_wall_ns, struct todo_row *ret_row);
void todo_row_fini(struct todo_row *row);

/* The answer of a request, before its end is told in the same op. */
struct todo_answer {
	int status;
	struct str fields; /* a JSON object */
	struct str body;   /* bytes of any kind */
};
int todo_answer_keep(struct store_db *db, int64_t id, const struct todo_answer *answer);

/* It is done; the next of its key may begin. */
int todo_finish(struct store_db *db, int64_t id, struct str key, int64_t now_wall_ns,
		struct todo_next *ret_next);
/* It waits again, until then. */
int todo_put_back(struct store_db *db, int64_t id, int64_t due_wall_ns, struct str error);
/* The same, of one that could not begin: that was no start. */
int todo_not_begun(struct store_db *db, int64_t id, int64_t due_wall_ns, struct str error);
/* It was cancelled while it ran. */
int todo_cancelled(struct store_db *db, int64_t id, int64_t now_wall_ns);
/* It is given up; the next of its key may begin. */
int todo_bury(struct store_db *db, int64_t id, struct str key, int64_t now_wall_ns,
	      struct str error, struct todo_next *ret_next);

/* At the start of the process: what runs by the store was cut. For the slots of one loop. */
int todo_recover(struct store_db *db, const struct todo_slots *slots, int64_t now_wall_ns);

/* The first `max` of those slots that are due before that time, in order; how many. Forgets what is over for long. */
int todo_near(struct store_db *db, const struct todo_slots *slots, int64_t now_wall_ns,
	      int64_t until_wall_ns, struct todo_next *ret_near, size_t max);
