/* server/verbs/sql_compile.c: the keys of `sql:`. */
#include "core/base/memory.h"
#include "server/expr/template_node.h"
#include "server/verbs/sql.h"

#define AT(field) offsetof(struct sql_verb_config, field)
const struct setting sql_verb_keys[] = {
	{ "query", SETTING_NODE, AT(query),
	  .help = "One statement, whose values are written :name and given by `args`; ${} is not "
		  "for it." },
	{ "args", SETTING_VALUE, AT(args), .help = "The values, by name." },
	{ "transaction", SETTING_LIST, AT(transaction),
	  .help = "Several statements that hold together: a list of {name, query, args, json}; "
		  ":name.column is what an earlier one gave in its first row." },
	{ "json", SETTING_TEXTS, AT(json), .help = "Columns whose text is JSON, to be read." },
	{ "max_rows", SETTING_INT, AT(max_rows),
	  .help = "More rows are too_large; the database's when not said.", .min = 1,
	  .max = INT64_C(1) << 40 },
	{ "max_bytes", SETTING_SIZE, AT(max_bytes),
	  .help = "Rows that are larger as JSON are too_large; the database's when not said.",
	  .min = 1, .max = INT64_C(1) << 30 },
	SETTINGS_END
};
#undef AT

struct statement_config {
	struct str name;
	const struct node *query, *args;
	struct setting_texts json;
};

#define AT(field) offsetof(struct statement_config, field)
static const struct setting statement_keys[] = {
	{ "name", SETTING_TEXT, AT(name), .help = "By which others know it." },
	{ "query", SETTING_NODE, AT(query), .help = "One statement.", .required = true },
	{ "args", SETTING_VALUE, AT(args), .help = "The values, by name." },
	{ "json", SETTING_TEXTS, AT(json), .help = "Columns whose text is JSON." },
	SETTINGS_END
};
#undef AT

/* ------------------------------------------------------------ the query */

/* Where a part of the query stands in the file. */
static struct place query_place(const struct node *node, struct str part)
{
	struct place place = node->place;

	if (part.ptr)
		place_find(&place, node->text, (size_t)(part.ptr - node->text.ptr), part);
	return place;
}

static bool query_is_text(struct verb_compiler *compiler, const struct node *node)
{
	ptrdiff_t at;

	if (!node_is_scalar(node) || node->kind == NODE_NULL) {
		diag_error(compiler->flow->diag, node->place, "`query` takes one statement of SQL");
		return false;
	}
	at = str_find(node->text, STR("${"));
	if (at < 0)
		return true;
	diag_error(compiler->flow->diag, query_place(node, (struct str){ node->text.ptr + at, 2 }),
		   "a query has no ${}, so that no value can become SQL; write :name here, and "
		   "args: {name: …}");
	return false;
}

static bool query_compile(struct verb_compiler *compiler, const struct sql_verb_config *config,
			  const struct node *node, struct sql_query *ret_query)
{
	struct sql_query_error error;

	if (!query_is_text(compiler, node))
		return false;
	if (sql_query_compile(compiler->flow->arena, config->db->driver->dialect, node->text,
			      ret_query, &error))
		return true;
	diag_error(compiler->flow->diag, query_place(node, error.at), "query: %s", error.message);
	return false;
}

/* ------------------------------------------------------------ its names */

static bool name_refuse(struct verb_compiler *compiler, const struct node *query,
			const struct sql_name *name, const struct node *args)
{
	const char **names = arena_alloc_array(compiler->flow->arena,
					       (args ? args->n_entries : 0) + 1, sizeof(char *));
	const char *nearest;
	size_t n_names = 0;

	for (; args && n_names < args->n_entries; n_names++)
		names[n_names] = args->entries[n_names].key.ptr;
	names[n_names] = NULL;
	nearest = diag_nearest(name->name, names);
	diag_error(compiler->flow->diag, query_place(query, name->text),
		   "there is no value for %.*s; %s%s%s", STR_ARG(name->text),
		   nearest ? "did you mean \":" : "write it under `args`", nearest ? nearest : "",
		   nearest ? "\"?" : "");
	return false;
}

