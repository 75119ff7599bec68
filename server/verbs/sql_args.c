/* server/verbs/sql_args.c: a job made of the values of a task's arguments.
 *
 * All is copied: the job outlives the request when the request must not wait for it. */
#include "core/base/clock.h"
#include "server/verbs/sql.h"
#include <errno.h>

static int arg_copy(struct sql_job *job, struct str text, enum sql_kind kind, struct sql_value *ret)
{
	ret->kind = kind;
	ret->text = arena_str(&job->arena, text);
	return ret->text.ptr ? 0 : -ENOMEM;
}

/* A whole number that fits is one, however it was written in a body. */
static int arg_number(struct sql_job *job, struct str text, struct sql_value *ret)
{
	int64_t integer;

	if (str_to_i64(text, &integer) < 0)
		return arg_copy(job, text, SQL_NUMBER, ret);
	*ret = (struct sql_value){ .kind = SQL_INT, .integer = integer };
	return 0;
}

static int arg_json(struct sql_job *job, struct value value, struct sql_value *ret)
{
	struct buf json;

	buf_init_arena(&json, &job->arena);
	value_write_json(value, &json);
	*ret = (struct sql_value){ .kind = SQL_JSON, .text = buf_str(&json) };
	return json.error;
}

static int arg_of(struct sql_job *job, struct value value, struct sql_value *ret)
{
	switch ((enum value_kind)value.kind) {
	case VALUE_NULL:
		*ret = (struct sql_value){ .kind = SQL_NULL };
		return 0;
	case VALUE_BOOL:
		*ret = (struct sql_value){ .kind = SQL_BOOL, .integer = value.boolean };
		return 0;
	case VALUE_INT:
		*ret = (struct sql_value){ .kind = SQL_INT, .integer = value.integer };
		return 0;
	case VALUE_REAL:
		*ret = (struct sql_value){ .kind = SQL_REAL, .real = value.real };
		return 0;
	case VALUE_NUMBER:
		return arg_number(job, value_str(value), ret);
	case VALUE_TEXT:
		return arg_copy(job, value_str(value), SQL_TEXT, ret);
	case VALUE_LIST:
	case VALUE_OBJECT:
	case VALUE_JSON:
		return arg_json(job, value, ret);
	}
	unreachable();
}

static int source_eval(struct step_run *run, struct sql_job *job, const struct sql_source *source,
		       struct sql_value *ret)
{
	struct value value;
	int r;

	if (!source->tree) {
		*ret = (struct sql_value){ .kind = SQL_KEPT,
					   .statement = source->statement,
					   .kept = source->kept };
		return 0;
	}
	r = template_tree_eval(source->tree, step_env(run), &value);
	return r < 0 ? r : arg_of(job, value, ret);
}

static int statement_make(struct step_run *run, struct sql_job *job, const struct sql_step *step,
			  struct sql_statement *statement)
{
	const struct sql_query *query = &step->query;
	struct sql_value *values =
		arena_alloc_array(&job->arena, query->n_names + 1, sizeof(*values));
	int r = 0;

	statement->name = arena_str(&job->arena, step->name);
	statement->text = arena_str(&job->arena, query->text);
	statement->hash = query->hash;
	statement->reads = query->reads;
	statement->inserts = query->inserts;
	statement->n_args = query->n_places;
	statement->args = arena_alloc_array(&job->arena, query->n_places + 1, sizeof(*values));
	if (!values || !statement->args || !statement->text.ptr || !statement->name.ptr)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < query->n_names; i++)
		r = source_eval(run, job, &step->sources[i], &values[i]);
	for (size_t i = 0; r == 0 && i < query->n_places; i++)
		statement->args[i] = values[query->places[i]];
	return r;
}

static struct str *texts_copy(struct arena *arena, const struct str texts[], size_t n_texts)
{
	struct str *copy = arena_alloc_array(arena, n_texts + 1, sizeof(*copy));

	for (size_t i = 0; copy && i < n_texts; i++) {
		copy[i] = arena_str(arena, texts[i]);
		if (!copy[i].ptr)
			return NULL;
	}
	return copy;
}

/* What is to be done with the columns of the answer. */
static int statement_make_columns(struct sql_job *job, const struct sql_step *step,
				  struct sql_statement *statement)
{
	statement->n_json = step->n_json;
	statement->json = texts_copy(&job->arena, step->json, step->n_json);
	statement->n_kept = step->n_kept;
	statement->kept = arena_zalloc(&job->arena, (step->n_kept + 1) * sizeof(*statement->kept));
	if (!statement->json || !statement->kept)
		return -ENOMEM;
	for (size_t i = 0; i < step->n_kept; i++) {
		statement->kept[i].column = arena_str(&job->arena, step->kept[i]);
		if (!statement->kept[i].column.ptr)
			return -ENOMEM;
	}
	return 0;
}

int sql_make_job(struct step_run *run, struct sql_job **ret_job)
{
	const struct sql_verb_config *config = run->config;
	struct context *context = run->run->context;
	struct sql_job *job = sql_job_create(context->loop, context->arena->max,
					     context->arena->budget, config->n_steps);
	int r = job ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < config->n_steps; i++) {
		r = statement_make(run, job, &config->steps[i], &job->statements[i]);
		if (r == 0)
			r = statement_make_columns(job, &config->steps[i], &job->statements[i]);
	}
	if (r < 0) {
		sql_job_free(job);
		return r;
	}
	job->transaction = config->transaction != NULL;
	job->reads = config->reads;
	job->numbers = config->db->settings.numbers;
	job->max_rows = (uint64_t)config->max_rows;
	job->max_bytes = config->max_bytes;
	job->deadline_ns = clock_monotonic_ns() + config->db->settings.timeout_ms * NS_PER_MS;
	*ret_job = job;
	return 0;
}
