/* server/cli/upgrade.c: `leat upgrade`. */
#include "server/cli/cli.h"
#include "server/expr/json.h"
#include <stdio.h>

static void upgrade_print(struct value answer, struct arena *arena)
{
	struct str text = cli_text(answer, "diagnostics", arena),
		   pid = cli_text(answer, "pid", arena);

	fprintf(stderr, "%.*s", STR_ARG(text));
	if (str_eq(cli_text(answer, "upgraded", arena), STR("true")))
		printf("upgraded: process %s (leat %s) serves, process %s finishes what is in "
		       "work\n",
		       pid.ptr, cli_text(answer, "version", arena).ptr,
		       cli_text(answer, "before", arena).ptr);
	else
		fprintf(stderr, "leat: upgrade refused; process %s goes on\n", pid.ptr);
}

int cli_upgrade(const struct cli *cli)
{
	struct value answer;
	struct arena arena;
	struct buf body;
	int status = 0, code;

	if (cli->n_args)
		return cli_usage("upgrade takes no arguments");
	code = cli_ask(cli, "POST", "/v1/upgrade", &status, &body);
	arena_init_required(&arena);
	if (code == EXIT_DONE && cli->json)
		printf("%.*s\n", STR_ARG(buf_str(&body)));
	else if (code == EXIT_DONE && (status == 200 || status == 409) &&
		 json_read(buf_str(&body), &arena, &answer, NULL) == 0)
		upgrade_print(answer, &arena);
	else if (code == EXIT_DONE && status == 404)
		fprintf(stderr, "leat: the running leat is too old to be upgraded; restart it\n");
	else if (code == EXIT_DONE)
		cli_print_problem(buf_str(&body), &arena);
	arena_fini(&arena);
	buf_fini(&body);
	return code != EXIT_DONE ? code
	       : status == 200   ? EXIT_DONE
	       : status == 404   ? EXIT_UNREACHABLE
				 : EXIT_REFUSED;
}
