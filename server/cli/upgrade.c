/* server/cli/upgrade.c: `leat upgrade`. */
#include "server/cli/cli.h"
#include <stdio.h>

static void upgrade_print(struct value answer, bool refused, struct arena *arena)
{
	struct str text = cli_text(answer, "diagnostics", arena),
		   pid = cli_text(answer, "pid", arena);

	fprintf(stderr, "%.*s", STR_ARG(text));
	if (refused)
		fprintf(stderr, "leat: upgrade refused; process %s goes on\n", pid.ptr);
	else
		printf("upgraded: process %s (leat %s) serves, process %s finishes what is in "
		       "work\n",
		       pid.ptr, cli_text(answer, "version", arena).ptr,
		       cli_text(answer, "before", arena).ptr);
}

int cli_upgrade(const struct cli *cli)
{
	return cli_ask_and_print(cli, "POST", "/v1/upgrade", upgrade_print);
}
