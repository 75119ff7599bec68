/* server/flow/flow.h: a route's (or job's, or flow's) tasks compiled to a graph, and one run of it.
 *
 * Compiling infers the graph from what each task refers to (DESIGN §1.3.1); a flow is immutable
 * and lives in the arena of its generation. A run is embedded in who runs it, lives on one loop
 * and ends exactly once. */
#pragma once
#include "conf/settings.h"
#include "core/task/graph.h"
#include "core/task/task.h"
#include "server/expr/template.h"
#include "server/flow/context.h"
#include "server/flow/error.h"

enum {
	FLOW_TASKS_MAX = 1000, /* of one `tasks:` */
	FLOW_NESTING_MAX = 16, /* groups in groups, at load */
	FLOW_CALLS_MAX = 32,   /* flows in flows, at run time: past it flow_depth */
};

struct actor_section;
struct actor_spec;
struct cache_list;
struct capture;
struct compute_queues;
struct data_root;
struct gpu_set;
struct jq_check;
struct natives;
struct flow;
struct flow_locals;
struct flow_race;
struct shared_things;
struct flow_run;
struct kafka_section;
struct redis_section;
struct sql_db;
struct tally;
struct step; /* a compiled task */
struct upstream;

/* What is known while a configuration is compiled. One for the whole load. */
struct flow_compiler {
	struct arena *arena; /* required */
	struct diag *diag;
	/* The `http:` upstream of that name, or NULL. */
	struct upstream *(*upstream)(struct flow_compiler *compiler, struct str name);
	/* The text with ${…} that its calls are balanced by, or NULL. */
	const struct node *(*upstream_key)(struct flow_compiler *compiler, struct str name);
	const char *const *upstream_names; /* for suggestions, NULL at the end */
	/* The database of that name in `sql:`, or NULL. */
	struct sql_db *(*sql)(struct flow_compiler *compiler, struct str name);
	const char *const *sql_names;
	const struct redis_section *redis; /* `redis:`; NULL: nothing is declared */
	const struct kafka_section *kafka; /* `kafka:`; NULL: nothing is declared */
	/* The flow of that name in `flows:`, declared but perhaps not yet compiled; or NULL. */
	struct flow *(*flow)(struct flow_compiler *compiler, struct str name);
	const char *const *flow_names;
	const char *const *path_names;       /* of the route that is compiled; see expr_names */
	const struct shared_things *shared;  /* `shared:`; NULL: nothing is declared */
	const struct compute_queues *queues; /* of `compute:`; NULL: nothing computes */
	bool (*constant)(const struct expr_names *names, enum expr_root root, struct str name,
			 struct str *ret_text); /* see expr_names */
	const struct node *defaults;            /* `defaults:` of the file, whose `task:` is for
						   tasks; or NULL */
	struct data_root *data_root;            /* of tasks on files; NULL: there are none */
	struct gpu_set *gpu; /* `gpu:` and the programs of kernels; NULL: there can be none */
	const struct actor_section *actors; /* `actors:`; NULL: nothing is declared */
	const struct actor_spec *actor;     /* whose handler is compiled; NULL: nobody's */
	const struct peer_section *peers;   /* `peers:`; NULL: nothing is declared */
	const struct natives *natives;      /* of `modules:`; NULL: there are none */
	struct cache_list *caches;          /* NULL: nothing is kept */
	struct jq_check *jq_check; /* made with the first jq program; who loads destroys it */
	struct flow *
		flows; /* all that were declared, inner ones too; NULL at first. See flows_fini() */
};

/* A flow that does not exist yet, so that others may call it (recursion is bounded at run time). */
struct flow *flow_declare(struct flow_compiler *compiler, struct str name);

/* Frees what the flows have outside of the arena: all of compiler->flows, which a generation
 * keeps until its end. */
void flows_fini(struct flow *flows);

/* Before flow_compile(): whoever runs the flow can pass on the body of a task with `stream: true`. */
void flow_allow_streams(struct flow *flow);

/* Compiles `tasks` (a NODE_MAP, or NULL: no tasks) into a declared flow. `roots` are those that
 * exist for it; `result` (may be NULL) is what the flow gives. False when there were errors;
 * they are in the compiler's diag. */
bool flow_compile(struct flow_compiler *compiler, struct flow *flow, const struct node *tasks,
		  const struct node *result, uint64_t roots);

