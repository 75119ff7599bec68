/* server/cli/jobs.c: `leat jobs`. */
#include "server/cli/cli.h"
#include "server/expr/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { POLL_FIRST_MS = 20, POLL_MAX_MS = 1000, RUN_BODY_MAX = 60 << 10 };

/* ------------------------------------------------------------ printing */

static const char *jobs_or_dash(struct str text)
{
	return text.len ? text.ptr : "-";
}

static void jobs_print_one(struct value one, struct arena *arena)
{
	struct value last = cli_member(one, "last", arena);
	bool paused = str_eq(cli_text(one, "paused", arena), STR("true"));

	printf("%-20s %-26s %-24s %-24s %-11s %8s %6s %8s\n", cli_text(one, "name", arena).ptr,
	       cli_text(one, "schedule", arena).ptr,
	       paused ? "paused" : jobs_or_dash(cli_text(one, "next", arena)),
	       jobs_or_dash(cli_text(last, "started", arena)),
	       jobs_or_dash(cli_text(last, "outcome", arena)),
	       jobs_or_dash(cli_text(last, "took_ms", arena)), cli_text(one, "runs", arena).ptr,
	       cli_text(one, "failures", arena).ptr);
}

static void jobs_print_list(struct value answer, struct arena *arena)
{
	struct value list = cli_member(answer, "jobs", arena);

	printf("%-20s %-26s %-24s %-24s %-11s %8s %6s %8s\n", "NAME", "SCHEDULE", "NEXT", "LAST",
	       "OUTCOME", "TOOK_MS", "RUNS", "FAILURES");
	for (uint32_t i = 0; list.kind == VALUE_LIST && i < list.len; i++)
		jobs_print_one(list.items[i], arena);
}

/* Of routes with `async`; nothing when there are none. */
static void jobs_print_async(struct value answer, struct arena *arena)
{
	struct value list = cli_member(answer, "routes", arena);

	if (list.kind == VALUE_LIST && list.len)
		printf("\n%-40s %8s %8s %8s %8s %9s\n", "ASYNC ROUTE", "WAITING", "RUNNING", "OK",
		       "FAILED", "CANCELLED");
	for (uint32_t i = 0; list.kind == VALUE_LIST && i < list.len; i++) {
		struct value one = list.items[i];

		printf("%-40s %8s %8s %8s %8s %9s\n", cli_text(one, "route", arena).ptr,
		       cli_text(one, "waiting", arena).ptr, cli_text(one, "running", arena).ptr,
		       cli_text(one, "ok", arena).ptr, cli_text(one, "failed", arena).ptr,
		       cli_text(one, "cancelled", arena).ptr);
	}
}

static void jobs_print_history(struct value answer, struct arena *arena)
{
	struct value list = cli_member(answer, "runs", arena);

	printf("%-26s %-26s %-10s %8s %8s  %s\n", "PLANNED", "STARTED", "OUTCOME", "TOOK_MS",
	       "ATTEMPT", "ERROR");
	for (uint32_t i = 0; list.kind == VALUE_LIST && i < list.len; i++) {
		struct value one = list.items[i];

		printf("%-26s %-26s %-10s %8s %8s  %s\n", cli_text(one, "planned", arena).ptr,
		       cli_text(one, "started", arena).ptr, cli_text(one, "outcome", arena).ptr,
		       cli_text(one, "took_ms", arena).ptr, cli_text(one, "attempt", arena).ptr,
		       cli_text(one, "error", arena).ptr);
	}
}

static void jobs_print_async_history(struct value answer, struct arena *arena)
{
	struct value list = cli_member(answer, "runs", arena);

	printf("%8s  %-26s %-26s %-26s %-10s %6s  %s\n", "RUN", "ASKED", "STARTED", "ENDED",
	       "STATE", "TRIES", "ERROR");
	for (uint32_t i = 0; list.kind == VALUE_LIST && i < list.len; i++) {
		struct value one = list.items[i];

		printf("%8s  %-26s %-26s %-26s %-10s %6s  %s\n", cli_text(one, "id", arena).ptr,
		       cli_text(one, "asked", arena).ptr,
		       jobs_or_dash(cli_text(one, "started", arena)),
		       jobs_or_dash(cli_text(one, "ended", arena)),
		       cli_text(one, "state", arena).ptr, cli_text(one, "tries", arena).ptr,
		       cli_text(one, "error", arena).ptr);
	}
}

