/* server/verbs/sql.h: what `sql:` is compiled to. Internal to it. */
#pragma once
#include "server/flow/step.h"
#include "server/sql/sql_db.h"
#include "server/sql/sql_query.h"

enum { SQL_STATEMENTS_MAX = 100 };

/* What a name in a query stands for: a value of `args`, or a column of an earlier statement. */
struct sql_source {
	struct template_tree *tree; /* NULL: an earlier statement's */
	uint32_t statement, kept;
};

struct sql_step {
	struct str name; /* empty: a task of one statement */
	struct place place;
	struct sql_query query;
	struct sql_source *sources; /* by name of the query */
	size_t n_kept;
	struct str *kept; /* columns that later statements want */
	size_t n_json;
	struct str *json;
};

struct sql_verb_config {
	/* as the keys say */
	const struct node *query, *args, *transaction;
	struct setting_texts json;
	int64_t max_rows;
	uint64_t max_bytes;
	/* compiled */
	struct sql_db *db;
	size_t n_steps;
	struct sql_step *steps;
	bool reads;
};

extern const struct setting sql_verb_keys[];
bool sql_verb_compile(struct verb_compiler *compiler, const struct node *value, void *config);

/* The values of all arguments, in a new job. 0, or as evaluations give it. */
int sql_make_job(struct step_run *run, struct sql_job **ret_job);
