/* server/flow/step.h: the compiled form of flows and tasks, and what flow/ and verbs/ share.
 * Internal to both.
 *
 * A name in an expression is compiled to a number: how many groups further out its flow is, and
 * the index in that flow (step_number()). At run time the runs are climbed the same way. */
#pragma once
#include "server/cache/cache.h"
#include "server/flow/shared.h"
#include "server/flow/statuses.h"
#include "server/verbs/verb.h"

/* ------------------------------------------------------------ compiled */

/* What a name refers to, seen from the flow that it stands in. */
struct step_ref {
	uint32_t number;
	struct place place;
};

struct step_refs {
	struct step_ref *refs;
	size_t n_refs, n_room;
};

enum { STEP_INDEX_BITS = 16 };

static inline uint32_t step_number(unsigned level, uint32_t index)
{
	return (uint32_t)level << STEP_INDEX_BITS | index;
}

static inline unsigned step_number_level(uint32_t number)
{
	return number >> STEP_INDEX_BITS;
}

static inline uint32_t step_number_index(uint32_t number)
{
	return number & ((UINT32_C(1) << STEP_INDEX_BITS) - 1);
}

struct retry {
	int64_t times; /* tries after the first */
	uint64_t wait_ms;
	bool has_codes;           /* `codes:` was said */
	uint64_t codes;           /* bits of enum error_code */
	struct statuses statuses; /* of upstreams */
};

/* When a task runs that waits for others. */
enum join {
	JOIN_DONE, /* when all have ended; as without `join:` */
	JOIN_OK,   /* all have succeeded; else it is skipped */
	JOIN_ANY,  /* one has succeeded; else it is skipped */
};

struct step {
	struct str name;
	struct tally *tally; /* a reference; NULL: it is not counted by itself */
	struct place place;  /* of the name */
	const struct node *node;
	const struct verb *verb;       /* NULL: there is none, which was told */
	const struct verb *known_verb; /* what its keys say, before it is compiled */
	void *config;
	size_t state_offset;
	struct expr *when;               /* NULL: none */
	struct template_tree *fallback;  /* `default:`; NULL: none */
	struct retry *retry;             /* NULL: none */
	struct template *lock;           /* NULL: none */
	const struct shared_thing *pool; /* `acquire:`; NULL: none */
	size_t hold_offset;  /* of struct step_hold among the states, when there is either */
	uint64_t timeout_ms; /* 0: none */
	enum join join;
	bool joins; /* `join:` was said */
	bool optional, detached, idempotent;
	bool acts;    /* its result cannot stand for it: see struct verb */
	bool streams; /* `stream: true`: its body is passed on, not kept */
	bool calls;   /* `group` is a flow of its own, not tasks of this one */
	bool wraps;   /* it runs the task of the user's, which is alone in `group`: wrap.c */
	struct expr_uses uses;
	struct step_refs refs;    /* every task that it names, also by after: */
	const struct flow *group; /* the tasks in it, or the flow that it calls */
	struct str verb_name, summary;
	struct str notes;      /* for people who look at the flow */
	size_t wave, n_before; /* plan.c */
	uint32_t *before;
};

struct flow_scope;
struct graph_plan;

struct flow {
	struct flow *next; /* in compiler->flows */
	struct str name;
	struct flow_scope *scope; /* NULL until it is compiled */
	uint64_t roots;           /* that exist in it */
	uint64_t own_roots;       /* those of them that exist only in it: item, index, repeat */
	bool races;               /* its tasks: race.c */
	bool finishes;            /* races, and the losers finish: finish.c */
	bool may_stream;          /* flow_allow_streams() */
	bool repeats;             /* its only task may name itself: the round before */
	uint64_t roots_used;
	size_t n_steps;
	struct step *steps;
	struct graph_plan *plan; /* NULL: there are no steps */
	struct template_tree *result;
	size_t state_size; /* of the states of all its steps */
	bool idempotent;   /* running it twice does no harm */
};

/* ------------------------------------------------------------ names.c */

/* The names of a flow's tasks, and those of the groups around it. */
struct flow_scope *scope_create(struct arena *arena, struct flow *flow, struct flow_scope *parent,
				const struct flow_compiler *compiler);
/* For the tasks themselves; and for what reads the ended flow, where detached tasks do not
 * exist. */
const struct expr_names *scope_inner_names(const struct flow_scope *scope);
const struct expr_names *scope_outer_names(const struct flow_scope *scope);
bool scope_find(const struct flow_scope *scope, struct str name, uint32_t *ret_number);
struct step *scope_step(const struct flow_scope *scope, uint32_t number);
bool scope_may_stream(const struct flow_scope *scope); /* the flow itself, not those around it */
const char *scope_nearest(const struct flow_scope *scope, struct str name);
unsigned scope_depth(const struct flow_scope *scope);

/* A name for this task that no other task of the configuration has, and that stays the same while
 * the task has its place: job or flow, groups, task. */
struct str scope_path(const struct flow_scope *scope, struct str task, struct arena *arena);