static struct sql_step *steps_find(struct sql_verb_config *config, struct str name, size_t n_before)
{
	for (size_t i = 0; i < n_before; i++)
		if (str_eq(config->steps[i].name, name))
			return &config->steps[i];
	return NULL;
}

static uint32_t step_keep(struct arena *arena, struct sql_step *step, struct str column)
{
	for (size_t i = 0; i < step->n_kept; i++)
		if (str_eq(step->kept[i], column))
			return (uint32_t)i;
	if (!step->kept)
		step->kept = arena_alloc_array(arena, SQL_NAMES_MAX, sizeof(*step->kept));
	check(step->n_kept < SQL_NAMES_MAX);
	step->kept[step->n_kept] = column;
	return (uint32_t)step->n_kept++;
}

static bool source_compile(struct verb_compiler *compiler, struct sql_verb_config *config,
			   size_t number, const struct statement_config *statement, size_t at)
{
	struct sql_step *step = &config->steps[number], *earlier;
	const struct sql_name *name = &step->query.names[at];
	const struct node *args = statement->args, *value;

	if (!name->column.ptr) {
		value = args ? node_find(args, arena_str(compiler->flow->arena, name->name).ptr)
			     : NULL;
		if (!value)
			return name_refuse(compiler, statement->query, name, args);
		step->sources[at].tree = template_tree_compile(compiler->expr, value);
		return step->sources[at].tree != NULL;
	}
	earlier = steps_find(config, name->name, number);
	if (!earlier || earlier->n_kept == SQL_NAMES_MAX) {
		diag_error(compiler->flow->diag, query_place(statement->query, name->text),
			   "there is no statement \"%.*s\" before this one",
			   STR_ARG(str_first(name->name, 80)));
		return false;
	}
	step->sources[at].statement = (uint32_t)(earlier - config->steps);
	step->sources[at].kept = step_keep(compiler->flow->arena, earlier, name->column);
	return true;
}

/* A value that no name wants is a mistake in one or the other. */
static bool args_are_used(struct verb_compiler *compiler, const struct sql_query *query,
			  const struct node *args)
{
	bool ok = true;

	for (size_t i = 0; args && i < args->n_entries; i++) {
		bool used = false;

		for (size_t j = 0; j < query->n_names; j++)
			used |= !query->names[j].column.ptr &&
				str_eq(query->names[j].name, args->entries[i].key);
		if (used)
			continue;
		diag_error(compiler->flow->diag, args->entries[i].key_place,
			   "the query has no :%s; remove this, or write it there",
			   args->entries[i].key.ptr);
		ok = false;
	}
	return ok;
}

static bool statement_compile(struct verb_compiler *compiler, struct sql_verb_config *config,
			      size_t number, const struct statement_config *statement)
{
	struct sql_step *step = &config->steps[number];
	bool ok = true;

	if (statement->args && statement->args->kind != NODE_MAP) {
		diag_error(compiler->flow->diag, statement->args->place,
			   "`args` takes a map of names and values, not %s",
			   node_kind_name(statement->args));
		return false;
	}
	if (!query_compile(compiler, config, statement->query, &step->query))
		return false;
	step->json = statement->json.texts;
	step->n_json = statement->json.n_texts;
	step->sources = arena_zalloc(compiler->flow->arena,
				     (step->query.n_names + 1) * sizeof(*step->sources));
	for (size_t i = 0; i < step->query.n_names; i++)
		ok &= source_compile(compiler, config, number, statement, i);
	return args_are_used(compiler, &step->query, statement->args) && ok;
}

/* ------------------------------------------------------------ transactions */

static bool name_compile(struct verb_compiler *compiler, struct sql_verb_config *config,
			 size_t number, const struct node *node, struct str name)
{
	struct sql_step *step = &config->steps[number];

	if (name.len == 0)
		return true;
	if (!name_is_valid(name) || steps_find(config, name, number)) {
		diag_error(compiler->flow->diag, node_find(node, "name")->place,
			   "\"%.*s\" cannot be the name of a statement; write lower-case letters, "
			   "digits and _, and each name once",
			   STR_ARG(str_first(name, 80)));
		return false;
	}
	step->name = name;
	return true;
}

