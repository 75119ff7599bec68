/* server/verbs/exec.h: what `exec:` is compiled to. Internal to it. */
#pragma once
#include "core/io/process.h"
#include "core/task/resource.h"
#include "server/body_source.h"
#include "server/flow/step.h"
#include "server/verbs/all.h"

#define EXEC_PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

struct exec_variable {
	struct str name;
	struct template_tree *value; /* null takes the variable away */
};

struct exec_config {
	/* as the keys say */
	const struct node *stdin_node, *env_node;
	struct setting_texts accept;
	struct str cwd;
	uint64_t max_output, kill_after_ms, idle_ms;
	int64_t running, waiting;
	bool stream;
	/* compiled */
	bool bounded;        /* `max_output` was said: with `stream` it has no default */
	const char *program; /* as written, or absolute, when it is written with a slash */
	const char *path;    /* where it was found at load; NULL: it is looked for at each start */
	const char *folder;  /* `cwd`, or NULL */
	size_t n_args, n_variables;
	struct template **args; /* behind the program */
	struct exec_variable *variables;
	struct template_tree *input; /* or NULL */
	struct str permits;          /* name of the pool of `running` */
	uint8_t accepted[256 / 8];   /* bits: exit statuses that are no failure */
};

extern const struct setting exec_keys[];
bool exec_compile(struct verb_compiler *compiler, const struct node *value, void *config);

/* exec_input.c: what the program is given, in the step's arena. */
struct exec_input {
	const char **argv, **envp;
	struct str input;
};

/* 0; -EINVAL, -EBADMSG (a NUL where there can be none), -ENOMEM as evaluations return them. */
int exec_make_input(struct step_run *run, struct exec_input *ret_input);

/* The variables of leat's own environment that every program gets. */
extern const char *const exec_variable_names[];
enum { EXEC_PASSED_MAX = 4 };

/* ------------------------------------------------------------ one run */

/* A block of its own, that may outlive its task. */
struct exec_run {
	struct step_run *step;            /* NULL: its task has ended */
	const struct exec_config *config; /* while there is a step, or the source is open */
	struct context *context;          /* the same */
	struct wait_task permit;
	struct process process;
	struct exec_input input; /* in the step's arena */
	struct buf out[2];       /* what it has written; by enum process_output */
	/* with `stream` */
	struct body_source source;
	struct timer idle; /* while the source waits */
	struct arena_budget *budget;
	size_t n_budget;  /* of `out`, taken from the budget */
	char *buffer;     /* NULL: nothing was read that is not taken */
	struct str piece; /* what the next read gives, in the buffer; empty: nothing yet */
	uint64_t n_passed;
	int error;    /* why the rest of the body is lost; 0: it is not */
	bool ended;   /* the process is gone */
	bool open;    /* the source */
	bool waiting; /* for on_more() */
};

struct exec_state {
	struct exec_run *run; /* NULL: not started, or over */
	bool ran;             /* the rest is known */
	struct child_exit exit;
	struct value text, error_text;
	struct body_source *source; /* NULL: none, or taken */
};

void exec_run_destroy(struct exec_run *run); /* the process is gone */

/* The task ends without waiting for the process, which is made to end. */
void exec_abandon(struct exec_run *run, enum error_code code, struct str detail);

/* The task ends as the process has. */
void exec_finish(struct exec_run *run);

bool exec_is_accepted(const struct exec_config *config, const struct child_exit *exit);
const char *exec_name(const struct exec_config *config); /* of the program, without its folder */
struct str exec_too_large(const struct exec_run *run);

/* "convert ended with status 2: no such file" */
struct str exec_describe(const struct exec_config *config, const struct child_exit *exit,
			 struct str error_text, struct arena *arena);

/* exec_stream.c */
extern const struct process_ops exec_stream_ops;
struct body_source *exec_source(struct step_run *step);
