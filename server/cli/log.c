/* server/cli/log.c: `leat log`: what the daemon logs, and another level. */
#include "server/cli/cli.h"
#include "server/expr/json.h"
#include <stdio.h>

static void log_print(struct value answer, struct arena *arena)
{
	struct str level = cli_text(answer, "level", arena),
		   configured = cli_text(answer, "configured", arena);

	printf("level    %s", level.ptr);
	if (!str_eq(level, configured))
		printf(" until the next reload; the configuration says %s", configured.ptr);
	printf("\nformat   %s\naccess   %s\nsample   %s\nlines    %s written, %s dropped\n",
	       cli_text(answer, "format", arena).ptr, cli_text(answer, "access", arena).ptr,
	       cli_text(answer, "sample", arena).ptr, cli_text(answer, "lines", arena).ptr,
	       cli_text(answer, "dropped", arena).ptr);
}

int cli_log(const struct cli *cli)
{
	struct value answer;
	struct arena arena;
	struct buf target, body;
	int status = 0, code;

	if (cli->n_args > 1)
		return cli_usage("log takes nothing, or a level: error, warning, info, debug");
	buf_init(&target, 4096);
	buf_add(&target, STR("/v1/log"));
	if (cli->n_args) {
		buf_add(&target, STR("?level="));
		cli_encode(str_of(cli->args[0]), &target);
	}
	buf_add_char(&target, '\0');
	code = cli_ask(cli, cli->n_args ? "PUT" : "GET", target.data, &status, &body);
	arena_init_required(&arena);
	if (code == EXIT_DONE && json_read(buf_str(&body), &arena, &answer, NULL) == 0) {
		if (status != 200)
			fprintf(stderr, "leat: %s\n", cli_text(answer, "detail", &arena).ptr);
		else if (cli->json)
			printf("%.*s\n", STR_ARG(buf_str(&body)));
		else
			log_print(answer, &arena);
	}
	arena_fini(&arena);
	buf_fini(&target);
	buf_fini(&body);
	return code != EXIT_DONE ? code : status == 200 ? EXIT_DONE : EXIT_REFUSED;
}
