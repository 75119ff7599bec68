/* server/verbs/exec.h: what `exec:` is compiled to. Internal to it. */
#pragma once
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
	uint64_t max_output, kill_after_ms;
	int64_t running, waiting;
	/* compiled */
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
