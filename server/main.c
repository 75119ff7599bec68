/* server/main.c: the command line. */
#include "core/base/version.h"
#include "server/cli/cli.h"
#include "server/gpu/gpu_environment.h"
#include <getopt.h>
#include <stdio.h>

#define CONF_DEFAULT "/etc/leat/leat.yaml"

const struct command commands[] = {
	{ "run", cli_run, "", "serve, in the foreground" },
	{ "check", cli_check, "[--strict]", "check the configuration and print all errors" },
	{ "reload", cli_reload, "[--json]",
	  "have the running daemon reload; fails when it refuses" },
	{ "upgrade", cli_upgrade, "[--json]",
	  "have a new process, of the program as it is now, take the running one's place" },
	{ "status", cli_status, "[--json]", "what is running" },
	{ "routes", cli_routes, "[--json] [--running]", "the route table" },
	{ "explain", cli_explain, "[METHOD] PATH [--running]",
	  "which route matches, and its tasks in waves" },
	{ "graph", cli_graph, "NAME [--dot|--mermaid] [--running]",
	  "the task graph of a route, job or flow" },
	{ "jobs", cli_jobs,
	  "[list | run|pause|resume|history NAME] [--json] [--arg KEY=TEXT] [--args JSON] [--wait]",
	  "the jobs" },
	{ "cache", cli_cache, "[list | purge [NAME [KEY|PREFIX*]]] [--json]",
	  "what caches keep; forgets it" },
	{ "log", cli_log, "[error|warning|info|debug] [--json]",
	  "what is logged; another level until the next reload" },
	{ "schema", cli_schema, "[-c FILE]",
	  "JSON Schema of the configuration, for editors; with the verbs of FILE's modules" },
	{ "completion", cli_completion, "bash|zsh|fish", "what that shell completes behind leat" },
	{ "jq-worker", cli_jq_worker, NULL, NULL }, /* leat starts it itself; the last */
};

enum {
	OPT_ADMIN = 256,
	OPT_STRICT,
	OPT_JSON,
	OPT_RUNNING,
	OPT_DOT,
	OPT_MERMAID,
	OPT_VERSION,
	OPT_ARG,
	OPT_ARGS,
	OPT_WAIT
};

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "admin", required_argument, NULL, OPT_ADMIN },
	{ "strict", no_argument, NULL, OPT_STRICT },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "running", no_argument, NULL, OPT_RUNNING },
	{ "dot", no_argument, NULL, OPT_DOT },
	{ "mermaid", no_argument, NULL, OPT_MERMAID },
	{ "arg", required_argument, NULL, OPT_ARG },
	{ "args", required_argument, NULL, OPT_ARGS },
	{ "wait", no_argument, NULL, OPT_WAIT },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static void print_help(FILE *file)
{
	fprintf(file, "usage: leat COMMAND [-c FILE] [options]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands) && commands[i].help; i++)
		fprintf(file, "  %-10s %-48s %s\n", commands[i].name, commands[i].synopsis,
			commands[i].help);
	fprintf(file, "\n  -c FILE          the configuration; " CONF_DEFAULT " when not said\n"
		      "  --admin ADDRESS  where the daemon is reached; as the configuration says "
		      "when not said\n"
		      "  --version        the version\n");
}

int cli_usage(const char *message)
{
	fprintf(stderr, "leat: %s\nleat: see leat --help\n", message);
	return EXIT_USAGE;
}

/* False when the command line is wrong, or said all by itself; *ret_code is then the exit code. */
static bool read_options(int argc, char **argv, struct cli *cli, int *ret_code)
{
	int option;

	*ret_code = EXIT_USAGE;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			cli->conf_path = optarg;
			cli->has_conf = true;
			break;
		case OPT_ADMIN:
			cli->admin = optarg;
			break;
		case OPT_STRICT:
			cli->strict = true;
			break;
		case OPT_JSON:
			cli->json = true;
			break;
		case OPT_RUNNING:
			cli->running = true;
			break;
		case OPT_DOT:
			cli->dot = true;
			break;
		case OPT_MERMAID:
			cli->mermaid = true;
			break;
		case OPT_ARG:
			if (cli->n_run_arg == CLI_ARGS_MAX) {
				cli_usage("--arg can be said 64 times");
				return false;
			}
			cli->run_arg[cli->n_run_arg++] = optarg;
			break;
		case OPT_ARGS:
			cli->run_args = optarg;
			break;
		case OPT_WAIT:
			cli->wait = true;
			break;
		case OPT_VERSION:
			printf("leat " LEAT_VERSION "\n");
			*ret_code = EXIT_DONE;
			return false;
		case 'h':
			print_help(stdout);
			*ret_code = EXIT_DONE;
			return false;
		default:
			fprintf(stderr, "leat: see leat --help\n");
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct cli cli = { .conf_path = CONF_DEFAULT, .argv = argv };
	int code;

	if (!read_options(argc, argv, &cli, &code))
		return code;
#if WITH_GPU
	gpu_environment_set();
#endif
	if (optind == argc) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[optind], "help") == 0) { /* what many try first */
		print_help(stdout);
		return EXIT_DONE;
	}
	cli.n_args = argc - optind - 1;
	cli.args = argv + optind + 1;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(argv[optind], commands[i].name) == 0)
			return commands[i].run(&cli);
	fprintf(stderr, "leat: there is no command \"%s\"; see leat --help\n", argv[optind]);
	return EXIT_USAGE;
}
