/* tests/server/schema/try.h: a schema from a text, asked about values in texts. */
#pragma once
#include "server/expr/json.h"
#include "server/schema/schema.h"
#include "tests/lib/tap.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct trial {
	char dir[64];
	struct arena load, run;
	struct diag diag;
	struct schema_loader loader;
	const struct schema *schema;
	struct schema_report report;
	char shown[8192];
};

static inline void trial_write(struct trial *trial, const char *name, const char *text)
{
	char path[192];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", trial->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static inline void trial_init(struct trial *trial)
{
	*trial = (struct trial){ .dir = "/tmp/leat-schema-XXXXXX" };
	check(mkdtemp(trial->dir));
	arena_init_required(&trial->load);
	arena_init(&trial->run, 64 << 20);
	diag_init(&trial->diag);
	schema_loader_init(&trial->loader, &trial->load, &trial->diag);
}

static inline void trial_fini(struct trial *trial)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", trial->dir);
	check(system(command) == 0);
	schema_loader_fini(&trial->loader);
	arena_fini(&trial->load);
	arena_fini(&trial->run);
	diag_fini(&trial->diag);
}

static inline const struct schema *trial_load(struct trial *trial, const char *name)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", trial->dir, name);
	trial->schema = schema_load(&trial->loader, str_of(path), (struct place){ 0 });
	return trial->schema;
}

/* A schema of its own. NULL with errors in trial->diag. */
static inline const struct schema *trial_schema(struct trial *trial, const char *text)
{
	trial_write(trial, "s.json", text);
	return trial_load(trial, "s.json");
}

/* "line:col: message" of the first error. */
static inline const char *trial_error(struct trial *trial)
{
	if (trial->diag.n_entries == 0)
		return "no error";
	snprintf(trial->shown, sizeof(trial->shown), "%u:%u: %s", trial->diag.entries[0].line,
		 trial->diag.entries[0].col, trial->diag.entries[0].message);
	return trial->shown;
}

static inline enum schema_verdict trial_ask_within(struct trial *trial, struct str text,
						   uint64_t steps)
{
	struct value value;

	check(json_read(text, &trial->run, &value, NULL) == 0);
	return schema_ask(trial->schema, value, steps, &trial->run, &trial->report);
}

static inline enum schema_verdict trial_ask(struct trial *trial, const char *text)
{
	return trial_ask_within(trial, str_of(text), SCHEMA_STEPS_MAX);
}

/* "POINTER KEYWORD SENTENCE", a line a fault. */
static inline const char *trial_faults(struct trial *trial, const char *text)
{
	size_t len = 0;

	trial->shown[0] = '\0';
	trial_ask(trial, text);
	for (size_t i = 0; i < trial->report.n_faults; i++) {
		const struct schema_fault *fault = &trial->report.faults[i];

		len += (size_t)snprintf(trial->shown + len, sizeof(trial->shown) - len,
					"%s%.*s %.*s %.*s", i ? "\n" : "", STR_ARG(fault->pointer),
					STR_ARG(fault->keyword), STR_ARG(fault->sentence));
	}
	return trial->shown;
}
