/* tests/fuzz/schema.c: a schema and a value, with a NUL between them.
 *
 * Whatever loads answers, within its steps and its memory; the same again; the opposite of what its
 * "not" answers; and with faults exactly when it does not fit. */
#include "server/schema/schema.h"
#include "core/base/check.h"
#include "server/expr/json.h"
#include "server/schema/pattern_syntax.h"
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS = 200000 };

/* A file that only this process sees; the same one all the time. */
static const char *file_write(struct str text)
{
	static char path[64];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("schema", MFD_CLOEXEC);
		check(fd >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	check(ftruncate(fd, 0) == 0 && pwrite(fd, text.ptr, text.len, 0) == (ssize_t)text.len);
	return path;
}

static enum schema_verdict ask(const struct schema *schema, struct value value,
			       struct schema_report *report)
{
	struct arena arena;
	enum schema_verdict verdict;

	arena_init(&arena, 16 << 20);
	verdict = schema_ask(schema, value, STEPS, &arena, report);
	for (size_t i = 0; i < report->n_faults; i++) {
		const struct schema_fault *fault = &report->faults[i];

		check(fault->keyword.len && fault->sentence.len);
		check(fault->pointer.len == 0 || fault->pointer.ptr[0] == '/');
	}
	check(verdict != SCHEMA_VALID || report->n_faults == 0);
	check((verdict != SCHEMA_INVALID && verdict != SCHEMA_IMPOSSIBLE) || report->n_faults > 0);
	arena_fini(&arena);
	return verdict;
}

static const struct schema *load(struct schema_loader *loader, struct str text)
{
	size_t n_errors = loader->diag->n_errors;
	const struct schema *schema =
		schema_load(loader, str_of(file_write(text)), (struct place){ 0 });

	check(!schema == (loader->diag->n_errors > n_errors));
	return schema;
}

/* "not" of the schema; NULL where it cannot be made (a reference to the root would be another). */
static enum schema_verdict ask_not(struct str text, struct value value,
				   struct schema_report *report)
{
	enum schema_verdict verdict = SCHEMA_UNDECIDED;
	const struct schema *schema;
	struct schema_loader loader;
	struct arena arena;
	struct diag diag;
	struct buf out;

	arena_init_required(&arena);
	diag_init(&diag);
	schema_loader_init(&loader, &arena, &diag);
	buf_init_arena(&out, &arena);
	buf_add(&out, STR("{\"not\":"));
	buf_add(&out, text);
	buf_add(&out, STR("}"));
	schema = load(&loader, buf_str(&out));
	if (schema)
		verdict = ask(schema, value, report);
	schema_loader_fini(&loader);
	diag_fini(&diag);
	arena_fini(&arena);
	return verdict;
}

static void try(struct schema_loader *loader, struct str text, struct str value_text)
{
	const struct schema *schema = load(loader, text);
	struct schema_report report, again;
	enum schema_verdict verdict;
	struct value value;
	struct arena arena;

	arena_init(&arena, 16 << 20);
	if (schema && json_read(value_text, &arena, &value, NULL) == 0) {
		verdict = ask(schema, value, &report);
		check(verdict == ask(schema, value, &again));
		check(report.n_faults == again.n_faults);
		if (verdict == SCHEMA_VALID && str_find(text, STR("$ref")) < 0 &&
		    str_find(text, STR("$id")) < 0)
			check(ask_not(text, value, &again) != SCHEMA_VALID);
	}
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size }, value = STR_NONE;
	struct schema_loader loader;
	struct arena arena;
	struct diag diag;
	ptrdiff_t nul = str_find_char(text, '\0');

	if (nul >= 0) {
		value = str_skip(text, (size_t)nul + 1);
		text = str_first(text, (size_t)nul);
	}
	arena_init_required(&arena);
	diag_init(&diag);
	schema_loader_init(&loader, &arena, &diag);
	try(&loader, text, value);
	schema_loader_fini(&loader);
	diag_fini(&diag);
	arena_fini(&arena);
	return 0;
}
