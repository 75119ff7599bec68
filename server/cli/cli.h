/* server/cli/cli.h: the subcommands of leat.
 *
 * To add one: write its function in this folder, declare it here, list it in server/main.c. */
#pragma once
#include "core/base/buf.h"
#include "server/expr/value.h"

/* DESIGN §1.7 */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,     /* or errors were found */
	EXIT_USAGE = 2,       /* the command line is wrong */
	EXIT_UNREACHABLE = 3, /* the daemon cannot be reached */
};

enum { CLI_ARGS_MAX = 64 };

struct cli {
	const char *conf_path;
	const char *admin; /* --admin ADDRESS; NULL: as the configuration says */
	bool has_conf;     /* -c was said */
	bool strict, json, running, dot, mermaid, wait;
	const char *run_args; /* --args JSON; or NULL */
	size_t n_run_arg;
	const char *run_arg[CLI_ARGS_MAX]; /* --arg KEY=TEXT */
	int n_args;
	char *const *argv; /* all of it */
	char **args;       /* what is left behind the options */
};

typedef int cli_fn(const struct cli *cli);
cli_fn cli_run, cli_check, cli_reload, cli_status, cli_routes, cli_explain, cli_graph, cli_jobs,
	cli_schema, cli_jq_worker, cli_cache, cli_log, cli_completion, cli_upgrade;

/* All of them, in server/main.c; those without help are for leat itself, and stand last. */
struct command {
	const char *name;
	cli_fn *run;
	const char *synopsis, *help;
};
extern const struct command commands[];

/* Asks the running daemon. EXIT_DONE with the answer, or EXIT_UNREACHABLE, which is explained on
 * stderr. `body` is initialised here; buf_fini() it in any case. */
int cli_ask(const struct cli *cli, const char *method, const char *target, int *ret_status,
	    struct buf *body);

/* The same with a body of the request's own. */
int cli_ask_with(const struct cli *cli, const char *method, const char *target, struct str content,
		 int *ret_status, struct buf *body);

/* A command that takes no arguments: asks, and prints the answer, by `print` or as it came (--json). It is what was
 * done, or `refused` with why (`diagnostics`); anything else is explained on stderr. */
typedef void cli_print_fn(struct value answer, bool refused, struct arena *arena);
int cli_ask_and_print(const struct cli *cli, const char *method, const char *target,
		      cli_print_fn *print);

/* Percent-encodes a segment or a query value into `out`. */
void cli_encode(struct str text, struct buf *out);

/* The member of an object as text ("" when absent), for printing. In `arena`. */
struct str cli_text(struct value object, const char *key, struct arena *arena);
struct value cli_member(struct value object, const char *key, struct arena *arena);
void cli_print_caches(struct value list, struct arena *arena); /* one a line */

/* What a refusal says: the detail of its problem, else the answer as it came. */
void cli_print_problem(struct str body, struct arena *arena);
int cli_usage(const char *message);
