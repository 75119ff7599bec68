/* server/cli/schema.c: the JSON Schema (2020-12) of the configuration, for editors; made from
 * the tables that the loader itself reads, so that it cannot say anything else. */
#include "server/cli/cli.h"
#include "server/expr/json.h"
#include "server/flow/step.h"
#include "server/generation.h"
#include "server/jobs/jobs.h"
#include "server/route.h"
#include <stdio.h>

static void schema_keys(const struct setting *table, bool first, struct buf *out);

static void schema_text(const char *name, const char *text, struct buf *out)
{
	if (!text)
		return;
	buf_printf(out, ",\"%s\":", name);
	json_write_text(str_of(text), out);
}

static void schema_choices(const struct setting *row, struct buf *out)
{
	buf_add(out, STR("\"enum\":["));
	for (size_t i = 0; row->choices[i]; i++) {
		if (i)
			buf_add_char(out, ',');
		json_write_text(str_of(row->choices[i]), out);
	}
	buf_add_char(out, ']');
}

/* What the rows say of a map; of anything else they say nothing. */
static void schema_properties(const struct setting *row, struct buf *out)
{
	if (!row->keys)
		return;
	buf_add(out, STR(",\"additionalProperties\":false,\"properties\":{"));
	schema_keys(row->keys, true, out);
	if (row->more_keys)
		schema_keys(row->more_keys, false, out);
	buf_add_char(out, '}');
}

static void schema_map(const struct setting *row, struct buf *out)
{
	buf_add(out, STR("\"type\":\"object\""));
	schema_properties(row, out);
}

static void schema_type(const struct setting *row, struct buf *out)
{
	switch (row->type) {
	case SETTING_BOOL:
		buf_add(out, STR("\"type\":\"boolean\""));
		return;
	case SETTING_INT:
		buf_add(out, STR("\"type\":\"integer\""));
		if (row->min || row->max)
			buf_printf(out, ",\"minimum\":%lld,\"maximum\":%lld", (long long)row->min,
				   (long long)row->max);
		return;
	case SETTING_DURATION:
		buf_add(out, STR("\"type\":[\"string\",\"integer\"],\"pattern\":\"^(0|([0-9]+(ms|s|"
				 "m|h|d))+)$\""));
		return;
	case SETTING_SIZE:
		buf_add(out,
			STR("\"type\":[\"string\",\"integer\"],\"pattern\":\"^[0-9]+[kmgKMG]?$\""));
		return;
	case SETTING_CHOICE:
		schema_choices(row, out);
		return;
	case SETTING_TEXT:
	case SETTING_TEMPLATE:
	case SETTING_CONDITION:
		buf_add(out, STR("\"type\":[\"string\",\"number\",\"boolean\"]"));
		return;
	case SETTING_TEXTS:
		buf_add(out, STR("\"type\":[\"string\",\"array\"],\"items\":{\"type\":[\"string\","
				 "\"number\"]}"));
		return;
	case SETTING_LIST:
		buf_add(out, STR("\"type\":\"array\""));
		return;
	case SETTING_MAP:
		schema_map(row, out);
		return;
	case SETTING_VALUE:
	case SETTING_NODE:
		buf_add(out, STR("\"type\":[\"string\",\"number\",\"boolean\",\"null\",\"array\","
				 "\"object\"]"));
		schema_properties(row, out);
		return;
	}
	unreachable();
}

/* Sections whose keys are the user's names: what the table says holds for each entry. */
static bool schema_is_named(const struct setting *row)
{
	static const char *const named[] = { "http",   "redis", "sql",   "kafka",  "shared",
					     "routes", "jobs",  "flows", "actors", "peers" };

	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (strcmp(row->key, named[i]) == 0)
			return true;
	return false;
}

static void schema_row(const struct setting *row, struct buf *out)
{
	json_write_text(str_of(row->key), out);
	buf_add_char(out, ':');
	if (strcmp(row->key, "tasks") == 0) {
		buf_add(out, STR("{\"$ref\":\"#/$defs/tasks\"}"));
		return;
	}
	buf_add_char(out, '{');
	schema_type(row, out);
	schema_text("description", row->help, out);
	schema_text("default", row->value_default, out);
	buf_add_char(out, '}');
}

static void schema_keys(const struct setting *table, bool first, struct buf *out)
{
	for (; table->key; table++) {
		if (!first)
			buf_add_char(out, ',');
		schema_row(table, out);
		first = false;
	}
}

/* A list of what may also stand alone. */
static void schema_list_of(const struct setting *row, struct buf *out)
{
	schema_type(row, out);
	buf_add(out, STR(",\"items\":{"));
	schema_type(row, out);
	buf_add_char(out, '}');
}

