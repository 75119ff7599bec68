/* server/verbs/verb.h: what a task can do: one verb a file, each with its table of keys.
 *
 * A task in YAML is a map with exactly one verb, that verb's keys, and modifiers
 * (server/flow/step.h). The verb's own value is given to compile(). At run time start() is
 * called, perhaps several times (retry), each time with run->state cleared; it leads to exactly
 * one step_done(). */
#pragma once
#include "conf/settings.h"
#include "server/flow/flow.h"

struct step_run;

/* What a verb's compile() works with. */
struct verb_compiler {
	struct flow_compiler *flow;
	struct expr_compiler *expr; /* with the names and the uses of this task */
	struct step *step;
	struct str task_name;
	void *names; /* of the lexical scope; for verbs that hold tasks (group) */
};

struct verb {
	const char *name;           /* "get" */
	const char *help;           /* one sentence */
	const struct setting *keys; /* rows for the keys beside the verb; may be NULL */
	size_t config_size;         /* of the struct that `keys` write to, zeroed before */
	size_t state_size;          /* of run->state */
	bool is_guard;              /* `fail` */
	bool is_idempotent; /* a second try does no harm; the compile() of a verb for which it depends clears
			       or sets step->idempotent */
	bool acts; /* what it does matters, not what it gives: its result cannot stand for it
		      (`cache:`). Where it depends, compile() sets step->acts */
	const char *const *
		fields; /* result fields that may be named in expressions, besides ok failed skipped error
				       ms; NULL at the end */
	const char *main_field; /* what ${x} alone is; NULL: null */

	/* `value` is what stands at the verb's key. Errors go to the diag; false when there was
	 * one. */
	bool (*compile)(struct verb_compiler *compiler, const struct node *value, void *config);

	/* step_done() may be called before it returns. */
	void (*start)(struct step_run *run);

	/* Called at most once a start, before step_done(): must make it happen soon. NULL:
	 * start() always ends at once. */
	void (*cancel)(struct step_run *run);

	/* A field's value after step_done() (also of a failure, where it makes sense: .status of
	 * upstream_status). A field that has no value is null. 0 or a negative errno. */
	int (*field)(struct step_run *run, struct str name, struct value *ret);

	/* Of a verb with the key `stream`: the body that a task has left open in its context, once;
	 * then NULL. */
	struct body_source *(*source)(struct step_run *run);
};

extern const struct verb *const verbs[]; /* leat's own; NULL at the end */
const struct verb *verb_find(struct str name);
const struct verb *verb_find_in(const struct verb *const table[], struct str name);

/* Those that a configuration may use: its modules add some (server/native/natives.h). */
const struct verb *const *flow_verbs(const struct flow_compiler *compiler);

/* One task in one run. */
struct step_run {
	struct task task; /* in run->scope */
	const struct step *step;
	const void *config; /* the verb's, compiled */
	void *state;        /* the verb's, state_size bytes of the arena */
	struct flow_run *run;
	struct step_hold *hold; /* its lock and permit; NULL: it wants none */
	void *inner; /* memory of the run that the verb makes, kept from try to try: flow_run_init_again() */
	struct failure failure; /* of the last try; code ERROR_NONE: none */
	uint64_t started_ns, ended_ns;
	uint64_t span;      /* its own; 0: it is not told of */
	struct timer timer; /* `timeout:`, or the pause before the next try */
	uint32_t n_tries;
	uint8_t status;  /* enum step_status, step.h */
	bool timed_out;  /* its `timeout:` passed */
	bool cancelling; /* the verb was asked to end */
	bool held;       /* `hold` was made: it is given back at the end */
	bool sent;       /* set by the verb: the try may have been carried out by somebody else */
	bool fallback_failed;  /* `default:` could not be evaluated */
	uint64_t timeout_ns;   /* the moment of `timeout:`; UINT64_MAX: none */
	uint64_t resume_ns;    /* of the next try */
	struct value fallback; /* what `default:` gave, when it failed */
};

/* Ends the try at hand. `code` is ERROR_NONE for success; `detail` must live as long as the
 * run's arena. */
void step_done(struct step_run *run, enum error_code code, struct str detail);

/* Ends it by what an evaluation returned: -EINVAL expr_error, -EBADMSG invalid_input, -ENOMEM
 * memory_limit; the message is taken from the environment. */
void step_done_errno(struct step_run *run, int error);

struct expr_env *step_env(struct step_run *run);
struct arena *step_arena(struct step_run *run);
