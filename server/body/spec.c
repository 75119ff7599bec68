/* server/body/spec.c: `body:` of a route. */
#include "server/body/body.h"
#include "server/schema/schema.h"
#include "server/settings.h"

struct body_config {
	int type;
	uint64_t max, max_file;
	int64_t files;
	struct str schema;
};

static const char *const body_choices[] = { "any", "json", "form", "multipart", "text", NULL };

#define AT(field) offsetof(struct body_config, field)
const struct setting body_keys[] = {
	{ "type", SETTING_CHOICE, AT(type), "any",
	  "What the body must be; another type answers 415.", .choices = body_choices },
	{ "max", SETTING_SIZE, AT(max),
	  .help = "The largest body; more answers 413. limits.body when not said." },
	{ "schema", SETTING_TEXT, AT(schema),
	  .help = "A file of JSON Schema 2020-12; a body that does not fit it answers 422." },
	{ "files", SETTING_INT, AT(files), "10",
	  "How many files a multipart body may bring; more answer 413.", 0, 1000 },
	{ "max_file", SETTING_SIZE, AT(max_file),
	  .help = "The largest file of a multipart body; more answers 413. max when not said." },
	SETTINGS_END
};
#undef AT

static bool body_compile_schema(struct conf *conf, struct schema_loader *schemas,
				const struct node *node, const struct body_config *config,
				struct body_spec *spec, struct diag *diag)
{
	const struct node_entry *entry = node_entry_find(node, "schema");

	if (!entry)
		return true;
	if (config->type == BODY_ANY || config->type == BODY_TEXT) {
		diag_error(diag, entry->key_place,
			   "a schema needs a body with parts; write type: json, form or multipart");
		return false;
	}
	spec->schema = schema_load(schemas, conf_path(conf, entry->value->place, config->schema),
				   entry->value->place);
	return spec->schema != NULL;
}

static bool body_check_files(const struct node *node, const struct body_config *config,
			     struct diag *diag)
{
	static const char *const keys[] = { "files", "max_file" };

	for (size_t i = 0; config->type != BODY_MULTIPART && i < ARRAY_LEN(keys); i++) {
		const struct node_entry *entry = node_entry_find(node, keys[i]);

		if (!entry)
			continue;
		diag_error(diag, entry->key_place, "%s is for files; write type: multipart",
			   keys[i]);
		return false;
	}
	return true;
}

bool body_compile(struct conf *conf, struct schema_loader *schemas, const struct settings *settings,
		  const struct node *node, struct body_spec *ret, struct diag *diag)
{
	struct body_config config = { .max = settings->body, .max_file = UINT64_MAX };
	const struct settings_part part = { body_keys, &config };

	*ret = (struct body_spec){ .max = settings->body };
	if (!node)
		return true;
	if (settings_read(&part, 1, node, "body", &conf->arena, diag) > 0)
		return false;
	*ret = (struct body_spec){
		.type = (enum body_type)config.type,
		.max = config.max,
		.max_said = node_entry_find(node, "max") != NULL,
		.files_max = (uint32_t)config.files,
		.file_max = config.max_file,
	};
	return body_check_files(node, &config, diag) &&
	       body_compile_schema(conf, schemas, node, &config, ret, diag);
}