/* ------------------------------------------------------------ compile.c, task.c, modifiers.c,
 * plan.c */

/* As flow_compile(), for tasks inside the task `owner` of a flow: what they refer to outside is
 * added to it. */
bool flow_compile_inner(struct flow_compiler *compiler, struct flow *flow, const struct node *tasks,
			const struct node *result, struct flow_scope *parent, struct step *owner);

/* What stands in `owner` and reads the flow inside it (result:, until:) uses this, of which some
 * is outside. */
void flow_pass_uses(struct flow_compiler *compiler, struct flow *flow, struct step *owner,
		    const struct expr_uses *uses);

/* Compiles one task: its map is step->node. */
bool step_compile(struct flow_compiler *compiler, struct flow *flow, struct step *step);
void step_refs_add(struct step_refs *refs, struct arena *arena, uint32_t number,
		   struct place place);

struct modifiers {
	struct setting_texts after;
	const struct node *when, *fallback, *retry, *each, *repeat, *lock, *acquire, *cache;
	uint64_t timeout_ms;
	int64_t concurrency;
	int join; /* enum join */
	bool optional, detach;
};

extern const struct setting modifier_keys[], repeat_keys[];
bool modifiers_compile(struct verb_compiler *compiler, const struct modifiers *modifiers,
		       struct flow_scope *scope);

/* Whether the task runs others of its kind (each, repeat, detach), each of which is the task
 * without that modifier. */
bool step_is_wrapped(const struct modifiers *modifiers);
bool wrap_compile(struct verb_compiler *compiler, const struct modifiers *modifiers,
		  const struct node_entry *verb, const struct node *rest);

/* A racer that may finish though it has lost. */
bool wrap_finish(struct verb_compiler *compiler, const struct modifiers *modifiers,
		 const struct node_entry *verb, const struct node *rest);

/* For `leat explain`: adds to what is said of the task. */
void step_note(struct step *step, struct arena *arena, struct str note);

/* Order, guards and cycles. */
bool plan_compile(struct flow_compiler *compiler, struct flow *flow);

/* For verbs: a tree or text whose value can be seen from outside, so that a secret in it is an
 * error. `what` names it: "value". */
struct template_tree *verb_public_tree(struct verb_compiler *compiler, const struct node *node,
				       const char *what);
struct template *verb_public_text(struct verb_compiler *compiler, const struct node *node,
				  const char *what);
/* A composite name, where no value can forge another. For step_eval_name(). */
struct template *verb_public_path(struct verb_compiler *compiler, const struct node *node,
				  const char *what); /* TEMPLATE_FILE */
struct template *verb_public_name(struct verb_compiler *compiler, const struct node *node,
				  const char *what);
struct template *verb_public_actor(struct verb_compiler *compiler, const struct node *node,
				   const char *what);

/* Whether the key is the task's verb: `wait` is one, but not beside a verb that has such a key. */
bool entry_is_verb(const struct flow_compiler *compiler, const struct node *task,
		   const struct node_entry *entry);

/* [a-z_][a-z0-9_]* */
bool name_is_valid(struct str name);

/* ------------------------------------------------------------ running */

enum step_status {
	STEP_WAITING,   /* for other tasks, or the flow has stopped before it */
	STEP_HOLDING,   /* for its lock or permit */
	STEP_RUNNING,   /* the verb is at work */
	STEP_PAUSED,    /* between two tries */
	STEP_OK,        /* ended */
	STEP_FAILED,    /* ended; what `default:` gave is in .fallback */
	STEP_SKIPPED,   /* `when:` was false */
	STEP_CANCELLED, /* the flow stopped while it ran */
};

/* What exists in a run besides its context's roots. */
struct flow_locals {
	uint64_t roots; /* ROOT_BIT()s: item and index, or repeat */
	struct value item;
	int64_t index; /* of the element or of the round */
};

/* A run whose tasks race. */
struct flow_race {
	struct expr *accept; /* or NULL */
	struct step_run *winner;
	struct step_run *sole; /* while `accept` is asked: the only one whose results can be seen */
	struct failure failure; /* of the one that failed last */
};

/* race.c: a racer has ended. */
void flow_race_on_step(struct flow_run *run, struct step_run *step);

/* The run in which `number` is, seen from `run`; *ret_index is the index in its flow. */
const struct flow_run *flow_run_climb(const struct flow_run *run, uint32_t number,
				      uint32_t *ret_index);

/* The field of an ended task; what has no value is null. */
int step_field(struct step_run *run, struct str field, struct value *ret);

/* For verb.field of a verb that has no result: null. */
int step_field_none(struct step_run *run, struct str name, struct value *ret);

/* {code, detail, status, task}, or null when nothing failed. */
int failure_value(const struct failure *failure, struct arena *arena, struct value *ret);

/* env.c */
int flow_env_root(struct expr_env *env, enum expr_root root, struct str key, struct value *ret);
int flow_env_task(struct expr_env *env, unsigned number, struct str field, struct value *ret);
struct body_source *flow_env_source(struct expr_env *env, unsigned number);