/* Checks `defaults: {task: …}` itself, once a load: what the tasks take from it is `timeout` and
 * `retry`. False when there were errors. */
bool flow_check_defaults(struct flow_compiler *compiler);

/* The first task in a flow whose result cannot stand for it, as it changes something; false: there is
 * none. When those that it calls are compiled. */
bool flow_find_change(const struct flow *flow, struct str *ret_name);

/* When all flows are compiled: that results of those with `cache:` may stand for them. */
bool flow_check_cached(struct flow_compiler *compiler);

/* The names for expressions that read the ended flow: reply:, on_error:, result:. Also for
 * compiling those: refers to every task by number. */
const struct expr_names *flow_names(const struct flow *flow);
bool flow_is_empty(const struct flow *flow);
uint64_t flow_roots(const struct flow *flow); /* ROOT_BIT()s that its tasks and `result` read */
struct str flow_name(const struct flow *flow);

/* How a run stands. */
struct flow_run {
	const struct flow *flow;
	struct context *context;
	struct flow_run *parent; /* the run whose group this is: its names are visible; or NULL */
	struct flow_race *race;  /* of a run whose tasks race; or NULL */
	const struct flow_locals *locals; /* item, index, repeat; or NULL: see step.h */
	const struct flow_run *
		round; /* of a repeated task: the round before, which its own name means; or NULL */
	struct scope scope;
	struct graph graph;
	struct step_run *steps;   /* by number; NULL when there was no memory */
	const struct value *with; /* ROOT_WITH, or NULL */
	struct expr_env env;      /* for expressions of this run */
	struct failure failure; /* of the first required task that failed, or of the flow itself */
	uint64_t span;          /* that its tasks are parts of; 0: they are not told of */
	unsigned depth;         /* of calls */
	bool stopping;          /* something failed, or it was cancelled: nothing new starts */
	bool started, ended;
	const struct capture *capture; /* of a run that stands for another: see capture.c */
	struct ready ready;            /* a start or an end that must not happen in its caller */
	void (*on_end)(
		struct flow_run
			*run); /* from the loop; the run may be freed. failure.code tells how */
};

/* Prepares a run; `on_end` is called once after flow_run_start(). Needs context->arena. */
void flow_run_init(struct flow_run *run, const struct flow *flow, struct context *context,
		   void (*on_end)(struct flow_run *run));

/* The same for one that is run again and again: what it needs of the arena is kept in *memory,
 * which is NULL at first and belongs to this flow then. The results of the run before are gone. */
void flow_run_init_again(struct flow_run *run, const struct flow *flow, struct context *context,
			 void (*on_end)(struct flow_run *run), void **memory);
void flow_run_start(struct flow_run *run);

/* The moment (monotonic) at which the run ends with timeout. Before or after the start. */
void flow_run_set_deadline(struct flow_run *run, uint64_t deadline_ns);

/* Every task is cancelled; the run ends soon, with ERROR_CANCELLED unless it had failed already. */
void flow_run_cancel(struct flow_run *run);

/* The environment in which reply: and on_error: are evaluated after the end: tasks, roots,
 * ${error}. */
struct expr_env *flow_run_env(struct flow_run *run);

/* `result:` evaluated (null without one). 0, -EINVAL, -ENOMEM, as template_tree_eval(). */
int flow_run_result(struct flow_run *run, struct value *ret);

/* How long a task of a run has taken; false: it has not ended, or was skipped. */
size_t flow_run_n_tasks(const struct flow_run *run); /* 0 before the run was made */
bool flow_run_took(const struct flow_run *run, size_t task, struct str *ret_name, uint64_t *ret_ns);

/* ---- for `leat explain` and `leat graph` */
struct flow_task_info {
	struct str name, verb, summary; /* summary: "users:/v1/users/${path.id}" as written */
	struct str notes;               /* "each ${ids}, 8 at once; lock x"; or empty */
	size_t wave;                    /* 0: at once */
	bool guard, detached, optional, has_default;
	uint64_t timeout_ms; /* 0: none of its own */
	const struct tally *tally;
	const struct flow *group; /* nested tasks, or the flow that it calls; or NULL */
	bool calls;               /* `group` is a flow of its own */
	size_t n_before;
	const uint32_t *before; /* numbers of the tasks that it waits for */
};
size_t flow_n_tasks(const struct flow *flow);
void flow_task_info(const struct flow *flow, size_t task, struct flow_task_info *ret_info);