static bool transaction_compile(struct verb_compiler *compiler, struct sql_verb_config *config)
{
	const struct node *list = config->transaction;
	bool ok = true;

	if (list->n_entries < 1 || list->n_entries > SQL_STATEMENTS_MAX) {
		diag_error(compiler->flow->diag, list->place,
			   "a transaction has 1 to %d statements", SQL_STATEMENTS_MAX);
		return false;
	}
	for (size_t i = 0; i < list->n_entries; i++) {
		struct statement_config statement = { 0 };
		const struct settings_part part = { statement_keys, &statement };
		const struct node *node = list->entries[i].value;

		if (settings_read(&part, 1, node, "a statement", compiler->flow->arena,
				  compiler->flow->diag) > 0)
			ok = false;
		else
			ok &= name_compile(compiler, config, i, node, statement.name) &
			      statement_compile(compiler, config, i, &statement);
		config->steps[i].place = node->place;
	}
	return ok;
}

/* ------------------------------------------------------------ the verb */

static struct sql_db *sql_find(struct verb_compiler *compiler, const struct node *value)
{
	struct flow_compiler *flow = compiler->flow;
	struct sql_db *db = NULL;
	const char *nearest;

	if (!node_is_scalar(value) || value->kind == NODE_NULL) {
		diag_error(flow->diag, value->place,
			   "`sql` takes the name of a database of the section `sql:`, not %s",
			   node_kind_name(value));
		return NULL;
	}
	if (flow->sql)
		db = flow->sql(flow, value->text);
	if (db && db->driver)
		return db;
	nearest = !db && flow->sql_names ? diag_nearest(value->text, flow->sql_names) : NULL;
	if (db)
		return NULL; /* it was declared, and wrong: that was told */
	diag_error(flow->diag, value->place, "there is no database \"%.*s\"; %s%s%s",
		   STR_ARG(str_first(value->text, 80)),
		   nearest ? "did you mean \"" : "declare it under `sql:`", nearest ? nearest : "",
		   nearest ? "\"?" : "");
	return NULL;
}

static bool sql_compile_one(struct verb_compiler *compiler, struct sql_verb_config *config)
{
	const struct statement_config statement = { .query = config->query,
						    .args = config->args,
						    .json = config->json };

	return statement_compile(compiler, config, 0, &statement);
}

static bool sql_compile_steps(struct verb_compiler *compiler, struct sql_verb_config *config)
{
	struct diag *diag = compiler->flow->diag;

	if (!config->query == !config->transaction) {
		diag_error(diag, compiler->step->place, "`sql` needs one of query and transaction");
		return false;
	}
	if (config->transaction && (config->args || config->json.n_texts)) {
		diag_error(diag, compiler->step->place,
			   "args and json belong to each statement of a transaction; write them "
			   "there");
		return false;
	}
	config->n_steps = config->transaction ? config->transaction->n_entries : 1;
	config->steps =
		arena_zalloc(compiler->flow->arena, (config->n_steps + 1) * sizeof(*config->steps));
	return config->transaction ? transaction_compile(compiler, config)
				   : sql_compile_one(compiler, config);
}

bool sql_verb_compile(struct verb_compiler *compiler, const struct node *value, void *config_ptr)
{
	struct sql_verb_config *config = config_ptr;

	config->db = sql_find(compiler, value);
	if (!config->db || !sql_compile_steps(compiler, config))
		return false;
	config->reads = true;
	for (size_t i = 0; i < config->n_steps; i++)
		config->reads &= config->steps[i].query.reads;
	compiler->step->idempotent = config->reads;
	if (!config->max_rows)
		config->max_rows = (int64_t)config->db->settings.max_rows;
	if (!config->max_bytes)
		config->max_bytes = config->db->settings.max_bytes;
	return true;
}