/* `task`, and the rows for every prefix. */
static void schema_defaults(const struct setting *row, struct buf *out)
{
	buf_add(out, STR("\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
			 "\"task\":{\"type\":\"object\"}},\"patternProperties\":{\"^/\":{"));
	schema_map(row, out);
	buf_add(out, STR("}}"));
}

static void schema_section(const struct setting *row, struct buf *out)
{
	json_write_text(str_of(row->key), out);
	buf_add_char(out, ':');
	if (!schema_is_named(row) || !row->keys) {
		buf_add_char(out, '{');
		if (strcmp(row->key, "listen") == 0)
			schema_list_of(row, out);
		else if (strcmp(row->key, "defaults") == 0)
			schema_defaults(row, out);
		else
			schema_type(row, out);
	} else {
		buf_add(out, STR("{\"type\":\"object\",\"additionalProperties\":{"));
		schema_map(row, out);
		buf_add_char(out, '}');
	}
	schema_text("description", row->help, out);
	buf_add_char(out, '}');
}

/* Whether another verb has a key of that name that takes something else. */
static bool schema_differs(const struct verb *const table[], const struct setting *row)
{
	for (size_t i = 0; table[i]; i++) {
		const struct setting *other =
			table[i]->keys ? setting_find(table[i]->keys, str_of(row->key)) : NULL;

		if (other && other->type != row->type)
			return true;
	}
	return false;
}

/* What it may be depends on the verb: anything, here. */
static void schema_any_row(const struct setting *row, struct buf *out)
{
	const struct setting any = { row->key, SETTING_VALUE, 0, .help = row->help };

	schema_row(&any, out);
}

/* A task: every verb, the keys of all of them (each once), and the modifiers. Which key belongs
 * to which verb is said by `leat check`. */
static void schema_tasks(const struct verb *const table[], struct buf *out)
{
	struct map seen;
	bool first = true;

	map_init(&seen);
	buf_add(out,
		STR("\"tasks\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\","
		    "\"additionalProperties\":false,\"properties\":{"));
	for (size_t i = 0; table[i]; i++) {
		if (!first)
			buf_add_char(out, ',');
		first = false;
		json_write_text(str_of(table[i]->name), out);
		buf_add(out, STR(":{\"$comment\":\"a verb\""));
		schema_text("description", table[i]->help, out);
		buf_add_char(out, '}');
		map_set(&seen, str_of(table[i]->name), &seen);
	}
	for (size_t i = 0; table[i]; i++) {
		for (const struct setting *row = table[i]->keys; row && row->key; row++) {
			if (map_set(&seen, str_of(row->key), &seen))
				continue;
			buf_add_char(out, ',');
			if (schema_differs(table, row))
				schema_any_row(row, out);
			else
				schema_row(row, out);
		}
	}
	buf_add_char(out, ',');
	schema_keys(modifier_keys, true, out);
	buf_add(out, STR("}}}"));
	map_fini(&seen);
}

static void schema_write(const struct verb *const table[], struct buf *out)
{
	buf_add(out, STR("{\"$schema\":\"https://json-schema.org/draft/2020-12/"
			 "schema\",\"title\":\"leat.yaml\","
			 "\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"));
	for (const struct setting *row = sections; row->key; row++) {
		if (row != sections)
			buf_add_char(out, ',');
		schema_section(row, out);
	}
	buf_add(out, STR("},\"$defs\":{"));
	schema_tasks(table, out);
	buf_add(out, STR("}}\n"));
}

/* With the verbs of the modules that a file names, whatever else is wrong with it: an editor asks
 * while it is written. */
static bool schema_write_of(const char *path, struct buf *out)
{
	struct conf conf = { .checking = true };
	struct natives natives = { 0 };
	struct diag diag;
	bool ok = false;

	diag_init(&diag);
	conf_load(&conf, path, &diag);
	if (conf.root) {
		diag_fini(&diag);
		diag_init(&diag);
		ok = natives_load(&natives, node_find(conf.root, "modules"), &conf, NULL, &diag);
	}
	if (ok)
		schema_write(natives.verbs, out);
	diag_print(&diag, stderr);
	diag_fini(&diag);
	natives_fini(&natives);
	conf_fini(&conf);
	return ok;
}

int cli_schema(const struct cli *cli)
{
	struct buf out;
	bool ok = true;

	if (cli->n_args)
		return cli_usage("schema takes no arguments");
	buf_init(&out, SIZE_MAX);
	if (cli->has_conf)
		ok = schema_write_of(cli->conf_path, &out);
	else
		schema_write(verbs, &out);
	if (out.len)
		fwrite(out.data, 1, out.len, stdout);
	buf_fini(&out);
	return ok ? EXIT_DONE : EXIT_REFUSED;
}
