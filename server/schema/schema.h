/* server/schema/schema.h: JSON Schema 2020-12, compiled from files and asked about values.
 *
 * A schema is immutable once it is loaded: every loop and every thread may ask it at once. What is
 * not understood is an error at load, so that nothing is silently not checked; formats are
 * asserted; references go to the same file and to other files, never to the network.
 *
 * Asking costs steps (each some 25 ns), and the caller says how many it will pay. A value that
 * takes more is not called valid: the answer is that it could not be found out. */
#pragma once
#include "core/base/diag.h"
#include "core/base/map.h"
#include "server/expr/value.h"

struct schema;

enum {
	SCHEMA_FAULTS_MAX = 100,      /* that are listed */
	SCHEMA_REPORT_MAX = 64 << 10, /* bytes of all that is listed */
	SCHEMA_FILE_MAX = 4 << 20,    /* bytes of one file */
	SCHEMA_FILES_MAX = 256,       /* that one loader reads */
	SCHEMA_STEPS_LOOP = 40000,    /* about a millisecond: what a loop may pay */
	SCHEMA_STEPS_MAX = 20000000,  /* about half a second: what a thread of the pool may */
};

/* ------------------------------------------------------------ loading */

/* Reads each file once, however many name it. Any one thread; the arena is a required one
 * (arena_init_required()) and must outlive all its schemas. */
struct schema_loader {
	struct arena *arena;
	struct diag *diag;
	struct schema_document *documents;
	unsigned n_documents;
	struct map nodes;                    /* of struct schema, by where they were written */
	struct schema *first, *last;         /* that wait to be compiled */
	struct schema_reference *references; /* that wait to be resolved */
	struct schema *compiled;             /* all, newest first */
};

void schema_loader_init(struct schema_loader *loader, struct arena *arena, struct diag *diag);
void schema_loader_fini(struct schema_loader *loader);

/* The schema in the file at `path`; NULL, and at least one error in the diag (of this call, or of
 * an earlier one that named the file). `named_at` is who names it. */
const struct schema *schema_load(struct schema_loader *loader, struct str path,
				 struct place named_at);

/* ------------------------------------------------------------ asking */

enum schema_verdict {
	SCHEMA_VALID,
	SCHEMA_INVALID, /* the report has one fault at least */
	SCHEMA_UNDECIDED, /* it takes more steps than were allowed; with them all it might be either */
	SCHEMA_IMPOSSIBLE, /* no number of steps would do: one fault says what was too much */
	SCHEMA_NO_MEMORY,
};

struct schema_fault {
	struct str pointer; /* RFC 6901: what is wrong; keys of more than 128 bytes are cut ("…") */
	struct str keyword;  /* of the schema, that says so */
	struct str sentence; /* for people; holds no value of what was asked about */
};

struct schema_report {
	size_t n_faults;
	struct schema_fault faults[SCHEMA_FAULTS_MAX];
	bool more; /* there are more than are listed */
};

/* Whether `value` (opened; it holds no VALUE_JSON) is what the schema describes. All that the
 * report points at is in `arena` or in the schema. */
enum schema_verdict schema_ask(const struct schema *schema, struct value value, uint64_t steps,
			       struct arena *arena, struct schema_report *ret_report);
