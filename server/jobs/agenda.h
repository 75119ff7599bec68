/* server/jobs/agenda.h: flows and jobs that are to be run once, at a time or now, and that no crash
 * loses: at least once, in order for each key.
 *
 * They are rows of the store (todo.h); in memory are those that are due within a minute, at most
 * 1,000 a loop. Each is done on one loop, by its key; a run begins when the store has it as begun,
 * and is over when the store has that. One that fails is tried again; see `schedule:`. */
#pragma once
#include "core/base/str.h"
#include "core/io/loop.h"
#include "server/store/store.h"

struct agenda;
struct agendas;
struct flow;
struct job_run;
struct scheduler;

enum todo_kind {
	TODO_FLOW,
	TODO_JOB,
	TODO_SEND,  /* a message to an actor: todo_send.h */
	TODO_ROUTE, /* a request of a route with `async`: server/async/ */
};

/* What the ones do does not wait for the others: each lane has agendas of its own. */
enum todo_lane { LANE_OWN, LANE_CLIENTS, N_LANES };

enum { TODO_TOKEN_LEN = 32 };

struct todo {
	enum todo_kind kind;
	struct str target; /* the flow, the job, the actor or the route */
	struct str name;   /* to cancel or replace it by; several messages may have one; or empty */
	struct str key;    /* whose order is kept; or empty */
	struct str
		idem; /* idempotency key: what was added with it before is not added again; or empty */
	struct str args; /* JSON: `with` of the flow, run.args of the job; the request of a route */
	bool replaces;   /* what waits under the same name */
	int64_t due_wall_ns;
	int64_t tries;     /* of a flow or route */
	uint64_t pause_ms; /* before the second; it doubles */
	/* of TODO_ROUTE */
	struct str token; /* that its client asks by */
	struct str print; /* of the request: another one with the same idempotency key is refused */
	int64_t keep_ns;  /* how long it is known after its end */
	int64_t waiting_max; /* of one target, that are not over */
};

static inline enum todo_lane todo_lane(const struct todo *todo)
{
	return todo->kind == TODO_ROUTE ? LANE_CLIENTS : LANE_OWN;
}

/* Which loop does it, modulo their number; the same in every process. */
int64_t todo_slot(const struct todo *todo);
int64_t todo_slot_of(struct str text);

/* A request to an agenda: a block of its own, which is freed when on_done has returned. */
struct todo_ask {
	struct store_op op;
	struct post post;
	struct agendas *agendas;
	struct loop *loop; /* of who asks */
	struct todo todo;  /* its texts are in `texts` */
	char *texts;
	bool cancels;
	bool due_now; /* nothing is before it */
	int64_t slot;
	int64_t look_slot;              /* of another agenda that must look; or -1 */
	char token[TODO_TOKEN_LEN + 1]; /* of what was added, now or before */
	/* what on_done reads; it runs on `loop` */
	void (*on_done)(struct todo_ask *ask);
	void *user; /* may be set to NULL meanwhile: nobody waits any more */
	int result; /* 0; -EEXIST: the name is taken, or the idempotency key, by another request;
		     * -EBUSY: too many wait; -EAGAIN, -ENOSPC, …: it cannot be kept */
	int64_t id; /* of what was added */
	int64_t n;  /* of what was cancelled */
};

/* Keeps it; acknowledged after the commit. NULL: too much is waiting for the store. */
struct todo_ask *agendas_add(struct agendas *agendas, const struct todo *todo, struct loop *loop,
			     void (*on_done)(struct todo_ask *ask), void *user);

/* Removes what waits under that name. */
struct todo_ask *agendas_cancel(struct agendas *agendas, struct str name, struct loop *loop,
				void (*on_done)(struct todo_ask *ask), void *user);

/* Cancels the one that a client asks about by that token: one that waits is over at once, one that runs
 * soon. ask->n tells how many there were that were not over. */
struct todo_ask *agendas_cancel_token(struct agendas *agendas, struct str token, struct loop *loop,
				      void (*on_done)(struct todo_ask *ask), void *user);

/* Before the loops run. The agendas are the schedulers' afterwards. */
struct agendas *agendas_create(struct store *store, size_t n_schedulers);
void agendas_add_scheduler(struct agendas *agendas,
			   struct scheduler *scheduler); /* in the order of the loops */
void agendas_destroy(struct agendas *agendas); /* NULL is accepted; after the schedulers */

/* Any thread. */
struct agendas_stats {
	struct agendas_lane {
		size_t n_running;                  /* begun, and not yet over in the store */
		uint64_t n_done, n_failed, n_dead; /* failed: a try; dead: given up */
	} lanes[N_LANES];
};
void agendas_stats(struct agendas *agendas, struct agendas_stats *ret_stats);

/* ---- for the scheduler */
void agenda_start(struct agenda *agenda); /* has no effect the second time */
void agenda_stop(struct agenda *agenda, bool cancel);
size_t agenda_n_running(const struct agenda *agenda); /* flows; jobs are counted by the scheduler */
void agenda_destroy(struct agenda *agenda);

struct todo_run;
int64_t todo_id(const struct todo_run *run);

/* The run of a job that it has started is over, or was dropped before it began. */
void agenda_on_job_over(struct todo_run *run, const struct job_run *job_run);