/* told.c: it has ended, and has a span */
void step_tell(struct step_run *run);

/* join.c: whether the outcome of those that it waited for lets it run. */
bool step_may_run(const struct step_run *run);
bool join_check(struct flow_compiler *compiler, const struct flow *flow);

/* step.c */
void step_start(struct step_run *step, struct flow_run *run, uint32_t index);
void flow_run_on_step(struct flow_run *run, struct step_run *step); /* run.c: it has ended */
void flow_run_node_done(struct flow_run *run, struct step_run *step);

/* Ends the try as step_done(), with all that a failure may say. Its task is set to this one's
 * name, with the names that it has in front: "a" in the group g becomes "g.a". */
void step_fail(struct step_run *run, const struct failure *failure);

void step_try(struct step_run *run);

/* ------------------------------------------------------------ hold.c */

struct step_hold {
	struct step_run *step;
	struct wait_task lock, pool;
};

/* Waits for what the task holds, then step_try(). */
void step_hold_take(struct step_run *step);
void step_hold_cancel(struct step_run *step); /* while it waits */
void step_hold_release(struct step_run *step);

/* step_done() by how a wait has ended; `full` is what REASON_FULL means. */
void step_fail_reason(struct step_run *step, enum reason reason, enum error_code full);

/* 0; -EBADMSG for an empty one, or as evaluations give it. */
int step_eval_name(struct step_run *step, const struct template *name, struct str *ret_name);

/* What it means that an evaluation for this task returned `error`. */
struct failure step_errno_failure(struct step_run *run, int error);

/* The task's inner run has failed, and with it the task: as step_fail(), but the inner task has
 * the same name. */
void step_fail_wrapped(struct step_run *run, const struct failure *failure);

/* ------------------------------------------------------------ each.c, repeat.c: not among the
 * verbs */

struct each_config {
	struct flow *flow;
	struct template_tree *list;
	size_t concurrency;
};
extern const struct verb verb_each;

struct repeat_config {
	struct flow *flow;
	struct expr *condition;
	bool until; /* the condition ends it; else it goes on while the condition holds */
	const struct node *while_node, *until_node;
	int64_t max;
	uint64_t delay_ms;
};
extern const struct verb verb_repeat;

/* ------------------------------------------------------------ capture.c, detach.c */

/* What a detached task reads, copied. A run with one has no steps. */
struct capture;
struct capture_set;
const struct value *capture_find(const struct capture *capture, uint32_t index, struct str field);

/* Copies into `arena` what `step` of `run` reads. 0 or -ENOMEM. */
int capture_create(struct capture_set **ret_set, struct arena *arena, struct flow_run *run,
		   const struct step *step);

/* Copies the results of one task; capture_find() finds them by its index. 0 or -ENOMEM. */
int capture_step(struct capture **ret_capture, struct arena *arena, struct flow_run *from,
		 uint32_t index);

/* The value of a root in it; as context_ops.root(). */
int capture_root(const struct capture_set *set, struct arena *arena, enum expr_root root,
		 struct str key, struct value *ret);
/* The run that stands for the one that was copied. */
struct flow_run *capture_run(struct capture_set *set);
const struct value *capture_with(const struct capture_set *set);

/* A `detach: true` task: its flow of one is run by itself. */
struct detach_config {
	struct flow *flow;
	uint64_t deadline_ms;
};
extern const struct verb verb_detach;

/* A flow that has been started by a step and outlives its run. */
struct detached;

typedef void detached_fn(void *owner, struct flow_run *ended);

/* Starts the flow of the config. NULL: no memory, which was logged. `on_end` (NULL, as `owner`:
 * nobody waits) is called at its end, before its memory goes, unless detached_leave() came first;
 * then, and without one, its failure is logged. */
struct detached *detached_start(struct step_run *step, const struct detach_config *config,
				detached_fn *on_end, void *owner);
void detached_leave(struct detached *detached, bool cancel);

/* ------------------------------------------------------------ cached.c, cached_result.c */

/* `cache:`. */
struct cached_config {
	struct detach_config fill; /* first */
	struct cache_spec spec;
};
extern const struct verb verb_cached; /* not among the verbs */

/* Behind the compiling of the flow in it. `rest` is the task without its verb. */
bool cached_compile(struct verb_compiler *compiler, struct cached_config *config,
		    const struct node *node, const struct node *rest);

/* The fields of an ended task as bytes that stand for them, on the heap (`out` has no arena). A
 * secret among them is told, as is what is no UTF-8. */
int cached_write(struct flow_run *run, uint32_t index, struct buf *out, bool *ret_secret);

/* What was written, by name; null where there is nothing. The bytes are looked at as what somebody
 * else has written, where they come from elsewhere: -EBADMSG. The value refers to them. */
int cached_read(struct str bytes, struct str name, struct arena *arena, struct value *ret);
bool cached_is_valid(struct str bytes);

/* finish.c: a racer that finishes though it has lost: not among the verbs. Its config is a
 * struct detach_config. */
extern const struct verb verb_finish;
