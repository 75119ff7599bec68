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

enum todo_kind { TODO_FLOW, TODO_JOB };

struct todo {
	enum todo_kind kind;
	struct str target; /* the flow or the job */
	struct str name;   /* to cancel or replace it by; or empty */
	struct str key;    /* whose order is kept; or empty */
	struct str
		idem; /* idempotency key: what was added with it before is not added again; or empty */
	struct str args; /* JSON: `with` of the flow, run.args of the job */
	bool replaces;   /* what waits under the same name */
	int64_t due_wall_ns;
	int64_t tries;     /* of a flow */
	uint64_t pause_ms; /* before the second; it doubles */
};

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
	int64_t look_slot; /* of another agenda that must look; or -1 */
	/* what on_done reads; it runs on `loop` */
	void (*on_done)(struct todo_ask *ask);
	void *user; /* may be set to NULL meanwhile: nobody waits any more */
	int result; /* 0; -EEXIST: the name is taken; -EAGAIN, -ENOSPC, …: it cannot be kept */
	int64_t id; /* of what was added */
	int64_t n;  /* of what was cancelled */
};

/* Keeps it; acknowledged after the commit. NULL: too much is waiting for the store. */
struct todo_ask *agendas_add(struct agendas *agendas, const struct todo *todo, struct loop *loop,
			     void (*on_done)(struct todo_ask *ask), void *user);

/* Removes what waits under that name. */
struct todo_ask *agendas_cancel(struct agendas *agendas, struct str name, struct loop *loop,
				void (*on_done)(struct todo_ask *ask), void *user);

/* Before the loops run. The agendas are the schedulers' afterwards. */
struct agendas *agendas_create(struct store *store, size_t n_schedulers);
void agendas_add_scheduler(struct agendas *agendas,
			   struct scheduler *scheduler); /* in the order of the loops */
void agendas_destroy(struct agendas *agendas); /* NULL is accepted; after the schedulers */

/* Any thread. */
struct agendas_stats {
	size_t n_running;                  /* begun, and not yet over in the store */
	uint64_t n_done, n_failed, n_dead; /* failed: a try; dead: given up */
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