/* ------------------------------------------------------------ asking */

struct jobs_answer {
	struct arena arena;
	struct buf target, body;
	struct value value;
};

static void jobs_answer_init(struct jobs_answer *answer)
{
	arena_init_required(&answer->arena);
	buf_init(&answer->target, 8192);
	buf_init(&answer->body, 0);
	answer->value = value_null();
}

static void jobs_answer_fini(struct jobs_answer *answer)
{
	buf_fini(&answer->target);
	buf_fini(&answer->body);
	arena_fini(&answer->arena);
}

/* EXIT_DONE with the JSON that was answered. What is refused is said. */
static int jobs_ask(const struct cli *cli, const char *method, struct str content,
		    struct jobs_answer *answer)
{
	int status = 0, code;

	buf_add_char(&answer->target, '\0');
	buf_fini(&answer->body);
	code = cli_ask_with(cli, method, answer->target.data, content, &status, &answer->body);
	if (code != EXIT_DONE)
		return code;
	if (status >= 400) {
		cli_print_problem(buf_str(&answer->body), &answer->arena);
		return EXIT_REFUSED;
	}
	if (json_read(buf_str(&answer->body), &answer->arena, &answer->value, NULL) < 0)
		answer->value = value_null();
	return EXIT_DONE;
}

/* What is printed for people, or as it was answered. */
static int jobs_show(const struct cli *cli, const char *target,
		     void (*print)(struct value answer, struct arena *arena))
{
	struct jobs_answer answer;
	int code;

	jobs_answer_init(&answer);
	buf_add(&answer.target, str_of(target));
	code = jobs_ask(cli, "GET", STR(""), &answer);
	if (code == EXIT_DONE && cli->json)
		printf("%.*s\n", STR_ARG(buf_str(&answer.body)));
	else if (code == EXIT_DONE)
		print(answer.value, &answer.arena);
	jobs_answer_fini(&answer);
	return code;
}

static int jobs_list(const struct cli *cli)
{
	int code = jobs_show(cli, "/v1/jobs", jobs_print_list);

	return code != EXIT_DONE || cli->json ? code
					      : jobs_show(cli, "/v1/async", jobs_print_async);
}

/* A route has a '/', a job cannot. */
static int jobs_history(const struct cli *cli, const char *name)
{
	bool is_route = strchr(name, '/');
	struct buf target;
	int code;

	buf_init(&target, 8192);
	buf_add(&target, is_route ? STR("/v1/async/history?route=") : STR("/v1/jobs/"));
	cli_encode(str_of(name), &target);
	buf_add(&target, is_route ? STR("") : STR("/history"));
	buf_add_char(&target, '\0');
	code = jobs_show(cli, target.error ? "/" : target.data,
			 is_route ? jobs_print_async_history : jobs_print_history);
	buf_fini(&target);
	return code;
}

static void jobs_target(const char *name, const char *what, struct buf *out)
{
	buf_add(out, STR("/v1/jobs/"));
	cli_encode(str_of(name), out);
	buf_add_char(out, '/');
	buf_add(out, str_of(what));
}

static int jobs_pause(const struct cli *cli, const char *name, const char *what)
{
	struct jobs_answer answer;
	int code;

	jobs_answer_init(&answer);
	jobs_target(name, what, &answer.target);
	code = jobs_ask(cli, "POST", STR(""), &answer);
	if (code == EXIT_DONE)
		printf("%s: %s\n", name, strcmp(what, "pause") == 0 ? "paused" : "resumed");
	jobs_answer_fini(&answer);
	return code;
}

/* ------------------------------------------------------------ run */

