/* server/jobs/agenda_private.h: what agenda.c and todo_run.c share. */
#pragma once
#include "core/base/heap.h"
#include "core/task/future.h"
#include "server/jobs/scheduler.h"
#include "server/jobs/todo.h"

enum {
	AGENDA_NEAR_MAX = 1000,   /* in memory */
	AGENDA_RUNNING_MAX = 100, /* at once, of one loop */
	AGENDA_LOOK_MS = 30000,   /* how often the store is asked for what comes near */
	AGENDA_NEAR_MS = 60000,   /* what is near */
	AGENDA_PAUSE_MS = 1000,   /* when the store does not work */
	AGENDA_RETRY_MAX_MS = 3600 * 1000,
};

/* Messages to actors: todo_send.c. */
struct todo_sends {
	void (*start)(struct todo_run *run);
	void (*cancel)(struct todo_run *run); /* the daemon cannot wait for it */
	void (*leave)(struct todo_run *run);  /* the run goes */
};

/* Requests of routes with `async`: server/async/replay.c, in the same way. */
struct todo_routes {
	void (*start)(struct todo_run *run);
	void (*cancel)(struct todo_run *run);
};

/* Of one lane. */
struct agenda_tally {
	atomic_size_t n_running;
	_Atomic uint64_t n_done, n_failed, n_dead;
};

struct agendas {
	struct store *store;
	const struct todo_sends *sends;   /* NULL: none are sent here */
	const struct todo_routes *routes; /* the same */
	struct agenda_tally tallies[N_LANES];
	size_t n_loops, n_loops_max;
	struct agenda *agendas[]; /* those of one lane, then those of the next */
};

struct near {
	struct heap_node node;
	int64_t id, due_wall_ns;
};

struct agenda {
	struct agendas *agendas;
	struct scheduler *scheduler;
	struct loop *loop;
	enum todo_lane lane;
	unsigned index; /* of the loop, for its slots */
	struct heap near;
	size_t n_near;
	struct list runs; /* of struct todo_run, whatever they are at */
	size_t n_runs, n_flows;
	struct timer timer;
	struct store_op op; /* of the look at the store, while `looking` */
	struct todo_next found[AGENDA_NEAR_MAX];
	int n_found;
	uint64_t looked_ns;
	bool started, recovered, looking, look_again, stopped;
};

enum todo_state {
	TODO_STARTING, /* the store is being told that it begins */
	TODO_RUNNING,
	TODO_ENDING, /* the store is being told how it ended; the timer tries again */
};

enum todo_end {
	TODO_OK,
	TODO_AGAIN,
	TODO_NOT_BEGUN, /* again, as if it had not been tried */
	TODO_DEAD,
	TODO_CANCELLED,
};

struct todo_run {
	struct list link;
	struct agenda *agenda;
	int64_t id;
	enum todo_state state;
	struct store_op op;
	bool asking; /* the op is the store's */
	struct todo_row row;
	struct todo_next next; /* of its key */
	struct timer timer;
	enum todo_end end;
	int64_t due_wall_ns; /* of TODO_AGAIN and TODO_NOT_BEGUN */
	char error[HISTORY_ERROR_MAX];
	/* of a flow */
	struct arena arena;
	struct context context;
	struct flow_run flow;
	struct value with;
	void *generation;
	char name[32];
	/* of a request */
	struct request *request; /* that runs again; NULL: it has ended */
	bool cancelled;          /* its client does not want it any more */
	int status;              /* of its answer; 0: there is none */
	struct buf fields, body;
	/* of a message */
	struct future *future; /* its answer; NULL: none is awaited */
	struct future_watch watch;
};

/* ---- agenda.c */
void agenda_add_near(struct agenda *agenda, int64_t id, int64_t due_wall_ns);
void agenda_arm(struct agenda *agenda);

/* ---- todo_run.c */
void todo_run_begin(struct agenda *agenda, int64_t id);
void todo_run_cancel(struct todo_run *run);
void todo_run_destroy(struct todo_run *run);
void todo_end(struct todo_run *run, enum todo_end end, struct str error);
void todo_fail(struct todo_run *run, struct str error); /* it is tried again, or given up */
