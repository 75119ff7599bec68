/* server/cli/file.c: the commands that work on a configuration file: check, routes, explain,
 * graph. With --running the last three ask the daemon instead. */
#include "core/base/memory.h"
#include "server/admin/admin.h"
#include "server/cli/cli.h"
#include "server/generation.h"
#include "server/jq/jq_worker.h"
#include "server/server.h"
#include <stdio.h>

enum { FREED_KEPT = 4 << 20 }; /* more than what some hundred requests on one thread hold */

int cli_run(const struct cli *cli)
{
	if (cli->n_args)
		return cli_usage("run takes no arguments");
	mem_keep_freed(FREED_KEPT);
	return server_run(cli->conf_path, cli->argv);
}

int cli_jq_worker(const struct cli *cli)
{
	return cli->n_args ? cli_usage("jq-worker takes no arguments") : jq_worker_main();
}

/* Loads without touching anything; prints what is wrong. NULL when something is. */
static struct generation *cli_load(const struct cli *cli)
{
	struct generation *generation;
	struct diag diag;

	diag_init(&diag);
	generation = generation_load(cli->conf_path, NULL, true, cli->strict, &diag);
	diag_print(&diag, stderr);
	if (!generation)
		fprintf(stderr, "%s: %zu error%s\n", cli->conf_path, diag.n_errors,
			diag.n_errors == 1 ? "" : "s");
	diag_fini(&diag);
	return generation;
}

int cli_check(const struct cli *cli)
{
	struct generation *generation;

	if (cli->n_args)
		return cli_usage("check takes no arguments; name the file with -c");
	generation = cli_load(cli);
	if (!generation)
		return EXIT_REFUSED;
	printf("%s: ok, %zu route%s, %zu job%s\n", cli->conf_path, generation->n_routes,
	       generation->n_routes == 1 ? "" : "s", generation->n_jobs,
	       generation->n_jobs == 1 ? "" : "s");
	generation_destroy(generation);
	return EXIT_DONE;
}

static int cli_print_asked(const struct cli *cli, const char *target)
{
	struct buf body;
	int status = 0, code = cli_ask(cli, "GET", target, &status, &body);

	if (code == EXIT_DONE && body.len)
		fwrite(body.data, 1, body.len, stdout);
	buf_fini(&body);
	return code != EXIT_DONE ? code : status == 200 ? EXIT_DONE : EXIT_REFUSED;
}

int cli_routes(const struct cli *cli)
{
	struct generation *generation;
	struct buf out;

	if (cli->n_args)
		return cli_usage("routes takes no arguments");
	if (cli->running)
		return cli_print_asked(cli, "/v1/routes");
	generation = cli_load(cli);
	if (!generation)
		return EXIT_REFUSED;
	buf_init(&out, SIZE_MAX);
	if (cli->json) {
		admin_write_routes_json(generation, &out);
		buf_add_char(&out, '\n');
	} else {
		admin_write_routes(generation, &out);
	}
	fwrite(out.data, 1, out.len, stdout);
	buf_fini(&out);
	generation_destroy(generation);
	return EXIT_DONE;
}

int cli_explain(const struct cli *cli)
{
	struct str method = str_of(cli->n_args == 2 ? cli->args[0] : "GET");
	struct str path = str_of(cli->n_args ? cli->args[cli->n_args - 1] : "");
	struct generation *generation;
	struct buf out;
	int status, code;

	if (cli->n_args < 1 || cli->n_args > 2)
		return cli_usage("explain takes a method and a path: leat explain GET /user/7");
	buf_init(&out, SIZE_MAX);
	if (cli->running) {
		buf_add(&out, STR("/v1/explain?method="));
		cli_encode(method, &out);
		buf_add(&out, STR("&path="));
		cli_encode(path, &out);
		buf_add_char(&out, '\0');
		code = cli_print_asked(cli, out.data);
		buf_fini(&out);
		return code;
	}
	generation = cli_load(cli);
	if (!generation)
		return EXIT_REFUSED;
	code = admin_write_explain(generation, method, path, &out, &status) ? EXIT_DONE
									    : EXIT_REFUSED;
	fwrite(out.data, 1, out.len, code == EXIT_DONE ? stdout : stderr);
	buf_fini(&out);
	generation_destroy(generation);
	return code;
}

static struct str cli_join_args(const struct cli *cli, struct buf *joined)
{
	for (int i = 0; i < cli->n_args; i++) {
		if (i)
			buf_add_char(joined, ' ');
		buf_add(joined, str_of(cli->args[i]));
	}
	return buf_str(joined);
}

int cli_graph(const struct cli *cli)
{
	enum graph_format format = cli->dot ? GRAPH_DOT : cli->mermaid ? GRAPH_MERMAID : GRAPH_TEXT;
	static const char *const names[] = { "text", "dot", "mermaid" };
	struct buf joined, out;
	struct generation *generation;
	int code = EXIT_REFUSED;
	struct str name;

	if (cli->n_args < 1)
		return cli_usage("graph takes a route as it is written, a job or a flow: leat "
				 "graph 'GET /user/{id}'");
	buf_init(&joined, SIZE_MAX);
	buf_init(&out, SIZE_MAX);
	name = cli_join_args(cli, &joined);
	if (cli->running) {
		buf_printf(&out, "/v1/graph?format=%s&name=", names[format]);
		cli_encode(name, &out);
		buf_add_char(&out, '\0');
		code = cli_print_asked(cli, out.data);
	} else if ((generation = cli_load(cli))) {
		if (admin_write_graph(generation, name, format, &out))
			code = EXIT_DONE;
		else
			fprintf(stderr,
				"leat: there is no route, job, flow or handler (ACTOR.HANDLER) "
				"\"%.*s\"; see leat routes\n",
				STR_ARG(name));
		fwrite(out.len ? out.data : "", 1, out.len, stdout);
		generation_destroy(generation);
	}
	buf_fini(&joined);
	buf_fini(&out);
	return code;
}