/* The members of --args, and behind them each --arg KEY=TEXT. False: they are wrong, which was said. */
static bool jobs_write_args(const struct cli *cli, struct arena *arena, struct buf *out)
{
	struct value args = value_null();
	bool first = true;

	if (cli->run_args && (json_read(str_of(cli->run_args), arena, &args, NULL) < 0 ||
			      args.kind != VALUE_OBJECT)) {
		cli_usage("--args is a JSON object");
		return false;
	}
	buf_add(out, STR("{\"args\":{"));
	for (uint32_t i = 0; args.kind == VALUE_OBJECT && i < args.len; i++) {
		buf_add(out, first ? STR("") : STR(","));
		value_write_json(args.members[i].key, out);
		buf_add_char(out, ':');
		value_write_json(args.members[i].value, out);
		first = false;
	}
	for (size_t i = 0; i < cli->n_run_arg; i++) {
		const char *equals = strchr(cli->run_arg[i], '=');

		if (!equals || equals == cli->run_arg[i]) {
			cli_usage("--arg is KEY=TEXT");
			return false;
		}
		buf_add(out, first ? STR("") : STR(","));
		json_write_text(str_range(cli->run_arg[i], equals), out);
		buf_add_char(out, ':');
		json_write_text(str_of(equals + 1), out);
		first = false;
	}
	buf_add(out, STR("}}"));
	return true;
}

static void jobs_sleep(unsigned ms)
{
	const struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

/* Until the run at `location` is over. */
static int jobs_await(const struct cli *cli, const char *name, struct str location)
{
	struct jobs_answer answer;
	unsigned wait_ms = POLL_FIRST_MS;
	struct str state, error;
	int code;

	for (;;) {
		jobs_answer_init(&answer);
		buf_add(&answer.target, location);
		code = jobs_ask(cli, "GET", STR(""), &answer);
		state = cli_text(answer.value, "state", &answer.arena);
		if (code != EXIT_DONE ||
		    (!str_eq(state, STR("waiting")) && !str_eq(state, STR("running"))))
			break;
		jobs_answer_fini(&answer);
		jobs_sleep(wait_ms);
		wait_ms = MIN(wait_ms * 2, (unsigned)POLL_MAX_MS);
	}
	error = cli_text(answer.value, "error", &answer.arena);
	if (code == EXIT_DONE && cli->json)
		printf("%.*s\n", STR_ARG(buf_str(&answer.body)));
	else if (code == EXIT_DONE)
		printf("%s: %s%s%s\n", name, state.ptr, error.len ? ": " : "", error.ptr);
	if (code == EXIT_DONE && !str_eq(state, STR("ok")))
		code = EXIT_REFUSED;
	jobs_answer_fini(&answer);
	return code;
}

static int jobs_run(const struct cli *cli, const char *name)
{
	struct jobs_answer answer;
	struct str location;
	struct buf body;
	int code = EXIT_USAGE;

	jobs_answer_init(&answer);
	buf_init(&body, RUN_BODY_MAX);
	jobs_target(name, "runs", &answer.target);
	if (jobs_write_args(cli, &answer.arena, &body))
		code = body.error ? cli_usage("the arguments of a run are at most 60 KiB")
				  : jobs_ask(cli, "POST", buf_str(&body), &answer);
	location = cli_text(answer.value, "location", &answer.arena);
	if (code == EXIT_DONE && cli->wait)
		code = jobs_await(cli, name, location);
	else if (code == EXIT_DONE && cli->json)
		printf("%.*s\n", STR_ARG(buf_str(&answer.body)));
	else if (code == EXIT_DONE)
		printf("%s: a run was started: %s\n", name,
		       cli_text(answer.value, "id", &answer.arena).ptr);
	buf_fini(&body);
	jobs_answer_fini(&answer);
	return code;
}

int cli_jobs(const struct cli *cli)
{
	static const char usage[] =
		"jobs takes: list, or one of run, pause, resume, history with the name of a job";
	const char *what = cli->n_args ? cli->args[0] : "list",
		   *name = cli->n_args > 1 ? cli->args[1] : NULL;
	bool runs = strcmp(what, "run") == 0;

	if ((cli->run_args || cli->n_run_arg || cli->wait) && !runs)
		return cli_usage("--arg, --args and --wait belong to jobs run");
	if (strcmp(what, "list") == 0 && !name)
		return jobs_list(cli);
	if (!name || cli->n_args > 2)
		return cli_usage(usage);
	if (runs)
		return jobs_run(cli, name);
	if (strcmp(what, "history") == 0)
		return jobs_history(cli, name);
	if (strcmp(what, "pause") == 0 || strcmp(what, "resume") == 0)
		return jobs_pause(cli, name, what);
	return cli_usage(usage);
}
