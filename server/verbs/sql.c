/* server/verbs/sql.c: `sql: NAME`: a statement, or a transaction, of a database. */
#include "server/verbs/sql.h"
#include <errno.h>

struct sql_state {
	struct sql_job *job; /* NULL: not submitted, or over */
	struct timer timer;  /* of the database's timeout */
	struct value rows, row, affected, last_id, results;
};

/* ------------------------------------------------------------ the result */

static int take_json(struct arena *arena, const struct sql_job *job, size_t from, size_t to,
		     struct value *ret)
{
	struct str text = arena_str(arena, str_range(job->out.data + from, job->out.data + to));

	return text.ptr ? value_json(ret, arena, text) : -ENOMEM;
}

struct sql_results {
	struct value rows, row, affected, last_id;
};

/* The first row is a slice of the rows. */
static int take_rows(struct arena *arena, const struct sql_job *job,
		     const struct sql_statement *statement, struct sql_results *results)
{
	const char *rows;
	size_t from = statement->rows_from;
	int r;

	if (!statement->has_rows)
		return 0;
	r = take_json(arena, job, from, statement->rows_to, &results->rows);
	if (r < 0 || statement->n_rows == 0)
		return r;
	if (results->rows.kind != VALUE_JSON)
		return -EPROTO;
	rows = results->rows.json->text.ptr;
	return value_json(&results->row, arena,
			  str_range(rows + (statement->first_from - from),
				    rows + (statement->first_to - from)));
}

static int take_statement(struct arena *arena, const struct sql_job *job,
			  const struct sql_statement *statement, struct sql_results *results)
{
	*results = (struct sql_results){ value_list(NULL, 0), value_null(), value_null(),
					 value_null() };
	if (statement->has_affected)
		results->affected = value_int(statement->affected);
	if (statement->has_last_id)
		results->last_id = value_int(statement->last_id);
	return take_rows(arena, job, statement, results);
}

static int results_object(struct arena *arena, const struct sql_results *results, struct value *ret)
{
	struct member *members = arena_alloc_array(arena, 4, sizeof(*members));

	if (!members)
		return -ENOMEM;
	members[0] = (struct member){ value_text(STR("rows")), results->rows };
	members[1] = (struct member){ value_text(STR("row")), results->row };
	members[2] = (struct member){ value_text(STR("affected")), results->affected };
	members[3] = (struct member){ value_text(STR("last_id")), results->last_id };
	*ret = value_object(members, 4);
	return 0;
}

/* Those of the last statement are the task's own; `results` has all that have a name. */
static int take_results(struct step_run *run, const struct sql_job *job)
{
	const struct sql_verb_config *config = run->config;
	struct sql_state *state = run->state;
	struct arena *arena = step_arena(run);
	struct member *members = arena_alloc_array(arena, job->n_statements, sizeof(*members));
	struct sql_results results;
	size_t n_members = 0;
	int r = members ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < job->n_statements; i++) {
		r = take_statement(arena, job, &job->statements[i], &results);
		if (r < 0 || config->steps[i].name.len == 0)
			continue;
		members[n_members].key = value_text(config->steps[i].name);
		r = results_object(arena, &results, &members[n_members++].value);
	}
	if (r < 0)
		return r;
	state->rows = results.rows;
	state->row = results.row;
	state->affected = results.affected;
	state->last_id = results.last_id;
	state->results = value_object(members, n_members);
	return 0;
}

/* ------------------------------------------------------------ the end */

static struct str copy_text(struct arena *arena, const char *text)
{
	struct str copy = arena_str(arena, str_of(text));

	return copy.ptr ? copy : STR("");
}

static struct str failure_detail(struct step_run *run, const struct sql_job *job)
{
	const struct sql_statement *statement = &job->statements[job->failed];
	struct str detail;

	if (!job->transaction || statement->name.len == 0)
		return copy_text(step_arena(run), job->message);
	detail = arena_printf(step_arena(run), "%.*s: %s", STR_ARG(statement->name), job->message);
	return detail.ptr ? detail : STR("");
}

static void sql_on_done(struct sql_job *job)
{
	struct step_run *run = job->owner;
	struct sql_state *state = run->state;
	struct failure failure = { .code = job->code };

	timer_stop(&state->timer);
	state->job = NULL;
	run->sent = job->sent;
	if (job->code == ERROR_NONE) {
		step_done_errno(run, take_results(run, job));
		return;
	}
	failure.detail = failure_detail(run, job);
	failure.sqlstate = copy_text(step_arena(run), job->sqlstate);
	step_fail(run, &failure);
}

static void sql_leave(struct step_run *run)
{
	const struct sql_verb_config *config = run->config;
	struct sql_state *state = run->state;

	timer_stop(&state->timer);
	run->sent = true;
	sql_db_leave(config->db, take(&state->job));
}

/* The driver sees to it, too; but who waits does not wait for a server that does not answer. */
static void sql_on_timer(struct timer *timer)
{
	struct sql_state *state = container_of(timer, struct sql_state, timer);
	struct step_run *run = state->job->owner;

	sql_leave(run);
	step_done(run, ERROR_TIMEOUT, STR("the timeout of the database passed"));
}

static void sql_verb_cancel(struct step_run *run)
{
	sql_leave(run);
	step_done(run, ERROR_CANCELLED, STR("cancelled while it waited for the database"));
}

/* ------------------------------------------------------------ the start */

static void sql_refuse(struct step_run *run, struct sql_job *job, int error)
{
	sql_job_free(job);
	if (error == -EAGAIN)
		step_done(run, ERROR_POOL_EXHAUSTED, STR("too many wait for the database already"));
	else
		step_done(run, ERROR_UNAVAILABLE,
			  arena_printf(step_arena(run), "the database cannot be asked: %s",
				       strerrorname_np(-error)));
}

static void sql_verb_start(struct step_run *run)
{
	const struct sql_verb_config *config = run->config;
	struct sql_state *state = run->state;
	struct sql_job *job = NULL;
	int r = sql_make_job(run, &job);

	if (r < 0) {
		step_done_errno(run, r);
		return;
	}
	job->owner = run;
	job->on_done = sql_on_done;
	timer_init(&state->timer, run->run->context->loop, sql_on_timer);
	r = sql_db_submit(config->db, job);
	if (r < 0) {
		sql_refuse(run, job, r);
		return;
	}
	state->job = job;
	timer_start(&state->timer, config->db->settings.timeout_ms + 50);
}

static int sql_verb_field(struct step_run *run, struct str name, struct value *ret)
{
	const struct sql_state *state = run->state;

	*ret = str_eq(name, STR("row"))        ? state->row
	       : str_eq(name, STR("affected")) ? state->affected
	       : str_eq(name, STR("last_id"))  ? state->last_id
	       : str_eq(name, STR("results"))  ? state->results
					       : state->rows;
	return 0;
}

static const char *const sql_fields[] = { "rows", "row", "affected", "last_id", "results", NULL };

const struct verb verb_sql = {
	.name = "sql",
	.help = "Asks a database of the section `sql:`, with values bound by name: .rows, .row "
		"(the "
		"first), .affected, .last_id; of a transaction .results by name.",
	.keys = sql_verb_keys,
	.config_size = sizeof(struct sql_verb_config),
	.state_size = sizeof(struct sql_state),
	.fields = sql_fields,
	.main_field = "rows",
	.compile = sql_verb_compile,
	.start = sql_verb_start,
	.cancel = sql_verb_cancel,
	.field = sql_verb_field,
};
