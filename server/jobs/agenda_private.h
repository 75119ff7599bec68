/* server/jobs/agenda_private.h: what agenda.c and todo_run.c share. */
#pragma once
#include "core/base/heap.h"
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

struct agendas {
	struct store *store;
	atomic_size_t n_running;
	_Atomic uint64_t n_done, n_failed, n_dead;
	size_t n_agendas;
	struct agenda *agendas[];
};

struct near {
	struct heap_node node;
	int64_t id, due_wall_ns;
};

struct agenda {
	struct agendas *agendas;
	struct scheduler *scheduler;
	struct loop *loop;
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

enum todo_end { TODO_OK, TODO_AGAIN, TODO_DEAD };

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
	int64_t due_wall_ns; /* of TODO_AGAIN */
	char error[HISTORY_ERROR_MAX];
	/* of a flow */
	struct arena arena;
	struct context context;
	struct flow_run flow;
	struct value with;
	void *generation;
	char name[32];
};

/* ---- agenda.c */
void agenda_add_near(struct agenda *agenda, int64_t id, int64_t due_wall_ns);
void agenda_arm(struct agenda *agenda);

/* ---- todo_run.c */
void todo_run_begin(struct agenda *agenda, int64_t id);
void todo_run_cancel(struct todo_run *run);
void todo_run_destroy(struct todo_run *run);
